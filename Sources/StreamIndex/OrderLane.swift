// The order channel, as the applier has it at hand: places ranges, takes voids, and compares what was placed with this
// node's own decisions.

import Envelope
import EventLog
import GlobalOrder
import KeyValue
import Segments

/// How the ranges of order records were judged when they came.
struct OrderCounts: Equatable, Sendable {
    var valid: Int64 = 0
    var ignored: Int64 = 0
}

/// What came of the order channel since it was asked last.
struct OrderUpdate: Sendable {
    /// Counts updates: of two that are told by several threads the higher one is the newer.
    var number: UInt64
    /// Whether the order channel has its identity record: what is written there before that does not count.
    var isBegun: Bool
    var state: OrderState
    /// As far as each partition is ordered and agrees with this node.
    var confirmedOffsets: [Int64]
    var fault: OrderFault?
    /// Why positions do not go on: the fault, or a partition that is halted here before what the order speaks of.
    var stop: IndexError?
    /// Order records that were applied: who wrote them, and their write ids.
    var seen: [(proposer: ProposerID, writeID: UInt64)] = []
    /// Ranges that were taken back.
    var voided: [(proposer: ProposerID, partition: Int)] = []
    var counts: OrderCounts
    /// The write ids of the voids that were applied, also of those that were ignored.
    var voids: [UInt64] = []
}

/// Not Sendable: the applier has it.
final class OrderLane {
    private let store: IndexStore
    private let view: OrderView
    private var state: OrderState
    private var counts: OrderCounts
    private var check: OrderCheck
    private var confirmedOffsets: [Int64]
    private var seen: [(proposer: ProposerID, writeID: UInt64)] = []
    private var voided: [(proposer: ProposerID, partition: Int)] = []
    private var voids: [UInt64] = []
    private var isDirty = false
    /// Whether somebody takes updates.
    var isWatched = false
    /// Whether anything placed may be there to be compared.
    private var hasUnchecked = true
    /// The record that must be applied here before anything more can be compared; nil: none.
    private var waitsFor: (partition: Int, offset: Int64)?
    /// After a void, and at first.
    private var knowsOffsets = false
    private let batch = WriteBatch()
    private var lastUpdate: UInt64 = 0

    /// - Parameter nextOffset: as far as the order channel was applied. The state is behind where a void was cut short.
    init(_ store: IndexStore, _ view: OrderView, nextOffset: Int64) throws(IndexError) {
        self.store = store
        self.view = view
        (state, counts) = try store.orderState()
        let isBeyondEnd: Bool
        (check, isBeyondEnd) = try store.orderCheck()
        state.judgesFirstOffset = store.orderRules.judgesFirstOffset
        check.compares = store.orderRules.compares
        confirmedOffsets = state.partitions.map(\.nextOffset)
        try judgeAgain(upTo: nextOffset)
        if isBeyondEnd, let range = try firstUnchecked()?.range { check.compare(range, partitionEnd: 0) }
        view.set(check)
    }

    /// Whether anything can be compared once what was applied is in RocksDB, or the state is to go there.
    func awaitsEntries(_ lanes: [Lane]) -> Bool {
        if isDirty || !hasUnchecked { return isDirty }
        return waitsFor.map { lanes[$0.partition].state.nextOffset > $0.offset } ?? (check.fault == nil)
    }

    /// A record that says nothing about the order.
    func skip(_ orderOffset: Int64) {
        state.skip(orderOffset)
        isDirty = true
    }

    /// - Returns: the first position of what it placed; −1: nothing.
    func place(_ record: OrderRecord, writeID: UInt64, _ entry: RunEntry, _ batch: WriteBatch) -> Int64 {
        guard let place = entry.place else { preconditionFailure("a record is in a segment before it is applied") }
        var value = IndexKey()
        value.add(place.file)
        value.add(place.position)
        value.add(place.length)
        batch.put(IndexStore.orderRecordKey(entry.offset), value.bytes)
        if isWatched { seen.append((record.proposer, writeID)) }
        let placed = state.apply(record, at: entry.offset)
        counts.valid += Int64(placed.count)
        counts.ignored += Int64(record.ranges.count - placed.count)
        put(placed, record, batch)
        isDirty = true
        return placed.first?.firstPosition ?? -1
    }

    private func put(_ placed: [PlacedRange], _ record: OrderRecord, _ batch: WriteBatch) {
        for range in placed {
            let entry = PlacedEntry(range: range, empty: record.ranges[range.place.index].content.empty)
            batch.put(entry.key, entry.value)
            if range.events > 0 { batch.put(entry.sequenceKey, entry.sequenceValue) }
            hasUnchecked = true
        }
    }

    /// Everything before must be in RocksDB. Once the batch is too, `judgeAgain` must follow.
    ///
    /// - Returns: the first position that it took back; −1: it is ignored.
    func void(
        _ void: OrderVoid, writeID: UInt64, at orderOffset: Int64, _ batch: WriteBatch
    ) throws(IndexError) -> Int64 {
        isDirty = true
        if isWatched { voids.append(writeID) }
        let tail = PlacedTail(store, from: void.orderOffset)
        let voided = state.void(void, at: orderOffset, placed: tail)
        if let failure = tail.failure { throw failure }
        guard let first = voided else { return -1 }
        view.takeBack(from: first.firstPosition)
        for entry in tail.ofFirstRecord { Self.remove(entry, batch) }
        batch.put(IndexStore.voidKey(void.orderOffset, void.partition), [])
        let records = store.orderRecordWalk(void.orderOffset..<orderOffset)
        guard let named = try store.orderRecordPlace(at: records), named.offset == void.orderOffset else {
            throw IndexError.damaged("order record \(void.orderOffset) has no place")
        }
        try judge(named.place, at: named.offset, without: [void.partition], batch)
        check.goBack(to: first)
        batch.put(IndexKey.make(KeyPrefix.checked), check.encode())
        if isWatched { self.voided.append((first.proposer, void.partition)) }
        hasUnchecked = true
        waitsFor = nil
        knowsOffsets = false
        return first.firstPosition
    }

    /// Judges again what follows a void, in steps of which each is a batch; how far it came is in the state, so that
    /// what is cut short is gone on with. What was placed before goes first: it is all that is placed of these order
    /// offsets.
    func judgeAgain(upTo next: Int64) throws(IndexError) {
        guard state.nextOrderOffset < next else { return }
        let walk = store.placedWalk()
        walk.seekToLast()
        while let entry = try store.placed(at: walk), entry.range.orderOffset >= state.nextOrderOffset {
            Self.remove(entry, batch)
            if batch.count >= IndexLimits.orderStep { try writeStep() }
            walk.previous()
        }
        let records = store.orderRecordWalk(state.nextOrderOffset..<next)
        while let (offset, place) = try store.orderRecordPlace(at: records) {
            try judge(place, at: offset, without: [], batch)
            if batch.count >= IndexLimits.orderStep { try writeStep() }
            records.next()
        }
        if state.nextOrderOffset < next { state.skip(next - 1) }
        try writeStep()
        confirmedOffsets = state.partitions.map(\.nextOffset)
    }

    private func judge(
        _ place: SegmentPlace, at offset: Int64, without: [Int], _ batch: WriteBatch
    ) throws(IndexError) {
        let voided = try store.voidedPartitions(at: offset) + without
        let record = try orderRecord(at: place)
        put(state.apply(record, at: offset, without: voided), record, batch)
    }

    private static func remove(_ entry: PlacedEntry, _ batch: WriteBatch) {
        batch.delete(entry.key)
        if entry.range.events > 0 { batch.delete(entry.sequenceKey) }
    }

    private func writeStep() throws(IndexError) {
        batch.put(IndexKey.make(KeyPrefix.order), state.encode(counts))
        try writeOwn()
    }

    private func writeOwn() throws(IndexError) {
        do throws(KeyValueError) { try store.keyValue.write(batch) } catch {
            throw IndexError(.unavailable, "the index cannot be written: \(error)")
        }
        batch.removeAll()
    }

    private func orderRecord(at place: SegmentPlace) throws(IndexError) -> OrderRecord {
        var page: [UInt8] = []
        let frame = try store.frames([place], into: &page)[0]
        let parsed = RecordEnvelope.parseOrderRecord(
            bytes: page.span, key: frame.key, value: frame.value, partitions: store.identity.partitions,
            store: store.identity.store)
        guard case .order(let record, _) = parsed else {
            throw IndexError.damaged("the record at \(place) is not the order record that was applied")
        }
        return record
    }

    /// Puts what belongs to the batch at hand.
    func write(_ batch: WriteBatch) {
        if isDirty { batch.put(IndexKey.make(KeyPrefix.order), state.encode(counts)) }
        isDirty = false
    }

    // MARK: - Comparing

    /// Compares what was placed with what this node decided, as far as it has applied the partitions. How far that is
    /// has an entry of its own, which may be behind: it follows from the others.
    func advance(_ lanes: [Lane]) throws(IndexError) {
        // Else a void is half done.
        guard state.nextOrderOffset == lanes[state.partitions.count].state.nextOffset else { return }
        guard hasUnchecked || !knowsOffsets else { return }
        if !knowsOffsets { try findOffsets() }
        let before = check
        let walk = store.placedWalk()
        walk.seek(PlacedEntry.key(check.confirmedPosition, check.next))
        hasUnchecked = false
        waitsFor = nil
        while let entry = try store.placed(at: walk) {
            let range = entry.range
            let isApplied = lanes[range.partition].state.nextOffset > range.lastOffset
            if isApplied { check.reconsider(range) }
            guard check.fault == nil, isApplied else {
                hasUnchecked = true
                if !isApplied { waitsFor = (range.partition, range.lastOffset) }
                break
            }
            let own =
                check.compares
                ? try store.ownContent(
                    range.partition, range.firstOffset...range.lastOffset, firstSequence: range.firstSequence)
                : entry.claimed
            guard range.firstPosition == check.confirmedPosition, range.place >= check.next else {
                throw IndexError.damaged("positions are missing from \(check.confirmedPosition) on")
            }
            guard let own else { throw IndexError.damaged("events of partition \(range.partition) have no places") }
            check.compare(range, claimed: entry.claimed, own: own)
            if check.fault == nil { confirmedOffsets[range.partition] = range.lastOffset + 1 }
            walk.next()
        }
        guard check != before else { return view.set(check) }
        if check.next != before.next { try keepCheck() }
        view.set(check)
    }

    private func keepCheck() throws(IndexError) {
        batch.put(IndexKey.make(KeyPrefix.checked), check.encode())
        try writeOwn()
    }

    /// What is to be compared next.
    private func firstUnchecked() throws(IndexError) -> PlacedEntry? {
        let walk = store.placedWalk()
        walk.seek(PlacedEntry.key(check.confirmedPosition, check.next))
        return try store.placed(at: walk)
    }

    private func findOffsets() throws(IndexError) {
        confirmedOffsets = state.partitions.map(\.nextOffset)
        let walk = store.placedWalk()
        walk.seek(PlacedEntry.key(check.confirmedPosition, check.next))
        while let entry = try store.placed(at: walk) {
            let partition = entry.range.partition
            confirmedOffsets[partition] = min(confirmedOffsets[partition], entry.range.firstOffset)
            walk.next()
        }
        knowsOffsets = true
    }

    /// The range that is next to be compared and not wholly applied here; nil: there is none.
    func nextUnapplied(_ lanes: [Lane]) throws(IndexError) -> PlacedRange? {
        guard hasUnchecked, check.fault == nil else { return nil }
        guard let range = try firstUnchecked()?.range, lanes[range.partition].state.nextOffset <= range.lastOffset
        else {
            return nil
        }
        return range
    }

    /// - Parameter end: of the range's partition, asked of its leader after the range was seen.
    func compare(_ range: PlacedRange, partitionEnd end: Int64, _ lanes: [Lane]) throws(IndexError) {
        guard try nextUnapplied(lanes) == range else { return }
        check.compare(range, partitionEnd: end)
        if check.fault != nil { try keepCheck() }
        view.set(check)
    }

    func takeUpdate(_ lanes: [Lane]) -> OrderUpdate {
        defer {
            seen.removeAll(keepingCapacity: true)
            voided.removeAll(keepingCapacity: true)
            voids.removeAll(keepingCapacity: true)
        }
        var stop = check.fault.map { IndexError(.disputed, $0.message) }
        if stop == nil, lanes.contains(where: { $0.halted != nil }), let range = try? nextUnapplied(lanes) {
            stop = lanes[range.partition].halted
        }
        lastUpdate += 1
        return OrderUpdate(
            number: lastUpdate, isBegun: lanes[state.partitions.count].state.hasIdentity, state: state,
            confirmedOffsets: confirmedOffsets, fault: check.fault, stop: stop,
            seen: seen, voided: voided, counts: counts, voids: voids)
    }
}

/// The placed ranges of the order records from one on, latest first, read as they are asked for.
final class PlacedTail: Sequence, IteratorProtocol {
    private let store: IndexStore
    private let walk: KeyIterator
    private let first: Int64
    /// Those of that one record, as far as they were passed.
    private(set) var ofFirstRecord: [PlacedEntry] = []
    /// Why it ended early.
    private(set) var failure: IndexError?

    init(_ store: IndexStore, from orderOffset: Int64) {
        self.store = store
        first = orderOffset
        walk = store.placedWalk()
        walk.seekToLast()
    }

    func next() -> PlacedRange? {
        do throws(IndexError) {
            guard let entry = try store.placed(at: walk), entry.range.orderOffset >= first else { return nil }
            if entry.range.orderOffset == first { ofFirstRecord.append(entry) }
            walk.previous()
            return entry.range
        } catch {
            failure = error
            return nil
        }
    }
}
