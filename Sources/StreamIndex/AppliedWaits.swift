// Readers that wait until something is applied: an offset, or a barrier record of theirs.

import AppendRule
import Synchronization

final class AppliedWaits: Sendable {
    enum Outcome: Sendable {
        case reached
        case failed(IndexError)
        case cancelled
    }

    /// Waits that are over, to be told outside of all locks.
    struct Ended: ~Copyable {
        fileprivate var waits: [(id: UInt64, promise: Promise<Outcome>, outcome: Outcome)] = []

        consuming func tell() {
            for wait in waits { wait.promise.fulfil(wait.outcome) }
        }
    }

    private enum Target: Sendable {
        /// A patient one waits also while `stop` is set.
        case offset(channel: Int, Int64, isPatient: Bool)
        case barrier(channel: Int, RecordID)

        var channel: Int {
            switch self {
            case .offset(let channel, _, _), .barrier(let channel, _): channel
            }
        }

        var isPatient: Bool {
            if case .offset(_, _, let isPatient) = self { isPatient } else { true }
        }
    }

    private struct State: Sendable {
        var nextID: UInt64 = 0
        var waits: [UInt64: (target: Target, promise: Promise<Outcome>)] = [:]
        var nextOffsets: [Int64]
        var failure: [Int: IndexError] = [:]
        var failed: IndexError?
        /// Why nothing more is reached for now.
        var stop: IndexError?

        /// Takes out the waits that have an outcome now: after the walk, since to change what is walked copies it.
        mutating func end(_ outcome: (Target) -> Outcome?) -> Ended {
            var ended = Ended()
            for (id, wait) in waits {
                if let outcome = outcome(wait.target) { ended.waits.append((id, wait.promise, outcome)) }
            }
            for wait in ended.waits { waits[wait.id] = nil }
            return ended
        }
    }

    private let state: Mutex<State>
    private let count = Atomic<Int>(0)
    private let limit: Int

    init(nextOffsets: [Int64], stop: IndexError? = nil, limit: Int = IndexLimits.waiters) {
        self.limit = limit
        state = Mutex(State(nextOffsets: nextOffsets, stop: stop))
    }

    /// How far each channel is.
    var reachedOffsets: [Int64] { state.withLock { $0.nextOffsets } }

    /// How many wait.
    var waiting: Int { state.withLock { $0.waits.count } }

    var hasBarriers: Bool { count.load(ordering: .acquiring) > 0 }

    /// Waits until the record at `offset` is applied.
    ///
    /// - Parameter isPatient: waits also while nothing goes on.
    func offset(
        _ offset: Int64, in channel: Int, until deadline: ContinuousClock.Instant, isPatient: Bool = true
    ) async -> Outcome {
        await wait(.offset(channel: channel, offset, isPatient: isPatient), until: deadline) {}
    }

    /// Waits until the barrier is applied; `write` puts it into the log once the wait is known.
    func barrier(
        _ id: RecordID, in channel: Int, until deadline: ContinuousClock.Instant, write: @Sendable () -> Void
    ) async -> Outcome {
        await wait(.barrier(channel: channel, id), until: deadline, write)
    }

    private func wait(
        _ target: Target, until deadline: ContinuousClock.Instant, _ begin: @Sendable () -> Void
    ) async -> Outcome {
        let promise = Promise<Outcome>()
        let (id, immediate): (UInt64, Outcome?) = state.withLock { state in
            // What was applied stays so, whatever came then.
            if case .offset(let channel, let offset, _) = target, state.nextOffsets[channel] > offset {
                return (0, .reached)
            }
            if let error = state.failed ?? state.failure[target.channel] { return (0, .failed(error)) }
            if let stop = state.stop, !target.isPatient { return (0, .failed(stop)) }
            if state.waits.count >= limit {
                let why = "\(state.waits.count) callers wait already; try again later"
                return (0, .failed(IndexError(.unavailable, why)))
            }
            state.nextID += 1
            state.waits[state.nextID] = (target, promise)
            return (state.nextID, nil)
        }
        if let immediate { return immediate }
        count.add(1, ordering: .acquiringAndReleasing)
        defer { count.subtract(1, ordering: .acquiringAndReleasing) }
        begin()
        return await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { [self] in
                    try? await Task.sleep(until: deadline, clock: .continuous)
                    if Task.isCancelled { return }
                    end(id, .failed(IndexError(.deadline, "it was not applied before the deadline; try again")))
                }
                let outcome = await promise.value()
                group.cancelAll()
                return outcome
            }
        } onCancel: {
            end(id, .cancelled)
        }
    }

    private func end(_ id: UInt64, _ outcome: Outcome) {
        let wait = state.withLock { $0.waits.removeValue(forKey: id) }
        wait?.promise.fulfil(outcome)
    }

    /// The thread that delivers has applied a run.
    ///
    /// - Parameter stop: why nothing more is reached for now; nil: it goes on.
    /// - Returns: whom to tell.
    func applied(nextOffsets: [Int64], barriers: [RecordID], stop: IndexError? = nil) -> Ended {
        state.withLock { state in
            // Most runs bring nothing new to the order.
            let isNew = nextOffsets != state.nextOffsets || stop != state.stop || !barriers.isEmpty
            state.nextOffsets = nextOffsets
            state.stop = stop
            guard isNew, !state.waits.isEmpty else { return Ended() }
            return state.end { target in
                switch target {
                case .offset(let channel, let offset, _) where nextOffsets[channel] > offset: .reached
                case .barrier(_, let barrier) where barriers.contains(barrier): .reached
                case .offset, .barrier: target.isPatient ? nil : stop.map { .failed($0) }
                }
            }
        }
    }

    /// The barrier will not come.
    func fail(barrier id: RecordID, _ error: IndexError) {
        let ended = state.withLock { state in
            state.end { if case .barrier(_, id) = $0 { .failed(error) } else { nil } }
        }
        ended.tell()
    }

    func fail(channel: Int?, _ error: IndexError) {
        let ended = state.withLock { state in
            if let channel { state.failure[channel] = error } else { state.failed = error }
            return state.end { channel == nil || $0.channel == channel ? .failed(error) : nil }
        }
        ended.tell()
    }
}
