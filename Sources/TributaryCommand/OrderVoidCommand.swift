import Foundation
import JSONLines
import Synchronization
import Tributary

func runOrderVoid(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    guard let record = try arguments.number(.orderRecord, minimum: 0),
        let partition = try arguments.number(.orderPartition, minimum: 0, maximum: maximumPartitions - 1)
    else {
        throw Failure(.badInput, "order void needs --record and --partition: see tributary order")
    }
    let asks = !arguments.has(.yes)
    if asks, !Question.canBeAsked {
        throw Failure(.badInput, "nobody can be asked here (standard input is no terminal): say --yes if you are sure")
    }
    return try await context.withStore { store in
        // What names nothing is refused by the store.
        if try await describe(record, Int(partition), store), asks { try await ask(context.place.storeName) }
        let first = try await store.voidOrder(record: record, partition: Int(partition))
        context.output.json.beginObject()
        context.output.json.field("record", record)
        context.output.json.field("partition", partition)
        context.output.json.field("firstPosition", first.value)
        context.output.json.endObject()
        try context.output.endLine()
        return .done
    }
}

/// Says what would be declared void, on standard error.
///
/// - Returns: whether there is anything.
private func describe(_ record: Int64, _ partition: Int, _ store: EventStore) async throws -> Bool {
    guard let entry = try await store.orderRecord(at: record), case .order(let all) = entry.content else {
        return false
    }
    let ranges = all.filter { $0.partition == partition && $0.state.isPlaced }
    guard case .placed(let first)? = ranges.first?.state else { return false }
    let written = Timestamp.text(milliseconds: entry.createdMilliseconds)
    StandardError.line("order record \(record) was written by node \(entry.author ?? "?") at \(written)")
    for range in ranges {
        let offsets = "offsets \(range.firstOffset) to \(range.lastOffset) of partition \(partition)"
        StandardError.line("it says of \(offsets): \(range.claimed.text)")
        let own = range.own.map { $0 == range.claimed ? "the same" : $0.text }
        StandardError.line("this node decided: \(own ?? "it has not applied all of them")")
    }
    let order = try await store.orderStatus()
    if order.fault.map({ $0.record != record || $0.partition != partition }) ?? true {
        StandardError.line("positions have not stopped at it on this node")
    }
    let known = max(0, order.head.value - first.value)
    StandardError.line(
        "all positions from \(first) on are given anew on every node; here \(known) of them can be read now")
    return true
}

private func ask(_ name: String) async throws {
    let answer = try await Question.ask("tributary: to declare that void, type the store's name, \(name): ")
    if answer == nil { StandardError.raw("\n") }
    guard answer == name else {
        throw Failure(.refused, "that was not the store's name: nothing was written")
    }
}

extension OrderLogEntry.State {
    fileprivate var isPlaced: Bool { if case .placed = self { true } else { false } }
}

extension OrderedContent {
    /// At most as many offsets as a line can hold.
    fileprivate var text: String {
        let shown = emptyOffsets.prefix(20).map { "\($0)" }.joined(separator: ", ")
        let rest = emptyOffsets.count > 20 ? " and \(emptyOffsets.count - 20) more" : ""
        return (events == 1 ? "1 event" : "\(events) events")
            + (emptyOffsets.isEmpty ? ", from every record" : ", none from \(shown)\(rest)")
    }
}

/// A question to whoever sits at the terminal.
private enum Question {
    static var canBeAsked: Bool { isatty(STDIN_FILENO) == 1 }

    /// The line that is typed; nil at the end of input. A signal ends the waiting.
    static func ask(_ text: String) async throws -> String? {
        StandardError.raw(text)
        let answer = Answer()
        // It may read for ever.
        let thread = Thread { answer.give(.success(readLine())) }
        thread.name = "question"
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                answer.wait(continuation)
                thread.start()
            }
        } onCancel: {
            answer.give(.failure(CancellationError()))
        }
    }
}

/// Given once, by whoever comes first.
private final class Answer: Sendable {
    private struct State {
        var given: Result<String?, any Error>?
        var waiting: CheckedContinuation<String?, any Error>?
    }

    private let state = Mutex(State())

    func wait(_ continuation: CheckedContinuation<String?, any Error>) {
        let given = state.withLock { state in
            if state.given == nil { state.waiting = continuation }
            return state.given
        }
        if let given { continuation.resume(with: given) }
    }

    func give(_ answer: Result<String?, any Error>) {
        let waiting = state.withLock { state -> CheckedContinuation<String?, any Error>? in
            guard state.given == nil else { return nil }
            state.given = answer
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(with: answer)
    }
}
