import Glibc
import Synchronization

/// The signals that end the command. The main thread waits for them: what holds a store is told and closes it;
/// everything else ends at once.
final class Interruption: Sendable {
    /// Seconds that are given to close the store; a second signal waits for nothing.
    static let grace = 10

    private struct State {
        var signal: Int32?
        var holdsStore = false
        var handler: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// What the process ends with after a signal, as shells expect it.
    var exitCode: Int32? { state.withLock { $0.signal.map { 128 + $0 } } }

    /// Keeps the signals for `waitForSignal`. To be called before there is another thread.
    func blockSignals() {
        _ = signal(SIGPIPE, SIG_IGN)
        var signals = Self.signals
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Says that a store is being opened, or is closed.
    func holdsStore(_ holds: Bool) {
        state.withLock { $0.holdsStore = holds }
    }

    /// Has a signal call `body`, where a command can end better than by being cancelled.
    func handle(_ body: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            state.handler = body
            return state.signal != nil
        }
        if isLate { body() }
    }

    /// Blocks for good; the process ends here after a signal unless it has ended before.
    func waitForSignal(_ cancel: () -> Void) -> Never {
        var signals = Self.signals
        var received: Int32 = 0
        while unsafe sigwait(&signals, &received) != 0 {}
        let (holdsStore, handler) = state.withLock { state in
            state.signal = received
            return (state.holdsStore, state.handler)
        }
        if holdsStore {
            if let handler { handler() } else { cancel() }
            var grace = timespec(tv_sec: Self.grace, tv_nsec: 0)
            _ = unsafe sigtimedwait(&signals, nil, &grace)
        }
        _exit(128 + received)
    }

    /// Those that our parent has us ignore stay ignored.
    private static var signals: sigset_t {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var action = sigaction()
            unsafe sigaction(number, nil, &action)
            let isIgnored = unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
            if !isIgnored { unsafe sigaddset(&signals, number) }
        }
        return signals
    }
}
