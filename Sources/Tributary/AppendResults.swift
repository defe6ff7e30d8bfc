// Many appends under way: one task takes them in and hands them to the index, the iterator waits for the oldest.

import StreamIndex
import Synchronization

/// The results of `EventStore.append(contentsOf:)`, in input order. For one iteration.
public struct AppendResults: AsyncSequence, Sendable {
    typealias Source = @Sendable (_ submit: @Sendable (NewAppend) async -> Void) async throws -> Void

    let store: EventStore
    let maxInFlight: Int
    let acknowledge: Acknowledgement
    let deadline: Duration
    let source: Source

    init(
        store: EventStore, maxInFlight: Int, acknowledge: Acknowledgement, deadline: Duration,
        source: @escaping Source
    ) {
        precondition(maxInFlight > 0, "at least one append is in flight")
        self.store = store
        self.maxInFlight = maxInFlight
        self.acknowledge = acknowledge
        self.deadline = deadline
        self.source = source
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let intake: Intake
        private let store: EventStore
        private let acknowledge: Acknowledgement
        private var index = 0

        init(_ results: AppendResults) {
            store = results.store
            acknowledge = results.acknowledge
            intake = Intake(results)
        }

        /// The next result; nil after the last.
        ///
        /// - Throws: what the input throws, after the results of what it gave before; `CancellationError`.
        public mutating func next() async throws -> IndexedAppendResult? {
            guard let entry = try await intake.next() else { return nil }
            defer {
                index += 1
                intake.makeRoom()
            }
            let result: Result<AppendResult, AppendError>
            do {
                switch entry.pending {
                case .success(let pending):
                    let outcome = await pending.outcomeUnlessCancelled()
                    result = .success(
                        try await store.result(outcome, of: entry.append, acknowledge, until: entry.deadline))
                case .failure(let error): result = .failure(error)
                }
            } catch let error as AppendError {
                result = .failure(error)
            }
            return IndexedAppendResult(index: index, result: result)
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}

/// An append that was taken in.
private struct TakenIn: Sendable {
    let append: NewAppend
    let pending: Result<PendingAppend, AppendError>
    let deadline: ContinuousClock.Instant
}

/// Takes appends in on a task of its own, so that a slow input does not hold back results that are there. It holds
/// `maxInFlight` at most, and ends with the iterator.
private final class Intake: Sendable {
    private let queue: BoundedQueue<TakenIn>
    private let task: Task<Void, Never>

    init(_ results: AppendResults) {
        let queue = BoundedQueue<TakenIn>(limit: results.maxInFlight)
        self.queue = queue
        task = Task {
            do {
                let allowed = min(results.deadline, .seconds(86_400))
                try await results.source { append in
                    guard await queue.waitForRoom() else { return }
                    let end = ContinuousClock.now + allowed
                    let pending: Result<PendingAppend, AppendError>
                    do throws(AppendError) {
                        pending = .success(
                            try await results.store.submit(append, deadline: results.deadline, mayGather: true))
                    } catch {
                        pending = .failure(error)
                    }
                    queue.add(TakenIn(append: append, pending: pending, deadline: end))
                }
                queue.end(nil)
            } catch {
                queue.end(error)
            }
        }
    }

    deinit {
        task.cancel()
        queue.end(CancellationError())
    }

    func next() async throws -> TakenIn? { try await queue.next() }

    func makeRoom() { queue.makeRoom() }
}

/// A queue between one task that adds and one that takes; whoever adds waits until there is room, which the taker makes
/// when it is done with an item.
final class BoundedQueue<Item: Sendable>: Sendable {
    private struct State {
        /// nil: it was taken.
        var items: [Item?] = []
        var head = 0
        /// Items added for which no room was made yet.
        var inside = 0
        var end: Result<Void, any Error>?
        var taker: CheckedContinuation<Void, Never>?
        var adder: CheckedContinuation<Void, Never>?

        var count: Int { items.count - head }
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) {
        self.limit = limit
    }

    /// Waits until there is room, or the queue has ended.
    ///
    /// - Returns: whether it has not ended.
    func waitForRoom() async -> Bool {
        while true {
            let (hasRoom, isEnded) = state.withLock { ($0.inside < limit, $0.end != nil) }
            if hasRoom || isEnded { return !isEnded }
            await withCheckedContinuation { continuation in
                let mayGoOn = state.withLock { state in
                    if state.inside < limit || state.end != nil { return true }
                    state.adder = continuation
                    return false
                }
                if mayGoOn { continuation.resume() }
            }
        }
    }

    func add(_ item: Item) {
        let taker = state.withLock { state in
            state.items.append(item)
            state.inside += 1
            defer { state.taker = nil }
            return state.taker
        }
        taker?.resume()
    }

    /// The taker is done with an item.
    func makeRoom() {
        let adder = state.withLock { state in
            state.inside -= 1
            defer { state.adder = nil }
            return state.adder
        }
        adder?.resume()
    }

    /// No more is added; what is there can still be taken.
    func end(_ error: (any Error)?) {
        let (taker, adder) = state.withLock { state in
            state.end = state.end ?? error.map { .failure($0) } ?? .success(())
            defer { (state.taker, state.adder) = (nil, nil) }
            return (state.taker, state.adder)
        }
        taker?.resume()
        adder?.resume()
    }

    /// Waits for the next item; nil after the last.
    func next() async throws -> Item? {
        while true {
            let (item, end) = state.withLock { state -> (Item?, Result<Void, any Error>?) in
                guard state.count > 0 else { return (nil, state.end) }
                let item = state.items[state.head].take()
                state.head += 1
                if state.head > 64, state.head * 2 > state.items.count {
                    state.items.removeFirst(state.head)
                    state.head = 0
                }
                return (item, nil)
            }
            if let item { return item }
            if let end {
                try end.get()
                return nil
            }
            await waitForItem()
            try Task.checkCancellation()
        }
    }

    private func waitForItem() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isThere = state.withLock { state in
                    if state.count > 0 || state.end != nil || Task.isCancelled { return true }
                    state.taker = continuation
                    return false
                }
                if isThere { continuation.resume() }
            }
        } onCancel: {
            let taker = state.withLock { state in
                defer { state.taker = nil }
                return state.taker
            }
            taker?.resume()
        }
    }
}
