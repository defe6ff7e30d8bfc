// Looks whether the log is still the one that was applied: after each loss of contact, before anything more is applied,
// and at intervals.

import EventLog
import GlobalOrder

/// The tasks of a handler that go on beside the thread that delivers; they end with the store.
final class LogWatch: Sendable {
    private struct State: Sendable {
        var contact: Task<Void, Never>?
        var interval: Task<Void, Never>?
        var ranges: Task<Void, Never>?
        var isEnded = false
        /// How many threads look at the handler.
        var looks = 0
    }

    private enum Finding {
        case agrees
        case differs(IndexError)
        /// The log could not be asked.
        case unknown
    }

    private let state = Monitor(State())

    /// Runs on a thread of its own what waits for the handler, which is held while a run is applied and written; nil:
    /// the watch has ended.
    @discardableResult
    func look<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R? {
        let isBegun = state.read { state in
            if !state.isEnded { state.looks += 1 }
            return !state.isEnded
        }
        guard isBegun else { return nil }
        return try? await onOwnThread(named: "index-watch") { [state] in
            defer { state.withLock { $0.looks -= 1 } }
            return body()
        }
    }

    /// Compares each channel until it has answered; a later doubt begins anew.
    func contactRegained(_ handler: IndexHandler, hold: Int) {
        state.withLock { state in
            state.contact?.cancel()
            guard !state.isEnded else { return }
            state.contact = Task {
                let known = await look { handler.known } ?? []
                await withTaskGroup(of: Void.self) { group in
                    for known in known { group.addTask { await self.settle(known, handler, hold) } }
                }
            }
        }
    }

    private func settle(_ known: KnownChannel, _ handler: IndexHandler, _ hold: Int) async {
        while !Task.isCancelled {
            switch await Self.compare(known, handler) {
            case .agrees:
                await look { handler.goOn(known.channel, after: hold) }
                return
            case .differs(let error):
                await look { handler.end(error) }
                return
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
                    for known in await look({ handler.known }) ?? [] {
                        guard case .differs(let error) = await Self.compare(known, handler) else { continue }
                        await look { handler.end(error) }
                        return
                    }
                    before = await wakeStalled(handler, before)
                }
            }
        }
    }

    /// - Parameter before: how far each channel was at the last look.
    /// - Returns: how far they are now.
    private func wakeStalled(_ handler: IndexHandler, _ before: [Int: Int64]) async -> [Int: Int64] {
        var now: [Int: Int64] = [:]
        var suspects: [(channel: Int, offset: Int64, end: Int64)] = []
        for known in await look({ handler.known }) ?? [] {
            now[known.channel] = known.nextOffset
            guard before[known.channel] == known.nextOffset,
                let end = try? await handler.log.bounds(of: known.channel).upperBound, end > known.nextOffset
            else { continue }
            suspects.append((known.channel, known.nextOffset, end))
        }
        // What was appended just now is on its way.
        if !suspects.isEmpty { try? await Task.sleep(for: IndexLimits.secondOpinion) }
        for suspect in suspects {
            await look { handler.wake(suspect.channel, at: suspect.offset, end: suspect.end) }
        }
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
                    let range = await look { handler.awaitedRange } ?? nil
                    if let range, range == waiting, range != existing {
                        switch await handler.exists(range) {
                        case true?: existing = range
                        case false?: await look { handler.isBeyondEnd(range) }
                        case nil: break
                        }
                    }
                    waiting = range
                }
            }
        }
    }

    /// Nothing more is looked at.
    func end() {
        state.withLock { state in
            state.isEnded = true
            state.contact?.cancel()
            state.interval?.cancel()
            state.ranges?.cancel()
        }
    }

    /// Blocks until nobody looks at the handler, once it has ended.
    func join() { state.wait { $0.looks == 0 ? () : nil } }

    private static func compare(_ known: KnownChannel, _ handler: IndexHandler) async -> Finding {
        do {
            let difference = try await LogComparison.difference(handler.log, known, handler.identity)
            return difference.map { .differs($0) } ?? .agrees
        } catch {
            return .unknown
        }
    }
}
