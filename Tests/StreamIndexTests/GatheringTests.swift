import AppendRule
import Envelope
import EventLog
import Foundation
import GlobalOrder
import KeyValue
import Segments
import Testing

@testable import StreamIndex

/// What the applier's batch holds back: decisions know of it, the order gets what it waits for.
@Suite struct GatheringTests {
    private static func identity(_ partitions: Int) -> Identity {
        Identity(store: testStore, partitions: partitions, nonce: id(1))
    }

    private static func begin(_ channel: Int, _ identity: Identity) -> (channel: Int, LogRecord) {
        let own = Identity(store: identity.store, partitions: identity.partitions, nonce: id(10 + channel))
        let value = RecordEnvelope.encodeIdentity(own, id: id(20 + channel), partition: channel, writeID: 1)
        return (channel, LogRecord(key: [], value: value))
    }

    private static func append(
        _ stream: String, _ expectation: AppendRule.Expectation, _ number: Int, to channel: Int
    ) -> (channel: Int, LogRecord) {
        let header = RecordHeader(
            kind: .append, expectation: expectation, writeID: UInt64(number), eventCount: 1, ids: [id(number)])
        let value = RecordEnvelope.encode(header, events: [content()], key: name(stream), store: testStore)
        return (channel, LogRecord(key: name(stream), value: value))
    }

    /// The name of a stream in a partition.
    private static func stream(in wanted: Int, of partitions: Int) throws -> String {
        try #require(
            (0..<100).map { "S-\($0)" }.first { partition(of: name($0).span, partitions: partitions) == wanted })
    }

    /// A reader's write that found no room leaves the entries where they were, and decisions know of them.
    @Test func aWriteThatFailedChangesNoDecision() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("gather-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let identity = Self.identity(1)
        let count = 200
        var records = [Self.begin(0, identity)]
        for version in 0..<count {
            records.append(
                Self.append("S-1", version == 0 ? .noStream : .exactly(Int64(version - 1)), 1_000 + version, to: 0))
        }
        // The same append again, in the middle of what gathers.
        records.append(records[count / 2])
        let book = try RecordBook(records, identity, seed: 1)
        let bytes = book.bytes
        var limits = KeyValueLimits()
        (limits.spareBytes, limits.checkBytes) = (1 << 55, 8_192)
        let keyValue = try KeyValueStore(.directory(path), limits: limits)
        defer { keyValue.close(flushing: false) }
        let applier = try Applier(
            IndexStore(keyValue: keyValue, segments: book.writer.reader, identity: identity, isCopy: false))
        let decided = try applier.apply(bytes.span, Array(book.entries.dropLast()), reports: true)
        #expect(decided.count == count)
        #expect(throws: IndexError.self) { try applier.write() }
        #expect(throws: IndexError.self) { try applier.apply(bytes.span, [book.entries[count + 1]], reports: true) }
    }

    /// A range that comes before the records that it speaks of is compared when the last of them is applied.
    @Test func theOrderGetsWhatItWaitsFor() throws {
        let identity = Self.identity(2)
        let (zero, one) = (try Self.stream(in: 0, of: 2), try Self.stream(in: 1, of: 2))
        let range = OrderRange(partition: 1, first: 0, last: 2, content: RangeContent(events: 2, empty: [0]))
        let order = RecordEnvelope.encodeOrder(
            OrderRecord(proposer: ProposerID(high: 1, low: 1), ranges: [range]), writeID: 2, partitions: 2,
            store: testStore)
        let book = try RecordBook(
            [
                Self.begin(0, identity), Self.begin(1, identity), Self.begin(2, identity),
                (2, LogRecord(key: [], value: order)), Self.append(one, .any, 100, to: 1),
                Self.append(zero, .any, 101, to: 0), Self.append(one, .any, 102, to: 1),
            ], identity, seed: 1)
        let index = try BookIndex(book, hasOrder: true)
        defer { index.close() }
        try index.apply(Array(book.entries[..<4]), commits: false)
        #expect(index.applier.isDue)
        try index.applier.commit()
        for entry in book.entries[4..<6] {
            try index.apply([entry], commits: false)
            #expect(!index.applier.isDue)
        }
        // What a reader writes compares nothing.
        try index.applier.write()
        #expect(index.store.order?.contents.confirmed == 1)
        try index.apply([book.entries[6]], commits: false)
        #expect(index.applier.isDue)
        try index.applier.commit()
        #expect(index.store.order?.contents.confirmed == 3)
        #expect(!index.applier.isDue)
    }
}
