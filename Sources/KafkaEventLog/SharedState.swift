// What the threads of a log share: what is to be delivered besides records, and how far its life has gone.

import EventLog
import Kafka

/// Of a log's life and inbox, under one lock.
final class SharedState: Sendable {
    /// For the thread that delivers.
    struct Inbox: Sendable {
        var reports: [TagReport] = []
        /// What this log wrote and a broker has acknowledged, in order within a channel; not all of it.
        var acknowledged: [(channel: Int, record: StoredRecord)] = []
        var restarts: [(channel: Int, offset: Int64)] = []
        var answers: [Leaders.Answer] = []
        /// Set by `close`: where delivery ends, and until when.
        var ends: [Int64]?
        var drainBy: ContinuousClock.Instant?

        var moved: Set<Int> { restarts.isEmpty ? [] : Set(restarts.map(\.channel)) }
    }

    enum Progress: Sendable {
        case notStarted
        case delivering
        /// The thread has ended; what comes now is reported by another.
        case ended(any LogHandler)
    }

    private struct State: Sendable {
        var inbox = Inbox()
        var isClosing = false
        var hasEnded = false
        var isDelivering = false
        var wasStarted = false
        var thread: WorkerThread?
        weak var handler: (any LogHandler)?
        var questions = 0
        /// Threads that ask leaders on the log's own account.
        var probes = 0
        /// The channels whose bounds are being asked for, and from which offset.
        var wanted: [Int: Int64] = [:]
        var isLost = false
        var storedEnds: [Int64]
        var unknownEnds: Set<Int> = []
    }

    private let state: Monitor<State>
    private let description: LogDescription

    init(_ description: LogDescription) {
        self.description = description
        state = Monitor(State(storedEnds: Array(repeating: 0, count: description.channels)))
    }

    // MARK: - Reports

    /// A record that the producer has stored, on its thread, before it is reported.
    func acknowledged(_ message: borrowing KafkaMessage) {
        guard message.byteCount <= KafkaLogLimits.acknowledgedBytes,
            let channel = description.channel(of: message.place)
        else { return }
        let record = StoredRecord(
            offset: message.offset, appendTime: message.timestamp,
            record: LogRecord(key: message.key, value: message.value))
        state.withLock { state in
            guard state.isDelivering, state.inbox.acknowledged.count < KafkaLogLimits.acknowledgedRecords else {
                return
            }
            state.inbox.acknowledged.append((channel, record))
        }
    }

    /// What the producer says, on its thread, and what is to be done about it.
    func reported(_ reports: [KafkaReport]) -> (areForThread: Bool, areAcknowledged: Bool) {
        state.withLock { state in
            var isNew = false
            for report in reports {
                if case .stored(let offset) = report.outcome {
                    let place = TopicPartition(topic: report.topic, report.partition)
                    guard let channel = description.channel(of: place) else { continue }
                    if offset < 0 { state.unknownEnds.insert(channel) }
                    state.storedEnds[channel] = max(state.storedEnds[channel], offset + 1)
                } else if report.tag != 0, let outcome = TagOutcome(report.outcome) {
                    state.inbox.reports.append(TagReport(tag: LogTag(number: report.tag), outcome: outcome))
                    isNew = true
                }
            }
            return (isNew, !state.inbox.acknowledged.isEmpty)
        }
    }

    func add(_ reports: [TagReport]) -> Progress {
        state.withLock { state in
            state.inbox.reports += reports
            if state.isDelivering { return .delivering }
            guard state.wasStarted, let handler = state.handler else { return .notStarted }
            state.isDelivering = true
            return .ended(handler)
        }
    }

    /// For a thread that delivers late reports: the next, or nil, and then it is over.
    func nextReports() -> [TagReport]? {
        state.withLock { state in
            if state.inbox.reports.isEmpty {
                state.isDelivering = false
                return nil
            }
            defer { state.inbox.reports = [] }
            return state.inbox.reports
        }
    }

    // MARK: - Delivery

    /// False: the log is closed.
    func start(_ handler: any LogHandler, _ thread: () -> WorkerThread) -> Bool {
        state.withLock { state in
            precondition(!state.wasStarted, "a log is started once")
            guard !state.isClosing else { return false }
            state.wasStarted = true
            state.isDelivering = true
            state.handler = handler
            state.thread = thread()
            return true
        }
    }

    func restart(_ channel: Int, _ offset: Int64) {
        state.withLock { state in
            precondition(state.wasStarted, "a log is started before it is restarted")
            // While the log is being closed too: what is left out for this would look like a gap.
            if state.isDelivering { state.inbox.restarts.append((channel, offset)) }
        }
    }

    func answer(_ answers: [Leaders.Answer]) {
        state.withLock { $0.inbox.answers += answers }
    }

    /// What is to be delivered on its acknowledgement, and the channels of which it is not.
    func takeAcknowledged() -> (records: [(channel: Int, record: StoredRecord)], moved: Set<Int>) {
        state.read { state in
            defer { state.inbox.acknowledged = [] }
            return (state.inbox.acknowledged, state.inbox.moved)
        }
    }

    /// The channels that are to be read from elsewhere.
    var moved: Set<Int> { state.read { $0.inbox.moved } }

    func takeInbox() -> Inbox {
        state.read { state in
            defer {
                state.inbox.reports = []
                state.inbox.acknowledged = []
                state.inbox.restarts = []
                state.inbox.answers = []
            }
            return state.inbox
        }
    }

    // MARK: - Questions

    func beginQuestion() throws(LogError) {
        let error: LogError? = state.withLock { state in
            if state.isClosing { return LogError(.closed, "the log on Kafka is closed") }
            if state.questions >= KafkaLogLimits.questions {
                return LogError(.unavailable, "\(state.questions) questions to Kafka are open; ask again later")
            }
            state.questions += 1
            return nil
        }
        if let error { throw error }
    }

    func endQuestion() {
        state.withLock { $0.questions -= 1 }
    }

    /// Runs something that asks leaders on a thread of its own; `close` waits for it.
    func probe(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.probes += 1 }
        _ = WorkerThread(name: "kafka-probe") { [self] in
            body()
            state.withLock { $0.probes -= 1 }
        }
    }

    /// How many threads ask on the log's own account.
    var probes: Int { state.read { $0.probes } }

    /// Waits; false at once when the log is being closed.
    func pause(_ time: Duration) -> Bool {
        state.wait(until: .now + time) { $0.isClosing ? true : nil } == nil
    }

    /// False: the channel's bounds are being asked for already.
    func want(_ channel: Int, _ offset: Int64) -> Bool {
        state.read { $0.wanted.updateValue(offset, forKey: channel) == nil }
    }

    /// From which offset the channel's bounds are asked for; nil: that was answered.
    func wanted(_ channel: Int) -> Int64? { state.read { $0.wanted[channel] } }

    /// False: meanwhile they are asked for from another offset.
    func answer(_ channel: Int, _ offset: Int64, _ bounds: Range<Int64>) -> Bool {
        state.withLock { state in
            guard state.wanted[channel] == offset else { return false }
            state.wanted[channel] = nil
            state.inbox.answers.append(.bounds(channel: channel, offset: offset, bounds))
            return true
        }
    }

    // MARK: - Closing

    var isClosed: Bool { state.read { $0.isClosing } }

    /// False: somebody else closes, or has closed.
    func beginClose() -> Bool {
        state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
    }

    func lost(_ isLost: Bool) { state.withLock { $0.isLost = isLost } }

    /// What this log stored, and the channels of which it is not known and can be asked for.
    var storedEnds: ([Int64], [Int]) { state.read { ($0.storedEnds, $0.isLost ? [] : $0.unknownEnds.sorted()) } }

    func drain(to ends: [Int64], by deadline: ContinuousClock.Instant) {
        state.withLock {
            $0.inbox.ends = ends
            $0.inbox.drainBy = deadline
        }
    }

    /// Blocks until the log's thread and all questions have ended.
    func waitForQuiet() {
        state.read { $0.thread }?.join()
        state.wait { $0.probes == 0 && $0.questions == 0 ? () : nil }
    }

    func endClose() {
        state.withLock { $0.hasEnded = true }
    }

    func waitForEnd() {
        state.wait { $0.hasEnded ? () : nil }
    }
}

extension WorkerThread {
    /// Reports what came after the end.
    static func report(_ shared: SharedState, to handler: any LogHandler) {
        _ = WorkerThread(name: "kafka-late") {
            while let reports = shared.nextReports() { handler.handle(.tags(reports)) }
        }
    }
}

extension TagOutcome {
    /// nil: it was stored, which is not reported.
    init?(_ outcome: KafkaOutcome) {
        switch outcome {
        case .stored: return nil
        case .unknown: self = .unknown
        case .notStored(let error):
            switch error.kind {
            case .tooLarge: self = .notStored(.tooLarge)
            case .closed: self = .notStored(.failed("the log was closed before Kafka took the record"))
            case .notAuthorized, .configuration: self = .notStored(.failed(error.description))
            default: self = .notStored(.temporary(error.description))
            }
        }
    }
}
