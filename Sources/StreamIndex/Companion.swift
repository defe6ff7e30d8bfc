import EventLog
import Synchronization

/// A thread that does one thing at a time beside the one that delivers, for runs large enough to be worth waking it. It
/// is started when it is needed first.
final class Companion: Sendable {
    private struct State: Sendable {
        var work: (@Sendable () -> Void)?
        /// Until the work is done.
        var isBusy = false
        var isClosed = false
    }

    private let state = Monitor(State())
    private let thread = Mutex<WorkerThread?>(nil)

    /// Begins `work` once what was begun before is done. From one thread at a time.
    func begin(_ work: @escaping @Sendable () -> Void) {
        finish()
        thread.withLock { thread in
            if thread == nil { thread = WorkerThread(name: "index-companion") { [self] in serve() } }
        }
        state.withLock {
            $0.work = work
            $0.isBusy = true
        }
    }

    /// Returns once what was begun is done.
    func finish() {
        state.wait { $0.isBusy ? nil : () }
    }

    /// Ends the thread; nothing may be begun afterwards. Blocks.
    func close() {
        finish()
        state.withLock { $0.isClosed = true }
        thread.withLock { $0 }?.join()
    }

    private func serve() {
        while let work = next() {
            work()
            state.withLock { $0.isBusy = false }
        }
    }

    /// nil: there is nothing more to come.
    private func next() -> (@Sendable () -> Void)? {
        state.wait { state in
            if let work = state.work.take() { return .some(work) }
            return state.isClosed ? .some(nil) : nil
        }
    }
}
