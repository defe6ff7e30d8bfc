// The blocks of one partition that are still being filled. A block covers fixed sequences, so what the index holds
// never depends on the runs in which records came.

/// 256 sequences of a category or an event type.
struct SequenceBitmap: Equatable, Sendable {
    private var words = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))

    static func == (one: SequenceBitmap, other: SequenceBitmap) -> Bool { one.words == other.words }

    init() {}

    mutating func insert(_ index: Int) {
        let bit = UInt64(1) << UInt64(index & 63)
        switch index >> 6 {
        case 0: words.0 |= bit
        case 1: words.1 |= bit
        case 2: words.2 |= bit
        default: words.3 |= bit
        }
    }

    func contains(_ index: Int) -> Bool {
        let word =
            switch index >> 6 {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            default: words.3
            }
        return word >> UInt64(index & 63) & 1 != 0
    }

    func encode(into value: inout IndexKey) {
        value.add(words.0)
        value.add(words.1)
        value.add(words.2)
        value.add(words.3)
    }

    init?(_ value: Span<UInt8>) {
        guard value.count == 32 else { return nil }
        words = (value.number64(at: 0), value.number64(at: 8), value.number64(at: 16), value.number64(at: 24))
    }

    func union(_ other: SequenceBitmap) -> SequenceBitmap {
        var result = self
        result.words.0 |= other.words.0
        result.words.1 |= other.words.1
        result.words.2 |= other.words.2
        result.words.3 |= other.words.3
        return result
    }

    func intersection(_ other: SequenceBitmap) -> SequenceBitmap {
        var result = self
        result.words.0 &= other.words.0
        result.words.1 &= other.words.1
        result.words.2 &= other.words.2
        result.words.3 &= other.words.3
        return result
    }
}

/// The bitmaps of one kind (categories or event types) for the block of sequences at hand.
struct OpenBitmaps {
    private struct Slot {
        var name: [UInt8]
        var bitmap: SequenceBitmap
        var isDirty: Bool
    }

    private let prefix: UInt8
    private let partition: Int
    private var block: Int64
    /// Whether entries of this block may be in the index from before it was opened.
    private var mayBeStored: Bool
    private var slots: [Slot] = []
    private var places: [NameKey: Int] = [:]
    private var last: Int?

    init(prefix: UInt8, partition: Int, nextSequence: Int64) {
        self.prefix = prefix
        self.partition = partition
        block = nextSequence / IndexLimits.bitmapBlock
        mayBeStored = nextSequence % IndexLimits.bitmapBlock != 0
    }

    /// What `write` adds to a batch, in bytes.
    private(set) var growth = 0

    /// Whether `insert` needs `write` first, since `sequence` begins another block.
    func isFull(for sequence: Int64) -> Bool { sequence / IndexLimits.bitmapBlock != block }

    /// Begins the block of `sequence`; what was dirty must have been written.
    mutating func advance(to sequence: Int64) {
        block = sequence / IndexLimits.bitmapBlock
        mayBeStored = false
        slots.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        last = nil
    }

    /// - Parameter sequences: of one block, one or more.
    mutating func insert(_ name: Span<UInt8>, _ sequences: Range<Int64>, _ store: IndexStore) throws(IndexError) {
        let slot = try slot(of: name, store)
        let first = Int(sequences.lowerBound % IndexLimits.bitmapBlock)
        for place in first..<first + sequences.count { slots[slot].bitmap.insert(place) }
        guard !slots[slot].isDirty else { return }
        slots[slot].isDirty = true
        growth += slots[slot].name.count + IndexLimits.bitmapEntryBytes
    }

    private mutating func slot(of name: Span<UInt8>, _ store: IndexStore) throws(IndexError) -> Int {
        // Most events are of the type and category of the one before.
        if let last {
            let known = slots[last].name
            if known.span.hasSameBytes(as: name) { return last }
        }
        let key = NameKey(name.array(0..<name.count))
        if let found = places[key] {
            last = found
            return found
        }
        var bitmap = SequenceBitmap()
        if mayBeStored {
            let stored = try store.value(of: IndexKey.bitmap(prefix, key.bytes, partition, block)) {
                SequenceBitmap($0)
            }
            bitmap = (stored ?? nil) ?? bitmap
        }
        slots.append(Slot(name: key.bytes, bitmap: bitmap, isDirty: false))
        places[key] = slots.count - 1
        last = slots.count - 1
        return slots.count - 1
    }

    /// Hands each changed entry over.
    mutating func write(_ put: (_ key: [UInt8], _ value: [UInt8]) -> Void) {
        var value = IndexKey()
        for index in slots.indices where slots[index].isDirty {
            value.startValue()
            slots[index].bitmap.encode(into: &value)
            put(IndexKey.bitmap(prefix, slots[index].name, partition, block), value.bytes)
            slots[index].isDirty = false
        }
        growth = 0
    }
}

/// The places of the records in the block of sequences at hand.
struct OpenPlaces {
    private let partition: Int
    private var block: Int64
    private var value = IndexKey()
    private var isDirty = false

    init(partition: Int, nextSequence: Int64, _ store: IndexStore) throws(IndexError) {
        self.partition = partition
        block = nextSequence / IndexLimits.placeBlock
        if nextSequence % IndexLimits.placeBlock != 0 {
            let key = IndexKey.place(KeyPrefix.sequence, partition, block)
            let stored = try store.value(of: key) { span in unsafe span.withUnsafeBufferPointer { unsafe Array($0) } }
            value.add(stored ?? [])
        }
    }

    /// Notes a record in each block that it has an event in; a block that is full is handed over.
    mutating func insert(_ entry: RecordEntry, _ put: (_ key: [UInt8], _ value: [UInt8]) -> Void) {
        let last = entry.lastSequence / IndexLimits.placeBlock
        for next in entry.firstSequence / IndexLimits.placeBlock...last {
            if next != block {
                write(put)
                value.startValue()
                block = next
            }
            entry.encode(into: &value)
            isDirty = true
        }
    }

    mutating func write(_ put: (_ key: [UInt8], _ value: [UInt8]) -> Void) {
        guard isDirty else { return }
        put(IndexKey.place(KeyPrefix.sequence, partition, block), value.bytes)
        isDirty = false
    }
}
