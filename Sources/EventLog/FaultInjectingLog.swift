// A log that does to its caller what a real one does now and then, by seed.

import Synchronization

/// Wraps a log and injects faults: what is allowed by `RecordLog`, and rare.
///
/// ```swift
/// let faults = FaultInjectingLog.Faults(unknown: 0.1, delayed: 0.3, duplicatedLater: 0.05)
/// let log = FaultInjectingLog(InMemoryLog(partitions: 4), faults: faults, seed: 7)
/// log.stop()       // nothing goes in or comes out, as when a broker is out of reach
/// log.resume()
/// ```
/// One seed and one order of calls give the same faults, not the same timing: delays are real.
public final class FaultInjectingLog: RecordLog {
    /// How often each fault befalls an append: probabilities, 0...1. The first three exclude each other and together
    /// are at most 1; the others may join them where the record is stored.
    public struct Faults: Sendable, Equatable {
        /// Not stored, reported *not stored*.
        public var failed: Double
        /// Not stored, reported *unknown*.
        public var lost: Double
        /// Stored, reported *unknown*; with a delay the report may come long before the record.
        public var unknown: Double
        /// Stored after a while, so that what was appended later may come before it.
        public var delayed: Double
        /// Stored twice, one right behind the other.
        public var duplicated: Double
        /// Stored once more, after a while.
        public var duplicatedLater: Double

        public init(
            failed: Double = 0, lost: Double = 0, unknown: Double = 0, delayed: Double = 0, duplicated: Double = 0,
            duplicatedLater: Double = 0
        ) {
            self.failed = failed
            self.lost = lost
            self.unknown = unknown
            self.delayed = delayed
            self.duplicated = duplicated
            self.duplicatedLater = duplicatedLater
            let all = [failed, lost, unknown, delayed, duplicated, duplicatedLater]
            precondition(all.allSatisfy { (0...1).contains($0) }, "a probability is in 0...1")
            precondition(failed + lost + unknown <= 1, "the faults that exclude each other are at most 1 together")
        }

        public static let none = Faults()

        fileprivate var makesCopies: Bool { duplicated > 0 || duplicatedLater > 0 }
    }

    /// The longest that a record or a report is held back, in milliseconds.
    public static let maxDelay = 5
    /// The longest that a second copy of a record is held back, in milliseconds.
    public static let maxCopyDelay = 30

    public let description: LogDescription
    private let inner: any RecordLog
    private let faults: Faults
    private let state: Monitor<State>
    private let gate: GatedHandler

    /// - Parameters:
    ///   - inner: what stores; used by nobody else from now on.
    ///   - seed: repeats the faults.
    public init(_ inner: any RecordLog, faults: Faults = .none, seed: UInt64) {
        self.inner = inner
        self.faults = faults
        var description = inner.description
        description.name += ", with faults by seed \(seed)"
        description.isOnlyWriter = false
        self.description = description
        self.state = Monitor(State(random: SeededGenerator(seed: seed)))
        self.gate = GatedHandler(state)
    }

    public func append(_ record: LogRecord, to channel: Int, tag: LogTag) {
        let isAnythingHeld = state.read { state in
            hold(record, channel, tag, &state)
            // What is due goes at once, in order; the thread is for the rest.
            state.giveDue(to: inner, .now)
            return !state.held.isEmpty
        }
        if isAnythingHeld { state.withLock { _ in } }
    }

    private func hold(_ record: LogRecord, _ channel: Int, _ tag: LogTag, _ state: inout State) {
        guard !state.isClosing, record.byteCount <= description.maxRecordBytes else {
            return inner.append(record, to: channel, tag: tag)
        }
        let plan = Plan(faults, &state.random)
        let now = ContinuousClock.now
        if state.isFull {
            return state.hold(.report(tag, .notStored(.temporary("the log holds back too many records"))), at: now)
        }
        if let outcome = plan.outcome { state.hold(.report(tag, outcome), at: now + plan.reportDelay) }
        guard plan.isStored else { return }
        let copy = Held.Action.give(record, channel, .none, original: tag)
        let isReported = plan.outcome != nil
        let original = isReported ? copy : .give(record, channel, tag, original: tag)
        state.hold(original, at: now + plan.delay)
        if plan.isDuplicated { state.hold(copy, at: now + plan.delay) }
        if let delay = plan.copyDelay { state.hold(copy, at: now + plan.delay + delay) }
    }

    /// Takes back what is still held here. What the inner log has is asked of it only where no copies are made: a
    /// copy would be stored all the same.
    public func withdraw(_ tag: LogTag) -> Bool {
        guard tag != .none else { return false }
        return state.withLock { state in
            if state.withdraw(tag) { return true }
            return !faults.makesCopies && inner.withdraw(tag)
        }
    }

    public func start(from offsets: [Int64], handler: any LogHandler) throws {
        state.withLock { $0.handler = handler }
        try inner.start(from: offsets, handler: gate)
        state.withLock { state in
            state.thread = WorkerThread(name: "log-faults") { [self] in work(handler) }
        }
    }

    public func restart(channel: Int, from offset: Int64) {
        inner.restart(channel: channel, from: offset)
    }

    /// Loses contact: the handler is told, and until `resume` gets nothing more; what is appended is held. A call to
    /// the handler that is under way ends as usual.
    public func stop() {
        state.withLock { state in
            guard !state.isStopped, !state.isClosing else { return }
            state.isStopped = true
            state.contact.append(.contactLost("stopped by a test"))
        }
    }

    /// Regains contact: the handler is told, and everything goes on.
    public func resume() {
        state.withLock { $0.resume(inner) }
    }

    public func bounds(of channel: Int) async throws(LogError) -> Range<Int64> {
        try checkContact()
        return try await inner.bounds(of: channel)
    }

    public func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord? {
        try checkContact()
        return try await inner.record(at: offset, in: channel)
    }

    public var figures: [LogFigure] { inner.figures }

    private func checkContact() throws(LogError) {
        if state.read({ $0.isStopped }) { throw LogError(.unavailable, "the log is stopped; resume it") }
    }

    /// Regains contact, gives everything that is held to the inner log, reports what is to be reported, and closes it.
    public func close() async {
        let (thread, handler) = state.withLock { state in
            state.resume(inner)
            state.isClosing = true
            state.giveAll(to: inner)
            return (state.thread, state.handler)
        }
        if let thread { try? await onOwnThread(named: "faults-close") { thread.join() } }
        await inner.close()
        withExtendedLifetime(handler) {}
    }

    private enum Step {
        case events([LogEvent])
        case sleep(until: ContinuousClock.Instant)
        case end
    }

    /// Gives and reports what is due, until the log closes.
    private func work(_ handler: any LogHandler) {
        let idle = Duration.seconds(3_600)
        var wake = ContinuousClock.now + idle
        while true {
            switch state.wait(until: wake, { nextStep(&$0, wake: wake) }) {
            case .events(let events):
                for event in events { handler.handle(event) }
                state.withLock { $0.isHandling = false }
            case .sleep(let until): wake = until
            case .end: return
            case nil: wake = .now + idle
            }
        }
    }

    private func nextStep(_ state: inout State, wake: ContinuousClock.Instant) -> Step? {
        let now = ContinuousClock.now
        state.giveDue(to: inner, now)
        if !state.isHandling {
            let events = state.takeEvents(now)
            if !events.isEmpty {
                state.isHandling = true
                return .events(events)
            }
        }
        if state.isClosing, state.held.isEmpty, state.contact.isEmpty { return .end }
        // While stopped nothing is due; while the handler is busy, its end wakes this thread.
        guard !state.isStopped, !state.isHandling, let next = state.held.map(\.due).min(), next != wake else {
            return nil
        }
        return .sleep(until: next)
    }
}

/// What happens to one append. Every plan takes as many random numbers, whatever comes of it.
private struct Plan {
    var outcome: TagOutcome?
    var isStored = true
    var reportDelay: Duration
    var delay: Duration
    var isDuplicated: Bool
    var copyDelay: Duration?

    init(_ faults: FaultInjectingLog.Faults, _ random: inout SeededGenerator) {
        let fate = Double.random(in: 0..<1, using: &random)
        let isReportedLate = Bool.random(using: &random)
        let isDelayed = random.chance(faults.delayed)
        isDuplicated = random.chance(faults.duplicated)
        let isCopiedLater = random.chance(faults.duplicatedLater)
        let delays = [FaultInjectingLog.maxDelay, FaultInjectingLog.maxDelay, FaultInjectingLog.maxCopyDelay].map {
            Duration.microseconds(Int.random(in: 1...($0 * 1_000), using: &random))
        }
        if fate < faults.failed {
            outcome = .notStored(.temporary("failed by a test"))
            isStored = false
        } else if fate < faults.failed + faults.lost {
            outcome = .unknown
            isStored = false
        } else if fate < faults.failed + faults.lost + faults.unknown {
            outcome = .unknown
        }
        reportDelay = isReportedLate ? delays[0] : .zero
        delay = isDelayed ? delays[1] : .zero
        copyDelay = isCopiedLater ? delays[2] : nil
    }
}

/// Something to do at a time: in the order of times, then of calls.
private struct Held {
    enum Action {
        case give(LogRecord, Int, LogTag, original: LogTag)
        case report(LogTag, TagOutcome)
    }

    var due: ContinuousClock.Instant
    var action: Action
}

private struct State: Sendable {
    var random: SeededGenerator
    /// In the order of calls.
    var held: [Held] = []
    /// Contact lost and regained, not yet told.
    var contact: [LogEvent] = []
    var isStopped = false
    var isClosing = false
    /// Whether a call to the handler is under way, by whichever thread.
    var isHandling = false
    var thread: WorkerThread?
    /// Held by the thread, and by `close`.
    weak var handler: (any LogHandler)?

    init(random: SeededGenerator) {
        self.random = random
    }

    var isFull: Bool { held.count >= LogLimits.heldRecords }

    mutating func hold(_ action: Held.Action, at due: ContinuousClock.Instant) {
        if case .report(.none, _) = action { return }
        held.append(Held(due: due, action: action))
    }

    mutating func resume(_ log: any RecordLog) {
        guard isStopped else { return }
        isStopped = false
        contact.append(.contactRegained)
        giveDue(to: log, .now)
    }

    /// Gives the records whose time has come to the log.
    mutating func giveDue(to log: any RecordLog, _ now: ContinuousClock.Instant) {
        if !isStopped { give(to: log) { $0.due <= now } }
    }

    mutating func giveAll(to log: any RecordLog) {
        give(to: log) { _ in true }
    }

    private mutating func give(to log: any RecordLog, where isDue: (Held) -> Bool) {
        var given: [Held] = []
        held.removeAll {
            guard case .give = $0.action, isDue($0) else { return false }
            given.append($0)
            return true
        }
        // Of equal times the first comes first: Swift's sort is stable.
        for one in given.sorted(by: { $0.due < $1.due }) {
            if case .give(let record, let channel, let tag, _) = one.action {
                log.append(record, to: channel, tag: tag)
            }
        }
    }

    /// What the handler is to be told now. When closing, everything.
    mutating func takeEvents(_ now: ContinuousClock.Instant) -> [LogEvent] {
        var events = contact
        contact = []
        guard !isStopped else { return events }
        var reports: [TagReport] = []
        held.removeAll {
            guard case .report(let tag, let outcome) = $0.action, isClosing || $0.due <= now else { return false }
            reports.append(TagReport(tag: tag, outcome: outcome))
            return true
        }
        if !reports.isEmpty { events.append(.tags(reports)) }
        return events
    }

    /// Forgets a record that was not given yet, with its copies. One that is or was reported stays.
    mutating func withdraw(_ tag: LogTag) -> Bool {
        let isHere = held.contains {
            if case .give(_, _, tag, _) = $0.action { true } else { false }
        }
        guard isHere else { return false }
        held.removeAll {
            if case .give(_, _, _, original: tag) = $0.action { true } else { false }
        }
        return true
    }
}

/// Lets the inner log's calls through one at a time with the wrapper's own, and none while it is stopped.
private final class GatedHandler: LogHandler {
    private let state: Monitor<State>

    init(_ state: Monitor<State>) {
        self.state = state
    }

    func handle(_ run: borrowing RecordRun) {
        let handler = enter()
        handler?.handle(run)
        leave()
    }

    func handle(_ event: LogEvent) {
        let handler = enter()
        handler?.handle(event)
        leave()
    }

    private func enter() -> (any LogHandler)? {
        state.wait { state -> (any LogHandler)?? in
            guard !state.isHandling, !state.isStopped, state.contact.isEmpty else { return nil }
            state.isHandling = true
            return .some(state.handler)
        }
    }

    private func leave() {
        state.withLock { $0.isHandling = false }
    }
}
