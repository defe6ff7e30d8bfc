import AppendRule
import Envelope
import EventLog
import KeyValue
import Segments
import Testing

@testable import StreamIndex

/// A handler on a log that the test plays, with what it needs.
struct PlayedIndex {
    let disk = HeldDisk()
    let companion = Companion()
    let log = PlayedLog()
    let waits = AppliedWaits(nextOffsets: [0])
    let store: IndexStore
    let shared: SharedApplier
    let handler: IndexHandler
    let writer: SegmentWriter
    let checker = ReaderThreads(count: 1, name: "checker")
    let proposer: Proposer

    /// - Parameter checkpointBytes: nil: as where the records are in memory.
    init(
        keyValue: KeyValueStore, checkpointBytes: Int? = nil, fileBytes: Int = SegmentLimits.fileBytes
    ) throws {
        let identity = Identity(store: testStore, partitions: 1, nonce: id(1))
        let storage = BackgroundStorage(disk, companion)
        writer = try SegmentWriter.create(in: storage, store: StoreUUID(identity), fileBytes: fileBytes)
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

    func close(flushing: Bool = true) async throws {
        try await onOwnThread(named: "visibility-close") {
            checker.close()
            proposer.finish()
            companion.close()
            store.keyValue.close(flushing: flushing)
        }
    }
}
