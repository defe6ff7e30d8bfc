// Layouts of the index, as so many puts an event. Docs/index-layout.md says what the present one holds; here it stands
// beside others, reduced to keys and values of the same sizes.

import AppendRule
import Glibc
import KeyValue

/// One way to lay the index out.
struct Layout: Sendable {
    enum Secondary: Sendable {
        /// Bitmaps of 256 sequences, places in blocks.
        case blocks
        /// As blocks, but a byte for each sequence in place of a bitmap.
        case lists
        /// A place, a category and an event type entry for each event.
        case perEvent
    }

    var name: String
    /// The state of a stream is put once in each run that brings it events; else only its number, once.
    var hasStates = true
    /// The record itself stands under (stream, version), in place of where it lies in a segment.
    var holdsPayload = false
    /// Each record has an entry for its append id, rather than only the first of a stream.
    var hasIDs = false
    var secondary = Secondary.blocks
    var placeBlock = 64

    static let all = [
        Layout(name: "present"),
        Layout(name: "no state entry, version by a seek", hasStates: false),
        Layout(name: "record in RocksDB, by stream", holdsPayload: true),
        Layout(name: "an append id for every record", hasIDs: true),
        Layout(name: "secondary entries one an event", secondary: .perEvent),
        Layout(name: "lists in place of bitmaps", secondary: .lists),
        Layout(name: "blocks of 32 places", placeBlock: 32),
        Layout(name: "blocks of 128 places", placeBlock: 128),
    ]
}

/// What puts events under a layout, run by run.
struct LayoutWriter {
    static let bitmapBlock = 256
    private static let entryBytes = 30
    private static let stateBytes = 33

    let layout: Layout
    private(set) var writes = RecordedWrites()
    private let record: [UInt8]
    private var versions: [Int64]
    private var sequence = 0
    private var touched: [Int] = []
    private var isTouched: [Bool]
    private var categories: [String: Int] = [:]
    private var types: [String: Int] = [:]

    /// - Parameter record: stands for every record.
    init(_ layout: Layout, streams: Int, record: [UInt8]) {
        self.layout = layout
        self.record = record
        versions = Array(repeating: -1, count: streams)
        isTouched = Array(repeating: false, count: streams)
    }

    /// One batch of one event for each of the streams.
    mutating func write(_ run: ArraySlice<Int>) {
        for stream in run { add(stream) }
        for stream in touched {
            if layout.hasStates { put(Self.state(stream), Self.number(stream) + Self.fill(Self.stateBytes - 8)) }
            isTouched[stream] = false
        }
        touched.removeAll(keepingCapacity: true)
        putPlaces(sequence % layout.placeBlock)
        putBitmaps()
        put(Array("p0000".utf8), Self.fill(152))
        writes.endBatch()
    }

    private mutating func add(_ stream: Int) {
        versions[stream] += 1
        if versions[stream] == 0, !layout.hasStates { put(Self.state(stream), Self.number(stream)) }
        if !isTouched[stream] {
            isTouched[stream] = true
            touched.append(stream)
        }
        let value = layout.holdsPayload ? record : Samples.bytes(Int64(sequence)) + Self.fill(Self.entryBytes - 8)
        put(Self.version(stream, versions[stream]), value)
        if layout.hasIDs || versions[stream] == 0 {
            let id = Samples.id()
            put(
                [UInt8(ascii: "a")] + Self.number(stream) + Samples.bytes(Int64(bitPattern: id.high))
                    + Samples.bytes(Int64(bitPattern: id.low)), Self.fill(9))
        }
        let category = String(Samples.streamName(stream).prefix { $0 != "-" })
        let type = Samples.types[sequence % Samples.types.count]
        if case .perEvent = layout.secondary {
            put(Self.place("q", sequence), Self.fill(Self.entryBytes))
            put(Self.named("c", category, sequence), [])
            put(Self.named("t", type, sequence), [])
        } else {
            categories[category, default: 0] += 1
            types[type, default: 0] += 1
        }
        sequence += 1
        if sequence % layout.placeBlock == 0 { putPlaces(layout.placeBlock) }
        if sequence % Self.bitmapBlock == 0 {
            putBitmaps()
            categories.removeAll(keepingCapacity: true)
            types.removeAll(keepingCapacity: true)
        }
    }

    /// The block of places that `sequence` ends, as far as it is full.
    private mutating func putPlaces(_ count: Int) {
        if case .perEvent = layout.secondary { return }
        guard count > 0 else { return }
        put(Self.place("q", (sequence - 1) / layout.placeBlock), Self.fill(count * Self.entryBytes))
    }

    private mutating func putBitmaps() {
        for (prefix, counts) in [("c", categories), ("t", types)] {
            for (name, count) in counts {
                let bytes = if case .lists = layout.secondary { count } else { Self.bitmapBlock / 8 }
                put(Self.named(prefix, name, (sequence - 1) / Self.bitmapBlock), Self.fill(bytes))
            }
        }
    }

    private mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        writes.put(key, value)
    }

    // MARK: - Keys

    static func state(_ stream: Int) -> [UInt8] { Array("s\(Samples.streamName(stream))".utf8) }

    static func number(_ stream: Int) -> [UInt8] { Samples.bytes(Int64(stream) << 1) }

    static func version(_ stream: Int, _ version: Int64) -> [UInt8] {
        [UInt8(ascii: "v")] + number(stream) + Samples.bytes(version)
    }

    private static func place(_ prefix: String, _ number: Int) -> [UInt8] {
        Array("\(prefix)0000".utf8) + Samples.bytes(Int64(number))
    }

    private static func named(_ prefix: String, _ name: String, _ number: Int) -> [UInt8] {
        Array("\(prefix)\(name)\u{0}0000".utf8) + Samples.bytes(Int64(number))
    }

    private static func fill(_ count: Int) -> [UInt8] { Array(repeating: UInt8(ascii: "x"), count: count) }
}

/// Reads what a `LayoutWriter` put.
struct LayoutReader {
    let layout: Layout
    let store: KeyValueStore
    /// All records, one after the other, in the order of the sequence.
    let records: Int32
    let recordBytes: Int

    /// The number of a stream as its state gives it.
    private func number(of stream: Int) throws -> [UInt8] {
        guard let number = try store.withValue(of: LayoutWriter.state(stream), { state in (0..<8).map { state[$0] } })
        else { throw PeerError(description: "a stream is missing") }
        return number
    }

    /// All events of a stream; how many there are.
    func readStream(_ stream: Int, _ buffer: inout [UInt8]) throws -> Int {
        let prefix = [UInt8(ascii: "v")] + (try number(of: stream))
        let walk = KeyIterator(store, prefix: prefix)
        walk.seek(prefix)
        var count = 0
        while walk.isValid {
            if layout.holdsPayload {
                walk.withValue { value in
                    value.withUnsafeBufferPointer { value in
                        buffer.withUnsafeMutableBufferPointer { _ = $0.update(from: value) }
                    }
                }
            } else {
                let sequence = walk.withValue { value in (0..<8).reduce(0) { $0 << 8 | Int(value[$1]) } }
                guard pread(records, &buffer, recordBytes, sequence * recordBytes) == recordBytes else {
                    throw PeerError(description: "a record cannot be read")
                }
            }
            count += 1
            walk.next()
        }
        return count
    }

    /// The current version of a stream that is in no cache.
    func currentVersion(_ stream: Int) throws -> Bool {
        let number = try number(of: stream)
        guard !layout.hasStates else { return true }
        let prefix = [UInt8(ascii: "v")] + number
        let walk = KeyIterator(store, prefix: prefix)
        walk.seekBackward(LayoutWriter.version(stream, .max))
        return walk.isValid
    }
}
