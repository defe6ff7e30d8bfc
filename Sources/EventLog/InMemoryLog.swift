// A log in memory: for tests of this package and of its users. Any number of channels.

import Synchronization

/// The records of one or several `InMemoryLog`s.
///
/// Give one to several logs and they are the nodes of one store, each with its own delivery:
/// ```swift
/// let records = InMemoryRecords(channels: 4)
/// let one = InMemoryLog(records), other = InMemoryLog(records)
/// ```
public final class InMemoryRecords: Sendable {
    struct Channel: Sendable {
        var records: [StoredRecord] = []
        var lastTime: Int64 = 0
    }

    /// All channels; a change wakes the delivery threads of every log on them.
    let channels: Monitor<[Channel]>
    let channelCount: Int
    let clock: @Sendable () -> Int64

    /// - Parameters:
    ///   - channels: 1 or more.
    ///   - clock: the append time of the next record, in milliseconds since 1970.
    public init(channels: Int, clock: @escaping @Sendable () -> Int64 = wallClockMilliseconds) {
        precondition(channels > 0, "a log has at least one channel")
        self.channels = Monitor(Array(repeating: Channel(), count: channels))
        self.channelCount = channels
        self.clock = clock
    }

    /// How many records the channel holds.
    public func count(of channel: Int) -> Int64 {
        channels.read { Int64($0[channel].records.count) }
    }

    fileprivate func append(_ record: LogRecord, to channel: Int) {
        channels.withLock {
            let time = max(clock(), $0[channel].lastTime)
            $0[channel].lastTime = time
            let offset = Int64($0[channel].records.count)
            $0[channel].records.append(StoredRecord(offset: offset, appendTime: time, record: record))
        }
    }
}

/// A `RecordLog` in memory. Nothing survives the process.
public final class InMemoryLog: RecordLog {
    private struct State: Sendable {
        var positions: [Int64] = []
        var isClosed = false
        var rejected: [TagReport] = []
        var thread: WorkerThread?
    }

    public let description: LogDescription
    private let records: InMemoryRecords
    private let state = Mutex(State())

    /// The most that key and value of one record may take together.
    public static let maxRecordBytes = 2 << 20

    /// - Parameters:
    ///   - records: what the log holds; shared with other logs, or its own.
    ///   - isShared: whether other logs write to the same records.
    public init(_ records: InMemoryRecords, isShared: Bool = true) {
        self.records = records
        self.description = LogDescription(
            name: "memory", channels: records.channelCount, isOnlyWriter: !isShared,
            maxRecordBytes: Self.maxRecordBytes)
    }

    public convenience init(channels: Int = 1) {
        self.init(InMemoryRecords(channels: channels), isShared: false)
    }

    public func append(_ record: LogRecord, to channel: Int, tag: LogTag) {
        precondition(channel >= 0 && channel < records.channelCount, "no such channel")
        let reason: NotStoredReason? = state.withLock {
            $0.isClosed ? .failed("the log is closed") : record.byteCount > Self.maxRecordBytes ? .tooLarge : nil
        }
        guard let reason else { return records.append(record, to: channel) }
        guard tag != .none else { return }
        state.withLock { $0.rejected.append(TagReport(tag: tag, outcome: .notStored(reason))) }
        wake()
    }

    public func withdraw(_ tag: LogTag) -> Bool { false }

    public func start(from offsets: [Int64], handler: any LogHandler) throws {
        precondition(offsets.count == records.channelCount, "one offset for each channel")
        state.withLock {
            precondition($0.thread == nil && !$0.isClosed, "a log is started once")
            $0.positions = offsets
            $0.thread = WorkerThread(name: "memory-log") { [self] in deliver(to: handler) }
        }
    }

    public func restart(channel: Int, from offset: Int64) {
        state.withLock { $0.positions[channel] = offset }
        wake()
    }

    public func bounds(of channel: Int) async throws(LogError) -> Range<Int64> {
        0..<records.count(of: channel)
    }

    public func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord? {
        records.channels.read {
            let all = $0[channel].records
            return all.indices.contains(Int(offset)) ? all[Int(offset)] : nil
        }
    }

    public func close() async {
        let thread = state.withLock {
            $0.isClosed = true
            return $0.thread
        }
        wake()
        if let thread { try? await onOwnThread(named: "memory-close") { thread.join() } }
    }

    private func wake() {
        records.channels.withLock { _ in }
    }

    private enum Step {
        case run
        case events([LogEvent])
        case end
    }

    private func deliver(to handler: any LogHandler) {
        var run = RecordRun()
        while true {
            run.removeAll()
            switch records.channels.wait({ nextStep($0, &run) }) {
            case .run: handler.handle(run)
            case .events(let events): for event in events { handler.handle(event) }
            case .end: return
            }
        }
    }

    /// Under the lock of the records: what to do next, nil to go on waiting.
    private func nextStep(_ channels: [InMemoryRecords.Channel], _ run: inout RecordRun) -> Step? {
        state.withLock { state in
            var events: [LogEvent] = []
            if !state.rejected.isEmpty {
                events.append(.tags(state.rejected))
                state.rejected = []
            }
            for (index, channel) in channels.enumerated() {
                let end = Int64(channel.records.count)
                if state.positions[index] > end {
                    events.append(.shortened(channel: index, end: end))
                    state.positions[index] = end
                }
            }
            if !events.isEmpty { return .events(events) }
            for (index, channel) in channels.enumerated() {
                var next = Int(state.positions[index])
                while next < channel.records.count, run.entries.count < LogLimits.runRecords,
                    run.bytes.count < LogLimits.runBytes
                {
                    let stored = channel.records[next]
                    run.append(
                        stored.record, channel: index, offset: stored.offset, appendTime: stored.appendTime)
                    next += 1
                }
                state.positions[index] = Int64(next)
            }
            if !run.entries.isEmpty { return .run }
            return state.isClosed ? .end : nil
        }
    }
}
