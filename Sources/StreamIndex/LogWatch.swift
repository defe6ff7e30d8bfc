// Looks whether the log is still the one that was applied: after each loss of contact, before anything more is applied,
// and at intervals.

import EventLog
import Synchronization

/// The tasks of a handler that go on beside the log's thread; they end with the store.
final class LogWatch: Sendable {
    private struct State {
        var contact: Task<Void, Never>?
        var interval: Task<Void, Never>?
        var isEnded = false
    }

    private enum Finding {
        case agrees
        case differs(IndexError)
        /// The log could not be asked.
        case unknown
    }

    private let state = Mutex(State())

    /// Compares until the log has answered; a later loss of contact ends it.
    func contactRegained(_ handler: IndexHandler, hold: Int) {
        state.withLock { state in
            state.contact?.cancel()
            guard !state.isEnded else { return }
            state.contact = Task {
                while !Task.isCancelled {
                    switch await Self.compare(handler) {
                    case .agrees: return handler.goOn(after: hold)
                    case .differs(let error): return handler.end(error)
                    case .unknown: try? await Task.sleep(for: IndexLimits.comparisonPause)
                    }
                }
            }
        }
    }

    /// Compares now and then, while records are applied.
    func start(_ handler: IndexHandler, every interval: Duration) {
        state.withLock { state in
            guard !state.isEnded else { return }
            state.interval = Task {
                while (try? await Task.sleep(for: interval)) != nil {
                    if case .differs(let error) = await Self.compare(handler) { return handler.end(error) }
                }
            }
        }
    }

    func end() {
        state.withLock { state in
            state.isEnded = true
            state.contact?.cancel()
            state.interval?.cancel()
        }
    }

    private static func compare(_ handler: IndexHandler) async -> Finding {
        do {
            for known in handler.known {
                let difference = try await LogComparison.difference(handler.log, known, handler.identity)
                if let difference { return .differs(difference) }
            }
            return .agrees
        } catch {
            return .unknown
        }
    }
}
