// Back-pressure: how much may be under way at once. Who comes later waits, without a thread.

import Synchronization

/// Lets in so many at once, of so many bytes together, in the order in which they came.
final class Gate: Sendable {
    enum Entry: Sendable, Equatable {
        case entered
        case expired
        case cancelled
        case closed
    }

    private struct Waiter: Sendable {
        var id: UInt64
        var bytes: Int
        var deadline: ContinuousClock.Instant?
        var continuation: CheckedContinuation<Entry, Never>
    }

    private struct State: Sendable {
        var count = 0
        var bytes = 0
        var waiters: [Waiter] = []
        var cancelledEarly: Set<UInt64> = []
        var nextID: UInt64 = 0
        var isClosed = false
    }

    private let maxCount: Int
    private let maxBytes: Int
    private let state = Mutex(State())

    init(count: Int, bytes: Int = .max) {
        maxCount = count
        maxBytes = bytes
    }

    /// Waits until there is room. Something larger than all the room is let in alone.
    ///
    /// - Parameters:
    ///   - deadline: looked at by `expire`.
    ///   - waits: called once it waits, so that somebody calls `expire` in time.
    func enter(
        bytes: Int = 0, until deadline: ContinuousClock.Instant? = nil, waits: @Sendable () -> Void = {}
    ) async -> Entry {
        let immediate: Entry? = state.withLock {
            if $0.isClosed { return .closed }
            guard $0.waiters.isEmpty, hasRoom($0, bytes) else { return nil }
            $0.count += 1
            $0.bytes += bytes
            return .entered
        }
        if let immediate { return immediate }
        let id = state.withLock {
            $0.nextID += 1
            return $0.nextID
        }
        let entry = await withTaskCancellationHandler {
            await withCheckedContinuation {
                wait($0, id, bytes, deadline)
                waits()
            }
        } onCancel: {
            cancel(id)
        }
        // Cancelled just when it was let in.
        state.withLock { _ = $0.cancelledEarly.remove(id) }
        return entry
    }

    private func wait(
        _ continuation: CheckedContinuation<Entry, Never>, _ id: UInt64, _ bytes: Int,
        _ deadline: ContinuousClock.Instant?
    ) {
        let immediate: Entry? = state.withLock {
            if $0.isClosed { return .closed }
            if $0.cancelledEarly.remove(id) != nil { return .cancelled }
            if $0.waiters.isEmpty, hasRoom($0, bytes) {
                $0.count += 1
                $0.bytes += bytes
                return .entered
            }
            $0.waiters.append(Waiter(id: id, bytes: bytes, deadline: deadline, continuation: continuation))
            return nil
        }
        if let immediate { continuation.resume(returning: immediate) }
    }

    private func hasRoom(_ state: State, _ bytes: Int) -> Bool {
        state.count == 0 || state.count < maxCount && state.bytes + bytes <= maxBytes
    }

    private func cancel(_ id: UInt64) {
        let waiter: Waiter? = state.withLock {
            guard let index = $0.waiters.firstIndex(where: { $0.id == id }) else {
                $0.cancelledEarly.insert(id)
                return nil
            }
            return $0.waiters.remove(at: index)
        }
        waiter?.continuation.resume(returning: .cancelled)
        letIn()
    }

    func leave(bytes: Int = 0) {
        state.withLock {
            $0.count -= 1
            $0.bytes -= bytes
        }
        letIn()
    }

    private func letIn() {
        let entered: [Waiter] = state.withLock { state in
            var count = 0
            while count < state.waiters.count, hasRoom(state, state.waiters[count].bytes) {
                state.count += 1
                state.bytes += state.waiters[count].bytes
                count += 1
            }
            defer { state.waiters.removeFirst(count) }
            return Array(state.waiters[..<count])
        }
        for waiter in entered { waiter.continuation.resume(returning: .entered) }
    }

    /// Sends away those whose deadline has passed.
    ///
    /// - Returns: the next deadline; nil where nobody waits.
    func expire(now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let (expired, next): ([Waiter], ContinuousClock.Instant?) = state.withLock { state in
            let isExpired = { (waiter: Waiter) in waiter.deadline.map { $0 <= now } ?? false }
            let expired = state.waiters.filter(isExpired)
            if !expired.isEmpty { state.waiters.removeAll(where: isExpired) }
            return (expired, state.waiters.compactMap { $0.deadline }.min())
        }
        for waiter in expired { waiter.continuation.resume(returning: .expired) }
        if !expired.isEmpty { letIn() }
        return next
    }

    func close() {
        let waiters: [Waiter] = state.withLock { state in
            state.isClosed = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: .closed) }
    }
}

/// A value that is given once and waited for once, in either order.
final class Promise<Value: Sendable>: Sendable {
    private enum State: Sendable {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case full(Value)
    }

    private let state = Mutex(State.empty)

    /// Later values are ignored.
    func fulfil(_ value: Value) {
        let continuation: CheckedContinuation<Value, Never>? = state.withLock {
            switch $0 {
            case .empty:
                $0 = .full(value)
                return nil
            case .waiting(let continuation):
                $0 = .full(value)
                return continuation
            case .full:
                return nil
            }
        }
        continuation?.resume(returning: value)
    }

    func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value: Value? = state.withLock {
                switch $0 {
                case .empty:
                    $0 = .waiting(continuation)
                    return nil
                case .waiting: preconditionFailure("a promise is waited for once")
                case .full(let value): return value
                }
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
