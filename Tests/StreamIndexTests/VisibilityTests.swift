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
        disk.hold(true)
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
        disk.hold(false)
        try await delivery.value
        if case .reached = await barrier.value {} else { Issue.record("the barrier was not reached") }
        try await wait {
            checker.close()
            proposer.finish()
            keyValue.close()
        }
    }
}

/// Files in memory whose syncs can be held up.
private final class HeldDisk: SegmentStorage {
    private struct State: Sendable {
        var isHeld = false
        var waiting = 0
    }

    private let memory = MemoryStorage()
    private let state = Monitor(State())

    func hold(_ isHeld: Bool) { state.withLock { $0.isHeld = isHeld } }

    func waitUntilHeld() { state.wait { $0.waiting > 0 ? () : nil } }

    func sync() {
        state.withLock { $0.waiting += 1 }
        state.wait { $0.isHeld ? nil : () }
        state.withLock { $0.waiting -= 1 }
    }

    func names() throws(SegmentError) -> [String] { try memory.names() }

    func open(_ name: String) throws(SegmentError) -> any SegmentFile { HeldFile(try memory.open(name), self) }

    func create(_ name: String, byteCount: Int) throws(SegmentError) -> any SegmentFile {
        HeldFile(try memory.create(name, byteCount: byteCount), self)
    }

    func rename(_ name: String, to other: String) throws(SegmentError) { try memory.rename(name, to: other) }

    func remove(_ name: String) throws(SegmentError) { try memory.remove(name) }

    func syncNames() throws(SegmentError) {}
}

private final class HeldFile: SegmentFile {
    private let file: any SegmentFile
    private let disk: HeldDisk

    init(_ file: any SegmentFile, _ disk: HeldDisk) {
        self.file = file
        self.disk = disk
    }

    func byteCount() throws(SegmentError) -> Int { try file.byteCount() }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int) throws(SegmentError) {
        try unsafe file.read(into: bytes, at: position)
    }

    func skipZeros(from position: Int) throws(SegmentError) -> Int { try file.skipZeros(from: position) }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SegmentError) {
        try unsafe file.write(bytes, at: position)
    }

    func sync() throws(SegmentError) { disk.sync() }
}
