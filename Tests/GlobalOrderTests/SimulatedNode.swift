import GlobalOrder
import SeededNumbers

/// What is wrong with a node, of one partition from an offset on.
struct Bug: Equatable {
    enum Kind: CaseIterable {
        case count
        case empty
        case beyondEnd
    }

    var kind: Kind
    var partition: Int
    var from: Int64
    /// How far behind the end, of kind `beyondEnd`.
    var beyond: Int64 = 100
    /// Whether its own decisions are wrong; else only what it writes is.
    var isInDecisions: Bool
}

/// What a node keeps over a restart.
struct NodeIndex {
    var applied: [Int64]
    var order: OrderReplica
    var check = OrderCheck()
}

struct SimulatedNode {
    let number: Int
    let id: ProposerID
    var index: NodeIndex
    /// An earlier state of the index, as a node may find it after a crash.
    var checkpoint: NodeIndex
    var proposer: OrderProposer
    var inFlight: (number: UInt64, writeID: Int)?
    var bug: Bug?
    /// Steps before which the node, or its reader of one partition, does nothing.
    var stoppedUntil = 0
    var hungUntil: [Int]
    /// In percent: how often it does something when it is its turn.
    var pace = 100

    init(number: Int, index: NodeIndex, random: UInt64, timing: ProposerTiming) {
        self.number = number
        id = ProposerID(high: 7, low: UInt64(number))
        self.index = index
        checkpoint = index
        proposer = OrderProposer(id: id, order: index.order.state, random: random, timing: timing)
        hungUntil = Array(repeating: 0, count: index.applied.count)
    }

    /// Whether what it serves may be wrong.
    var servesWrong: Bool { bug?.isInDecisions ?? false }

    /// What this node decided of these offsets.
    func decided(_ truth: Truth, _ partition: Int, _ offsets: ClosedRange<Int64>) -> RangeContent {
        let content = truth.content(partition, offsets)
        return servesWrong ? wrong(content, partition, offsets, truth) : content
    }

    /// What it writes of them.
    func proposed(_ range: ProposedRange, _ truth: Truth) -> OrderRange {
        var last = range.last
        if let bug, bug.kind == .beyondEnd, bug.partition == range.partition, last >= bug.from {
            last = truth.ends[range.partition] + bug.beyond
        }
        let offsets = range.first...last
        var content = decided(truth, range.partition, offsets)
        if !servesWrong { content = wrong(content, range.partition, offsets, truth) }
        return OrderRange(partition: range.partition, first: range.first, last: last, content: content)
    }

    private func wrong(
        _ content: RangeContent, _ partition: Int, _ offsets: ClosedRange<Int64>, _ truth: Truth
    ) -> RangeContent {
        guard let bug, bug.partition == partition, offsets.upperBound >= bug.from else { return content }
        let odd = offsets.first { $0 >= bug.from && truth.events(partition, $0) > 0 }
        guard let odd else { return content }
        var content = content
        if bug.kind == .empty, content.events > truth.events(partition, odd) {
            // The count stays right, so that only the offsets tell.
            content.empty = (content.empty + [odd]).sorted()
        } else {
            content.events += 1
        }
        return content
    }
}

/// What really happened: how many events each offset brought, and how far each partition goes.
struct Truth {
    var seed: UInt64
    var ends: [Int64]

    func events(_ partition: Int, _ offset: Int64) -> Int64 {
        if partition == 0, offset == 0 { return 1 }
        var hash = SeededGenerator(seed: seed ^ UInt64(partition) << 48 ^ UInt64(offset))
        return max(0, Int64(hash.below(5)) - 1)
    }

    func content(_ partition: Int, _ offsets: ClosedRange<Int64>) -> RangeContent {
        var content = RangeContent(events: 0, empty: [])
        for offset in offsets {
            let count = events(partition, offset)
            content.events += count
            if count == 0 { content.empty.append(offset) }
        }
        return content
    }
}
