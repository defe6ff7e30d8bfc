import StreamIndex

extension EventStore {
    /// Waits until all that this node has applied is in the global order, so that a read of everything shows it. With
    /// one partition that is so at once.
    ///
    /// ```swift
    /// try await store.waitUntilOrdered()
    /// for try await event in store.readAll() { … }
    /// ```
    /// - Parameter deadline: how long that may take: more than nothing.
    /// - Throws: `StoreError`: `unavailable` where the deadline passes or too many callers wait, `disputed` where
    ///   positions have stopped, `halted` where a partition or the order topic has, `closed`; `CancellationError`.
    public func waitUntilOrdered(deadline: Duration = .seconds(30)) async throws {
        do {
            try await index.waitUntilAppliedIsOrdered(deadline: min(deadline, .seconds(86_400)))
        } catch let error as IndexError where error.code == .deadline {
            throw StoreError(
                .unavailable,
                "not all that is accepted was ordered before the deadline; a node that can write to the log must be "
                    + "running: try again")
        } catch let error as IndexError {
            throw StoreError(error)
        }
    }

    /// How far the global order is, who orders, and what stops it.
    ///
    /// ```swift
    /// let order = try await store.orderStatus()
    /// if let fault = order.fault { print(fault.message) } else { print("next position", order.head) }
    /// ```
    /// - Throws: `StoreError`.
    public func orderStatus() async throws -> GlobalOrderStatus {
        try await translated {
            await index.lookAtOrder()
            // The order first: what is applied only grows.
            let order = index.orderSummary
            return try orderStatus(order, try await index.partitionSummaries())
        }
    }

    /// Declares void what an order record says of a partition, so that positions go on where they stopped at it. Find
    /// out first which node is wrong: it keeps its wrong index, and is to be rebuilt. All positions from the record's
    /// on are given anew, on every node; readers that have seen some of them must read them again. Streams, versions
    /// and ids are not touched.
    ///
    /// ```swift
    /// if let fault = try await store.orderStatus().fault {
    ///     try await store.voidOrder(record: fault.record, partition: fault.partition)
    /// }
    /// ```
    /// - Parameters:
    ///   - record: the order record's offset in the order channel, 0 or more.
    ///   - partition: of which it says something false, from 0.
    ///   - deadline: how long it may take until this node has applied it: more than nothing.
    /// - Returns: the first position that is given anew.
    /// - Throws: `OrderVoidError`, `CancellationError`.
    @discardableResult
    public func voidOrder(
        record: Int64, partition: Int, deadline: Duration = .seconds(30)
    ) async throws -> GlobalPosition {
        do {
            let first = try await firstPosition(ofRecord: record, partition)
            try await index.voidOrder(
                orderOffset: record, partition: partition, deadline: min(deadline, .seconds(86_400)))
            return first
        } catch let error as StoreError {
            throw OrderVoidError.store(error)
        } catch let error as IndexError {
            switch error.code {
            case .deadline: throw OrderVoidError.outcomeUnknown
            // Another void was before this one.
            case .mismatch: throw OrderVoidError.nothingPlaced(error.message)
            default: throw OrderVoidError.store(StoreError(error))
            }
        }
    }

    /// - Throws: where nothing of the record and the partition is placed.
    private func firstPosition(ofRecord record: Int64, _ partition: Int) async throws -> GlobalPosition {
        if index.partitions == 1 {
            throw OrderVoidError.nothingPlaced("a store of one partition has no order records: nothing can be void")
        }
        guard case .order(let ranges)? = try await orderRecord(at: record)?.content else {
            throw OrderVoidError.nothingPlaced(
                "there is no order record at offset \(record): see tributary cat --partition order")
        }
        let own = ranges.filter { $0.partition == partition }
        for range in own {
            if case .placed(let position) = range.state { return position }
        }
        let why =
            if own.isEmpty {
                "says nothing of partition \(partition)"
            } else if own.contains(where: { $0.state == .void }) {
                "was declared void of partition \(partition) already"
            } else {
                "says nothing of partition \(partition) that counts: another record was before it"
            }
        throw OrderVoidError.nothingPlaced("order record \(record) \(why)")
    }

    func orderStatus(_ order: OrderSummary?, _ summaries: [PartitionSummary]) throws -> GlobalOrderStatus {
        guard summaries.count == index.partitions else { throw StoreError(.closed, "the store is closed") }
        let events = summaries.reduce(0) { $0 + $1.events }
        guard let order else {
            guard index.partitions == 1 else { throw Self.noOrder }
            let applied = summaries[0].appliedOffset
            let partition = GlobalOrderStatus.Partition(
                partition: 0, nextOffset: applied + 1, appliedOffset: applied, proposer: nil, isProposedHere: false)
            return GlobalOrderStatus(
                head: GlobalPosition(events), lag: 0, isOrderOfOnePartition: true, partitions: [partition], node: nil,
                records: 0, validRanges: 0, ignoredRanges: 0, fault: nil, halted: nil)
        }
        let partitions = zip(order.partitions, summaries).map { ordered, summary in
            GlobalOrderStatus.Partition(
                partition: summary.partition, nextOffset: ordered.nextConfirmed, appliedOffset: summary.appliedOffset,
                proposer: ordered.newestProposer, isProposedHere: ordered.newestProposer == order.node)
        }
        return GlobalOrderStatus(
            head: GlobalPosition(order.nextPosition), lag: max(0, events - order.nextPosition),
            isOrderOfOnePartition: false, partitions: partitions, node: order.node, records: order.nextOrderOffset,
            validRanges: order.validRanges, ignoredRanges: order.ignoredRanges,
            fault: order.fault.map { GlobalOrderStatus.Fault($0) }, halted: order.halted)
    }

    private static let noOrder = StoreError(
        .unavailable, "this log of several partitions keeps no order between them: read streams")
}

extension GlobalOrderStatus.Fault {
    init(_ fault: OrderSummary.Fault) {
        record = fault.orderOffset
        partition = fault.partition
        proposer = fault.proposer
        offsets = fault.offsets
        position = GlobalPosition(fault.position)
        claimed = fault.claimed.map { OrderedContent($0) }
        own = fault.own.map { OrderedContent($0) }
        message = fault.message
    }
}

extension OrderedContent {
    init(_ content: OrderSummary.Content) {
        self.init(events: content.events, emptyOffsets: content.empty)
    }
}

/// Why an order record was not declared void, or that nobody knows.
public enum OrderVoidError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nothing was declared void: the order holds no range of this record and partition. The text says why. Where that
    /// is known before, nothing is written; where another void came first, what was written means nothing.
    case nothingPlaced(String)
    /// It was written, but this node did not see it applied before the deadline. It may still take effect; to repeat it
    /// is harmless.
    case outcomeUnknown
    /// The store is closed, halted, or cannot be written to.
    case store(StoreError)

    public var description: String {
        switch self {
        case .nothingPlaced(let why): why
        case .outcomeUnknown:
            "the void was not seen applied in time and may still take effect: repeat it, that is harmless"
        case .store(let error): error.description
        }
    }
}
