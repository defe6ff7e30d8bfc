// The shell of the append state machine: lock, log, clock, continuations. Its inputs come from callers, from the
// thread that delivers and from its own timer thread; nothing here blocks but that last one.

import AppendRule
import Envelope
import EventLog
import Synchronization

/// An append that was handed in; its outcome is waited for once.
public struct PendingAppend: Sendable {
    let id: CallID
    let promise: Promise<CallOutcome>
    let proposer: Proposer

    /// Waits for the outcome; where the task is cancelled, only the waiting ends, as `withdrawn`, and the append goes
    /// on.
    public func outcomeUnlessCancelled() async -> CallOutcome {
        if let outcome = promise.given { return outcome }
        return await withTaskCancellationHandler {
            await promise.value()
        } onCancel: {
            promise.fulfil(.withdrawn)
        }
    }

    /// Waits for the outcome. Cancelling the task withdraws the append, or lets it be settled in the background.
    public func outcome() async -> CallOutcome {
        await withTaskCancellationHandler {
            await promise.value()
        } onCancel: {
            proposer.callerLeft(id)
        }
    }
}

final class Proposer: Sendable {
    private struct State: Sendable {
        var calls: AppendCalls
        var entries: [CallID: Entry] = [:]
        var figures = AppendFigures()
        var timerAt: ContinuousClock.Instant?
    }

    /// Of a call whose room was not given back yet.
    private struct Entry: Sendable {
        let promise: Promise<CallOutcome>
        let size: Int
        let began: ContinuousClock.Instant
    }

    private struct Timer: Sendable {
        var wakeAt: ContinuousClock.Instant?
        var isClosed = false
    }

    private enum TimerTurn {
        case due
        /// It is to wait for an earlier time than it does.
        case sooner
        case closed
    }

    private let log: any RecordLog
    private let store: IndexStore
    private let checker: ReaderThreads
    private let shared: SharedApplier
    private let state: Mutex<State>
    private let gate: Gate
    private let timer = Monitor(Timer())
    private let timerThread = Mutex<WorkerThread?>(nil)
    private let inFlight = Atomic<Int>(0)

    init(
        log: any RecordLog, store: IndexStore, checker: ReaderThreads, shared: SharedApplier, limits: AppendLimits
    ) {
        self.log = log
        self.store = store
        self.checker = checker
        self.shared = shared
        gate = Gate(count: limits.appendsInFlight, bytes: limits.bytesInFlight)
        let calls = AppendCalls(store: store.identity.store) { SystemRandom.nextNonzero() }
        state = Mutex(State(calls: calls))
        let thread = WorkerThread(name: "append-deadline") { [self] in keepTime() }
        timerThread.withLock { $0 = thread }
    }

    /// Whether anybody waits for what is applied.
    var isAwaited: Bool { inFlight.load(ordering: .acquiring) > 0 }

    // MARK: - Callers

    /// Waits for room and hands the append in. Appends handed in one after the other keep their order in a stream.
    ///
    /// - Parameters:
    ///   - size: of the record's value, in bytes.
    ///   - settleBy: how long it waits for room.
    ///   - request: called once there is room, so that who waits holds no record.
    func submit(
        size: Int, settleBy: ContinuousClock.Instant, _ request: () -> AppendRequest
    ) async -> PendingAppend {
        let promise = Promise<CallOutcome>()
        let began = ContinuousClock.now
        let entry = await gate.enter(bytes: size, until: settleBy) { [self] in inTimer(settleBy) }
        let refusal: CallOutcome? =
            switch entry {
            case .entered: nil
            case .cancelled: .withdrawn
            case .expired: .notWritten("too many appends were in flight until three quarters of the deadline")
            case .closed: .failed(closedError)
            }
        if let refusal {
            state.withLock { $0.figures.note(refusal, after: began.duration(to: .now)) }
            promise.fulfil(refusal)
            return PendingAppend(id: 0, promise: promise, proposer: self)
        }
        let request = request()
        // Whoever is at work in the state machine does not wait for the encoding.
        let value = request.encoded()
        inFlight.add(1, ordering: .acquiringAndReleasing)
        var id: CallID = 0
        step { state in
            id = state.calls.submit(request, value: value)
            state.entries[id] = Entry(promise: promise, size: size, began: began)
        }
        return PendingAppend(id: id, promise: promise, proposer: self)
    }

    var figures: AppendFigures { state.withLock { $0.figures } }

    /// Appends that were let in and have not ended, and their bytes.
    var inside: (count: Int, bytes: Int) { gate.inside }

    func callerLeft(_ id: CallID) {
        step { $0.calls.callerLeft(id) { log.withdraw($0) } }
    }

    // MARK: - The thread that delivers

    func applied(_ records: [AppliedRecord]) {
        step { $0.calls.applied(records) }
    }

    func reported(_ reports: [TagReport]) {
        step { $0.calls.reported(reports, now: .now) { log.withdraw($0) } }
    }

    func fail(channel: Int?, _ error: IndexError) {
        step { $0.calls.fail(channel: channel, error) { log.withdraw($0) } }
    }

    // MARK: - Life

    private var closedError: IndexError { IndexError(.closed, "the store is closed; open it again") }

    /// Takes nothing more, and ends what was not written yet.
    func stop() {
        gate.close()
        step { $0.calls.failUnwritten(closedError) }
    }

    /// Ends what the log, now closed, has left open. Blocks.
    func finish() {
        step { $0.calls.failRest() }
        timer.withLock { $0.isClosed = true }
        timerThread.withLock { $0 }?.join()
    }

    // MARK: - One step

    /// Runs the state machine and does what it says. Records are handed to the log under the lock, so that their order
    /// is that of the steps; callers are answered after it.
    private func step(_ body: (inout State) -> Void) {
        var answers: [(Promise<CallOutcome>, CallOutcome)] = []
        var checks: [(CallID, AppendRequest)] = []
        var released = (count: 0, bytes: 0)
        let wakeAt: ContinuousClock.Instant? = state.withLock { state in
            body(&state)
            let actions = state.calls.takeActions()
            let now = ContinuousClock.now
            for action in actions {
                switch action {
                case .check(let id, let request): checks.append((id, request))
                case .write(let record, let channel, let tag):
                    log.append(record, to: channel, tag: LogTag(number: tag))
                case .answer(let id, let outcome):
                    guard let entry = state.entries[id] else { break }
                    answers.append((entry.promise, outcome))
                    state.figures.note(outcome, after: entry.began.duration(to: now))
                case .release(let id):
                    released.count += 1
                    released.bytes += state.entries.removeValue(forKey: id)?.size ?? 0
                }
            }
            guard let wakeAt = state.calls.wakeAt, wakeAt < state.timerAt ?? .distant else { return nil }
            state.timerAt = wakeAt
            return wakeAt
        }
        for (promise, outcome) in answers { promise.fulfil(outcome) }
        if released.count > 0 {
            inFlight.subtract(released.count, ordering: .acquiringAndReleasing)
            gate.leave(released.count, bytes: released.bytes)
        }
        for (id, request) in checks { check(id, request) }
        if let wakeAt { inTimer(wakeAt) }
    }

    private func check(_ id: CallID, _ request: AppendRequest) {
        let isRunning = checker.run { [self] in
            let answer: CheckAnswer
            do throws(IndexError) {
                try shared.show()
                let known = try store.gather(request.header, try store.state(of: request.stream.bytes))
                answer = checkBeforeWriting(request.header, known, isOnlyWriter: log.description.isOnlyWriter)
            } catch {
                answer = .certain(.failed(error))
            }
            step { $0.calls.checked(id, answer) }
        }
        if !isRunning { step { [closedError] in $0.calls.checked(id, .certain(.failed(closedError))) } }
    }

    // MARK: - Time

    private func inTimer(_ time: ContinuousClock.Instant) {
        let isSooner = timer.read { time < $0.wakeAt ?? .distant }
        guard isSooner else { return }
        timer.withLock { $0.wakeAt = min($0.wakeAt ?? time, time) }
    }

    private func keepTime() {
        while true {
            let end = timer.read { $0.wakeAt } ?? .distant
            let turn: TimerTurn? = timer.wait(until: end) { timer in
                if timer.isClosed { return .closed }
                guard let wakeAt = timer.wakeAt else { return nil }
                guard wakeAt <= .now else { return wakeAt < end ? .sooner : nil }
                timer.wakeAt = nil
                return .due
            }
            if turn == .closed { return }
            guard turn == .due else { continue }
            let nextEntry = gate.expire(now: .now)
            step { state in
                state.timerAt = nil
                state.calls.tick(now: .now) { log.withdraw($0) }
            }
            if let nextEntry { inTimer(nextEntry) }
        }
    }
}

extension ContinuousClock.Instant {
    /// Later than any deadline.
    static var distant: ContinuousClock.Instant { .now + .seconds(86_400) }
}

/// What may be under way at once.
public struct AppendLimits: Sendable {
    /// Appends; more wait. 1 or more.
    public var appendsInFlight: Int
    /// Bytes of their records together; more wait. A larger append goes alone.
    public var bytesInFlight: Int

    public init(appendsInFlight: Int = 20_000, bytesInFlight: Int = 64 << 20) {
        self.appendsInFlight = appendsInFlight
        self.bytesInFlight = bytesInFlight
    }
}
