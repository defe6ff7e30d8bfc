import AppendRule
import Envelope
import EventLog
import Testing

@testable import StreamIndex

/// Streams that were soft-deleted, truncated, tombstoned: by records that no command writes yet.
@Suite struct HiddenStreamTests {
    private struct Store {
        let index: IndexedLog
        let log: InMemoryLog
        private var next = 0

        init() async throws {
            log = InMemoryLog()
            index = try await IndexedLog.open(
                IndexSource(OpenedLog(log: log, segments: nil, indexDirectory: nil)))
        }

        mutating func write(
            _ kind: RecordKind, _ expectation: AppendRule.Expectation = .any, events: Int = 1,
            firstReadable: Int64? = nil
        ) async throws {
            let ids = (0..<events).map { id(next + $0) }
            next += events
            let header = RecordHeader(
                kind: kind, expectation: expectation, expectedStream: .stream, writeID: 1, eventCount: events, ids: ids,
                firstReadable: firstReadable)
            let value = RecordEnvelope.encode(
                header, events: ids.map { _ in content("\(kind)") }, key: name("Order-1"),
                store: index.identity.store)
            log.append(LogRecord(key: name("Order-1"), value: value), to: 0, tag: .none)
            try await index.waitForBarrier(in: 0, deadline: .seconds(60))
        }

        func versions(_ stream: String = "Order-1", _ direction: PageDirection = .forward) async throws -> [Int64] {
            try await index.page(
                StreamPageRequest(stream: name(stream), from: nil, direction: direction, maxEvents: 100)
            ).events.map(\.version)
        }

        func summary() async throws -> StreamSummary { try await index.summaries(of: [name("Order-1")])[0] }

        func all() async throws -> [String] {
            try await index.page(
                SequencePageRequest(
                    partition: 0, from: nil, direction: .forward, category: nil, types: [], maxEvents: 100)
            ).events.map { "\(String(decoding: $0.streamName, as: UTF8.self)) \($0.version)" }
        }
    }

    @Test func aTruncatedStreamBeginsLater() async throws {
        var store = try await Store()
        try await store.write(.append, events: 6)
        try await store.write(.metadata, firstReadable: 4)
        #expect(try await store.versions() == [4, 5])
        #expect(try await store.versions("Order-1", .backward) == [5, 4])
        #expect(try await store.summary().firstReadable == 4)
        #expect(try await store.versions("$$Order-1") == [0])
        // Above the current version it hides all; the stream is there still.
        try await store.write(.metadata, firstReadable: 9)
        #expect(try await store.versions() == [])
        try await store.write(.append, .noStream)
        #expect(try await store.summary().current == 5)
        try await store.write(.append, .exactly(5), events: 5)
        #expect(try await store.versions() == [9, 10])
        // And down again: nothing was dropped.
        try await store.write(.metadata, firstReadable: 0)
        #expect(try await store.versions() == Array(0...10))
        #expect(try await store.all().count == 1 + 11 + 3)
        await store.index.close()
    }

    @Test func aSoftDeletedStreamReadsAsEmptyAndComesBack() async throws {
        var store = try await Store()
        try await store.write(.append, events: 3)
        try await store.write(.metadata, .exactly(2), firstReadable: StreamFacts.softDeleted)
        #expect(try await store.versions() == [])
        #expect(try await store.versions("Order-1", .backward) == [])
        #expect(try await store.summary().isSoftDeleted)
        #expect(try await store.all() == ["$store 0", "Order-1 0", "Order-1 1", "Order-1 2", "$$Order-1 0"])
        try await store.write(.append, .streamExists)
        #expect(try await store.summary().current == 2)
        try await store.write(.append, .noStream, events: 2)
        #expect(try await store.versions() == [3, 4])
        #expect(try await store.summary().isSoftDeleted == false)
        try await store.write(.metadata, firstReadable: StreamFacts.softDeleted)
        try await store.write(.append, .exactly(4))
        #expect(try await store.versions() == [5])
        await store.index.close()
    }

    @Test func aTombstoneIsTheEnd() async throws {
        var store = try await Store()
        try await store.write(.append, events: 2)
        try await store.write(.metadata)
        try await store.write(.tombstone, .exactly(1))
        try await store.write(.append)
        try await store.write(.metadata, firstReadable: 0)
        let page = try await store.index.page(
            StreamPageRequest(stream: name("Order-1"), from: nil, direction: .forward, maxEvents: 10))
        #expect(page.isTombstoned && page.events.isEmpty)
        #expect(try await store.summary().isTombstoned)
        #expect(
            try await store.all() == ["$store 0", "Order-1 0", "Order-1 1", "$$Order-1 0", "Order-1 2"])
        let refused = try await store.index.partitionSummaries()[0].decisions.first { $0.name == "tombstoned" }
        #expect(refused?.count == 2)
        await store.index.close()
    }
}
