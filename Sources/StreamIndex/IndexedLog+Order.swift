// What callers ask of the global order of several partitions.

import Envelope
import GlobalOrder

/// How far the global order of several partitions is.
public struct OrderSummary: Sendable, Equatable {
    /// The first position that is not told yet.
    public var nextPosition: Int64
    /// For each partition the first offset that is not ordered, as far as this node agrees.
    public var nextOffsets: [Int64]
    /// Why positions stop, with what to do; nil: they go on.
    public var fault: String?
    /// The record that is false to this node: its offset in the order channel, and the partition.
    public var faultyRecord: (orderOffset: Int64, partition: Int)?

    public static func == (one: OrderSummary, other: OrderSummary) -> Bool {
        one.nextPosition == other.nextPosition && one.nextOffsets == other.nextOffsets && one.fault == other.fault
    }
}

extension IndexedLog {
    /// Whether events have global positions: with one partition, or with an order channel.
    public var hasGlobalOrder: Bool { identity.partitions == 1 || store.order != nil }

    /// nil where there is one partition, or no order.
    public var orderSummary: OrderSummary? {
        guard let contents = store.order?.contents, let orderer else { return nil }
        return OrderSummary(
            nextPosition: contents.confirmed, nextOffsets: orderer.waits.reachedOffsets,
            fault: contents.fault?.message ?? orderHalt?.message,
            faultyRecord: contents.fault.map { ($0.range.orderOffset, $0.range.partition) })
    }

    /// Waits until the record at `offset` is ordered, and this node agrees with what the order says of it.
    ///
    /// - Parameter despiteFault: waits also where positions have stopped: a void may come.
    /// - Throws: `deadline`, `disputed` where positions have stopped, `closed`.
    public func waitUntilOrdered(
        _ offset: Int64, in partition: Int, until deadline: ContinuousClock.Instant, despiteFault: Bool = false
    ) async throws {
        guard let orderer else { return }
        if !despiteFault, orderer.waits.reachedOffsets[partition] <= offset, let fault = store.order?.contents.fault {
            throw IndexError(.disputed, fault.message)
        }
        do {
            try done(await orderer.waits.offset(offset, in: partition, until: deadline))
        } catch let error as IndexError where error.code == .deadline {
            guard let fault = store.order?.contents.fault else { throw error }
            throw IndexError(.disputed, fault.message)
        }
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

    /// The lowest position of an event stored at a time or after it, in milliseconds since 1970; nil: there is none yet.
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

    /// Writes a record that declares void what the order record at `orderOffset` says of a partition.
    public func voidOrder(orderOffset: Int64, partition: Int) {
        orderer?.writeVoid(OrderVoid(orderOffset: orderOffset, partition: partition))
    }
}

extension IndexStore {
    func position(of sequence: Int64, in partition: Int) throws(IndexError) -> Int64? {
        guard let order else { return nil }
        while true {
            let before = order.contents
            var lookup = PositionLookup(self, confirmed: before.confirmed)
            let position = try lookup.position(of: sequence, in: partition)
            if order.contents.voids == before.voids { return position }
        }
    }
}
