// What the index holds of the global order: placed ranges by position and by sequence, the order records' places,
// voids.

import AppendRule
import Envelope
import GlobalOrder
import KeyValue
import Segments

/// A placed range with the offsets that its record says brought no event.
struct PlacedEntry: Equatable {
    var range: PlacedRange
    var empty: [Int64]

    var claimed: RangeContent { RangeContent(events: range.events, empty: empty) }

    /// By position; ranges without events, which take none, by their place in the order channel.
    var key: [UInt8] { Self.key(range.firstPosition, range.place) }

    static func key(_ position: Int64, _ place: OrderPlace) -> [UInt8] {
        IndexKey.make(KeyPrefix.placed) {
            $0.add(position)
            $0.add(place.orderOffset)
            $0.add(UInt32(place.index))
        }
    }

    /// Behind all ranges that begin at the position.
    static func lastKey(_ position: Int64) -> [UInt8] {
        key(position, OrderPlace(orderOffset: .max, index: Int(UInt32.max)))
    }

    var value: [UInt8] {
        var value = IndexKey()
        value.add(UInt32(range.partition))
        value.add(range.firstOffset)
        value.add(range.lastOffset)
        value.add(range.firstSequence)
        value.add(range.events)
        value.add(range.proposer.high)
        value.add(range.proposer.low)
        for offset in empty { value.add(UInt32(offset - range.firstOffset)) }
        return value.bytes
    }

    init(range: PlacedRange, empty: [Int64]) {
        self.range = range
        self.empty = empty
    }

    init?(key: Span<UInt8>, value: Span<UInt8>) {
        guard key.count == 21, value.count >= 52, value.count % 4 == 0 else { return nil }
        let firstOffset = value.signed64(at: 4)
        range = PlacedRange(
            firstPosition: key.signed64(at: 1), partition: Int(value.number32(at: 0)), firstOffset: firstOffset,
            lastOffset: value.signed64(at: 12), firstSequence: value.signed64(at: 20), events: value.signed64(at: 28),
            place: OrderPlace(orderOffset: key.signed64(at: 9), index: Int(key.number32(at: 17))),
            proposer: ProposerID(high: value.number64(at: 36), low: value.number64(at: 44)))
        empty = stride(from: 52, to: value.count, by: 4).map { firstOffset + Int64(value.number32(at: $0)) }
    }

    /// Under (partition, first sequence), of a range with events.
    var sequenceKey: [UInt8] { IndexKey.place(KeyPrefix.placedSequence, range.partition, range.firstSequence) }

    var sequenceValue: [UInt8] {
        var value = IndexKey()
        value.add(range.firstPosition)
        value.add(range.events)
        return value.bytes
    }
}

extension OrderState {
    func encode(_ counts: OrderCounts) -> [UInt8] {
        var value = IndexKey()
        value.add(nextPosition)
        value.add(nextOrderOffset)
        value.add(counts.valid)
        value.add(counts.ignored)
        for partition in partitions {
            value.add(partition.nextOffset)
            value.add(partition.nextSequence)
            value.add((partition.newestProposer == nil ? 0 : 1) as UInt8)
            value.add(partition.newestProposer?.high ?? 0)
            value.add(partition.newestProposer?.low ?? 0)
        }
        return value.bytes
    }

    static func decode(_ value: Span<UInt8>, partitions count: Int) -> (OrderState, OrderCounts)? {
        guard value.count == 32 + 33 * count else { return nil }
        let partitions = (0..<count).map { index in
            let start = 32 + 33 * index
            let proposer = ProposerID(high: value.number64(at: start + 17), low: value.number64(at: start + 25))
            return PartitionOrder(
                nextOffset: value.signed64(at: start), nextSequence: value.signed64(at: start + 8),
                newestProposer: value[start + 16] == 0 ? nil : proposer)
        }
        let state = OrderState(
            partitions: partitions, nextPosition: value.signed64(at: 0), nextOrderOffset: value.signed64(at: 8))
        return (state, OrderCounts(valid: value.signed64(at: 16), ignored: value.signed64(at: 24)))
    }
}

extension OrderCheck {
    /// A range that differs is found again from the rest; one beyond its partition's end may be within it by then.
    func encode() -> [UInt8] {
        var value = IndexKey()
        value.add(confirmedPosition)
        value.add(next.orderOffset)
        value.add(UInt32(next.index))
        value.add((fault?.reason == .beyondEnd ? 1 : 0) as UInt8)
        return value.bytes
    }
}

extension IndexStore {
    func orderState() throws(IndexError) -> (OrderState, OrderCounts) {
        let count = identity.partitions
        guard let found = try value(of: IndexKey.make(KeyPrefix.order), { OrderState.decode($0, partitions: count) })
        else { return (OrderState(partitions: count), OrderCounts()) }
        guard let state = found else { throw IndexError.damaged("the state of the order cannot be read") }
        return state
    }

    /// How far the order was compared with this node's own decisions, and whether the next range is one beyond its
    /// partition's end.
    func orderCheck() throws(IndexError) -> (OrderCheck, isBeyondEnd: Bool) {
        let found = try value(of: IndexKey.make(KeyPrefix.checked)) { value in
            value.count == 21
                ? (
                    OrderCheck(
                        confirmedPosition: value.signed64(at: 0),
                        next: OrderPlace(orderOffset: value.signed64(at: 8), index: Int(value.number32(at: 16)))),
                    value[20] == 1
                ) : nil
        }
        return (found ?? nil) ?? (OrderCheck(), false)
    }

    func placedWalk() -> KeyIterator { KeyIterator(keyValue, prefix: [KeyPrefix.placed]) }

    func placed(at walk: KeyIterator) throws(IndexError) -> PlacedEntry? {
        guard walk.isValid else {
            try check(walk)
            return nil
        }
        let entry = walk.withKey { key in walk.withValue { PlacedEntry(key: key, value: $0) } }
        guard let entry else { throw IndexError.damaged("a placed range cannot be read") }
        return entry
    }

    static func orderRecordKey(_ orderOffset: Int64) -> [UInt8] {
        IndexKey.make(KeyPrefix.orderRecord) { $0.add(orderOffset) }
    }

    /// The places of the order records in these offsets of the order channel, from the first.
    func orderRecordWalk(_ offsets: Range<Int64>) -> KeyIterator {
        let walk = KeyIterator(
            keyValue, from: Self.orderRecordKey(offsets.lowerBound), to: Self.orderRecordKey(offsets.upperBound))
        walk.seekToFirst()
        return walk
    }

    func orderRecordPlace(at walk: KeyIterator) throws(IndexError) -> (offset: Int64, place: SegmentPlace)? {
        guard walk.isValid else {
            try check(walk)
            return nil
        }
        let place = walk.withValue { value in
            value.count == 12
                ? SegmentPlace(
                    file: value.number32(at: 0), position: value.number32(at: 4), length: value.number32(at: 8))
                : nil
        }
        guard let place else { throw IndexError.damaged("the place of an order record cannot be read") }
        return (walk.withKey { $0.signed64(at: 1) }, place)
    }

    static func voidKey(_ orderOffset: Int64, _ partition: Int) -> [UInt8] {
        IndexKey.make(KeyPrefix.voided) {
            $0.add(orderOffset)
            $0.add(UInt32(partition))
        }
    }

    /// The partitions of which voids took this order record's ranges.
    func voidedPartitions(at orderOffset: Int64) throws(IndexError) -> [Int] {
        let walk = KeyIterator(keyValue, prefix: Array(Self.voidKey(orderOffset, 0)[..<9]))
        var found: [Int] = []
        walk.seekToFirst()
        while walk.isValid {
            found.append(Int(walk.withKey { $0.number32(at: 9) }))
            walk.next()
        }
        try check(walk)
        return found
    }

    // MARK: - This node's own decisions

    /// What this node decided of consecutive offsets, all of which it has applied; nil where no record of its own
    /// begins at a sequence that one must begin at.
    ///
    /// - Parameter firstSequence: of the first event in them, or behind them where there is none.
    func ownContent(
        _ partition: Int, _ offsets: ClosedRange<Int64>, firstSequence: Int64
    ) throws(IndexError) -> RangeContent? {
        let empty = try emptyOffsets(partition, offsets)
        var left = offsets.upperBound - offsets.lowerBound + 1 - Int64(empty.count)
        var sequence = firstSequence
        while left > 0 {
            let before = left
            for entry in try places(partition, sequence / IndexLimits.placeBlock)
            where entry.firstSequence == sequence && left > 0 {
                sequence = entry.lastSequence + 1
                left -= 1
            }
            if left == before { return nil }
        }
        return RangeContent(events: sequence - firstSequence, empty: empty)
    }

    private func emptyOffsets(_ partition: Int, _ offsets: ClosedRange<Int64>) throws(IndexError) -> [Int64] {
        let walk = KeyIterator(
            keyValue, from: IndexKey.place(KeyPrefix.noEvent, partition, offsets.lowerBound),
            to: IndexKey.place(KeyPrefix.noEvent, partition, offsets.upperBound + 1))
        var empty: [Int64] = []
        walk.seekToFirst()
        while walk.isValid {
            empty.append(walk.withKey { $0.signed64(at: 5) })
            walk.next()
        }
        try check(walk)
        return empty
    }

    /// Whether this node's own record at `sequence` is the first of the offsets that brings an event. Where it is not,
    /// the order says other counts than this node of what lies before.
    func begins(
        _ partition: Int, _ offsets: ClosedRange<Int64>, _ content: RangeContent, at sequence: Int64
    ) throws(IndexError) -> Bool {
        guard content.events > 0 else { return true }
        var first = offsets.lowerBound
        for offset in content.empty where offset == first { first += 1 }
        let block = try places(partition, sequence / IndexLimits.placeBlock)
        guard let entry = block.first(where: { $0.firstSequence == sequence }) else { return false }
        var page: [UInt8] = []
        return try frames([entry.place], into: &page)[0].offset == first
    }
}

/// Finds positions, one after the other.
struct PositionLookup {
    private let walk: KeyIterator
    private let store: IndexStore
    private let confirmed: Int64
    private var partition = -1
    private var sequences: Range<Int64> = 0..<0
    private var firstPosition: Int64 = 0

    /// - Parameter confirmed: the first position that may not be told.
    init(_ store: IndexStore, confirmed: Int64) {
        self.store = store
        self.confirmed = confirmed
        walk = KeyIterator(store.keyValue, prefix: [KeyPrefix.placedSequence])
    }

    /// The position of an event; nil while it has none that may be told.
    mutating func position(of sequence: Int64, in partition: Int) throws(IndexError) -> Int64? {
        // The store's creation, by definition.
        if partition == 0, sequence == 0 { return 0 }
        if partition != self.partition || !sequences.contains(sequence) {
            walk.seekBackward(IndexKey.place(KeyPrefix.placedSequence, partition, sequence))
            guard walk.isValid else {
                try store.check(walk)
                return nil
            }
            let (owner, first) = walk.withKey { (Int($0.number32(at: 1)), $0.signed64(at: 5)) }
            let (position, events) = walk.withValue { ($0.signed64(at: 0), $0.signed64(at: 8)) }
            guard owner == partition, sequence < first + events else { return nil }
            self.partition = partition
            sequences = first..<first + events
            firstPosition = position
        }
        let position = firstPosition + sequence - sequences.lowerBound
        return position < confirmed ? position : nil
    }
}
