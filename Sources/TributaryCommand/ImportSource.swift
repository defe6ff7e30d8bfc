import Foundation
import JSONLines
import Synchronization
import Tributary

/// The appends of a file of JSON lines, read and parsed ahead on a thread of its own.
final class ImportSource: AsyncSequence, Sendable {
    /// How far the thread reads ahead: batches, each of so many lines or bytes.
    static let maximumBatches = 16
    static let batchLines = 256
    static let batchBytes = 256 << 10

    typealias Element = NewAppend

    struct Line: Sendable {
        let number: Int
        let append: NewAppend
        /// Where in the input it ends, in bytes.
        let end: Int64
    }

    private enum Item: Sendable {
        case line(Line)
        case bad(number: Int, message: String)
    }

    private struct State {
        var ready: [[Item]] = []
        /// Whether the thread waits for room.
        var isWaiting = false
        var isFinished = false
        var isStopped = false
        var waiter: CheckedContinuation<[Item]?, Never>?
        /// Lines that were handed out, in order; those that were answered since the list was last cut are nil, for
        /// lines are large.
        var unanswered: [Line?] = []
        var answered = 0
        var lines: Int64 = 0
        var bad: Int64 = 0
        var failure: Failure?
    }

    private let input: Input
    private let stopsAtBadLine: Bool
    private let state = Mutex(State())
    /// Signalled when there is room for a batch, or no more use for one.
    private let room = NSCondition()

    init(_ input: Input, stopsAtBadLine: Bool) {
        self.input = input
        self.stopsAtBadLine = stopsAtBadLine
        let thread = Thread { self.readAhead() }
        thread.name = "import"
        thread.start()
    }

    /// Lines that were handed out or found bad.
    var lines: Int64 { state.withLock { $0.lines } }

    var bad: Int64 { state.withLock { $0.bad } }

    /// How far the thread is ahead of what was taken.
    var ahead: (batches: Int, isWaiting: Bool) { state.withLock { ($0.ready.count, $0.isWaiting) } }

    /// Lines that are kept for their answer.
    var kept: Int { state.withLock { $0.unanswered.count { $0 != nil } } }

    /// Why the input could not be read to its end.
    var failure: Failure? { state.withLock { $0.failure } }

    /// Hands out no more lines.
    func stop() {
        let waiter = state.withLock { state in
            state.isStopped = true
            state.ready = []
            defer { state.waiter = nil }
            return state.waiter
        }
        signalRoom()
        waiter?.resume(returning: nil)
    }

    /// The oldest line without an answer; it has one now.
    func answer() -> Line? {
        state.withLock { state in
            guard state.answered < state.unanswered.count else { return nil }
            let line = state.unanswered[state.answered]
            state.unanswered[state.answered] = nil
            state.answered += 1
            if state.answered >= 1_024 {
                state.unanswered.removeFirst(state.answered)
                state.answered = 0
            }
            return line
        }
    }

    /// Says on standard error what is wrong with a line that the store found bad, and counts it.
    func countBad(_ number: Int, _ message: String) {
        state.withLock { $0.bad += 1 }
        StandardError.line("line \(number): \(message)")
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let source: ImportSource
        private var batch: [Item] = []
        private var index = 0

        fileprivate init(_ source: ImportSource) {
            self.source = source
        }

        mutating func next() async -> NewAppend? {
            while true {
                if index == batch.count {
                    guard let more = await source.nextBatch() else { return nil }
                    batch = more
                    index = 0
                }
                let item = batch[index]
                index += 1
                switch item {
                case .line(let line):
                    return source.handOut(line) ? line.append : nil
                case .bad(let number, let message):
                    if !source.pass(number, message) { return nil }
                }
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(self)
    }

    private func handOut(_ line: Line) -> Bool {
        state.withLock { state in
            if state.isStopped { return false }
            state.lines += 1
            state.unanswered.append(line)
            return true
        }
    }

    /// Counts a bad line; false where it is the last.
    private func pass(_ number: Int, _ message: String) -> Bool {
        let isStopped = state.withLock { state in
            if !state.isStopped { state.lines += 1 }
            return state.isStopped
        }
        if isStopped { return false }
        countBad(number, message)
        if stopsAtBadLine { stop() }
        return !stopsAtBadLine
    }

    private func nextBatch() async -> [Item]? {
        await withCheckedContinuation { continuation in
            let (isDone, batch) = state.withLock { state -> (Bool, [Item]?) in
                if !state.ready.isEmpty { return (true, state.ready.removeFirst()) }
                if state.isFinished || state.isStopped { return (true, nil) }
                state.waiter = continuation
                return (false, nil)
            }
            guard isDone else { return }
            signalRoom()
            continuation.resume(returning: batch)
        }
    }

    private func signalRoom() {
        room.lock()
        room.signal()
        room.unlock()
    }
}

// The thread.
extension ImportSource {
    private func readAhead() {
        var failure: Failure?
        do {
            try readLines()
        } catch {
            failure = error
        }
        let waiter = state.withLock { state in
            state.isFinished = true
            state.failure = failure
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
    }

    private func readLines() throws(Failure) {
        var splitter = LineSplitter(maximum: EventLineReader.maximumLine)
        let reader = EventLineReader()
        var batch: [Item] = []
        var batchStart: Int64 = 0
        var end: Int64 = 0
        var bytesRead: Int64 = 0
        while true {
            switch splitter.next() {
            case .line(let number, let range):
                end = bytesRead - Int64(splitter.buffer.count - range.upperBound)
                if splitter.isBlank(range) { continue }
                batch.append(item(splitter.buffer[range], number, end, reader))
            case .tooLong(let number):
                let limit = EventLineReader.maximumLine >> 20
                batch.append(.bad(number: number, message: "longer than \(limit) MiB"))
            case .needsMore:
                // What is there is not kept waiting for more input.
                guard offer(&batch) else { return }
                let piece = try input.next()
                bytesRead += Int64(piece.count)
                if piece.isEmpty { splitter.finish() } else { splitter.add(piece) }
            case .end:
                _ = offer(&batch)
                return
            }
            if batch.count >= Self.batchLines || end - batchStart >= Int64(Self.batchBytes) {
                guard offer(&batch) else { return }
                batchStart = end
            }
        }
    }

    private func item(_ bytes: ArraySlice<UInt8>, _ number: Int, _ end: Int64, _ reader: EventLineReader) -> Item {
        do {
            let line = try reader.read(bytes)
            guard let stream = line.stream else {
                return .bad(number: number, message: "the key \"stream\" is missing")
            }
            let append = NewAppend(line.event, to: stream, expecting: line.expected ?? .any)
            return .line(Line(number: number, append: append, end: end))
        } catch {
            return .bad(number: number, message: error.message)
        }
    }

    private enum Offer {
        case taken(by: CheckedContinuation<[Item]?, Never>?)
        case unwanted
        case noRoom
    }

    /// Hands a batch on, and empties it. Blocks while there is no room; false where no more is wanted.
    private func offer(_ batch: inout [Item]) -> Bool {
        let full = batch
        batch = []
        room.lock()
        defer { room.unlock() }
        while true {
            switch state.withLock({ Self.offer(full, to: &$0) }) {
            case .taken(let waiter):
                waiter?.resume(returning: full)
                return true
            case .unwanted:
                return false
            case .noRoom:
                room.wait()
            }
        }
    }

    private static func offer(_ batch: [Item], to state: inout State) -> Offer {
        state.isWaiting = false
        if state.isStopped { return .unwanted }
        if batch.isEmpty { return .taken(by: nil) }
        if let waiter = state.waiter {
            state.waiter = nil
            return .taken(by: waiter)
        }
        if state.ready.count >= maximumBatches {
            state.isWaiting = true
            return .noRoom
        }
        state.ready.append(batch)
        return .taken(by: nil)
    }
}
