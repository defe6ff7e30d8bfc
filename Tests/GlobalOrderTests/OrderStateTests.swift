import GlobalOrder
import Testing

private let proposer = ProposerID(high: 1, low: 1)
private let other = ProposerID(high: 2, low: 2)

private func range(_ partition: Int, _ first: Int64, _ last: Int64, empty: [Int64] = [], events: Int64? = nil)
    -> OrderRange
{
    let filled = last &- first &+ 1 &- Int64(empty.count)
    return OrderRange(
        partition: partition, first: first, last: last, content: RangeContent(events: events ?? filled, empty: empty))
}

private func record(_ ranges: OrderRange..., by id: ProposerID = proposer) -> OrderRecord {
    OrderRecord(proposer: id, ranges: ranges)
}

@Suite struct OrderStateTests {
    @Test func positionsAndSequencesFollowFromTheRanges() {
        var order = OrderState(partitions: 3)
        let placed = order.apply(
            record(range(0, 1, 2), range(2, 0, 4, empty: [1, 3], events: 9), range(0, 3, 3)), at: 5)
        #expect(placed.map(\.firstPosition) == [1, 3, 12])
        #expect(placed.map(\.endPosition) == [3, 12, 13])
        #expect(placed.map(\.firstSequence) == [1, 0, 3])
        #expect(placed.map(\.place) == (0..<3).map { OrderPlace(orderOffset: 5, index: $0) })
        #expect(placed.allSatisfy { $0.proposer == proposer })
        #expect(order.nextPosition == 13 && order.nextOrderOffset == 6)
        #expect(order.partitions.map(\.nextOffset) == [4, 0, 5])
        #expect(order.partitions.map(\.nextSequence) == [4, 0, 9])
        #expect(order.partitions.map(\.newestProposer) == [proposer, nil, proposer])
    }

    @Test func aRangeWithoutEventsTakesNoPosition() {
        var order = OrderState(partitions: 2)
        let placed = order.apply(record(range(1, 0, 1, empty: [0, 1]), range(1, 2, 2)), at: 0)
        #expect(placed.map(\.firstPosition) == [1, 1] && placed.map(\.events) == [0, 1])
        #expect(order.partitions[1].nextOffset == 3 && order.nextPosition == 2)
    }

    @Test func anInvalidRangeIsIgnoredAndItsNeighboursAreNot() {
        let good = range(1, 0, 2)
        let limit = OrderLimits.longestRange
        let bad = [
            range(0, 0, 1), range(0, 2, 3), range(0, 1, 0), range(2, 0, 0), range(-1, 0, 0),
            range(0, 1, 3, empty: [0]), range(0, 1, 3, empty: [4]), range(0, 1, 3, empty: [2, 2]),
            range(0, 1, 3, empty: [3, 2]), range(0, 1, 3, empty: [1, 2, 3], events: 1),
            range(0, 1, 3, empty: [2], events: 1), range(0, 1, 3, events: 0), range(0, 1, 3, events: -1),
            range(0, 1, 3, events: 3 * OrderLimits.eventsPerOffset + 1), range(0, 1, limit + 1),
            range(0, 1, Int64.max), range(0, Int64.min, 1), range(0, 1, 1, empty: [Int64.min]),
        ]
        for bad in bad {
            var order = OrderState(partitions: 2)
            let placed = order.apply(record(bad, good, bad), at: 0)
            #expect(placed.map(\.partition) == [1], "\(bad)")
            #expect(order.partitions[0] == OrderState(partitions: 2).partitions[0])
        }
        for fine in [
            range(0, 1, 3, empty: [1, 2, 3]), range(0, 1, 3, events: 3 * OrderLimits.eventsPerOffset),
            range(0, 1, limit),
        ] {
            var order = OrderState(partitions: 2)
            #expect(order.apply(record(fine, good), at: 0).map(\.partition) == [0, 1], "\(fine)")
        }
    }

    @Test func positionsNeverOverflow() {
        let parts = [PartitionOrder(nextOffset: 1, nextSequence: Int64.max - 1, newestProposer: nil)]
        var order = OrderState(partitions: parts, nextPosition: Int64.max - 1, nextOrderOffset: 0)
        #expect(order.apply(record(range(0, 1, 2)), at: 0).isEmpty)
        #expect(order.apply(record(range(0, 1, 1)), at: 1).count == 1)
        #expect(order.nextPosition == Int64.max)
    }

    @Test func theFirstOfTwoProposalsWins() {
        var order = OrderState(partitions: 2)
        #expect(order.apply(record(range(1, 0, 4)), at: 0).count == 1)
        #expect(order.apply(record(range(1, 0, 5), range(1, 5, 6), by: other), at: 1).map(\.firstOffset) == [5])
        #expect(order.partitions[1].newestProposer == other)
    }
}

@Suite struct OrderVoidTests {
    private func replica(_ entries: [OrderEntry]) -> OrderReplica {
        var replica = OrderReplica(partitions: 3)
        for _ in entries { replica.applyNext(of: entries) }
        return replica
    }

    private func entry(_ record: OrderRecord) -> OrderEntry { .record(record, writeID: 0) }

    private func void(_ offset: Int64, _ partition: Int) -> OrderEntry {
        .void(OrderVoid(orderOffset: offset, partition: partition))
    }

    @Test func itActsAsIfTheRangesHadNeverBeenWritten() {
        let first = record(range(1, 0, 1))
        let wrong = record(range(2, 0, 0), range(1, 2, 3), range(2, 1, 1), range(1, 4, 4))
        let late = record(range(1, 2, 2), range(2, 2, 2), by: other)
        let voided = replica([entry(first), entry(wrong), entry(late), void(1, 1)])
        let never = replica([
            entry(first), entry(record(range(2, 0, 0), range(2, 1, 1))), entry(late), .other,
        ])
        #expect(voided.state == never.state)
        #expect(voided.placed.map(\.firstPosition) == never.placed.map(\.firstPosition))
        #expect(voided.placed.map(\.firstOffset) == [0, 0, 1, 2, 2])
        #expect(voided.placed.map(\.partition) == [1, 2, 2, 1, 2])
        #expect(voided.placed.map(\.place.index) == [0, 0, 2, 0, 1])
    }

    @Test func itTakesNothingThatIsNotPlaced() {
        let entries = [
            entry(record(range(1, 0, 1))), entry(record(range(1, 0, 1), range(2, 0, 0), by: other)),
        ]
        let before = replica(entries)
        // A lost range, another partition, what does not exist, itself.
        for ignored in [void(1, 1), void(0, 2), void(0, 7), void(-1, 0), void(2, 1), void(9, 1)] {
            var after = replica(entries + [ignored])
            #expect(after.epoch == 0 && after.placed == before.placed)
            #expect(after.state.nextOrderOffset == 3)
            after.state = before.state
            #expect(after == before)
        }
        #expect(replica(entries + [void(0, 1), void(0, 1)]).epoch == 1)
    }

    @Test func nobodyGoesOnAtOnceWithWhatIsVoid() {
        let entries = [entry(record(range(1, 0, 1))), entry(record(range(1, 2, 2), range(2, 0, 0))), void(1, 1)]
        let state = replica(entries).state
        #expect(state.partitions.map(\.newestProposer) == [nil, nil, proposer])
        #expect(state.partitions.map(\.nextOffset) == [1, 2, 1])
        #expect(state.partitions.map(\.nextSequence) == [1, 2, 1])
    }

    @Test func anEarlierVoidKeepsItsEffectWhenALaterOneIsApplied() {
        let entries = [
            entry(record(range(1, 0, 0))), entry(record(range(2, 0, 0))), entry(record(range(2, 0, 1), by: other)),
            void(1, 2), void(0, 1),
        ]
        let after = replica(entries)
        #expect(after.placed.map(\.place.orderOffset) == [2])
        #expect(after.state.partitions[1].nextOffset == 0)
    }
}

@Suite struct OrderCheckTests {
    private func placed(_ ranges: OrderRange...) -> [PlacedRange] {
        var order = OrderState(partitions: 3)
        return order.apply(OrderRecord(proposer: proposer, ranges: ranges), at: 4)
    }

    @Test func whatAgreesIsConfirmed() {
        let ranges = placed(range(1, 0, 1), range(2, 0, 0, empty: [0]), range(1, 2, 2, events: 3))
        let contents = [(2, []), (0, [0]), (3, [])].map { RangeContent(events: $0.0, empty: $0.1) }
        var check = OrderCheck()
        var confirmed: [Int64] = []
        for (range, content) in zip(ranges, contents) {
            check.compare(range, claimed: content, own: content)
            confirmed.append(check.confirmedPosition)
        }
        #expect(confirmed == [3, 3, 6] && check.fault == nil)
        #expect(check.next == OrderPlace(orderOffset: 4, index: 3))
    }

    @Test func whatDiffersIsTheFault() {
        let range = placed(range(1, 0, 1, empty: [1], events: 2))[0]
        let claimed = RangeContent(events: 2, empty: [1])
        for (own, reason) in [
            (RangeContent(events: 3, empty: [1]), OrderFault.Reason.events),
            (RangeContent(events: 2, empty: [0]), .empty), (RangeContent(events: 3, empty: []), .events),
        ] {
            var check = OrderCheck()
            check.compare(range, claimed: claimed, own: own)
            #expect(check.fault == OrderFault(reason: reason, range: range, claimed: claimed, own: own))
            #expect(check.confirmedPosition == 1 && check.next == OrderPlace(orderOffset: 0, index: 0))
        }
    }

    @Test func theLastOffsetMustExist() {
        let range = placed(range(1, 0, 1))[0]
        var check = OrderCheck()
        check.compare(range, partitionEnd: 2)
        #expect(check == OrderCheck())
        check.compare(range, partitionEnd: 1)
        #expect(check.fault == OrderFault(reason: .beyondEnd, range: range))
    }

    @Test func aVoidTakesTheFaultAndWhatWasConfirmedAfterIt() {
        let ranges = placed(range(1, 0, 1), range(2, 0, 0), range(1, 2, 2))
        let content = [(2, []), (1, []), (1, [])].map { RangeContent(events: $0.0, empty: $0.1) }
        var check = OrderCheck()
        for index in 0..<2 { check.compare(ranges[index], claimed: content[index], own: content[index]) }
        let atLast = check
        check.compare(ranges[2], claimed: content[2], own: RangeContent(events: 5, empty: []))
        #expect(check.fault != nil)

        var later = check
        later.goBack(to: ranges[2])
        #expect(later == atLast)
        var earlier = check
        earlier.goBack(to: ranges[1])
        #expect(earlier.fault == nil && earlier.confirmedPosition == 3 && earlier.next == ranges[1].place)
        // A void of what comes after the fault does not take it.
        var behind = check
        var next = ranges[2]
        next.place.orderOffset += 1
        behind.goBack(to: next)
        #expect(behind == check)
    }
}
