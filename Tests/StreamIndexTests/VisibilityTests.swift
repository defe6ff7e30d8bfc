import AppendRule
import Envelope
import EventLog
import KeyValue
import Segments
import Synchronization
import Testing

@testable import StreamIndex

/// What was answered can be read, though it is written late.
@Suite(.timeLimit(.minutes(1))) struct VisibilityTests {
    /// A handler on a log that the test plays, with what it needs.
    private struct Parts {
        let disk = HeldDisk()
        let companion = Companion()
        let log = PlayedLog()
        let waits = AppliedWaits(nextOffsets: [0])
        let store: IndexStore
        let shared: SharedApplier
        let handler: IndexHandler
        let writer: SegmentWriter
        private let checker = ReaderThreads(count: 1, name: "checker")
        private let proposer: Proposer

        init(checkpointBytes: Int? = nil, fileBytes: Int = SegmentLimits.fileBytes) throws {
            let identity = Identity(store: testStore, partitions: 1, nonce: id(1))
            let storage = BackgroundStorage(disk, companion)
            writer = try SegmentWriter.create(in: storage, store: StoreUUID(identity), fileBytes: fileBytes)
            let keyValue = try KeyValueStore(.memory)
            store = IndexStore(keyValue: keyValue, segments: writer.reader, identity: identity, isCopy: true)
            shared = SharedApplier(
                try Applier(store, records: storage), inMemory: checkpointBytes == nil ? writer : nil)
            proposer = Proposer(log: log, store: store, checker: checker, shared: shared, limits: AppendLimits())
            handler = IndexHandler(
                shared, identity, log: log,
                checkpoints: Checkpoints(writer: writer, keyValue: keyValue, every: checkpointBytes),
                proposer: proposer, waits: waits, orderer: nil, companion: companion, say: { _, _ in })
            log.append(
                LogRecord(
                    key: [], value: RecordEnvelope.encodeIdentity(identity, id: id(2), partition: 0, writeID: 1)),
                to: 0, tag: .none)
            try log.start(from: [0], handler: handler)
        }

        /// Adds records that bring one entry each.
        func addBarriers(_ numbers: Range<Int>) {
            for number in numbers {
                let value = RecordEnvelope.encodeBarrier(
                    id: id(number), partition: 0, writeID: UInt64(number), store: testStore)
                log.append(LogRecord(key: [], value: value), to: 0, tag: .none)
            }
        }

        func deliver(_ offsets: Range<Int64>) async throws {
            try await onOwnThread(named: "visibility-log") { log.deliver(Array(offsets)) }
        }

        func show() async throws { try await onOwnThread(named: "visibility-read") { try shared.show() } }

        var written: Int64 { get throws { try store.partitionState(0).nextOffset } }

        func close() async throws {
            try await onOwnThread(named: "visibility-close") {
                checker.close()
                proposer.finish()
                companion.close()
                store.keyValue.close()
            }
        }
    }

    @Test func runsGatherUntilSomebodyReads() async throws {
        let parts = try Parts()
        parts.addBarriers(1..<4)
        try await parts.show()
        for run in [1..<2, 2..<4] as [Range<Int64>] {
            try await parts.deliver(run)
            #expect(parts.waits.reachedOffsets == [run.upperBound])
        }
        #expect(try parts.written == 1)
        try await parts.show()
        #expect(try parts.written == 4)
        try await parts.close()
    }

    @Test func manyAreWrittenThoughNobodyReads() async throws {
        let parts = try Parts()
        let count = IndexLimits.gatheredEntries
        parts.addBarriers(1..<count + 1)
        try await parts.show()
        try await parts.deliver(1..<Int64(count))
        #expect(try parts.written == 1)
        try await parts.deliver(Int64(count)..<Int64(count) + 1)
        #expect(try parts.written == Int64(count) + 1)
        try await parts.close()
    }

    /// After a failure within a run nothing of it may be written, nor of those that were answered before: who reads is
    /// told so.
    @Test func whatCannotBeWrittenIsNotMissedInSilence() async throws {
        let parts = try Parts()
        let count = IndexLimits.companionBytes / 32
        parts.addBarriers(1..<count + 10)
        try await parts.deliver(1..<5)
        parts.disk.fail()
        try await parts.deliver(5..<Int64(count) + 5)
        #expect(parts.handler.halts[0]?.code == .unavailable)
        let error = await #expect(throws: IndexError.self) { try await parts.show() }
        #expect(error?.code == .unavailable)
        #expect(throws: IndexError.self) { try parts.handler.betweenRuns {} }
        #expect(try parts.written == 0)
        try await parts.close()
    }

    @Test func aReadDoesNotWaitForACheckpoint() async throws {
        let parts = try Parts(checkpointBytes: 1)
        parts.disk.hold(.syncs)
        let barrier = Task {
            await parts.waits.barrier(id(3), in: 0, until: .distant) { parts.addBarriers(3..<4) }
        }
        try await parts.log.wait(forRecords: 2)
        let delivery = Task { try await parts.deliver(1..<2) }
        try await onOwnThread(named: "visibility-wait") { parts.disk.waitUntilHeld() }
        // What was answered meanwhile needs the lock.
        try await onOwnThread(named: "visibility-wait") {
            parts.shared.state.withLock { _ in parts.shared.fallBehind() }
        }
        try await parts.show()
        #expect(try parts.written == 2)
        // Figures are asked for on Swift's own threads.
        let size = try await onOwnThread(named: "visibility-wait") { parts.writer.byteCount }
        #expect(size > 0)
        if case .reached = await barrier.value {} else { Issue.record("the barrier was not reached") }
        parts.disk.hold(nil)
        try await delivery.value
        try await parts.close()
    }

    @Test func aReadDoesNotWaitForTheNextFileOfRecords() async throws {
        let parts = try Parts(checkpointBytes: 1 << 30, fileBytes: 4_096)
        let count = 40
        parts.addBarriers(1..<count + 1)
        try await parts.deliver(1..<3)
        parts.disk.hold(.syncs)
        let delivery = Task { try await parts.deliver(3..<Int64(count)) }
        try await onOwnThread(named: "visibility-wait") { parts.disk.waitUntilHeld() }
        try await parts.show()
        #expect(try parts.written == 3)
        parts.disk.hold(nil)
        try await delivery.value
        try await parts.show()
        #expect(try parts.written == Int64(count))
        try await parts.close()
    }
}
