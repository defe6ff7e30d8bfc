import AppendRule
import EventLog
import Testing

@testable import StreamIndex

/// What holds up what among the reads.
@Suite struct LaneTests {
    /// Jobs that end once they are let go, or, so that a test can fail, after a while.
    private struct Held: Sendable {
        let running = Monitor(0)
        let isOver = Monitor(false)

        /// - Returns: whether it was let go.
        func hold() -> Bool {
            running.withLock { $0 += 1 }
            return isOver.wait(until: .now + .seconds(20)) { $0 ? true : nil } ?? false
        }

        func waitUntilRunning(_ count: Int) async throws {
            try await onOwnThread(named: "held-wait") { [running] in running.wait { $0 >= count ? () : nil } }
        }

        func letGo() { isOver.withLock { $0 = true } }
    }

    private func open(_ log: any RecordLog) async throws -> IndexedLog {
        try await IndexedLog.open(IndexSource(OpenedLog(log: log, segments: nil, indexDirectory: nil)))
    }

    private func appendFirst(_ index: IndexedLog) async -> CallOutcome {
        await index.submit(
            ProposedAppend("S", .noStream, ids: [id(1)], hasFreshIDs: false, deadline: .seconds(60))
        ).outcome()
    }

    @Test func readsDoNotHoldUpTheChecksOfAppends() async throws {
        let index = try await open(InMemoryLog())
        let held = Held()
        let short = (0..<4).map { _ in Task { try await index.job { held.hold() } } }
        let long = (0..<2).map { _ in Task { try await index.longJob { held.hold() } } }
        try await held.waitUntilRunning(IndexLimits.readerThreads + 1)
        let outcome = await appendFirst(index)
        #expect(outcome == .accepted(firstVersion: 0, firstSequence: 1, offset: 1, isRepeat: false))
        held.letGo()
        for task in short + long { #expect(try await task.value) }
        await index.close()
    }

    @Test func listsAndPagesDoNotHoldUpEachOther() async throws {
        let index = try await open(InMemoryLog())
        _ = await appendFirst(index)
        let many = Array(repeating: name("S"), count: IndexLimits.readSummaries + 1)
        let pages = Held()
        let short = (0..<2).map { _ in Task { try await index.job { pages.hold() } } }
        try await pages.waitUntilRunning(2)
        #expect(try await index.streams(prefix: [], after: nil, limit: 10).count == 1)
        #expect(try await index.largestStreams(prefix: [], limit: 10).count == 1)
        #expect(try await index.summaries(of: many).count == many.count)
        #expect(try await index.records(partition: 0, from: 0, frame: 0).records.count == 2)
        pages.letGo()
        for task in short { #expect(try await task.value) }
        let lists = Held()
        let long = Task { try await index.longJob { lists.hold() } }
        try await lists.waitUntilRunning(1)
        let page = StreamPageRequest(stream: name("S"), from: nil, direction: .forward, maxEvents: 10)
        #expect(try await index.page(page).events.count == 1)
        #expect(try await index.summaries(of: [name("S")]).count == 1)
        #expect(try await index.partitionSummaries().count == 1)
        lists.letGo()
        #expect(try await long.value)
        await index.close()
    }

    @Test func aPageOfRecordsEndsByBytesAndTheNextGoesOn() async throws {
        let log = PlayedLog()
        let index = try await open(log)
        for _ in 0..<10 {
            log.append(LogRecord(key: nil, value: Array(repeating: 1, count: 600_000)), to: 0, tag: .none)
        }
        for offset in 1...10 { log.deliver([Int64(offset)]) }
        let first = try await index.records(partition: 0, from: 1, frame: 0).records
        #expect(first.map(\.offset) == Array(1...7))
        #expect(try await index.records(partition: 0, from: 8, frame: 0).records.map(\.offset) == [8, 9, 10])
        await index.close()
    }
}
