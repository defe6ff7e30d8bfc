// Threads and a monitor, for work that may block: Swift's cooperative pool must not.

import Foundation
import Glibc

/// A thread of the operating system with a name, which can be waited for.
public final class WorkerThread: Sendable {
    private let ended = Monitor(false)

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes are shown by the system.
    ///   - body: runs once, on the new thread.
    public init(name: String, _ body: @escaping @Sendable () -> Void) {
        let ended = ended
        let thread = Thread {
            // The system learns a name only from the thread itself.
            Thread.current.name = name
            body()
            ended.withLock { $0 = true }
        }
        thread.start()
    }

    /// Blocks until the body has returned. Not to be called from an async function or from the thread itself.
    public func join() {
        ended.wait { $0 ? () : nil }
    }
}

/// A value under a lock, with a way to wait for it to change.
public final class Monitor<Value>: Sendable where Value: Sendable {
    private let condition = Condition()
    private nonisolated(unsafe) var value: Value

    public init(_ value: Value) {
        unsafe self.value = value
    }

    /// Runs `body` under the lock and wakes all waiters.
    public func withLock<R>(_ body: (inout Value) throws -> R) rethrows -> R {
        condition.lock()
        defer {
            condition.unlock()
            condition.wakeAll()
        }
        return try unsafe body(&value)
    }

    /// Runs `body` under the lock and wakes one waiter.
    public func withLockWakingOne<R>(_ body: (inout Value) throws -> R) rethrows -> R {
        condition.lock()
        defer {
            condition.unlock()
            condition.wakeOne()
        }
        return try unsafe body(&value)
    }

    /// Runs `body` under the lock; wakes nobody.
    public func read<R>(_ body: (inout Value) throws -> R) rethrows -> R {
        condition.lock()
        defer { condition.unlock() }
        return try unsafe body(&value)
    }

    /// Blocks until `body`, run under the lock, returns something.
    public func wait<R>(_ body: (inout Value) -> R?) -> R {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result = unsafe body(&value) { return result }
            condition.wait()
        }
    }

    /// As `wait`, until an instant; nil when it passed.
    public func wait<R>(until deadline: ContinuousClock.Instant, _ body: (inout Value) -> R?) -> R? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result = unsafe body(&value) { return result }
            let left = ContinuousClock.now.duration(to: deadline)
            if left <= .zero { return nil }
            condition.wait(for: left)
        }
    }
}

/// A mutex and a condition variable of the system. It waits by the monotonic clock, so that a wall clock set back does
/// not lengthen a deadline.
@safe private final class Condition: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    func lock() { unsafe pthread_mutex_lock(mutex) }

    func unlock() { unsafe pthread_mutex_unlock(mutex) }

    func wakeAll() { unsafe pthread_cond_broadcast(condition) }

    func wakeOne() { unsafe pthread_cond_signal(condition) }

    func wait() { unsafe pthread_cond_wait(condition, mutex) }

    /// Returns when woken, when the time has passed, or for no reason. Waits at most a day.
    func wait(for time: Duration) {
        var end = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &end)
        let (seconds, fraction) = min(time, .seconds(86_400)).components
        let nanoseconds = end.tv_nsec + Int(fraction / 1_000_000_000)
        end.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
        end.tv_nsec = nanoseconds % 1_000_000_000
        unsafe pthread_cond_timedwait(condition, mutex, &end)
    }
}

/// The wall clock, in milliseconds since 1970.
public func wallClockMilliseconds() -> Int64 {
    Int64(Date().timeIntervalSince1970 * 1_000)
}

/// Runs `body`, which may block, on a thread of its own. For what is rare: opening, closing, asking a log for one
/// record.
public func onOwnThread<R: Sendable>(
    named name: String, _ body: @escaping @Sendable () throws -> R
) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        _ = WorkerThread(name: name) {
            continuation.resume(with: Result { try body() })
        }
    }
}
