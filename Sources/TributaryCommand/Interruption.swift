import Foundation
import Glibc
import Synchronization

/// The signals that end the command. A thread waits for them: what holds a store is told and closes it; everything else
/// ends at once.
final class Interruption: Sendable {
    /// Seconds that are given to close the store; a second signal waits for nothing.
    static let grace = 10

    private struct State {
        var signal: Int32?
        var holdsStore = false
        var handler: (@Sendable () -> Void)?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// What the process ends with after a signal, as shells expect it.
    var exitCode: Int32? { state.withLock { $0.signal.map { 128 + $0 } } }

    /// Takes over the signals. To be called before there is another thread.
    func start() {
        _ = signal(SIGPIPE, SIG_IGN)
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var action = sigaction()
            unsafe sigaction(number, nil, &action)
            // One that our parent has us ignore stays ignored.
            if !Self.isIgnored(action) { unsafe sigaddset(&signals, number) }
        }
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        let waited = signals
        let thread = Thread { self.waitForSignals(waited) }
        thread.name = "signals"
        thread.start()
    }

    /// Returns when a signal came that no handler took.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isLate = state.withLock { state in
                if state.signal != nil { return true }
                state.waiter = continuation
                return false
            }
            if isLate { continuation.resume() }
        }
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

    private func waitForSignals(_ signals: sigset_t) {
        var signals = signals
        var number: Int32 = 0
        guard unsafe sigwait(&signals, &number) == 0 else { return }
        let received = number
        let (holdsStore, handler, waiter) = state.withLock { state in
            state.signal = received
            defer { state.waiter = nil }
            return (state.holdsStore, state.handler, state.waiter)
        }
        if holdsStore {
            if let handler { handler() } else { waiter?.resume() }
            var grace = timespec(tv_sec: Self.grace, tv_nsec: 0)
            _ = unsafe sigtimedwait(&signals, nil, &grace)
        }
        _exit(128 + received)
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }
}
