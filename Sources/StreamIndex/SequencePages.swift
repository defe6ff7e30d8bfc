// Pages of all events of a partition in its order, or of those of a category or some types.

import KeyValue
import Segments

/// What a page of a partition may hold.
public struct SequencePageRequest: Sendable {
    public var partition: Int
    /// The first sequence to look at; nil: the beginning, or the end where it goes backward.
    public var from: Int64?
    public var direction: PageDirection
    public var category: [UInt8]?
    /// Empty: all types.
    public var types: [[UInt8]]
    /// 1 or more.
    public var maxEvents: Int
    /// The sequence after the last that is shown; nil: all there are now.
    public var bound: Int64?
    /// What the page before says, so that the whole read is of one order; nil: there is none before.
    public var voids: Int?

    public init(
        partition: Int, from: Int64?, direction: PageDirection, category: [UInt8]?, types: [[UInt8]], maxEvents: Int,
        bound: Int64? = nil
    ) {
        self.partition = partition
        self.from = from
        self.direction = direction
        self.category = category
        self.types = types
        self.maxEvents = maxEvents
        self.bound = bound
    }
}

/// A page of a partition. It may be empty and yet not the last, where few events match.
public struct SequencePage: Sendable {
    public var events: [IndexedEvent] = []
    public var next: Int64?
    public var bound: Int64 = 0
    /// How many voids this node had applied; with several partitions only.
    public var voids: Int?
}

extension IndexStore {
    func page(_ request: SequencePageRequest) throws(IndexError) -> SequencePage {
        var page = SequencePage()
        if let bound = request.bound {
            page.bound = bound
        } else {
            page.bound = try partitionState(request.partition).nextSequence
        }
        let isForward = request.direction == .forward
        let start = isForward ? request.from ?? 0 : min(request.from ?? .max, page.bound - 1)
        guard start >= 0, start < page.bound else { return page }
        var sequences = SequenceWalk(self, request, from: start, bound: page.bound)
        var wanted: [Int64] = []
        while wanted.count < min(request.maxEvents, IndexLimits.pageEvents), let sequence = try sequences.next() {
            wanted.append(sequence)
        }
        let entries = try entries(of: wanted, request)
        page.events = try readEvents(entries, request.direction)
        if let last = wanted.last {
            // Of a record some of whose events do not match, or lie before the first that was asked for.
            let found = Set(wanted)
            page.events.removeAll { event in !found.contains(event.sequence) }
            let shown = page.events.last?.sequence ?? last
            page.next = isForward ? shown + 1 : shown - 1
        }
        if !(page.next.map { $0 >= 0 && $0 < page.bound } ?? false) { page.next = nil }
        return page
    }

    /// The entries of the records that hold the sequences, each once, in their order, up to a page of bytes.
    private func entries(
        of sequences: [Int64], _ request: SequencePageRequest
    ) throws(IndexError) -> [RecordEntry] {
        var entries: [RecordEntry] = []
        var bytes = 0
        var block: [RecordEntry] = []
        var number: Int64 = -1
        for sequence in sequences {
            if let last = entries.last, last.firstSequence <= sequence, sequence <= last.lastSequence { continue }
            guard bytes < IndexLimits.pageBytes else { break }
            if sequence / IndexLimits.placeBlock != number {
                number = sequence / IndexLimits.placeBlock
                block = try places(request.partition, number)
            }
            guard let entry = block.first(where: { $0.firstSequence <= sequence && sequence <= $0.lastSequence }) else {
                throw IndexError.damaged("no record holds event \(sequence) of partition \(request.partition)")
            }
            entries.append(entry)
            bytes += Int(entry.place.length)
        }
        return entries
    }

    func places(_ partition: Int, _ block: Int64) throws(IndexError) -> [RecordEntry] {
        let key = IndexKey.place(KeyPrefix.sequence, partition, block)
        return try value(of: key) { value in
            stride(from: 0, to: value.count, by: RecordEntry.byteCount).compactMap { RecordEntry(value, at: $0) }
        } ?? []
    }
}

/// The sequences that match a request, one after the other.
struct SequenceWalk {
    private let store: IndexStore
    private let request: SequencePageRequest
    private let bound: Int64
    private var sequence: Int64
    private var block: Int64 = -1
    private var bitmap: SequenceBitmap?
    private var walks: [KeyIterator] = []
    private let isFiltered: Bool

    init(_ store: IndexStore, _ request: SequencePageRequest, from: Int64, bound: Int64) {
        self.store = store
        self.request = request
        self.bound = bound
        sequence = from
        isFiltered = request.category != nil || !request.types.isEmpty
        // The category's blocks where there is one, else those of each type: the others are looked up.
        if let category = request.category {
            walks = [walk(KeyPrefix.category, category)]
        } else {
            walks = request.types.map { walk(KeyPrefix.eventType, $0) }
        }
    }

    private func walk(_ prefix: UInt8, _ name: [UInt8]) -> KeyIterator {
        let key = IndexKey.bitmap(prefix, name, request.partition, 0)
        return KeyIterator(store.keyValue, prefix: Array(key[..<(key.count - 8)]))
    }

    mutating func next() throws(IndexError) -> Int64? {
        let step: Int64 = request.direction == .forward ? 1 : -1
        while sequence >= 0, sequence < bound {
            guard isFiltered else {
                defer { sequence += step }
                return sequence
            }
            guard try enterBlock() else { return nil }
            while sequence >= 0, sequence < bound, sequence / IndexLimits.bitmapBlock == block {
                defer { sequence += step }
                if bitmap?.contains(Int(sequence % IndexLimits.bitmapBlock)) == true { return sequence }
            }
        }
        return nil
    }

    /// Makes `block` the one of `sequence`, or the next one that has a match, with `sequence` in it; false: there is
    /// none.
    private mutating func enterBlock() throws(IndexError) -> Bool {
        let wanted = sequence / IndexLimits.bitmapBlock
        if wanted == block { return true }
        let isForward = request.direction == .forward
        var found: Int64?
        for walk in walks {
            guard let here = try seek(walk, wanted, isForward) else { continue }
            found = found.map { isForward ? min($0, here) : max($0, here) } ?? here
        }
        guard let found else { return false }
        guard isForward ? found >= wanted : found <= wanted else {
            throw IndexError.damaged("the blocks of a category or an event type are not in order")
        }
        block = found
        bitmap = try bitmap(of: found)
        if found != wanted {
            let first = found * IndexLimits.bitmapBlock
            sequence = isForward ? first : first + IndexLimits.bitmapBlock - 1
        }
        return true
    }

    /// The first block at or after (or, backward, at or before) `block` that the walk has.
    private func seek(_ walk: KeyIterator, _ block: Int64, _ isForward: Bool) throws(IndexError) -> Int64? {
        let prefix = request.category.map { (KeyPrefix.category, $0) }
        let name = prefix?.1 ?? request.types[walks.firstIndex { $0 === walk } ?? 0]
        let key = IndexKey.bitmap(prefix?.0 ?? KeyPrefix.eventType, name, request.partition, block)
        if isForward { walk.seek(key) } else { walk.seekBackward(key) }
        guard walk.isValid else {
            try store.check(walk)
            return nil
        }
        return walk.withKey { $0.signed64(at: $0.count - 8) }
    }

    private func bitmap(of block: Int64) throws(IndexError) -> SequenceBitmap {
        var types = SequenceBitmap()
        for type in request.types {
            types = types.union(try bitmap(KeyPrefix.eventType, type, block))
        }
        guard let category = request.category else { return types }
        let inCategory = try bitmap(KeyPrefix.category, category, block)
        return request.types.isEmpty ? inCategory : inCategory.intersection(types)
    }

    private func bitmap(_ prefix: UInt8, _ name: [UInt8], _ block: Int64) throws(IndexError) -> SequenceBitmap {
        let key = IndexKey.bitmap(prefix, name, request.partition, block)
        return (try store.value(of: key) { SequenceBitmap($0) } ?? nil) ?? SequenceBitmap()
    }
}

extension IndexStore {
    /// The first sequence of the partition at or after a time, in milliseconds since 1970; nil: there is none yet.
    ///
    /// Time never goes back here: an event counts with the greatest append time up to it.
    func sequence(atOrAfter time: Int64, in partition: Int) throws(IndexError) -> Int64? {
        let prefix = Array(IndexKey.place(KeyPrefix.time, partition, 0)[..<5])
        let walk = KeyIterator(keyValue, prefix: prefix)
        walk.seek(IndexKey.place(KeyPrefix.time, partition, max(0, time)))
        let next = walk.isValid ? walk.withKey { $0.signed64(at: 13) } : nil
        if next != nil { walk.previous() } else { walk.seekToLast() }
        try check(walk)
        guard walk.isValid else { return next }
        // The block before it begins earlier, and may end later.
        var latest = walk.withKey { $0.signed64(at: 5) }
        var request = SequencePageRequest(
            partition: partition, from: walk.withKey { $0.signed64(at: 13) }, direction: .forward, category: nil,
            types: [], maxEvents: Int(IndexLimits.bitmapBlock), bound: next)
        while request.from != nil {
            let page = try page(request)
            for event in page.events {
                latest = max(latest, event.appendTime)
                if latest >= time { return event.sequence }
            }
            request.from = page.next
            request.bound = page.bound
        }
        return next
    }
}

extension IndexedLog {
    /// The first sequence of a partition at or after a time, in milliseconds since 1970; nil: there is none yet.
    public func sequence(atOrAfter time: Int64, in partition: Int) async throws -> Int64? {
        try await job { [store] in try store.sequence(atOrAfter: time, in: partition) }
    }
}
