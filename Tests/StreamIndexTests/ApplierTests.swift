import AppendRule
import Envelope
import EventLog
import KeyValue
import Segments
import Testing

@testable import StreamIndex

/// What the index holds depends on the records alone, not on the runs in which they came.
@Suite struct ApplierTests {
    @Test func everyCutGivesTheSameIndex() throws {
        let seed = seed(for: "Applier")
        let book = try RecordBook(seed: seed, count: 10_000, partitions: 2)
        let whole = try book.index { $0 = 4_096 }
        defer { whole.close() }
        let expected = whole.entries()
        #expect(Set(expected.compactMap(\.key.first)).count == 12, "every kind of entry is there")
        #expect(whole.states.allSatisfy { $0.counts.allSatisfy { $0 > 0 } }, "\(whole.states.map(\.counts))")
        var random = SeededGenerator(seed: seed)
        for (most, gathering) in [(1, 1), (7, 1), (300, 1), (1, 50), (7, 20), (2, 100_000)] {
            let cut = try book.index(reopens: most > 1, gathering: gathering) { $0 = random.below(most) + 1 }
            defer { cut.close() }
            #expect(cut.states == whole.states, "seed \(seed), runs of \(most)")
            #expect(cut.decisions == whole.decisions, "seed \(seed), runs of \(most), \(gathering) together")
            let entries = cut.entries()
            #expect(entries.count == expected.count)
            let different = zip(entries, expected).first { $0.key != $1.key || $0.value != $1.value }
            #expect(different == nil, "seed \(seed), runs of \(most): \(String(describing: different))")
        }
        for (partition, state) in whole.states.enumerated() {
            let last = try #require(book.entries.last { $0.channel == partition })
            #expect(state.nextOffset == last.offset + 1)
            let bytes = book.bytes
            #expect(state.lastRecord == Applier.fingerprint(key: last.key, value: last.value, in: bytes.span))
        }
        // The rule was given the right facts: a model that keeps everything in dictionaries decides the same.
        #expect(whole.decisions == book.decisions(), "seed \(seed)")
    }
}

/// Random records of all kinds in a log of some partitions, with their places in segments.
struct RecordBook {
    let identity: Identity
    let writer: SegmentWriter
    private(set) var bytes: [UInt8] = []
    private(set) var entries: [RunEntry] = []

    init(seed: UInt64, count: Int, partitions: Int) throws {
        let identity = Identity(store: testStore, partitions: partitions, nonce: id(1))
        var maker = RecordMaker(seed: seed, identity: identity)
        try self.init((0..<count).map { maker.next($0) }, identity, seed: seed)
    }

    init(_ records: [(channel: Int, LogRecord)], _ identity: Identity, seed: UInt64) throws {
        self.identity = identity
        writer = try SegmentWriter.create(
            in: MemoryStorage(), store: StoreUUID(high: testStore.high, low: testStore.low), fileBytes: 1 << 20)
        var random = SeededGenerator(seed: seed ^ 1)
        var run = RecordRun()
        var offsets = [Int64](repeating: 0, count: identity.partitions + 1)
        var time: Int64 = 1_000
        for (channel, record) in records {
            // A new leader's clock may be behind.
            time += Int64(random.below(20)) - 5
            run.append(record, channel: channel, offset: offsets[channel], appendTime: time)
            offsets[channel] += 1
        }
        entries = run.entries
        bytes = run.bytes
        var places: [SegmentPlace] = []
        var next = 0
        while next < entries.count {
            let end = min(entries.count, next + 1 + random.below(40))
            let frames = entries[next..<end].map {
                SegmentFrame(
                    channel: $0.channel, offset: $0.offset, appendTime: $0.appendTime, key: $0.key, value: $0.value,
                    place: SegmentPlace(file: 0, position: 0, length: 0))
            }
            try writer.append(frames, of: bytes, places: &places)
            next = end
        }
        try writer.sync()
        for (index, place) in places.enumerated() {
            entries[index].place = FramePlace(file: place.file, position: place.position, length: place.length)
        }
    }

    /// Applies all records, in runs whose sizes `size` gives; what they bring is written after every run, or after every
    /// so many.
    func index(
        reopens: Bool = false, hasOrder: Bool = false, gathering: Int = 1, _ size: (inout Int) -> Void
    ) throws -> BookIndex {
        let index = try BookIndex(self, hasOrder: hasOrder)
        var next = 0
        var runs = 0
        while next < entries.count {
            var count = 1
            size(&count)
            let end = min(entries.count, next + count)
            runs += 1
            try index.apply(
                Array(entries[next..<end]),
                commits: end == entries.count || runs % gathering == 0 || index.applier.isDue)
            next = end
            if reopens, runs % (5 * gathering) == 0 { try index.reopen() }
        }
        return index
    }

    /// What the model decides of the records that are keyed by a name.
    func decisions() -> [Decision] {
        var models = [FactModel](repeating: FactModel(), count: identity.partitions)
        return entries.compactMap { entry in
            let parsed = RecordEnvelope.parse(
                bytes: bytes.span, key: entry.key, value: entry.value, channel: entry.channel,
                partitions: identity.partitions, store: identity.store)
            guard case .record(let header, _) = parsed, let key = entry.key else { return nil }
            return models[entry.channel].apply(header, Array(bytes[key]), offset: entry.offset).decision
        }
    }
}

/// An index in memory over a book.
final class BookIndex {
    let store: IndexStore
    private let book: RecordBook
    private(set) var applier: Applier
    private(set) var decisions: [Decision] = []
    /// By partition and offset.
    private(set) var eventCounts: [Int: [Int64: Int64]] = [0: [0: 1]]

    init(_ book: RecordBook, hasOrder: Bool = false) throws {
        self.book = book
        let keyValue = try IndexFiles.open(directory: nil, book.identity)
        store = IndexStore(
            keyValue: keyValue, segments: book.writer.reader, identity: book.identity, isCopy: false,
            hasOrder: hasOrder)
        applier = try Applier(store)
    }

    func apply(_ entries: [RunEntry], commits: Bool = true) throws {
        let bytes = book.bytes
        for record in try applier.apply(bytes.span, entries, reports: true) {
            guard case .decided(let decided) = record.what else { continue }
            decisions.append(decided.decision)
            if case .accepted = decided.decision {
                eventCounts[record.channel, default: [:]][record.offset] = Int64(decided.header.eventCount)
            }
        }
        if commits { try applier.commit() }
    }

    /// As after a restart: only what RocksDB holds is known.
    func reopen() throws { applier = try Applier(store) }

    var states: [PartitionState] { applier.lanes.map(\.state) }

    func entries() -> [(key: [UInt8], value: [UInt8])] {
        let walk = KeyIterator(store.keyValue, from: [], to: [])
        var entries: [(key: [UInt8], value: [UInt8])] = []
        walk.seekToFirst()
        while walk.isValid {
            entries.append((walk.key, walk.value))
            walk.next()
        }
        return entries
    }

    func close() { store.keyValue.close() }
}

/// Records that get in each other's way, and some that are none.
struct RecordMaker {
    private var random: SeededGenerator
    private let identity: Identity
    private var models: [FactModel]
    private var sent: [(name: [UInt8], header: RecordHeader)] = []
    private static let names = ["Order-1", "Order-2", "Order-3", "Cart-7", "Cart-8", "plain", "-dash", "$own", "Ö-1"]
    private static let types = ["Placed", "Paid", "Shipped", "Ünder", "Cancelled"]

    init(seed: UInt64, identity: Identity) {
        random = SeededGenerator(seed: seed)
        self.identity = identity
        models = Array(repeating: FactModel(), count: identity.partitions)
    }

    mutating func next(_ number: Int) -> (channel: Int, LogRecord) {
        // The creation record, a barrier before the others' identities, the identities.
        if number < identity.partitions { return (number, number == 0 ? store(0) : barrier(number)) }
        if number < 2 * identity.partitions - 1 {
            let channel = number - identity.partitions + 1
            return (channel, store(channel))
        }
        let channel = random.below(identity.partitions)
        switch random.below(40) {
        case 0: return (channel, barrier(channel))
        case 1: return (channel, store(channel))
        case 2: return (channel, LogRecord(key: nil, value: random.below(2) == 0 ? nil : [1, 2, 3]))
        case 3:
            var (channel, record) = proposal()
            var value = record.value ?? []
            value[random.below(value.count)] ^= 1
            record.value = value
            return (channel, record)
        case 4:
            let (channel, record) = proposal()
            return ((channel + 1) % identity.partitions, record)
        default: return proposal()
        }
    }

    private mutating func store(_ channel: Int) -> LogRecord {
        let own = Identity(store: identity.store, partitions: identity.partitions, nonce: id(channel + 10))
        return LogRecord(
            key: [],
            value: RecordEnvelope.encodeIdentity(own, id: id(random.below(1_000)), partition: channel, writeID: 1))
    }

    private mutating func barrier(_ channel: Int) -> LogRecord {
        LogRecord(
            key: [],
            value: RecordEnvelope.encodeBarrier(
                id: id(random.below(1_000)), partition: channel, writeID: random.next() | 1, store: identity.store))
    }

    private mutating func proposal() -> (Int, LogRecord) {
        var (name, header) = sent.isEmpty || random.below(4) > 0 ? fresh() : sent[random.below(sent.count)]
        switch random.below(12) {
        case 0 where header.kind != .cancel: header.kind = .cancel
        case 1: header.attempt = UInt32(random.below(4))
        case 2 where header.kind == .append:
            header.ids.append(id(random.below(1_000)))
            header.eventCount += 1
        default: break
        }
        header.writeID = random.next() | 1
        sent.append((name, header))
        let channel = partition(of: name.span, partitions: identity.partitions)
        _ = models[channel].apply(header, name, offset: 0)
        let events = header.kind == .cancel ? [] : header.ids.map { _ in content(random.pick(Self.types), data: 9) }
        return (
            channel,
            LogRecord(key: name, value: RecordEnvelope.encode(header, events: events, key: name, store: identity.store))
        )
    }

    private mutating func fresh() -> (name: [UInt8], header: RecordHeader) {
        let isOneOfMany = random.below(3) == 0
        let name = name(isOneOfMany ? "Many-\(random.below(400))" : random.pick(Self.names))
        let facts = models[partition(of: name.span, partitions: identity.partitions)].streams[name] ?? .none
        let first = 100_000 + random.below(40_000_000)
        let isPlain = name.first != UInt8(ascii: "$")
        switch random.below(isPlain ? 60 : 50) {
        case 50..<57:
            let header = RecordHeader(
                kind: .metadata, expectation: random.below(2) == 0 ? .any : .exactly(max(0, facts.metadataCurrent)),
                expectedStream: .metadataStream, eventCount: 1, ids: [id(first)],
                firstReadable: random.pick([nil, StreamFacts.softDeleted, max(0, facts.current), 3]))
            return (name, header)
        case 57 where isOneOfMany:
            return (name, RecordHeader(kind: .tombstone, eventCount: 1, ids: [id(first)]))
        default:
            // Now and then over several blocks.
            let count = random.below(60) == 0 ? 70 + random.below(500) : 1 + random.below(3)
            return (
                name,
                RecordHeader(
                    kind: .append, expectation: expectation(facts), eventCount: count,
                    ids: (0..<count).map { id(first + $0) })
            )
        }
    }

    private mutating func expectation(_ facts: StreamFacts) -> AppendRule.Expectation {
        switch random.below(8) {
        case 0: .noStream
        case 1: .streamExists
        case 2, 3, 4: .exactly(max(0, facts.current + Int64(random.below(4)) / 2 - 1 + Int64(random.below(2))))
        default: .any
        }
    }
}
