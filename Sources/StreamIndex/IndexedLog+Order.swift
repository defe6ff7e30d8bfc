// What callers ask of the global order of several partitions.

import Envelope
import EventLog
import GlobalOrder

/// How far the global order of several partitions is.
public struct OrderSummary: Sendable, Equatable {
    public struct Partition: Sendable, Equatable {
        /// The first offset that this node has not applied.
        public var nextApplied: Int64
        /// The first offset that is not ordered, as far as this node has read the order channel.
        public var nextOrdered: Int64
        /// The first offset that this node gives no position: it is not ordered, or this node does not agree yet.
        public var nextConfirmed: Int64
        /// The id of the node that ordered the newest; nil: nobody yet, or a void took it.
        public var newestProposer: String?
    }

    /// A range that is false to this node.
    public struct Fault: Sendable, Equatable {
        /// Why positions stop, with what to do.
        public var message: String
        /// Record and partition are what a void names.
        public var orderOffset: Int64
        public var partition: Int
        /// The id of the node that wrote it.
        public var proposer: String
        public var offsets: ClosedRange<Int64>
        /// The first position that is not told.
        public var position: Int64
        /// How many events the offsets brought, and which brought none: as the record says, and as this node decided;
        /// nil where the offsets do not exist.
        public var claimed: Content?
        public var own: Content?
    }

    public struct Content: Sendable, Equatable {
        public var events: Int64
        public var empty: [Int64]
    }

    /// This node's id, under which it proposes.
    public var node: String
    /// The first position that is not told yet.
    public var nextPosition: Int64
    /// The first position that is not in the order channel, as far as this node has read it.
    public var nextOrderedPosition: Int64
    /// The first offset of the order channel that this node has not applied.
    public var nextOrderOffset: Int64
    public var partitions: [Partition]
    /// How many ranges of order records were valid, and how many ignored, when they came.
    public var validRanges: Int64
    public var ignoredRanges: Int64
    /// Why positions stop; nil: they go on.
    public var fault: Fault?
    /// Why the order channel does not run; nil: it does.
    public var halted: String?
}

extension OrderSummary.Fault {
    init(_ fault: OrderFault) {
        let range = fault.range
        message = fault.message
        orderOffset = range.orderOffset
        partition = range.partition
        proposer = range.proposer.text
        offsets = range.firstOffset...range.lastOffset
        position = range.firstPosition
        claimed = fault.claimed.map { OrderSummary.Content(events: $0.events, empty: $0.empty) }
        own = fault.own.map { OrderSummary.Content(events: $0.events, empty: $0.empty) }
    }
}

extension IndexedLog {
    /// Whether events have global positions: with one partition, or with an order channel.
    public var hasGlobalOrder: Bool { identity.partitions == 1 || store.order != nil }

    /// nil where there is one partition, or no order.
    public var orderSummary: OrderSummary? {
        guard let contents = store.order?.contents, let orderer else { return nil }
        let (order, counts, applied) = orderer.progress
        let confirmed = orderer.waits.reachedOffsets
        let partitions = order.partitions.indices.map { index in
            OrderSummary.Partition(
                nextApplied: applied[index], nextOrdered: order.partitions[index].nextOffset,
                nextConfirmed: confirmed[index], newestProposer: order.partitions[index].newestProposer?.text)
        }
        return OrderSummary(
            node: orderer.id.text, nextPosition: contents.confirmed, nextOrderedPosition: order.nextPosition,
            nextOrderOffset: order.nextOrderOffset, partitions: partitions, validRanges: counts.valid,
            ignoredRanges: counts.ignored, fault: contents.fault.map { OrderSummary.Fault($0) },
            halted: orderHalt?.message)
    }

    /// Finds out now whether the order speaks of records that do not exist, which shows after a while by itself.
    public func lookAtOrder() async {
        let handler = handler
        guard orderer != nil, let range = await handler.watch.look({ handler.awaitedRange }) ?? nil,
            await handler.exists(range) == false
        else { return }
        await handler.watch.look { handler.isBeyondEnd(range) }
    }

    /// Waits until the record at `offset` is ordered, and this node agrees with what the order says of it.
    ///
    /// - Parameter despiteFault: waits also where positions have stopped: a void may come.
    /// - Throws: `deadline`; at once `disputed` where positions have stopped, `halted` where a partition or the order
    ///   channel has; `closed`.
    public func waitUntilOrdered(
        _ offset: Int64, in partition: Int, until deadline: ContinuousClock.Instant, despiteFault: Bool = false
    ) async throws {
        guard let orderer else { return }
        try done(await orderer.wait(for: offset, in: partition, until: deadline, isPatient: despiteFault))
    }

    /// Waits until all that is applied now is ordered.
    public func waitUntilAppliedIsOrdered(deadline: Duration) async throws {
        guard orderer != nil else { return }
        let end = ContinuousClock.now + deadline
        for (partition, next) in waits.reachedOffsets.prefix(identity.partitions).enumerated() where next > 0 {
            try await waitUntilOrdered(next - 1, in: partition, until: end)
        }
    }

    /// The position of an event, by its place among its partition's events; nil while it has none.
    public func position(ofEvent sequence: Int64, in partition: Int) async throws -> Int64? {
        guard store.order != nil else { return identity.partitions == 1 ? sequence : nil }
        return try await job { [store] in try store.position(of: sequence, in: partition) }
    }

    /// The lowest position of an event stored at a time or after it, in milliseconds since 1970; nil: there is none
    /// yet.
    public func position(atOrAfter time: Int64) async throws -> Int64? {
        guard store.order != nil else { return try await sequence(atOrAfter: time, in: 0) }
        return try await job { [store] in
            var lowest: Int64?
            for partition in 0..<store.identity.partitions {
                guard let sequence = try store.sequence(atOrAfter: time, in: partition),
                    let position = try store.position(of: sequence, in: partition)
                else { continue }
                lowest = min(lowest ?? position, position)
            }
            return lowest
        }
    }

    /// Writes a record that declares void what the order record at `orderOffset` says of a partition, and returns once
    /// this node has applied it. What is void already stays so: saying it again is harmless.
    ///
    /// - Throws: `unavailable` where it was not written, `deadline` where that is not known, `mismatch` where the order
    ///   record put nothing of the partition into the order, so that the void means nothing; `halted`, `closed`.
    public func voidOrder(orderOffset: Int64, partition: Int, deadline: Duration) async throws {
        guard let orderer else {
            throw IndexError(.unavailable, "a store of one partition has no order records")
        }
        if let refusal = log.description.writeRefusal { throw IndexError(.unavailable, refusal) }
        let nothing = IndexError(
            .mismatch, "order record \(orderOffset) put nothing of partition \(partition) into the order")
        guard (0..<identity.partitions).contains(partition), EnvelopeLimits.orderOffset.contains(orderOffset) else {
            throw nothing
        }
        let void = OrderVoid(orderOffset: orderOffset, partition: partition)
        try await orderer.write(void, until: .now + min(deadline, .seconds(86_400)))
        let isVoid = try await job { [store] in
            try store.voidedPartitions(at: orderOffset).contains(partition)
        }
        guard isVoid else { throw nothing }
    }
}

extension IndexStore {
    func position(of sequence: Int64, in partition: Int) throws(IndexError) -> Int64? {
        guard order != nil else { return nil }
        return try whileOrderStands { (contents) throws(IndexError) in
            var lookup = PositionLookup(self, confirmed: contents.confirmed)
            return try lookup.position(of: sequence, in: partition)
        }
    }
}
