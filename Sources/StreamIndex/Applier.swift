// Applies runs of records: the append rule, and the entries that it brings, which gather in an atomic batch. Runs come
// from the thread that delivers; the lock of `SharedApplier` is held for each call.

import AppendRule
import Checksums
import Envelope
import EventLog
import KeyValue
import Segments

/// A record that was applied, for whoever waits for it.
struct AppliedRecord: Sendable {
    enum What: Sendable {
        case decided(DecidedRecord)
        case barrier(RecordID)
    }

    var channel: Int
    var offset: Int64
    var what: What
}

struct DecidedRecord: Sendable {
    var stream: NameKey
    var header: RecordHeader
    var decision: Decision
    /// The highest attempt killed for the append, when it was decided.
    var highestKilled: UInt32?
    /// Where the accepted record, this or the earlier one, begins in the partition's sequence and in its log.
    var firstSequence: Int64
    var firstOffset: Int64
}

/// A stream's state while the applier has it at hand.
private final class StreamSlot {
    let name: NameKey
    var state: StreamState
    var isDirty = false
    /// The first version whose record has its entry in the batch.
    var pendingFrom: Int64?

    init(name: NameKey, state: StreamState) {
        self.name = name
        self.state = state
    }
}

private struct PendingID: Hashable {
    var stream: UInt64
    var id: RecordID
}

/// One partition, as the applier has it at hand.
struct Lane {
    var state: PartitionState
    var categories: OpenBitmaps
    var types: OpenBitmaps
    var places: OpenPlaces
    var halted: IndexError?
    /// The newest record applied of the run at hand: its fingerprint is not in `state` yet.
    var last: RunEntry?
    /// What the log must have, as of the last run.
    var known: KnownChannel
    /// Whether `state` differs from what is written.
    var isDirty = false

    init(_ store: IndexStore, partition: Int) throws(IndexError) {
        state = try store.partitionState(partition)
        known = KnownChannel(partition, state)
        categories = OpenBitmaps(
            prefix: KeyPrefix.category, partition: partition, nextSequence: state.nextSequence)
        types = OpenBitmaps(prefix: KeyPrefix.eventType, partition: partition, nextSequence: state.nextSequence)
        places = try OpenPlaces(partition: partition, nextSequence: state.nextSequence, store)
    }
}

/// The applying half of the index. Not Sendable: `SharedApplier` has it.
final class Applier {
    private let store: IndexStore
    /// Where a run's records may still be being written; nil: the log has them.
    private let records: BackgroundStorage?
    private let batch = WriteBatch()
    private var key = IndexKey()
    private var value = IndexKey()
    private var slots: SlotCache
    /// Whose state is not in the batch yet, and what those will take there.
    private var dirty: [StreamSlot] = []
    private var dirtyBytes = 0
    /// Who has entries of records, and of append ids, in the batch.
    private var pendingSlots: [StreamSlot] = []
    private var pending: Set<PendingID> = []
    private var applied: [AppliedRecord] = []
    private(set) var lanes: [Lane]
    /// nil: there is no order channel.
    let order: OrderLane?

    init(_ store: IndexStore, records: BackgroundStorage? = nil) throws(IndexError) {
        self.store = store
        self.records = records
        slots = SlotCache(capacity: IndexLimits.cachedStates)
        lanes = []
        if let view = store.order {
            let next = try store.partitionState(store.identity.partitions).nextOffset
            order = try OrderLane(store, view, nextOffset: next)
        } else {
            order = nil
        }
        for channel in 0..<store.channels { lanes.append(try Lane(store, partition: channel)) }
        try order?.advance(lanes)
    }

    /// Halts a partition: nothing of it is applied any more.
    func halt(_ partition: Int, _ error: IndexError) {
        lanes[partition].halted = lanes[partition].halted ?? error
    }

    /// Takes from `entries` the records that would halt their partitions and all that follow there: a node's copy holds
    /// what is applied and nothing else.
    func halts(in entries: inout [RunEntry], _ bytes: Span<UInt8>) -> [(channel: Int, error: IndexError)] {
        var halts: [(channel: Int, error: IndexError)] = []
        for entry in entries where RecordEnvelope.mayHalt(bytes: bytes, value: entry.value) {
            guard !halts.contains(where: { $0.channel == entry.channel }),
                let reason = haltReason(entry, bytes)
            else { continue }
            halts.append((entry.channel, halted(reason, entry.channel, entry.offset)))
            entries.removeAll { $0.channel == entry.channel && $0.offset >= entry.offset }
        }
        return halts
    }

    private func haltReason(_ entry: RunEntry, _ bytes: Span<UInt8>) -> HaltReason? {
        if entry.channel < store.identity.partitions {
            if case .halt(let reason) = parse(entry, bytes) { return reason }
        } else if case .halt(let reason) = parseOrder(entry, bytes) {
            return reason
        }
        return nil
    }

    private func parseOrder(_ entry: RunEntry, _ bytes: Span<UInt8>) -> ParsedOrderRecord {
        RecordEnvelope.parseOrderRecord(
            bytes: bytes, key: entry.key, value: entry.value, partitions: store.identity.partitions,
            store: store.identity.store)
    }

    private func parse(_ entry: RunEntry, _ bytes: Span<UInt8>) -> Parsed {
        RecordEnvelope.parse(
            bytes: bytes, key: entry.key, value: entry.value, channel: entry.channel,
            partitions: store.identity.partitions, store: store.identity.store)
    }

    /// Decides a run, and says what was decided where `reports` asks for it. What it brings gathers in a batch, until
    /// `write` or `commit`.
    ///
    /// Offsets must be dense: the caller has looked.
    func apply(
        _ bytes: Span<UInt8>, _ entries: [RunEntry], reports: Bool
    ) throws(IndexError) -> [AppliedRecord] {
        applied.removeAll(keepingCapacity: true)
        for entry in entries where lanes[entry.channel].halted == nil {
            if let order, entry.channel == store.identity.partitions {
                try apply(entry, bytes, to: order)
            } else {
                try apply(entry, bytes, reports)
            }
        }
        noteLast(bytes)
        return applied
    }

    /// Whether what has gathered is to be written at once: it is much, or the order waits for it.
    var isDue: Bool { batch.count >= IndexLimits.gatheredEntries || order?.awaitsEntries(lanes) == true }

    /// Tells a record from any other that may stand at its offset. Not by CRC-32C: a record ends with its own, so all
    /// of them have the same.
    static func fingerprint(key: Range<Int>?, value: Range<Int>?, in bytes: Span<UInt8>) -> UInt64 {
        let start = crc64(0, bytes.extracting(key ?? 0..<0))
        return crc64(start, bytes.extracting(value ?? 0..<0))
    }

    private func apply(_ entry: RunEntry, _ bytes: Span<UInt8>, _ reports: Bool) throws(IndexError) {
        let channel = entry.channel
        var code: UInt32
        var firstVersion: Int64 = -1
        switch parse(entry, bytes) {
        case .halt(let reason):
            return halt(channel, halted(reason, channel, entry.offset))
        case .foreign(let reason):
            code = RecordCode.foreign(reason)
        case .barrier where !lanes[channel].state.hasIdentity, .record where !lanes[channel].state.hasIdentity:
            code = RecordCode.foreign(.beforeIdentity)
        case .barrier(let id):
            code = RecordCode.barrier
            if reports { applied.append(AppliedRecord(channel: channel, offset: entry.offset, what: .barrier(id))) }
        case .store(let identity, _):
            code = RecordCode.identity
            try apply(identity, entry)
        case .record(let header, let body):
            let decision = try decided(header, body, entry, bytes, reports)
            code = decision.code
            firstVersion = decision.firstVersion
        }
        note(entry, bytes, code, firstVersion)
    }

    /// A record of the order channel; what it brought stands where others have their first version.
    private func apply(_ entry: RunEntry, _ bytes: Span<UInt8>, to order: OrderLane) throws(IndexError) {
        let hasIdentity = lanes[entry.channel].state.hasIdentity
        var code: UInt32 = 1
        var firstPosition: Int64 = -1
        switch parseOrder(entry, bytes) {
        case .halt(let reason):
            return halt(entry.channel, halted(reason, entry.channel, entry.offset))
        case .foreign(let reason):
            code = RecordCode.foreign(reason)
            order.skip(entry.offset)
        case .order where !hasIdentity, .void where !hasIdentity:
            code = RecordCode.foreign(.beforeIdentity)
            order.skip(entry.offset)
        case .store(let identity, _):
            code = RecordCode.identity
            try apply(identity, entry)
            order.skip(entry.offset)
        case .order(let record, let writeID):
            firstPosition = order.place(record, writeID: writeID, entry, batch)
        case .void(let void, _, let writeID):
            try commit(bytes)
            firstPosition = try order.void(void, writeID: writeID, at: entry.offset, batch)
            note(entry, bytes, code, firstPosition)
            try commit(bytes)
            try order.judgeAgain(upTo: entry.offset + 1)
            return try order.advance(lanes)
        }
        note(entry, bytes, code, firstPosition)
    }

    private func halted(_ reason: HaltReason, _ partition: Int, _ offset: Int64) -> IndexError {
        let what =
            switch reason {
            case .formatVersion(let version): "format version \(version)"
            case .ruleVersion(let version): "rule version \(version)"
            }
        return IndexError(
            .halted,
            "\(store.name(of: partition)) is halted at offset \(offset): the record is of \(what), which this build does not "
                + "know; use a newer build")
    }

    /// What is noted of every record.
    private func note(_ entry: RunEntry, _ bytes: Span<UInt8>, _ code: UInt32, _ firstVersion: Int64) {
        let channel = entry.channel
        var digest = RecordDigest(value: lanes[channel].state.digest)
        digest.update(
            bytes: bytes, key: entry.key, value: entry.value, appendTime: entry.appendTime, code: code,
            firstVersion: firstVersion)
        lanes[channel].state.digest = digest.value
        lanes[channel].state.nextOffset = entry.offset + 1
        lanes[channel].state.time = max(lanes[channel].state.time, entry.appendTime)
        lanes[channel].state.counts[PartitionState.Outcome(code: code).rawValue] += 1
        lanes[channel].last = entry
        if (entry.offset + 1) % IndexLimits.digestEvery == 0 {
            value.startValue()
            value.add(digest.value)
            batch.put(IndexKey.place(KeyPrefix.digest, channel, entry.offset), value.bytes)
        }
        // Absence means accepted.
        if code != 1 {
            value.startValue()
            value.add(code)
            value.add(firstVersion)
            batch.put(IndexKey.place(KeyPrefix.noEvent, channel, entry.offset), value.bytes)
        }
    }

    // MARK: - One record

    private func apply(_ identity: Identity, _ entry: RunEntry) throws(IndexError) {
        guard !lanes[entry.channel].state.hasIdentity else { return }
        lanes[entry.channel].state.nonceHigh = identity.nonce.high
        lanes[entry.channel].state.nonceLow = identity.nonce.low
        guard entry.channel == 0, entry.offset == 0 else { return }
        // The store's creation record is, by definition, the event at position 0.
        let name = NameKey(SystemStream.storeName)
        let slot = try knownSlot(of: name) ?? newSlot(of: name, partition: 0)
        putRecord(of: slot.state.number, firstVersion: 0, eventCount: 1, entry)
        let type = SystemStream.storeCreated
        try addEvents(1, type: type.span, category: nil, entry)
        slot.state.facts.current = 0
        markDirty(slot)
        lanes[0].state.streams += 1
    }

    private func decided(
        _ header: RecordHeader, _ body: Range<Int>, _ entry: RunEntry, _ bytes: Span<UInt8>, _ reports: Bool
    ) throws(IndexError) -> Decision {
        let name = NameKey(bytes.array(entry.key ?? 0..<0))
        let known = try knownSlot(of: name)
        let gathered = try gather(header, known, bytes)
        let decision = decide(header, gathered.facts)
        let before = gathered.facts.stream
        let firstSequence = lanes[entry.channel].state.nextSequence
        switch decision {
        case .accepted, .cancelled, .conflict(_, killsAttempt: true):
            let slot = known ?? newSlot(of: name, partition: entry.channel)
            slot.state.facts = before.applying(decision, of: header)
            markDirty(slot)
            if case .accepted(let firstVersion) = decision {
                try accept(firstVersion, header, body, entry, bytes, slot)
            } else {
                kill(header, slot, gathered.facts.highestKilled)
            }
        case .conflict, .alreadyAccepted, .idReused, .killed, .tombstoned:
            break
        }
        if reports {
            let record = DecidedRecord(
                stream: name, header: header, decision: decision, highestKilled: gathered.facts.highestKilled,
                firstSequence: gathered.earlier?.firstSequence ?? firstSequence,
                firstOffset: gathered.earlier?.offset ?? entry.offset)
            applied.append(AppliedRecord(channel: entry.channel, offset: entry.offset, what: .decided(record)))
        }
        return decision
    }

    /// Puts the entries of an accepted record.
    private func accept(
        _ firstVersion: Int64, _ header: RecordHeader, _ body: Range<Int>, _ entry: RunEntry, _ bytes: Span<UInt8>,
        _ slot: StreamSlot
    ) throws(IndexError) {
        if firstVersion == 0, header.kind != .metadata { lanes[entry.channel].state.streams += 1 }
        if header.kind != .metadata, slot.pendingFrom == nil {
            slot.pendingFrom = firstVersion
            pendingSlots.append(slot)
        }
        let isMetadata = header.kind == .metadata
        let number = isMetadata ? slot.state.metadataNumber : slot.state.number
        putRecord(of: number, firstVersion: firstVersion, eventCount: header.eventCount, entry)
        let category = isMetadata ? nil : SystemStream.category(of: slot.name.bytes)
        var cursor = EventCursor(body: body)
        let record = bytes.extracting(entry.value ?? 0..<0)
        // Events in a row mostly are of one type.
        var row: (type: Range<Int>, count: Int64)?
        while let event = cursor.next(in: record) {
            if let (type, count) = row {
                if record.extracting(type).hasSameBytes(as: record.extracting(event.type)) {
                    row = (type, count + 1)
                    continue
                }
                try addEvents(count, type: record.extracting(type), category: category, entry)
            }
            row = (event.type, 1)
        }
        if let (type, count) = row {
            try addEvents(count, type: record.extracting(type), category: category, entry)
        }
        guard header.isFoundByID else { return }
        value.startValue()
        value.add(header.kind.rawValue)
        value.add(firstVersion)
        batch.put(IndexKey.id(KeyPrefix.appendID, slot.state.number, header.appendID), value.bytes)
        pending.insert(PendingID(stream: slot.state.number, id: header.appendID))
    }

    private func kill(_ header: RecordHeader, _ slot: StreamSlot, _ highestKilled: UInt32?) {
        value.startValue()
        value.add(max(highestKilled ?? 0, header.attempt))
        batch.put(IndexKey.id(KeyPrefix.killed, slot.state.number, header.appendID), value.bytes)
        pending.insert(PendingID(stream: slot.state.number, id: header.appendID))
    }

    /// Puts the places of an accepted record; its events come next.
    private func putRecord(of number: UInt64, firstVersion: Int64, eventCount: Int, _ entry: RunEntry) {
        guard let place = entry.place else { preconditionFailure("a record is in a segment before it is applied") }
        let record = RecordEntry(
            place: SegmentPlace(file: place.file, position: place.position, length: place.length),
            firstSequence: lanes[entry.channel].state.nextSequence, firstVersion: firstVersion,
            eventCount: eventCount)
        value.startValue()
        record.encode(into: &value)
        key.start(KeyPrefix.version)
        key.add(number)
        key.add(record.lastVersion)
        batch.put(key.bytes, value.bytes)
        lanes[entry.channel].places.insert(record) { batch.put($0, $1) }
    }

    /// Notes type and category of events in a row, and takes their sequences.
    private func addEvents(
        _ count: Int64, type: Span<UInt8>, category: ArraySlice<UInt8>?, _ entry: RunEntry
    ) throws(IndexError) {
        let partition = entry.channel
        var sequence = lanes[partition].state.nextSequence
        let end = sequence + count
        while sequence < end {
            if lanes[partition].types.isFull(for: sequence) {
                writeBitmaps(partition)
                lanes[partition].types.advance(to: sequence)
                lanes[partition].categories.advance(to: sequence)
            }
            let place = sequence % IndexLimits.bitmapBlock
            if place == 0 { putTime(entry, sequence) }
            let next = min(end, sequence - place + IndexLimits.bitmapBlock)
            try lanes[partition].types.insert(type, sequence..<next, store)
            if let category { try lanes[partition].categories.insert(category.span, sequence..<next, store) }
            sequence = next
        }
        lanes[partition].state.nextSequence = end
    }

    private func putTime(_ entry: RunEntry, _ sequence: Int64) {
        key.start(KeyPrefix.time)
        key.add(UInt32(entry.channel))
        key.add(max(entry.appendTime, lanes[entry.channel].state.time))
        key.add(sequence)
        batch.put(key.bytes, [])
    }

    private func writeBitmaps(_ partition: Int) {
        lanes[partition].types.write { batch.put($0, $1) }
        lanes[partition].categories.write { batch.put($0, $1) }
    }

    // MARK: - State and facts

    private func knownSlot(of name: NameKey) throws(IndexError) -> StreamSlot? {
        if let slot = slots.get(name) { return slot }
        guard let state = try store.state(of: name.bytes) else { return nil }
        let slot = StreamSlot(name: name, state: state)
        slots.put(slot)
        return slot
    }

    /// Of a stream of which nothing was known: it gets its number.
    private func newSlot(of name: NameKey, partition: Int) -> StreamSlot {
        let number = StreamState.number(partition: partition, count: lanes[partition].state.streamNumbers)
        lanes[partition].state.streamNumbers += 1
        let slot = StreamSlot(name: name, state: StreamState(number: number))
        slots.put(slot)
        return slot
    }

    private func markDirty(_ slot: StreamSlot) {
        guard !slot.isDirty else { return }
        slot.isDirty = true
        dirty.append(slot)
        dirtyBytes += slot.name.bytes.count + IndexLimits.stateEntryBytes
    }

    /// The facts for a record. What has gathered is not in RocksDB yet: where some of it matters, the batch is written
    /// first, which is as good a place to cut as any.
    private func gather(
        _ header: RecordHeader, _ slot: StreamSlot?, _ bytes: Span<UInt8>
    ) throws(IndexError) -> GatheredFacts {
        guard let slot else { return GatheredFacts(facts: Facts(stream: .none)) }
        var isPending = pending.contains(PendingID(stream: slot.state.number, id: header.appendID))
        if case .exactly(let version) = header.expectation, let from = slot.pendingFrom, version + 1 >= from {
            isPending = isPending || version < slot.state.facts.current
        }
        if isPending { try commit(bytes) }
        return try store.gather(header, slot.state)
    }

    /// Makes sure, as far as can be seen, that the disk has room for what a run will bring, before anybody is told of
    /// it, and for all that has gathered.
    func admit(_ entries: [RunEntry], _ bytes: Int) throws(IndexError) {
        // Type and category stand in the record and in entries of their own, a range of the order in two.
        var growth = dirtyBytes + 2 * bytes + entries.count * IndexLimits.recordEntriesBytes
        for lane in lanes { growth += lane.types.growth + lane.categories.growth + IndexLimits.laneEntriesBytes }
        for entry in entries where entry.channel == store.identity.partitions {
            growth += 5 * (entry.value?.count ?? 0)
        }
        do throws(KeyValueError) { try store.keyValue.admit(batch, growth: growth) } catch {
            throw IndexError(.unavailable, "the index cannot be written: \(error); open the store again after that")
        }
    }

    /// Waits until the records of what was applied are kept.
    func settle() throws(IndexError) {
        do throws(SegmentError) { try records?.settle() } catch {
            throw IndexError(.unavailable, "the records cannot be kept: \(error); open the store again after that")
        }
    }

    /// Has the partitions' newest records in their states.
    private func noteLast(_ bytes: Span<UInt8>) {
        for partition in lanes.indices {
            guard let last = lanes[partition].last else { continue }
            lanes[partition].state.lastRecord = Self.fingerprint(key: last.key, value: last.value, in: bytes)
            lanes[partition].known = KnownChannel(partition, lanes[partition].state)
            lanes[partition].last = nil
            lanes[partition].isDirty = true
        }
    }

    /// Writes what has gathered, and compares the order with it, also within a run.
    ///
    /// - Parameter bytes: the run's.
    func commit(_ bytes: Span<UInt8>) throws(IndexError) {
        noteLast(bytes)
        try settle()
        try commit()
    }

    /// The same between runs, when their records are kept.
    func commit() throws(IndexError) {
        try write()
        try order?.advance(lanes)
    }

    /// Writes what has gathered, in one batch; between runs. Where it fails, the batch stays, and may be written again.
    func write() throws(IndexError) {
        for partition in lanes.indices where lanes[partition].isDirty {
            writeBitmaps(partition)
            lanes[partition].places.write { batch.put($0, $1) }
            batch.put(IndexKey.partition(partition), lanes[partition].state.encode())
            lanes[partition].isDirty = false
        }
        for slot in dirty {
            slot.isDirty = false
            key.start(KeyPrefix.stream)
            key.add(slot.name.bytes)
            slot.state.encode(into: &value)
            batch.put(key.bytes, value.bytes)
        }
        dirty.removeAll(keepingCapacity: true)
        dirtyBytes = 0
        order?.write(batch)
        guard batch.count > 0 else { return }
        do throws(KeyValueError) {
            try store.keyValue.write(batch)
        } catch {
            throw IndexError(.unavailable, "the index cannot be written: \(error); open the store again after that")
        }
        batch.removeAll()
        for slot in pendingSlots { slot.pendingFrom = nil }
        pendingSlots.removeAll(keepingCapacity: true)
        pending.removeAll(keepingCapacity: true)
    }
}

/// The slots used last. A slot that is dirty stays: what gathers is far less than a generation.
private struct SlotCache {
    private var young: [NameKey: StreamSlot] = [:]
    private var old: [NameKey: StreamSlot] = [:]
    private let capacity: Int

    init(capacity: Int) {
        precondition(
            capacity >= 2 * (IndexLimits.gatheredEntries + LogLimits.runRecords), "a generation holds what gathers")
        self.capacity = capacity
    }

    mutating func get(_ name: NameKey) -> StreamSlot? {
        if let slot = young[name] { return slot }
        guard let slot = old[name] else { return nil }
        put(slot)
        return slot
    }

    mutating func put(_ slot: StreamSlot) {
        if young.count >= capacity {
            old = young
            young = [:]
        }
        young[slot.name] = slot
    }
}
