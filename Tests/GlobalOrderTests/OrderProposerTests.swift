import GlobalOrder
import Testing

private let me = ProposerID(high: 1, low: 1)
private let other = ProposerID(high: 2, low: 2)
private let third = ProposerID(high: 3, low: 3)
/// Random 25: this node waits 125.
private let timing = ProposerTiming(takeOverDelay: 100, flightTime: 1_000, pauseAfterFailure: 10)

@Suite struct OrderProposerTests {
    private func state(_ partitions: (Int64, ProposerID?)...) -> OrderState {
        OrderState(
            partitions: partitions.map { PartitionOrder(nextOffset: $0.0, nextSequence: $0.0, newestProposer: $0.1) },
            nextPosition: partitions.reduce(0) { $0 + $1.0 }, nextOrderOffset: 9)
    }

    private func proposer(_ order: OrderState) -> OrderProposer {
        OrderProposer(id: me, order: order, random: 25, timing: timing)
    }

    private func ranges(_ step: ProposerStep) -> [String] {
        guard case .propose(let proposal) = step else { return ["\(step)"] }
        return proposal.ranges.map { "\($0.partition): \($0.first)...\($0.last)" }
    }

    private let never = ["\(ProposerStep.wait(until: nil))"]

    @Test func whoseTurnItIsProposesAtOnceInTheOrderOfApplying() {
        var proposer = proposer(state((1, me), (0, me)))
        #expect(proposer.step(at: 0) == .wait(until: nil))
        proposer.applied(partition: 1, next: 2, at: 0)
        proposer.applied(partition: 1, next: 3, at: 0)
        proposer.applied(partition: 0, next: 4, at: 0)
        proposer.applied(partition: 1, next: 5, at: 0)
        #expect(ranges(proposer.step(at: 0)) == ["1: 0...2", "0: 1...3", "1: 3...4"])
    }

    @Test func whileARecordIsInFlightItGathers() {
        var proposer = proposer(state((1, me), (0, me)))
        proposer.applied(partition: 1, next: 1, at: 0)
        guard case .propose(let proposal) = proposer.step(at: 0) else {
            Issue.record("nothing is proposed")
            return
        }
        proposer.applied(partition: 1, next: 5, at: 1)
        proposer.applied(partition: 0, next: 2, at: 1)
        #expect(proposer.isInFlight)
        #expect(proposer.step(at: 1) == .wait(until: 1_000))
        proposer.ordered(state((1, me), (1, me)), at: 2)
        proposer.settled(proposal.number, .seen, at: 2)
        #expect(ranges(proposer.step(at: 2)) == ["1: 1...4", "0: 1...1"])
        // An answer that comes again, or to another record, is not this one's.
        proposer.settled(proposal.number, .seen, at: 3)
        #expect(proposer.isInFlight)
    }

    @Test func whereNobodyWaitsItGathers() {
        var proposer = OrderProposer(
            id: me, order: state((1, me), (0, nil)), random: 25,
            timing: ProposerTiming(takeOverDelay: 100, flightTime: 1_000, pauseAfterFailure: 10, gatherTime: 7))
        proposer.applied(partition: 0, next: 2, at: 1)
        #expect(proposer.step(at: 1) == .wait(until: 8))
        proposer.applied(partition: 0, next: 5, at: 6)
        proposer.applied(partition: 1, next: 1, at: 6)
        #expect(proposer.step(at: 7) == .wait(until: 8))
        // What came later goes along, also that of other partitions.
        #expect(ranges(proposer.step(at: 8)) == ["0: 1...4", "1: 0...0"])
        // What comes now does not.
        proposer.applied(partition: 1, next: 3, at: 9)
        proposer.ordered(state((5, me), (1, me)), at: 10)
        proposer.settled(0, .seen, at: 10)
        #expect(proposer.step(at: 10) == .wait(until: 16))
        proposer.isHurried = true
        #expect(ranges(proposer.step(at: 10)) == ["1: 1...2"])
    }

    @Test func aStreamOfRecordsIsProposedOnceInEachTimeOfGathering() {
        var proposer = OrderProposer(
            id: me, order: state((0, me), (0, me)), random: 25,
            timing: ProposerTiming(takeOverDelay: 1_000, flightTime: 1_000, pauseAfterFailure: 10, gatherTime: 10))
        var proposals: [Int64] = []
        var flight: (number: UInt64, next: [Int64])?
        for now in Int64(1)...100 {
            let next = [now / 2 + now % 2, now / 2]
            for partition in 0..<2 { proposer.applied(partition: partition, next: next[partition], at: now) }
            if let landed = flight, proposals.last.map({ $0 + 2 }) == now {
                proposer.ordered(state((landed.next[0], me), (landed.next[1], me)), at: now)
                proposer.settled(landed.number, .seen, at: now)
                flight = nil
            }
            guard case .propose(let proposal) = proposer.step(at: now) else { continue }
            proposals.append(now)
            flight = (proposal.number, next)
        }
        #expect(proposals == [11, 22, 33, 44, 55, 66, 77, 88, 99])
    }

    @Test func whatMayNotBeProposedYetHurriesNothingElse() {
        var proposer = OrderProposer(
            id: me, order: state((0, me), (0, me), (0, other)), random: 25,
            timing: ProposerTiming(takeOverDelay: 1_000, flightTime: 1_000, pauseAfterFailure: 10, gatherTime: 10))
        proposer.applied(partition: 2, next: 1, at: 0)
        #expect(ranges(proposer.step(at: 10)) == ["2: 0...0"])
        proposer.ordered(state((0, me), (0, me), (0, other)), at: 11)
        // Lost to the other node, which then says nothing more.
        proposer.settled(0, .seen, at: 11)
        proposer.applied(partition: 0, next: 1, at: 20)
        #expect(proposer.step(at: 20) == .wait(until: 30))
        #expect(ranges(proposer.step(at: 30)) == ["0: 0...0"])
    }

    @Test func pausesGrowWhileRecordsFail() {
        var proposer = proposer(state((1, me)))
        proposer.applied(partition: 0, next: 2, at: 0)
        var now: Int64 = 0
        for pause in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] as [Int64] {
            guard case .propose(let proposal) = proposer.step(at: now) else {
                Issue.record("nothing is proposed at \(now)")
                return
            }
            proposer.settled(proposal.number, .failed, at: now)
            #expect(proposer.step(at: now) == .wait(until: now + pause))
            now += pause
        }
        guard case .propose(let last) = proposer.step(at: now) else {
            Issue.record("nothing is proposed at \(now)")
            return
        }
        proposer.ordered(state((2, me)), at: now)
        proposer.settled(last.number, .seen, at: now)
        proposer.applied(partition: 0, next: 3, at: now)
        guard case .propose(let next) = proposer.step(at: now) else {
            Issue.record("nothing is proposed at \(now)")
            return
        }
        proposer.settled(next.number, .failed, at: now)
        #expect(proposer.step(at: now) == .wait(until: now + 10))
    }

    @Test func whatDoesNotComeBackIsProposedAgain() {
        var proposer = proposer(state((1, me)))
        proposer.applied(partition: 0, next: 3, at: 0)
        #expect(ranges(proposer.step(at: 0)) == ["0: 1...2"])
        #expect(proposer.step(at: 999) == .wait(until: 1_000))
        proposer.applied(partition: 0, next: 4, at: 999)
        #expect(ranges(proposer.step(at: 1_000)) == ["0: 1...3"])
        proposer.settled(1, .failed, at: 1_005)
        #expect(proposer.step(at: 1_006) == .wait(until: 1_015))
        #expect(ranges(proposer.step(at: 1_015)) == ["0: 1...3"])
    }

    @Test func theOthersWaitForTheOldestOffset() {
        var proposer = proposer(state((1, other), (0, other)))
        proposer.applied(partition: 1, next: 2, at: 0)
        proposer.applied(partition: 0, next: 2, at: 50)
        #expect(proposer.step(at: 50) == .wait(until: 125))
        // The oldest was ordered: what came long after it waits from then.
        proposer.applied(partition: 1, next: 4, at: 100)
        proposer.ordered(state((1, other), (2, other)), at: 110)
        #expect(proposer.step(at: 125) == .wait(until: 175))
        #expect(ranges(proposer.step(at: 175)) == ["0: 1...1"])
        proposer.ordered(state((2, me), (2, other)), at: 180)
        proposer.settled(0, .seen, at: 180)
        // It leads the lower of two partitions: it takes the other one too.
        #expect(ranges(proposer.step(at: 180)) == ["1: 2...3"])
    }

    @Test func aLostRaceIsNotTriedAgainAtOnce() {
        var proposer = proposer(state((1, me), (0, other), (0, me)))
        proposer.applied(partition: 1, next: 1, at: 0)
        #expect(ranges(proposer.step(at: 0)) == ["1: 0...0"])
        proposer.applied(partition: 1, next: 2, at: 10)
        proposer.ordered(state((1, me), (1, other), (0, me)), at: 20)
        proposer.settled(0, .seen, at: 20)
        #expect(proposer.step(at: 20) == .wait(until: 120))
        #expect(ranges(proposer.step(at: 120)) == ["1: 1...1"])
    }

    @Test func theOneThatLeadsTakesWhatNobodyHas() {
        var leads = proposer(state((1, me), (0, nil)))
        leads.applied(partition: 1, next: 1, at: 0)
        #expect(ranges(leads.step(at: 0)) == ["1: 0...0"])
        var first = proposer(state((1, nil), (0, nil)))
        first.applied(partition: 1, next: 1, at: 0)
        #expect(ranges(first.step(at: 0)) == ["1: 0...0"])
        var follows = proposer(state((1, other), (0, nil)))
        follows.applied(partition: 1, next: 1, at: 0)
        #expect(follows.step(at: 0) == .wait(until: 125))
        // Of three that have one each, who has the lowest leads; of two, who has more.
        var lowest = proposer(state((1, third), (0, other), (0, me), (0, nil)))
        lowest.applied(partition: 3, next: 1, at: 0)
        #expect(lowest.step(at: 0) == .wait(until: 125))
        var most = proposer(state((1, other), (0, me), (0, me), (0, nil)))
        most.applied(partition: 3, next: 1, at: 0)
        #expect(ranges(most.step(at: 0)) == ["3: 0...0"])
    }

    @Test func itProposesOnlyWhatItHasApplied() {
        // Another has ordered further than this node has applied; a void takes that back.
        var proposer = proposer(state((1, me), (50, me)))
        proposer.applied(partition: 1, next: 10, at: 0)
        #expect(ranges(proposer.step(at: 0)) == never)
        proposer.ordered(state((1, me), (4, me)), at: 1)
        #expect(ranges(proposer.step(at: 1)) == ["1: 4...9"])
    }

    @Test func aVoidBringsBackWhatWasOrdered() {
        var proposer = proposer(state((1, me), (0, me)))
        proposer.applied(partition: 1, next: 9, at: 0)
        proposer.ordered(state((1, me), (9, me)), at: 1)
        #expect(ranges(proposer.step(at: 1)) == never)
        proposer.applied(partition: 1, next: 12, at: 2)
        proposer.ordered(state((1, me), (3, me)), at: 3)
        #expect(ranges(proposer.step(at: 3)) == ["1: 3...11"])
    }

    @Test func whoseRangeIsVoidLetsTheOthersGoFirst() {
        var proposer = proposer(state((1, me), (5, me)))
        proposer.applied(partition: 1, next: 9, at: 0)
        proposer.ordered(state((1, me), (2, nil)), at: 10)
        proposer.ownRangeWasVoided(partition: 1)
        #expect(proposer.step(at: 10) == .wait(until: 260))
        proposer.ordered(state((1, me), (4, other)), at: 20)
        #expect(ranges(proposer.step(at: 20)) == ["1: 4...8"])
    }

    @Test func nothingIsProposedOfAPartitionWithAFault() {
        var proposer = proposer(state((1, me), (0, me)))
        proposer.faultyPartition = 1
        proposer.applied(partition: 1, next: 9, at: 0)
        #expect(ranges(proposer.step(at: 5_000)) == never)
        proposer.applied(partition: 0, next: 2, at: 5_000)
        #expect(ranges(proposer.step(at: 5_000)) == ["0: 1...1"])
    }

    @Test func aRecordIsBounded() {
        var proposer = proposer(state((1, me), (0, me)))
        proposer.applied(partition: 0, next: 1_000_001, at: 0)
        proposer.applied(partition: 1, next: 5, at: 0)
        var next: Int64 = 1
        for _ in 0..<7 {
            guard case .propose(let proposal) = proposer.step(at: 0) else {
                Issue.record("nothing is proposed")
                return
            }
            #expect(proposal.ranges[0].first == next)
            let offsets = proposal.ranges.map { $0.last - $0.first + 1 }
            #expect(offsets.allSatisfy { $0 <= OrderLimits.offsetsInRange })
            #expect(offsets.reduce(0, +) == OrderLimits.offsetsInRecord)
            next = (proposal.ranges.last?.last ?? 0) + 1
            proposer.ordered(state((next, me), (0, me)), at: 0)
            proposer.settled(proposal.number, .seen, at: 0)
        }
        #expect(ranges(proposer.step(at: 0)).last == "1: 0...4")
    }

    @Test func whatIsAppliedWhileTooMuchWaitsFollows() {
        var proposer = proposer(state((1, me), (0, me)))
        let runs = Int64(OrderLimits.waitingRuns)
        for index in 0..<runs {
            proposer.applied(partition: Int(index % 2), next: 2 + index / 2, at: 0)
            if index == runs - 1 {
                for more in 1...100 as ClosedRange<Int64> {
                    proposer.applied(partition: 0, next: 2 + index / 2 + more, at: 0)
                    proposer.applied(partition: 1, next: 2 + index / 2 + more, at: 0)
                }
            }
        }
        var seen: [Int64] = [1, 0]
        var records = 0
        while case .propose(let proposal) = proposer.step(at: 0) {
            #expect(proposal.ranges.count <= OrderLimits.rangesInRecord)
            for range in proposal.ranges {
                #expect(range.first == seen[range.partition])
                seen[range.partition] = range.last + 1
            }
            proposer.ordered(state((seen[0], me), (seen[1], me)), at: 0)
            proposer.settled(proposal.number, .seen, at: 0)
            records += 1
        }
        #expect(seen == [runs / 2 + 101, runs / 2 + 101])
        #expect((4...6).contains(records))
    }
}
