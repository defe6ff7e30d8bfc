public import EventLog
public import Segments
import Synchronization

/// A `RecordLog` of one channel in the segment files of one directory.
///
/// ```swift
/// try EmbeddedLog.create(at: "./data", storeID: id, firstRecord: identity)
/// let log = try EmbeddedLog.open(at: "./data")
/// try log.start(from: [0], handler: index)
/// log.append(record, to: 0, tag: tag)
/// await log.close()
/// ```
/// A record is delivered, and so acknowledged, once it is durable. After a failed write or sync nothing more is
/// stored or acknowledged until the log is opened again. Threads: `log` calls the handler, and syncs when it has
/// nothing to deliver; `log-sync` syncs while `log` delivers.
public final class EmbeddedLog: RecordLog {
    public let description: LogDescription
    /// The UUID of the store, most significant byte first.
    public let storeID: (high: UInt64, low: UInt64)
    /// Reads the records at their places. Safe from any thread.
    public var segments: SegmentReader { writer.reader }
    /// Where the index over this log keeps its files; the log does not look into it.
    public let indexDirectory: String
    /// What opening cut off behind the log's end: the rest of a write that was not whole.
    public var tornTail: TornTail? { writer.tornTail }

    private let writer: SegmentWriter
    private let queue: Monitor<LogQueue>
    private let clock: @Sendable () -> Int64
    private let life: Mutex<Life>

    private struct Life: Sendable {
        var thread: WorkerThread?
        weak var handler: (any LogHandler)?
        var isReportingLate = false
        var keepsLock = false
        var wasStarted = false
        var lock: FileLock?
    }

    /// - Parameters:
    ///   - lock: held until the log is closed.
    ///   - queuedBytes: most bytes that wait to be written.
    init(
        name: String, writer: SegmentWriter, storeID: StoreUUID, indexDirectory: String, lock: FileLock?,
        queuedBytes: Int, clock: @escaping @Sendable () -> Int64
    ) {
        self.description = LogDescription(
            name: name, partitions: 1, isOnlyWriter: true, maxRecordBytes: EmbeddedLimits.recordBytes)
        self.storeID = (storeID.high, storeID.low)
        self.indexDirectory = indexDirectory
        self.writer = writer
        self.queue = Monitor(LogQueue(byteLimit: queuedBytes))
        self.clock = clock
        self.life = Mutex(Life(lock: lock))
    }

    public func append(_ record: LogRecord, to channel: Int, tag: LogTag) {
        precondition(channel == 0, "an embedded log has one channel")
        let isLate = queue.withLock { $0.append(record, tag) }
        if isLate { reportLate() }
    }

    /// Reports what was refused after the log's thread had ended, on a thread of its own.
    private func reportLate() {
        life.withLock { life in
            guard !life.isReportingLate, let handler = life.handler else { return }
            life.isReportingLate = true
            _ = WorkerThread(name: "log-late") { [self] in
                while let reports = takeLate() { handler.handle(.tags(reports)) }
            }
        }
    }

    private func takeLate() -> [TagReport]? {
        life.withLock { life in
            let reports = queue.withLock { $0.takeLate() }
            if reports.isEmpty { life.isReportingLate = false }
            return reports.isEmpty ? nil : reports
        }
    }

    public func withdraw(_ tag: LogTag) -> Bool {
        queue.read { $0.withdraw(tag) }
    }

    public func start(from offsets: [Int64], handler: any LogHandler) throws {
        precondition(offsets.count == 1, "an embedded log has one channel")
        try life.withLock {
            precondition(!$0.wasStarted, "a log is started once")
            if $0.thread != nil { throw closed }
            $0.wasStarted = true
            $0.handler = handler
            queue.withLock { $0.restart(from: offsets[0]) }
            $0.thread = runLoop(handler)
        }
    }

    public func restart(channel: Int, from offset: Int64) {
        precondition(channel == 0, "an embedded log has one channel")
        queue.withLock { $0.restart(from: offset) }
    }

    public func bounds(of channel: Int) async throws(LogError) -> Range<Int64> {
        if isClosed { throw closed }
        return 0..<writer.reader.frameCount
    }

    public func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord? {
        if isClosed { throw closed }
        guard offset >= 0 else { return nil }
        let reader = writer.reader
        do {
            return try await onOwnThread(named: "log-record") {
                var bytes: [UInt8] = []
                return try reader.frame(number: offset, into: &bytes).map { StoredRecord($0, in: bytes) }
            }
        } catch let error as SegmentError {
            throw LogError(error, in: description.name)
        } catch {
            throw LogError(.unavailable, "\(description.name): \(error)")
        }
    }

    /// Stores and delivers what is enqueued, seals the files, ends the threads and lets go of the directory. Calling
    /// it again waits for the first call.
    public func close() async {
        queue.withLock { $0.close() }
        let thread = life.withLock {
            let thread = $0.thread ?? runLoop(nil)
            $0.thread = thread
            return thread
        }
        try? await onOwnThread(named: "log-close") { thread.join() }
    }

    private var isClosed: Bool { queue.read { !$0.isOpen } }

    private var closed: LogError { LogError(.closed, "\(description.name) is closed; open it again") }

    /// Keeps the directory locked after `close`, until `releaseLock`: what lies over the log may still be at work in
    /// it.
    public func keepLock() {
        life.withLock { $0.keepsLock = true }
    }

    /// To be called after `close`.
    public func releaseLock() {
        life.withLock { $0.lock = nil }
    }

    private func runLoop(_ handler: (any LogHandler)?) -> WorkerThread {
        WorkerThread(name: "log") { [self] in
            LogLoop(queue: queue, writer: writer, clock: clock, handler: handler).runUntilClosed()
            life.withLock { if !$0.keepsLock { $0.lock = nil } }
        }
    }
}
