import GlobalOrder

/// What readers were shown, over all nodes: the promises of the global order, independent of how it is made.
///
/// An *epoch* begins with each void that takes effect. Nodes that have not applied it yet serve the one before.
struct ServedHistory {
    struct Event: Equatable {
        var partition: Int
        var offset: Int64
        /// Counts from 0.
        var number: Int64
    }

    private struct Epoch {
        /// Positions below are those of the epoch before.
        var cut: Int64 = 0
        /// By position.
        var events: [Event?] = [nil]
        /// By partition and offset: the position of its first event, 0 for none.
        var positions: [[Int64]]
    }

    private var epochs: [Epoch]
    /// The highest position that anybody was shown.
    private var highest: Int64 = 0
    /// By partition and offset: `highest` when its append began.
    private var highestAtBegin: [[Int64]]
    private(set) var violations: [String] = []

    init(partitions: Int) {
        epochs = [Epoch(positions: Array(repeating: [], count: partitions))]
        highestAtBegin = Array(repeating: [], count: partitions)
    }

    mutating func violated(_ what: String) {
        violations.append(what)
    }

    mutating func appendBegins(_ partition: Int) {
        highestAtBegin[partition].append(highest)
    }

    /// A void took effect: positions from this one on are no longer.
    mutating func cut(from position: Int64) {
        var next = epochs[epochs.count - 1]
        next.events = Array(next.events.prefix(Int(position)))
        for partition in next.positions.indices {
            for offset in next.positions[partition].indices where next.positions[partition][offset] >= position {
                next.positions[partition][offset] = 0
            }
        }
        next.cut = position
        epochs.append(next)
        highest = min(highest, position - 1)
        for partition in highestAtBegin.indices {
            for offset in highestAtBegin[partition].indices {
                highestAtBegin[partition][offset] = min(highestAtBegin[partition][offset], position - 1)
            }
        }
    }

    /// A node shows the events of a range, by its own decisions.
    ///
    /// - Parameter claimed: what a reader of the order channel goes by who does not decide.
    mutating func serve(_ range: PlacedRange, claimed: RangeContent, epoch: Int, truth: Truth, node: Int) {
        guard range.lastOffset < truth.ends[range.partition] else {
            return violated("node \(node): \(range) is served beyond the partition's end")
        }
        if claimed.empty != truth.content(range.partition, range.firstOffset...range.lastOffset).empty {
            violated("node \(node): other offsets are empty in \(range)")
        }
        var position = range.firstPosition
        for later in epoch..<epochs.count {
            // What lies before a void's cut is so in the next epoch too.
            guard later == epoch || range.endPosition <= epochs[later].cut else { break }
            position = serve(range, in: later, truth: truth, node: node)
        }
        if position != range.endPosition { violated("node \(node): positions are not dense in \(range)") }
        if epoch == epochs.count - 1 { highest = max(highest, position - 1) }
    }

    private mutating func serve(_ range: PlacedRange, in epoch: Int, truth: Truth, node: Int) -> Int64 {
        var position = range.firstPosition
        for offset in range.firstOffset...range.lastOffset {
            let count = truth.events(range.partition, offset)
            guard count > 0 else { continue }
            check(range.partition, offset, at: position, epoch: epoch, truth: truth, node: node)
            for number in 0..<count {
                let event = Event(partition: range.partition, offset: offset, number: number)
                put(event, at: position, epoch: epoch, node: node)
                position += 1
            }
        }
        return position
    }

    private mutating func put(_ event: Event, at position: Int64, epoch: Int, node: Int) {
        while epochs[epoch].events.count <= position { epochs[epoch].events.append(nil) }
        if let other = epochs[epoch].events[Int(position)], other != event {
            violated("node \(node): \(event) at \(position), where another node has \(other)")
        }
        epochs[epoch].events[Int(position)] = event
    }

    private mutating func check(
        _ partition: Int, _ offset: Int64, at position: Int64, epoch: Int, truth: Truth, node: Int
    ) {
        while epochs[epoch].positions[partition].count <= offset { epochs[epoch].positions[partition].append(0) }
        let known = epochs[epoch].positions[partition][Int(offset)]
        let what = "node \(node): offset \(offset) of partition \(partition) at \(position)"
        if known != 0, known != position { violated("\(what) and at \(known)") }
        epochs[epoch].positions[partition][Int(offset)] = position
        let previous = (0..<offset).last { truth.events(partition, $0) > 0 }
        if let previous, !(partition == 0 && previous == 0) {
            let before = epochs[epoch].positions[partition][Int(previous)]
            if before == 0 || before >= position { violated("\(what), the one before it at \(before)") }
        }
        if epoch == epochs.count - 1, highestAtBegin[partition][Int(offset)] >= position {
            violated("\(what), though \(highestAtBegin[partition][Int(offset)]) was shown before it was appended")
        }
    }

    /// Whether everything appended has its place in the newest epoch, and nothing else has.
    func isComplete(_ truth: Truth) -> Bool {
        guard let epoch = epochs.last else { return false }
        var events = 0
        for (partition, end) in truth.ends.enumerated() {
            for offset in 0..<end where !(partition == 0 && offset == 0) {
                let count = truth.events(partition, offset)
                events += Int(count)
                let positions = epoch.positions[partition]
                if count > 0, !positions.indices.contains(Int(offset)) || positions[Int(offset)] == 0 { return false }
            }
        }
        return epoch.events.count == events + 1 && !epoch.events.dropFirst().contains(nil)
    }
}
