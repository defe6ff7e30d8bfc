import FoundationEssentials
import JSONLines
import Tributary

/// Appends that `import` has under way at once.
private let maximumInFlight = 1_000

func runImport(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let stops = try arguments.choice(.onError, of: ["stop", "skip"]) == "stop"
    let isOrdered = try arguments.choice(.acknowledgeImport, of: ["accepted", "ordered"]) == "ordered"
    let input = try Input(arguments.operands.first ?? Input.standard)
    return try await context.withStore(creating: .ifMissing) { store in
        let source = ImportSource(input, stopsAtBadLine: stops)
        let run = ImportRun(store, source, input, stops, await acknowledgement(isOrdered, store))
        // What is under way when a signal comes is waited for and counted.
        context.interruption.handle { source.stop() }
        try await run.appendAll()
        try await run.appendRefusedAgain()
        return try run.end(context.output)
    }
}

/// One import: what became of the lines so far.
private final class ImportRun {
    /// Lines that met a conflict and are kept for another try: so many, of so many bytes together.
    static let maximumRetries = 10_000
    static let maximumRetryBytes = 64 << 20

    private let source: ImportSource
    private let store: EventStore
    private let input: Input
    private let stops: Bool
    private let acknowledge: Acknowledgement
    private let progress = Progress("importing")

    private var stored: Int64 = 0
    private var repeats: Int64 = 0
    private var refused: Int64 = 0
    /// Lines that may have been stored or not.
    private var unsettled: Int64 = 0
    /// Stored lines whose positions were waited for and did not come in time.
    private var unordered: Int64 = 0
    private var failure: Failure?
    private var retries: [ImportSource.Line] = []
    private var retryBytes = 0

    init(
        _ store: EventStore, _ source: ImportSource, _ input: Input, _ stops: Bool, _ acknowledge: Acknowledgement
    ) {
        self.acknowledge = acknowledge
        self.store = store
        self.source = source
        self.input = input
        self.stops = stops
    }

    func appendAll() async throws {
        let results = store.append(contentsOf: source, maxInFlight: maximumInFlight, acknowledge: acknowledge)
        for try await item in results {
            guard let line = source.answer() else { continue }
            settle(item.result, line, mayRetry: !stops)
            progress.show(line.end, of: input.size, count: stored + repeats, unit: "events")
        }
        progress.end()
    }

    /// With their own expectations, in the file's order, after everything else was answered.
    func appendRefusedAgain() async throws {
        let appends = ArraySequence(elements: retries.map(\.append))
        let results = store.append(contentsOf: appends, maxInFlight: maximumInFlight, acknowledge: acknowledge)
        for try await item in results {
            settle(item.result, retries[item.index], mayRetry: false)
        }
    }

    func end(_ output: Output) throws -> ExitCode {
        output.json.beginObject()
        output.json.field("lines", source.lines)
        output.json.field("stored", stored)
        output.json.field("repeats", repeats)
        output.json.field("refused", refused)
        output.json.field("bad", source.bad)
        output.json.field("unsettled", unsettled)
        output.json.endObject()
        let written = Result {
            try output.endLine()
            try output.flush()
        }
        if unordered > 0 {
            StandardError.line(
                "\(unordered) stored lines were not ordered in time: their positions come later, see tributary order")
        }
        // What went wrong with the lines counts for more than an output that nobody reads.
        if let failure = failure ?? source.failure { throw failure }
        if refused > 0 { return .refused }
        if source.bad > 0 { return .badInput }
        try written.get()
        return .done
    }

    private func settle(_ result: Result<AppendResult, AppendError>, _ line: ImportSource.Line, mayRetry: Bool) {
        switch result {
        case .success(let result):
            if result.isRepeat { repeats += 1 } else { stored += 1 }
            if acknowledge == .ordered, result.positions == nil { unordered += 1 }
        case .failure(let error):
            let problem = Failure(error)
            switch problem.code {
            case .refused where mayRetry && keepForRetry(line, error): break
            case .refused: refuse(line, problem.message)
            case .badInput:
                source.countBad(line.number, problem.message)
                if stops { source.stop() }
            default: fail(line, error, problem)
            }
        }
    }

    private func refuse(_ line: ImportSource.Line, _ why: String) {
        refused += 1
        StandardError.line("line \(line.number): \(why)")
        if stops { source.stop() }
    }

    private func keepForRetry(_ line: ImportSource.Line, _ error: AppendError) -> Bool {
        guard case .conflict = error, retries.count < Self.maximumRetries else { return false }
        let event = line.append.events[0]
        let size = event.data.count + (event.metadata?.count ?? 0)
        guard retryBytes + size <= Self.maximumRetryBytes else { return false }
        retryBytes += size
        retries.append(line)
        return true
    }

    /// Something that concerns all lines: the first such is what the command ends with. Others are named too where it
    /// is unknown what became of them, for an id that was made up here is told nowhere else.
    private func fail(_ line: ImportSource.Line, _ error: AppendError, _ problem: Failure) {
        unsettled += 1
        source.stop()
        var message = "line \(line.number): \(problem.message)"
        if case .outcomeUnknown(let ids) = error {
            message += "; the id is " + ids.map { $0.uuidString.lowercased() }.joined(separator: " ")
            if failure != nil { StandardError.line(message) }
        }
        guard failure == nil else { return }
        failure = Failure(problem.code, message + "; import the file again, lines with ids are not stored twice")
    }
}

/// Elements that are there already, as an asynchronous sequence.
private struct ArraySequence<Element: Sendable>: AsyncSequence, Sendable {
    let elements: [Element]

    struct AsyncIterator: AsyncIteratorProtocol {
        var rest: IndexingIterator<[Element]>

        mutating func next() async -> Element? {
            rest.next()
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(rest: elements.makeIterator())
    }
}
