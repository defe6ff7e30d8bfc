import GlobalOrder
import Testing

/// The checker of the simulation notices what it is there for.
@Suite struct ServedHistoryTests {
    private let truth = Truth(seed: 1, ends: [40, 40])

    /// The range of a partition's offsets at this position, if it were ordered truly.
    private func range(_ partition: Int, _ offsets: ClosedRange<Int64>, at position: Int64) -> PlacedRange {
        PlacedRange(
            firstPosition: position, partition: partition, firstOffset: offsets.lowerBound,
            lastOffset: offsets.upperBound, firstSequence: 0,
            events: truth.content(partition, offsets).events, place: OrderPlace(orderOffset: 0, index: 0),
            proposer: ProposerID(high: 1, low: 1))
    }

    private func serve(_ range: PlacedRange, in history: inout ServedHistory) {
        let claimed = truth.content(range.partition, range.firstOffset...range.lastOffset)
        history.serve(range, claimed: claimed, epoch: 0, truth: truth, node: 0)
    }

    private func history(begun: Int = 40) -> ServedHistory {
        var history = ServedHistory(partitions: 2)
        for _ in 0..<40 { history.appendBegins(0) }
        for _ in 0..<begun { history.appendBegins(1) }
        return history
    }

    @Test func aTrueOrderIsFine() {
        var history = history()
        let first = range(0, 1...9, at: 1)
        serve(first, in: &history)
        serve(range(1, 0...9, at: first.endPosition), in: &history)
        #expect(history.violations.isEmpty)
    }

    @Test func whatBeganAfterAPositionWasShownComesAfterIt() {
        var history = history(begun: 0)
        let late = range(1, 0...9, at: 1)
        serve(range(0, 1...9, at: late.endPosition), in: &history)
        for _ in 0..<40 { history.appendBegins(1) }
        serve(late, in: &history)
        #expect(history.violations.contains { $0.contains("was shown before it was appended") })
    }

    @Test func anEventHasOnePositionAndAPositionOneEvent() {
        var twice = history()
        serve(range(0, 1...9, at: 1), in: &twice)
        serve(range(0, 1...9, at: 100), in: &twice)
        #expect(!twice.violations.isEmpty)
        var two = history()
        serve(range(0, 1...9, at: 1), in: &two)
        serve(range(1, 0...9, at: 1), in: &two)
        #expect(two.violations.contains { $0.contains("where another node has") })
    }

    @Test func aPartitionsOrderIsKeptWithoutGaps() {
        for second in [range(1, 10...19, at: 50), range(1, 10...19, at: 1)] {
            var history = history()
            if second.firstPosition == 1 { serve(range(1, 0...9, at: 50), in: &history) }
            serve(second, in: &history)
            #expect(history.violations.contains { $0.contains("the one before it at") })
        }
    }

    @Test func contentIsThatOfThePartition() {
        var history = history()
        var wrong = range(0, 1...9, at: 1)
        wrong.events += 1
        serve(wrong, in: &history)
        #expect(history.violations.contains { $0.contains("not dense") })
        var other = self.history()
        other.serve(
            range(0, 1...9, at: 1), claimed: RangeContent(events: 1, empty: [1, 2, 3, 4, 5, 6, 7, 8, 9]), epoch: 0,
            truth: truth, node: 0)
        #expect(other.violations.contains { $0.contains("other offsets are empty") })
        var beyond = self.history()
        beyond.serve(
            range(0, 1...40, at: 1), claimed: truth.content(0, 1...40), epoch: 0, truth: truth, node: 0)
        #expect(beyond.violations.contains { $0.contains("beyond the partition's end") })
    }
}
