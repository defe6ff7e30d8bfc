// A log in memory: for tests of this package and of its users. Any number of partitions.

import Synchronization

/// The records of one or several `InMemoryLog`s.
///
/// Give one to several logs and they are the nodes of one store, each with its own delivery:
/// ```swift
/// let records = InMemoryRecords(partitions: 4)
/// let one = InMemoryLog(records), other = InMemoryLog(records)
/// ```
public final class InMemoryRecords: Sendable {
    struct Channel: Sendable {
        var records: [StoredRecord] = []
        var lastTime: Int64 = 0
    }

    /// All channels; a change wakes the delivery threads of every log on them.
    let channels: Monitor<[Channel]>
    let partitions: Int
    let channelCount: Int
    let clock: @Sendable () -> Int64

    /// - Parameters:
    ///   - partitions: 1 or more; with several there is an order channel behind them.
    ///   - clock: the append time of the next record, in milliseconds since 1970.
    public init(partitions: Int, clock: @escaping @Sendable () -> Int64 = wallClockMilliseconds) {
        precondition(partitions > 0, "a log has at least one partition")
        self.partitions = partitions
        channelCount = partitions > 1 ? partitions + 1 : 1
        channels = Monitor(Array(repeating: Channel(), count: channelCount))
        self.clock = clock
    }

    /// How many records the channel holds.
    public func count(of channel: Int) -> Int64 {
        channels.read { Int64($0[channel].records.count) }
    }

    /// Under the lock of the channels.
    fileprivate func store(_ record: LogRecord, in channel: inout Channel) {
        channel.lastTime = max(clock(), channel.lastTime)
        channel.records.append(
            StoredRecord(offset: Int64(channel.records.count), appendTime: channel.lastTime, record: record))
    }
}

/// A `RecordLog` in memory. Nothing survives the process.
public final class InMemoryLog: RecordLog {
    private struct State: Sendable {
        /// The next offset to deliver, for each channel; empty before `start`.
        var positions: [Int64] = []
        /// Where a run begins to look, so that a busy channel does not keep the others waiting.
        var firstChannel = 0
        var rejected: [TagReport] = []
        /// Set by `close`: where delivery ends. Other logs may go on writing.
        var ends: [Int64]?
        var thread: WorkerThread?
        var isDelivering = false
        /// Held by the thread while it delivers.
        weak var handler: (any LogHandler)?
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
            name: "memory", partitions: records.partitions, hasOrderChannel: records.partitions > 1,
            isOnlyWriter: !isShared, maxRecordBytes: Self.maxRecordBytes)
    }

    public convenience init(partitions: Int = 1) {
        self.init(InMemoryRecords(partitions: partitions), isShared: false)
    }

    public func append(_ record: LogRecord, to channel: Int, tag: LogTag) {
        precondition(channel >= 0 && channel < records.channelCount, "no such channel")
        // One step under both locks, so that nothing is stored behind the end that `close` sets.
        records.channels.withLock { channels in
            let isRejected = state.withLock { reject(record, tag, &$0) }
            if !isRejected { records.store(record, in: &channels[channel]) }
        }
    }

    private func reject(_ record: LogRecord, _ tag: LogTag, _ state: inout State) -> Bool {
        let reason: NotStoredReason
        if state.ends != nil {
            reason = .failed("the log is closed; open it again")
        } else if record.byteCount > Self.maxRecordBytes {
            reason = .tooLarge
        } else {
            return false
        }
        if tag != .none {
            state.rejected.append(TagReport(tag: tag, outcome: .notStored(reason)))
            if state.ends != nil { deliverAgain(&state) }
        }
        return true
    }

    public func withdraw(_ tag: LogTag) -> Bool { false }

    public func start(from offsets: [Int64], handler: any LogHandler) throws {
        precondition(offsets.count == records.channelCount, "one offset for each channel")
        try state.withLock {
            precondition($0.positions.isEmpty, "a log is started once")
            if $0.ends != nil { throw Self.closed }
            $0.positions = offsets
            $0.handler = handler
            deliverAgain(&$0)
        }
    }

    public func restart(channel: Int, from offset: Int64) {
        precondition(channel >= 0 && channel < records.channelCount, "no such channel")
        records.channels.withLock { _ in
            state.withLock {
                precondition(!$0.positions.isEmpty, "a log is started before it is restarted")
                if $0.ends == nil { $0.positions[channel] = offset }
            }
        }
    }

    public func bounds(of channel: Int) async throws(LogError) -> Range<Int64> {
        if isClosed { throw Self.closed }
        return 0..<records.count(of: channel)
    }

    public func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord? {
        if isClosed { throw Self.closed }
        return records.channels.read {
            let all = $0[channel].records
            return all.indices.contains(Int(offset)) ? all[Int(offset)] : nil
        }
    }

    public func close() async {
        let thread = records.channels.withLock { channels in
            state.withLock {
                $0.ends = $0.ends ?? channels.map { Int64($0.records.count) }
                return $0.thread
            }
        }
        if let thread { try? await onOwnThread(named: "memory-close") { thread.join() } }
    }

    private static let closed = LogError(.closed, "the log in memory is closed")

    private var isClosed: Bool { state.withLock { $0.ends != nil } }

    /// Starts a thread that delivers until there is an end and nothing before it; after `close` it only reports what
    /// was appended too late.
    private func deliverAgain(_ state: inout State) {
        guard !state.isDelivering, let handler = state.handler else { return }
        state.isDelivering = true
        state.thread = WorkerThread(name: "memory-log") { [self] in deliver(to: handler) }
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
            let events = nextEvents(channels, &state)
            if !events.isEmpty { return .events(events) }
            fill(&run, channels, &state)
            if !run.entries.isEmpty { return .run }
            guard state.ends != nil else { return nil }
            state.isDelivering = false
            return .end
        }
    }

    /// Tags to report, and positions that are moved to where there are records.
    private func nextEvents(_ channels: [InMemoryRecords.Channel], _ state: inout State) -> [LogEvent] {
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
            } else if state.positions[index] < 0 {
                events.append(.startMoved(channel: index, start: 0))
                state.positions[index] = 0
            }
        }
        return events
    }

    private func fill(_ run: inout RecordRun, _ channels: [InMemoryRecords.Channel], _ state: inout State) {
        for step in channels.indices {
            let index = (state.firstChannel + step) % channels.count
            let records = channels[index].records
            let end = min(Int64(records.count), state.ends?[index] ?? .max)
            while state.positions[index] < end, run.entries.count < LogLimits.runRecords,
                run.bytes.count < LogLimits.runBytes
            {
                let stored = records[Int(state.positions[index])]
                run.append(stored.record, channel: index, offset: stored.offset, appendTime: stored.appendTime)
                state.positions[index] += 1
            }
        }
        state.firstChannel = (state.firstChannel + 1) % channels.count
    }
}
