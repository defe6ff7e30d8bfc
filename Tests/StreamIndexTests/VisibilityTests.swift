import AppendRule
import Envelope
import EventLog
import KeyValue
import Segments
import Synchronization
import Testing

@testable import StreamIndex

/// Reads wait for the batch of what was answered, and for nothing else.
@Suite(.timeLimit(.minutes(1))) struct VisibilityTests {
    private func wait(_ body: @escaping @Sendable () -> Void) async throws {
        try await onOwnThread(named: "visibility-wait") { body() }
    }

    @Test func aReadDoesNotWaitForRunsThatBeginLater() async throws {
        let visibility = Visibility()
        visibility.begin()
        let told = visibility.newest
        visibility.end()
        visibility.begin()
        try await wait { visibility.wait(for: told) }
        let later = Task { try await wait { visibility.wait() } }
        visibility.end()
        try await later.value
    }

    @Test func aReadDoesNotWaitForACheckpoint() async throws {
        let disk = HeldDisk()
        let identity = Identity(store: testStore, partitions: 1, nonce: id(1))
        let writer = try SegmentWriter.create(in: disk, store: StoreUUID(identity))
        let keyValue = try KeyValueStore(.memory)
        let store = IndexStore(keyValue: keyValue, segments: writer.reader, identity: identity, isCopy: true)
        let (log, checker) = (PlayedLog(), ReaderThreads(count: 1, name: "checker"))
        let (visibility, waits) = (Visibility(), AppliedWaits(nextOffsets: [0]))
        let proposer = Proposer(
            log: log, store: store, checker: checker, visibility: visibility, limits: AppendLimits())
        let handler = IndexHandler(
            try Applier(store), identity, log: log,
            checkpoints: Checkpoints(writer: writer, keyValue: keyValue, every: 1), proposer: proposer, waits: waits,
            orderer: nil, visibility: visibility, companion: Companion(), say: { _, _ in })
        log.append(
            LogRecord(
                key: [], value: RecordEnvelope.encodeIdentity(identity, id: id(2), partition: 0, writeID: 1)),
            to: 0, tag: .none)
        try log.start(from: [0], handler: handler)
        disk.hold(.syncs)
        let barrier = Task {
            await waits.barrier(id(3), in: 0, until: .distant) {
                let value = RecordEnvelope.encodeBarrier(id: id(3), partition: 0, writeID: 2, store: testStore)
                log.append(LogRecord(key: [], value: value), to: 0, tag: .none)
            }
        }
        try await log.wait(forRecords: 2)
        let delivery = Task { try await wait { log.deliver([1]) } }
        try await wait { disk.waitUntilHeld() }
        try await wait { visibility.wait() }
        #expect(try store.partitionState(0).nextOffset == 2)
        // Figures are asked for on Swift's own threads.
        let size = Monitor<Int64>(0)
        try await wait {
            let bytes = writer.byteCount
            size.withLock { $0 = bytes }
        }
        #expect(size.read { $0 } > 0)
        disk.hold(nil)
        try await delivery.value
        if case .reached = await barrier.value {} else { Issue.record("the barrier was not reached") }
        try await wait {
            checker.close()
            proposer.finish()
            keyValue.close()
        }
    }
}
