// Threads and a monitor, for work that may block: Swift's cooperative pool must not.

import Foundation

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
            body()
            ended.withLock { $0 = true }
        }
        thread.name = name
        thread.start()
    }

    /// Blocks until the body has returned. Not to be called from an async function or from the thread itself.
    public func join() {
        ended.wait { $0 ? () : nil }
    }
}

/// A value under a lock, with a way to wait for it to change.
public final class Monitor<Value>: Sendable where Value: Sendable {
    private let condition = NSCondition()
    private nonisolated(unsafe) var value: Value

    public init(_ value: Value) {
        unsafe self.value = value
    }

    /// Runs `body` under the lock and wakes all waiters.
    public func withLock<R>(_ body: (inout Value) throws -> R) rethrows -> R {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return try unsafe body(&value)
    }

    /// Runs `body` under the lock and wakes one waiter.
    public func withLockWakingOne<R>(_ body: (inout Value) throws -> R) rethrows -> R {
        condition.lock()
        defer {
            condition.signal()
            condition.unlock()
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
            // The condition waits by the wall clock, which may jump: only the other one says that the time has come.
            let left = ContinuousClock.now.duration(to: deadline) / Duration.seconds(1)
            if left <= 0 { return nil }
            _ = condition.wait(until: Date(timeIntervalSinceNow: left))
        }
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
