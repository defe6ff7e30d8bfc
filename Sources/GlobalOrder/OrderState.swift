// The order rule. Every replica applies it to the same order records in the same order, so it is a pure function: no
// clock, random number, configuration or hashing order may enter here.

/// How far one partition is ordered.
public struct PartitionOrder: Equatable, Sendable {
    /// The first offset that is not ordered.
    public var nextOffset: Int64
    /// What the next ordered event of the partition gets.
    public var nextSequence: Int64
    /// Who proposed the newest valid range; nil before the first, and after a void until the next.
    public var newestProposer: ProposerID?

    public init(nextOffset: Int64, nextSequence: Int64, newestProposer: ProposerID?) {
        self.nextOffset = nextOffset
        self.nextSequence = nextSequence
        self.newestProposer = newestProposer
    }
}

/// The global order as far as the order channel was read. Equal at equal order offsets, on every node.
///
/// ```swift
/// var order = OrderState(partitions: 4)
/// for range in order.apply(record, at: offset) {
///     // events range.firstSequence… of range.partition have the positions range.firstPosition…
/// }
/// ```
public struct OrderState: Equatable, Sendable {
    /// One for each partition of the store.
    public private(set) var partitions: [PartitionOrder]
    /// What the next ordered event gets; 1 at first, since position 0 is the store's creation.
    public private(set) var nextPosition: Int64
    /// The first offset of the order channel that was not applied.
    public private(set) var nextOrderOffset: Int64

    /// For the test that has to fail without it: a range must begin at its partition's next offset.
    package var judgesFirstOffset = true

    /// Before the first order record. Offset 0 of partition 0 is ordered by definition.
    public init(partitions: Int) {
        precondition(partitions >= 1, "a store has at least one partition")
        self.partitions = Array(
            repeating: PartitionOrder(nextOffset: 0, nextSequence: 0, newestProposer: nil), count: partitions)
        self.partitions[0] = PartitionOrder(nextOffset: 1, nextSequence: 1, newestProposer: nil)
        nextPosition = 1
        nextOrderOffset = 0
    }

    /// As it was kept.
    public init(partitions: [PartitionOrder], nextPosition: Int64, nextOrderOffset: Int64) {
        precondition(!partitions.isEmpty, "a store has at least one partition")
        self.partitions = partitions
        self.nextPosition = nextPosition
        self.nextOrderOffset = nextOrderOffset
    }

    /// Takes note of an order offset that holds no order record: identity and foreign records.
    public mutating func skip(_ orderOffset: Int64) {
        precondition(orderOffset >= nextOrderOffset, "order records are applied in their order, once")
        nextOrderOffset = orderOffset + 1
    }

    /// Judges each range of the record by itself and returns the valid ones, in their order.
    ///
    /// - Parameter voided: partitions of which a void took this record's ranges.
    public mutating func apply(
        _ record: OrderRecord, at orderOffset: Int64, without voided: [Int] = []
    ) -> [PlacedRange] {
        skip(orderOffset)
        var placed: [PlacedRange] = []
        for (index, range) in record.ranges.enumerated() where !voided.contains(range.partition) {
            guard isValid(range) else { continue }
            let partition = partitions[range.partition]
            placed.append(
                PlacedRange(
                    firstPosition: nextPosition, partition: range.partition, firstOffset: range.first,
                    lastOffset: range.last, firstSequence: partition.nextSequence, events: range.content.events,
                    place: OrderPlace(orderOffset: orderOffset, index: index), proposer: record.proposer))
            nextPosition += range.content.events
            partitions[range.partition] = PartitionOrder(
                nextOffset: range.last + 1, nextSequence: partition.nextSequence + range.content.events,
                newestProposer: record.proposer)
        }
        return placed
    }

    private func isValid(_ range: OrderRange) -> Bool {
        guard range.isWellFormed(partitions: partitions.count) else { return false }
        // A sequence is never above the position.
        guard !nextPosition.addingReportingOverflow(range.content.events).overflow else { return false }
        return range.first == partitions[range.partition].nextOffset || !judgesFirstOffset
    }

    /// Judges a void. Where it takes a placed range, the state goes back to before the named order record, and the
    /// caller judges again what follows:
    ///
    /// ```swift
    /// if let first = order.void(void, at: offset, placed: table.placed(from: void.orderOffset)) {
    ///     table.add(void)                                             // for ever
    ///     table.removePlaced(from: void.orderOffset)
    ///     for (record, place) in table.orderRecords(void.orderOffset..<offset) {
    ///         table.add(order.apply(record, at: place, without: table.voidedPartitions(at: place)))
    ///     }
    ///     order.skip(offset)
    ///     check.goBack(to: first)
    /// }
    /// ```
    /// Voids among the records that are judged again are not: one that took effect keeps it, one that was ignored
    /// stays so. A void changes nothing about other partitions but their positions.
    ///
    /// - Parameters:
    ///   - orderOffset: where the void stands.
    ///   - placed: all placed ranges of the order records from `void.orderOffset` on, in any order.
    /// - Returns: the first range that the void takes: positions from its first on are no longer. nil where nothing
    ///   of it is placed (never was, or is void): then the void is ignored, and the state only takes note of it.
    public mutating func void(
        _ void: OrderVoid, at orderOffset: Int64, placed: some Sequence<PlacedRange>
    ) -> PlacedRange? {
        precondition(orderOffset >= nextOrderOffset, "order records are applied in their order, once")
        var before = self
        var first: PlacedRange?
        for range in placed where range.orderOffset >= void.orderOffset {
            before.nextPosition = min(before.nextPosition, range.firstPosition)
            let partition = before.partitions[range.partition]
            // Whose turn it was is not brought back: nobody goes on at once with what was just declared void.
            before.partitions[range.partition] = PartitionOrder(
                nextOffset: min(partition.nextOffset, range.firstOffset),
                nextSequence: min(partition.nextSequence, range.firstSequence), newestProposer: nil)
            if range.orderOffset == void.orderOffset, range.partition == void.partition,
                first.map({ range.place < $0.place }) ?? true
            {
                first = range
            }
        }
        guard first != nil else {
            skip(orderOffset)
            return nil
        }
        before.nextOrderOffset = void.orderOffset
        self = before
        return first
    }
}
