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

    private struct State: Sendable {
        var count = 0
        var bytes = 0
        var line = WaitingLine<CheckedContinuation<Entry, Never>>()
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

    /// Who is in, and their bytes.
    var inside: (count: Int, bytes: Int) { state.withLock { ($0.count, $0.bytes) } }

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
            guard $0.line.isEmpty, hasRoom($0, bytes) else { return nil }
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
            if $0.line.isEmpty, hasRoom($0, bytes) {
                $0.count += 1
                $0.bytes += bytes
                return .entered
            }
            $0.line.append(id, bytes: bytes, until: deadline, continuation)
            return nil
        }
        if let immediate { continuation.resume(returning: immediate) }
    }

    private func hasRoom(_ state: State, _ bytes: Int) -> Bool {
        state.count == 0 || state.count < maxCount && state.bytes + bytes <= maxBytes
    }

    private func cancel(_ id: UInt64) {
        let waiter: CheckedContinuation<Entry, Never>? = state.withLock {
            let waiter = $0.line.remove(id)
            if waiter == nil { $0.cancelledEarly.insert(id) }
            return waiter
        }
        waiter?.resume(returning: .cancelled)
        letIn()
    }

    /// So many leave, with so many bytes together.
    func leave(_ count: Int = 1, bytes: Int = 0) {
        let isAwaited = state.withLock {
            $0.count -= count
            $0.bytes -= bytes
            return !$0.line.isEmpty
        }
        if isAwaited { letIn() }
    }

    private func letIn() {
        let entered = state.withLock { state in
            var entered: [CheckedContinuation<Entry, Never>] = []
            while let bytes = state.line.firstBytes, hasRoom(state, bytes), let waiter = state.line.removeFirst() {
                state.count += 1
                state.bytes += bytes
                entered.append(waiter)
            }
            return entered
        }
        for waiter in entered { waiter.resume(returning: .entered) }
    }

    /// Sends away those whose deadline has passed.
    ///
    /// - Returns: the next deadline; nil where nobody waits.
    func expire(now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let (expired, next) = state.withLock { ($0.line.expire(now: now), $0.line.nextDeadline) }
        for waiter in expired { waiter.resume(returning: .expired) }
        if !expired.isEmpty { letIn() }
        return next
    }

    func close() {
        let waiters = state.withLock {
            $0.isClosed = true
            return $0.line.removeAll()
        }
        for waiter in waiters { waiter.resume(returning: .closed) }
    }
}

/// Those who wait, in the order in which they came. However many they are, each costs about the same: who goes from
/// the middle leaves a mark behind, and the marks are swept once they are the most of what is kept.
struct WaitingLine<Waiter: Sendable>: Sendable {
    private struct Place: Sendable {
        var waiter: Waiter
        var bytes: Int
    }

    private struct Deadline: Sendable, Comparable {
        var time: ContinuousClock.Instant
        var id: UInt64

        static func < (one: Deadline, other: Deadline) -> Bool { (one.time, one.id) < (other.time, other.id) }
    }

    private var places: [UInt64: Place] = [:]
    /// Ids from `head` on; of those who went as well.
    private var order: [UInt64] = []
    private var head = 0
    /// A heap, the earliest first; of those who went as well.
    private var deadlines: [Deadline] = []

    var isEmpty: Bool { places.isEmpty }

    /// Ids and deadlines that are kept, marks included.
    var keptCount: Int { max(order.count, deadlines.count) }

    mutating func append(_ id: UInt64, bytes: Int, until deadline: ContinuousClock.Instant?, _ waiter: Waiter) {
        places[id] = Place(waiter: waiter, bytes: bytes)
        order.append(id)
        if let deadline { push(Deadline(time: deadline, id: id)) }
    }

    /// What the first one wants; nil: nobody waits.
    var firstBytes: Int? {
        mutating get {
            while head < order.count {
                if let place = places[order[head]] { return place.bytes }
                head += 1
            }
            return nil
        }
    }

    mutating func removeFirst() -> Waiter? {
        firstBytes == nil ? nil : remove(order[head])
    }

    mutating func remove(_ id: UInt64) -> Waiter? {
        guard let place = places.removeValue(forKey: id) else { return nil }
        sweep()
        return place.waiter
    }

    /// Takes out those whose deadline has passed, the earliest first.
    mutating func expire(now: ContinuousClock.Instant) -> [Waiter] {
        var expired: [Waiter] = []
        while let first = deadlines.first, first.time <= now {
            popDeadline()
            if let place = places.removeValue(forKey: first.id) { expired.append(place.waiter) }
        }
        sweep()
        return expired
    }

    var nextDeadline: ContinuousClock.Instant? {
        mutating get {
            while let first = deadlines.first, places[first.id] == nil { popDeadline() }
            return deadlines.first?.time
        }
    }

    mutating func removeAll() -> [Waiter] {
        defer { self = WaitingLine() }
        return order[head...].compactMap { places[$0]?.waiter }
    }

    private mutating func sweep() {
        let limit = 2 * places.count + IndexLimits.sweptMarks
        if order.count > limit {
            order = order[head...].filter { places[$0] != nil }
            head = 0
        }
        if deadlines.count > limit {
            // Sorted is a heap too.
            deadlines = deadlines.filter { places[$0.id] != nil }.sorted()
        }
    }

    private mutating func push(_ deadline: Deadline) {
        deadlines.append(deadline)
        var place = deadlines.count - 1
        while place > 0, deadlines[place] < deadlines[(place - 1) / 2] {
            deadlines.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func popDeadline() {
        deadlines.swapAt(0, deadlines.count - 1)
        deadlines.removeLast()
        var place = 0
        while 2 * place + 1 < deadlines.count {
            var child = 2 * place + 1
            if child + 1 < deadlines.count, deadlines[child + 1] < deadlines[child] { child += 1 }
            guard deadlines[child] < deadlines[place] else { return }
            deadlines.swapAt(place, child)
            place = child
        }
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

    /// nil: not yet.
    var given: Value? {
        state.withLock { if case .full(let value) = $0 { value } else { nil } }
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
