import AppendRule
import Envelope
import EventLog
import GlobalOrder
import KeyValue
import Testing

@testable import StreamIndex

/// What the index makes of the order channel depends on the log alone, not on the runs in which it came or on restarts.
@Suite struct OrderLaneTests {
    @Test(arguments: [2, 4, 12]) func everyCutGivesTheSameOrder(partitions: Int) throws {
        let seed = seed(for: "OrderLane, \(partitions) partitions")
        let book = try OrderBook(seed: seed, count: 2_500, partitions: partitions)
        let whole = try book.records.index(hasOrder: true) { $0 = 4_096 }
        defer { whole.close() }
        let expected = Self.entries(whole)
        #expect(try Self.placed(whole) == book.expected(), "seed \(seed)")
        #expect(book.voids > 0, "voids do not happen any more")
        try Self.expectAllConfirmed(whole, "seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for (most, gathering) in [(1, 1), (7, 1), (300, 1), (1, 40), (3, 100_000)] {
            let cut = try book.records.index(reopens: true, hasOrder: true, gathering: gathering) {
                $0 = random.below(most) + 1
            }
            defer { cut.close() }
            let entries = Self.entries(cut)
            let different = zip(entries, expected).first { $0.key != $1.key || $0.value != $1.value }
            #expect(entries.count == expected.count && different == nil, "seed \(seed), runs of \(most)")
            try Self.expectAllConfirmed(cut, "seed \(seed), runs of \(most)")
        }
    }

    /// A void far back is taken in steps, each of them as good a place to stop as any.
    @Test func aLongVoidIsGoneOnWithWhereItWasCutShort() throws {
        let seed = seed(for: "aLongVoidIsGoneOnWithWhereItWasCutShort")
        var book = try OrderBook(plain: 3 * IndexLimits.orderStep / 4, partitions: 3, seed: seed)
        let void = OrderVoid(orderOffset: 2, partition: 1)
        try book.add(void)
        let whole = try book.records.index(hasOrder: true) { $0 = 4_096 }
        defer { whole.close() }
        #expect(try Self.placed(whole) == book.expected())
        #expect(try Self.placed(whole).count > IndexLimits.orderStep / 2)
        // Records of partitions may come after it.
        let last = try #require(book.records.entries.last { $0.channel == 3 })
        let others = book.records.entries.filter { $0.channel != last.channel || $0.offset != last.offset }
        for deleted in [0, 1, 1_000] {
            let cut = try BookIndex(book.records, hasOrder: true)
            defer { cut.close() }
            try cut.apply(others)
            // The first batch of the void, and of the next steps as many deletions.
            let batch = WriteBatch()
            let lane = try #require(cut.applier.order)
            #expect(try lane.void(void, writeID: 1, at: last.offset, batch) > 1)
            lane.write(batch)
            var state = cut.states[3]
            state.nextOffset += 1
            batch.put(IndexKey.partition(3), state.encode())
            try cut.store.keyValue.write(batch)
            batch.removeAll()
            let tail = PlacedTail(cut.store, from: 3)
            for _ in 0..<deleted {
                guard let range = tail.next() else { break }
                let entry = PlacedEntry(range: range, empty: [])
                batch.delete(entry.key)
                if range.events > 0 { batch.delete(entry.sequenceKey) }
            }
            try cut.store.keyValue.write(batch)
            try cut.reopen()
            let kinds = [KeyPrefix.placed, KeyPrefix.placedSequence, KeyPrefix.order, KeyPrefix.voided]
            let (found, wanted) = (Self.entries(cut, kinds), Self.entries(whole, kinds))
            #expect(found.count == wanted.count && zip(found, wanted).allSatisfy { $0 == $1 })
            try Self.expectAllConfirmed(cut, "\(deleted) deleted")
        }
    }

    /// The void of the newest range, and a restart before anything else is ordered.
    @Test func whatAVoidTookIsNotConfirmedAfterARestart() throws {
        var book = try OrderBook(plain: 50, partitions: 2, seed: 1)
        try book.add(OrderVoid(orderOffset: book.count - 1, partition: 1))
        let index = try book.records.index(hasOrder: true) { $0 = 4_096 }
        defer { index.close() }
        let confirmed = index.store.order?.contents.confirmed
        #expect(confirmed == (try index.store.orderState().0.nextPosition))
        try index.reopen()
        #expect(index.store.order?.contents.confirmed == confirmed)
    }

    /// A read may see entries of before a void and of after it: then it is repeated, whatever came of it.
    @Test func aReadDuringAVoidIsRepeated() throws {
        let index = try OrderBook(plain: 20, partitions: 2, seed: 1).records.index(hasOrder: true) { $0 = 4_096 }
        defer { index.close() }
        let view = try #require(index.store.order)
        var looks = 0
        let confirmed = try index.store.whileOrderStands { (contents) throws(IndexError) in
            looks += 1
            if looks < 3 { view.takeBack(from: Int64(6 - looks)) }
            if looks == 1 { throw IndexError.damaged("a test") }
            return contents.confirmed
        }
        #expect(looks == 3 && confirmed == 4)
        var request = SequencePageRequest(
            partition: 0, from: 2, direction: .forward, category: nil, types: [], maxEvents: 1)
        request.voids = 1
        let error = #expect(throws: IndexError.self) { try index.store.orderedPage(request) }
        #expect(error?.code == .disputed)
        request.voids = 2
        #expect(try index.store.orderedPage(request).events.map(\.position) == [2])
    }

    /// All but how far was compared, which may be behind.
    private static func entries(
        _ index: BookIndex, _ kinds: [UInt8]? = nil
    ) -> [(key: [UInt8], value: [UInt8])] {
        index.entries().filter { entry in
            entry.key.first.map { kinds?.contains($0) ?? ($0 != KeyPrefix.checked) } ?? false
        }
    }

    private static func placed(_ index: BookIndex) throws -> [PlacedRange] {
        let tail = PlacedTail(index.store, from: 0)
        return Array(tail).reversed()
    }

    private static func expectAllConfirmed(_ index: BookIndex, _ what: String) throws {
        let contents = try #require(index.store.order?.contents)
        #expect(contents.fault == nil, "\(what)")
        #expect(contents.confirmed == (try index.store.orderState().0.nextPosition), "\(what)")
        var comparison = IndexComparison()
        try comparison.checkOrder(of: index.store, known: nil)
        #expect(comparison.problems == [], "\(what)")
    }
}

/// Records with an order channel: true ranges and false ones, stale ones, voids. In the end nothing false is left.
struct OrderBook {
    private let events: [(channel: Int, LogRecord)]
    private var order: [LogRecord] = []
    private var entries: [ParsedOrderRecord] = []
    private let identity: Identity
    private let seed: UInt64
    private(set) var records: RecordBook
    private(set) var voids = 0

    /// So many order offsets.
    var count: Int64 { Int64(order.count) }

    init(seed: UInt64, count: Int, partitions: Int) throws {
        let identity = Identity(store: testStore, partitions: partitions, nonce: id(1))
        var maker = RecordMaker(seed: seed, identity: identity)
        try self.init((0..<count).map { maker.next($0) }, identity, seed)
        let plain = try records.index { $0 = 4_096 }
        defer { plain.close() }
        var random = SeededGenerator(seed: seed ^ 7)
        let ends = plain.states.prefix(partitions).map(\.nextOffset)
        for _ in 0..<120 { try addRecord(plain, ends, &random, isTrue: false) }
        // What is false is declared void, one after the other; then the rest is ordered.
        while let range = try firstFalse(plain, ends) {
            append(void: OrderVoid(orderOffset: range.orderOffset, partition: range.partition))
        }
        while zip(state.partitions, ends).contains(where: { $0.nextOffset < $1 }) {
            try addRecord(plain, ends, &random, isTrue: true)
        }
        try build()
    }

    /// Single events, each of which is a range of its own.
    init(plain count: Int, partitions: Int, seed: UInt64) throws {
        let identity = Identity(store: testStore, partitions: partitions, nonce: id(1))
        var maker = RecordMaker(seed: seed, identity: identity)
        var events = (0..<2 * partitions - 1).map { maker.next($0) }
        for number in 0..<count {
            let key = name("S-\(number)")
            let header = RecordHeader(
                kind: .append, writeID: UInt64(number + 1), eventCount: 1, ids: [id(number)])
            let value = RecordEnvelope.encode(header, events: [content()], key: key, store: identity.store)
            events.append((partition(of: key.span, partitions: partitions), LogRecord(key: key, value: value)))
        }
        try self.init(events, identity, seed)
        let plain = try records.index { $0 = 4_096 }
        defer { plain.close() }
        let ends = plain.states.prefix(partitions).map(\.nextOffset)
        var ranges: [OrderRange] = []
        for (partition, end) in ends.enumerated() {
            for offset in (partition == 0 ? 1 : 0)..<end {
                let content = try Self.own(plain, partition, offset...offset)
                ranges.append(OrderRange(partition: partition, first: offset, last: offset, content: content))
            }
        }
        // Those of partition 1 begin in the second record.
        ranges.sort { ($0.partition == 1 ? 1 : 0, $0.first) < ($1.partition == 1 ? 1 : 0, $1.first) }
        let firstOfOne = ranges.firstIndex { $0.partition == 1 } ?? 0
        append(OrderRecord(proposer: ProposerID(high: 1, low: 1), ranges: Array(ranges[..<4])))
        append(OrderRecord(proposer: ProposerID(high: 1, low: 2), ranges: Array(ranges[firstOfOne...].prefix(1))))
        let rest = Array(ranges[4..<firstOfOne] + ranges[(firstOfOne + 1)...])
        for start in stride(from: 0, to: rest.count, by: 1_000) {
            append(
                OrderRecord(
                    proposer: ProposerID(high: 1, low: 1), ranges: Array(rest[start..<min(start + 1_000, rest.count)])))
        }
        try build()
    }

    private init(_ events: [(channel: Int, LogRecord)], _ identity: Identity, _ seed: UInt64) throws {
        self.events = events
        self.identity = identity
        self.seed = seed
        records = try RecordBook(events, identity, seed: seed)
        let own = Identity(store: identity.store, partitions: identity.partitions, nonce: id(99))
        order.append(
            LogRecord(
                key: [],
                value: RecordEnvelope.encodeIdentity(own, id: id(5), partition: identity.partitions, writeID: 1)))
        entries.append(.store(own, id: id(5)))
    }

    mutating func add(_ void: OrderVoid) throws {
        append(void: void)
        try build()
    }

    /// The order channel among the rest: also before the records that it speaks of.
    private mutating func build() throws {
        var random = SeededGenerator(seed: seed ^ 11)
        var all: [(channel: Int, LogRecord)] = []
        var next = 0
        for (number, event) in events.enumerated() {
            all.append(event)
            let isLate = next * events.count > number * order.count * 2
            while number > 2 * identity.partitions, next < order.count, !isLate,
                random.below(events.count) < order.count
            {
                all.append((identity.partitions, order[next]))
                next += 1
            }
        }
        all += order[next...].map { (identity.partitions, $0) }
        records = try RecordBook(all, identity, seed: seed)
    }

    private mutating func append(_ record: OrderRecord) {
        let value = RecordEnvelope.encodeOrder(
            record, writeID: UInt64(order.count + 1), partitions: identity.partitions, store: identity.store)
        order.append(LogRecord(key: [], value: value))
        entries.append(.order(record, writeID: 0))
    }

    private mutating func append(void: OrderVoid) {
        voids += 1
        let author = ProposerID(high: 9, low: 9)
        let value = RecordEnvelope.encodeVoid(
            void, author: author, writeID: UInt64(order.count + 1), partitions: identity.partitions,
            store: identity.store)
        order.append(LogRecord(key: [], value: value))
        entries.append(.void(void, author: author, writeID: 0))
    }

    private mutating func addRecord(
        _ plain: BookIndex, _ ends: [Int64], _ random: inout SeededGenerator, isTrue: Bool
    ) throws {
        if !isTrue, random.below(12) == 0 {
            return append(
                void: OrderVoid(
                    orderOffset: Int64(random.below(order.count + 2)), partition: random.below(identity.partitions)))
        }
        var ranges: [OrderRange] = []
        var next = state.partitions.map(\.nextOffset)
        for _ in 0...random.below(4) {
            let partition = random.below(identity.partitions)
            // Sometimes one that is not the next.
            let shift = !isTrue && random.below(5) == 0 ? Int64(random.below(3)) - 1 : 0
            let first = max(0, next[partition] + shift)
            guard first < ends[partition] else { continue }
            let last = min(ends[partition] - 1, first + Int64(random.below(isTrue ? 400 : 12)))
            var content = try Self.own(plain, partition, first...last)
            if !isTrue, random.below(40) == 0, Int64(content.empty.count) <= last - first { content.events += 1 }
            ranges.append(OrderRange(partition: partition, first: first, last: last, content: content))
            next[partition] = last + 1
        }
        guard !ranges.isEmpty else { return }
        append(OrderRecord(proposer: ProposerID(high: 1, low: UInt64(random.below(3))), ranges: ranges))
    }

    private static func own(
        _ plain: BookIndex, _ partition: Int, _ offsets: ClosedRange<Int64>
    ) throws -> RangeContent {
        var events: Int64 = 0
        var empty: [Int64] = []
        for offset in offsets {
            let count = plain.eventCount(partition, offset)
            events += count
            if count == 0 { empty.append(offset) }
        }
        return RangeContent(events: events, empty: empty)
    }

    private func firstFalse(_ plain: BookIndex, _ ends: [Int64]) throws -> PlacedRange? {
        try expected().first { range in
            guard case .order(let record, _) = entries[Int(range.orderOffset)] else { return false }
            let own = try Self.own(plain, range.partition, range.firstOffset...range.lastOffset)
            return record.ranges[range.place.index].content != own
        }
    }

    private var state: OrderState { judged(entries.count, voided()).state }

    /// What is placed in the end, with nothing kept from one void to the next.
    func expected() -> [PlacedRange] { judged(entries.count, voided()).placed }

    private func voided() -> [OrderVoid] {
        var voided: [OrderVoid] = []
        for (offset, entry) in entries.enumerated() {
            guard case .void(let void, _, _) = entry else { continue }
            let isPlaced = judged(offset, voided).placed.contains {
                $0.orderOffset == void.orderOffset && $0.partition == void.partition
            }
            if isPlaced { voided.append(void) }
        }
        return voided
    }

    private func judged(_ end: Int, _ voided: [OrderVoid]) -> (state: OrderState, placed: [PlacedRange]) {
        var state = OrderState(partitions: identity.partitions)
        var placed: [PlacedRange] = []
        for (offset, entry) in entries[..<end].enumerated() {
            guard case .order(let record, _) = entry else {
                state.skip(Int64(offset))
                continue
            }
            let without = voided.filter { $0.orderOffset == offset }.map(\.partition)
            placed += state.apply(record, at: Int64(offset), without: without)
        }
        return (state, placed)
    }
}

extension BookIndex {
    /// How many events the record at an offset brought.
    func eventCount(_ partition: Int, _ offset: Int64) -> Int64 { eventCounts[partition]?[offset] ?? 0 }
}
