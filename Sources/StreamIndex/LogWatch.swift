// Looks whether the log is still the one that was applied: after each loss of contact, before anything more is applied,
// and at intervals.

import EventLog
import GlobalOrder
import Synchronization

/// The tasks of a handler that go on beside the log's thread; they end with the store.
final class LogWatch: Sendable {
    private struct State {
        var contact: Task<Void, Never>?
        var interval: Task<Void, Never>?
        var ranges: Task<Void, Never>?
        var isEnded = false
    }

    private enum Finding {
        case agrees
        case differs(IndexError)
        /// The log could not be asked.
        case unknown
    }

    private let state = Mutex(State())

    /// Compares each channel until it has answered; a later doubt begins anew.
    func contactRegained(_ handler: IndexHandler, hold: Int) {
        state.withLock { state in
            state.contact?.cancel()
            guard !state.isEnded else { return }
            state.contact = Task {
                await withTaskGroup(of: Void.self) { group in
                    for known in handler.known { group.addTask { await Self.settle(known, handler, hold) } }
                }
            }
        }
    }

    private static func settle(_ known: KnownChannel, _ handler: IndexHandler, _ hold: Int) async {
        while !Task.isCancelled {
            switch await compare(known, handler) {
            case .agrees: return handler.goOn(known.channel, after: hold)
            case .differs(let error): return handler.end(error)
            case .unknown: try? await Task.sleep(for: IndexLimits.comparisonPause)
            }
        }
    }

    /// Compares now and then, while records are applied, and wakes channels whose delivery stands still.
    func start(_ handler: IndexHandler, every interval: Duration) {
        state.withLock { state in
            guard !state.isEnded else { return }
            state.interval = Task {
                var before: [Int: Int64] = [:]
                while (try? await Task.sleep(for: interval)) != nil {
                    for known in handler.known {
                        if case .differs(let error) = await Self.compare(known, handler) { return handler.end(error) }
                    }
                    before = await Self.wakeStalled(handler, before)
                }
            }
        }
    }

    /// - Parameter before: how far each channel was at the last look.
    /// - Returns: how far they are now.
    private static func wakeStalled(_ handler: IndexHandler, _ before: [Int: Int64]) async -> [Int: Int64] {
        var now: [Int: Int64] = [:]
        var suspects: [(channel: Int, offset: Int64, end: Int64)] = []
        for known in handler.known {
            now[known.channel] = known.nextOffset
            guard before[known.channel] == known.nextOffset,
                let end = try? await handler.log.bounds(of: known.channel).upperBound, end > known.nextOffset
            else { continue }
            suspects.append((known.channel, known.nextOffset, end))
        }
        // What was appended just now is on its way.
        if !suspects.isEmpty { try? await Task.sleep(for: IndexLimits.secondOpinion) }
        for suspect in suspects { handler.wake(suspect.channel, at: suspect.offset, end: suspect.end) }
        return now
    }

    /// Looks now and then whether the order speaks of records that do not exist.
    func startOnOrder(_ handler: IndexHandler, every delay: Duration) {
        state.withLock { state in
            guard !state.isEnded else { return }
            state.ranges = Task {
                var waiting: PlacedRange?
                var existing: PlacedRange?
                while (try? await Task.sleep(for: delay)) != nil {
                    let range = handler.awaitedRange
                    if let range, range == waiting, range != existing {
                        switch await handler.exists(range) {
                        case true?: existing = range
                        case false?: handler.isBeyondEnd(range)
                        case nil: break
                        }
                    }
                    waiting = range
                }
            }
        }
    }

    func end() {
        state.withLock { state in
            state.isEnded = true
            state.contact?.cancel()
            state.interval?.cancel()
            state.ranges?.cancel()
        }
    }

    private static func compare(_ known: KnownChannel, _ handler: IndexHandler) async -> Finding {
        do {
            let difference = try await LogComparison.difference(handler.log, known, handler.identity)
            return difference.map { .differs($0) } ?? .agrees
        } catch {
            return .unknown
        }
    }
}
