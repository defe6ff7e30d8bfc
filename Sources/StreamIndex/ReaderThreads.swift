// The threads on which the index is read: RocksDB and pread may wait for the disk, which Swift's pool must not.

import EventLog

/// A few threads that run jobs in the order in which they came.
///
/// How many jobs there may be is bounded by those who give them: reads by the gate of their lane, checks by the appends
/// in flight.
final class ReaderThreads: Sendable {
    private struct State: Sendable {
        var jobs: [@Sendable () -> Void] = []
        var head = 0
        var isClosed = false
    }

    private let state = Monitor(State())
    private let threads: [WorkerThread]

    init(count: Int, name: String) {
        let state = state
        threads = (0..<count).map { _ in
            WorkerThread(name: name) {
                while let job = Self.next(state) { job() }
            }
        }
    }

    private static func next(_ state: Monitor<State>) -> (@Sendable () -> Void)? {
        state.wait { state -> (@Sendable () -> Void)?? in
            guard state.head < state.jobs.count else { return state.isClosed ? .some(nil) : nil }
            let job = state.jobs[state.head]
            state.head += 1
            if state.head == state.jobs.count {
                state.jobs.removeAll(keepingCapacity: true)
                state.head = 0
            } else if state.head > 1_024 {
                state.jobs.removeFirst(state.head)
                state.head = 0
            }
            return job
        }
    }

    /// Runs the job soon, on one of the threads; false: they have ended.
    func run(_ job: @escaping @Sendable () -> Void) -> Bool {
        state.withLockWakingOne {
            guard !$0.isClosed else { return false }
            $0.jobs.append(job)
            return true
        }
    }

    /// Runs the jobs that are there, and ends the threads. Blocks.
    func close() {
        state.withLock { $0.isClosed = true }
        for thread in threads { thread.join() }
    }
}

/// Threads for reads, and a bound on how many reads there are for them; more callers wait.
final class ReadLane: Sendable {
    private let threads: ReaderThreads
    private let gate: Gate
    private let shared: SharedApplier

    init(threads count: Int, name: String, inFlight: Int, _ shared: SharedApplier) {
        self.shared = shared
        threads = ReaderThreads(count: count, name: name)
        gate = Gate(count: inFlight)
    }

    private var closed: IndexError { IndexError(.closed, "the store is closed; open it again") }

    /// Runs something that may touch the disk on a thread of the lane.
    func run<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        switch await gate.enter() {
        case .entered: break
        case .cancelled: throw CancellationError()
        case .closed, .expired: throw closed
        }
        defer { gate.leave() }
        return try await withCheckedThrowingContinuation { continuation in
            let isRunning = threads.run { [shared] in
                continuation.resume(
                    with: Result {
                        try shared.show()
                        return try body()
                    })
            }
            if !isRunning { continuation.resume(throwing: closed) }
        }
    }

    /// Takes no more reads.
    func stop() { gate.close() }

    /// Runs the reads that are there, and ends the threads. Blocks.
    func close() { threads.close() }
}
