// Whether an index's order holds together: what `verify` looks at besides the bytes.

import Envelope
import GlobalOrder
import KeyValue

extension IndexComparison {
    /// Positions are dense, each partition's offsets and sequences follow each other, every range says what was
    /// decided.
    ///
    /// - Parameters:
    ///   - store: of which all that was applied is compared with its own decisions.
    ///   - known: what the index in use found, which may have asked the log.
    mutating func checkOrder(of store: IndexStore, known: OrderFault?) throws {
        guard let view = store.order else { return }
        let (state, _) = try store.orderState()
        var expected = OrderState(partitions: store.identity.partitions)
        var lookup = PositionLookup(store, confirmed: .max)
        let walk = store.placedWalk()
        walk.seekToFirst()
        while let entry = try store.placed(at: walk), problems.count < IndexLimits.listedProblems {
            let range = entry.range
            let partition = expected.partitions[range.partition]
            if range.firstPosition != expected.nextPosition || range.firstOffset != partition.nextOffset
                || range.firstSequence != partition.nextSequence
            {
                problems.append(
                    "order record \(range.orderOffset) does not go on where partition \(range.partition) and the "
                        + "positions before it end")
            }
            if range.events > 0,
                try lookup.position(of: range.firstSequence, in: range.partition) != range.firstPosition
            {
                problems.append("event \(range.firstSequence) of partition \(range.partition) has another position")
            }
            let record = OrderRecord(
                proposer: range.proposer,
                ranges: [
                    OrderRange(
                        partition: range.partition, first: range.firstOffset, last: range.lastOffset,
                        content: entry.claimed)
                ])
            expected = OrderState(
                partitions: expected.partitions, nextPosition: expected.nextPosition, nextOrderOffset: 0)
            _ = expected.apply(record, at: 0)
            walk.next()
        }
        let isSame = zip(expected.partitions, state.partitions).allSatisfy {
            $0.nextOffset == $1.nextOffset && $0.nextSequence == $1.nextSequence
        }
        if !isSame || expected.nextPosition != state.nextPosition {
            problems.append("the placed ranges do not come to what the state of the order says")
        }
        if let fault = view.contents.fault ?? known { problems.append(fault.message) }
    }
}
