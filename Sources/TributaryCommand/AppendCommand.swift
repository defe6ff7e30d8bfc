import FoundationEssentials
import JSONLines
import Tributary

/// What is read for one append, in bytes; the store's own limit is far below.
let maximumAppendInput = 16 << 20

func runAppend(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let stream = try arguments.stream
    try AppendCheck.check(stream)
    let expected = try expectation(arguments)
    let isOrdered = try arguments.choice(.acknowledgeAppend, of: ["ordered", "accepted"]) == "ordered"
    let events =
        if let file = arguments[.file] {
            try events(ofFile: file, for: stream, arguments)
        } else {
            [try event(arguments)]
        }
    try AppendCheck.check(events)
    return try await context.withStore(creating: .ifMissing) { store in
        let result: AppendResult
        let acknowledge = await acknowledgement(isOrdered, store)
        do {
            result = try await store.append(
                events, to: stream, expecting: expected, acknowledge: acknowledge)
        } catch let error as AppendError {
            // Whether anybody reads the details changes nothing of the refusal.
            try? context.output.refused(error, stream: stream)
            throw error
        }
        do {
            try context.output.appended(result, id: events[0].id)
        } catch let error as OutputFailed {
            let id = events[0].id.uuidString.lowercased()
            throw Failure(
                .internalError, "the append was stored, its id is \(id); but \(Failure(error).message)")
        }
        if acknowledge == .ordered, result.positions == nil {
            StandardError.line(
                "the append is stored, but was not ordered in time: its positions come later, see tributary order")
        }
        return .done
    }
}

/// Where positions have stopped, nothing is waited for: appends go on without them.
func acknowledgement(_ isOrdered: Bool, _ store: EventStore) async -> Acknowledgement {
    guard isOrdered, let order = try? await store.orderStatus() else { return .accepted }
    guard let why = order.fault?.message ?? order.halted else { return .ordered }
    StandardError.line("not waiting for positions: \(why)")
    return .accepted
}

private func expectation(_ arguments: Arguments) throws(Failure) -> ExpectedVersion {
    guard let text = try arguments.text(.expect) else { return .any }
    guard let expected = ExpectedVersion(text) else {
        throw Failure(
            .badInput,
            "--expect takes any, no-stream, exists or a version; it was \"\(text)\" (an expected version "
                + "is at least 0 and at most \(ExpectedVersion.maximumVersion))")
    }
    return expected
}

/// The event that the options describe, with its data from `--json` or standard input.
private func event(_ arguments: Arguments) throws(Failure) -> NewEvent {
    guard let type = try arguments.text(.type) else {
        throw Failure(.badInput, "append needs --type (or --file): see tributary append --help")
    }
    let reader = JSONReader(maximumBytes: maximumAppendInput)
    if let metadata = arguments[.metadata] { try check(metadata, .metadata, reader) }
    let schemaVersion = try arguments.number(.schemaVersion, minimum: 1) ?? 1
    guard let schemaVersion = UInt32(exactly: schemaVersion) else {
        throw Failure(.badInput, "--schema-version is at most \(UInt32.max)")
    }
    let id = try arguments.text(.id).map { text throws(Failure) in try UUID(argument: text) }
    let given = try arguments.text(.contentType).map(ContentType.init(rawValue:))
    if let given { try AppendCheck.check(given) }
    let correlationID = try arguments.text(.correlationID)
    let causationID = try arguments.text(.causationID)
    let (data, contentType) = try data(arguments, given, reader)
    return NewEvent(
        type: type, data: data, contentType: contentType, metadata: arguments[.metadata], id: id,
        schemaVersion: schemaVersion, correlationID: correlationID, causationID: causationID)
}

private func check(_ json: [UInt8], _ option: Option, _ reader: JSONReader) throws(Failure) {
    do {
        try reader.checkValue(json)
    } catch {
        throw Failure(.badInput, "--\(option.name) is not one valid JSON value: \(error)")
    }
}

private func data(
    _ arguments: Arguments, _ given: ContentType?, _ reader: JSONReader
) throws(Failure) -> ([UInt8], ContentType) {
    if let json = arguments[.json] {
        try check(json, .json, reader)
        if let given, !given.isJSON {
            throw Failure(.badInput, "--json is JSON: give \(given.rawValue) on standard input")
        }
        return (json, given ?? .json)
    }
    let data = try Input(Input.standard).all(maximum: maximumAppendInput)
    return (data, given ?? (reader.isValue(data) ? .json : .octetStream))
}

private func events(
    ofFile file: [UInt8], for stream: StreamName, _ arguments: Arguments
) throws(Failure) -> [NewEvent] {
    for option: Option in [
        .type, .id, .json, .metadata, .contentType, .schemaVersion, .correlationID, .causationID,
    ] where arguments.has(option) {
        throw Failure(.badInput, "--\(option.name) does not go with --file: the lines say it")
    }
    var splitter = LineSplitter(maximum: EventLineReader.maximumLine)
    splitter.add(try Input(file).all(maximum: maximumAppendInput))
    splitter.finish()
    let reader = EventLineReader()
    var events: [NewEvent] = []
    while true {
        switch splitter.next() {
        case .line(_, let range) where splitter.isBlank(range):
            continue
        case .line(let number, let range):
            events.append(try event(splitter.buffer[range], number, of: stream, reader))
        case .tooLong(let number):
            throw Failure(.badInput, "line \(number): longer than \(EventLineReader.maximumLine >> 20) MiB")
        case .needsMore, .end:
            if events.isEmpty { throw Failure(.badInput, "there is no event in the file: each line is one") }
            return events
        }
    }
}

private func event(
    _ bytes: ArraySlice<UInt8>, _ number: Int, of stream: StreamName, _ reader: EventLineReader
) throws(Failure) -> NewEvent {
    do throws(Failure) {
        let line = try reader.read(bytes)
        if let other = line.stream, other != stream {
            throw Failure(.badInput, "the stream is \(other), not \(stream)")
        }
        if line.expected != nil { throw Failure(.badInput, "\"expect\" is an option here: --expect") }
        return line.event
    } catch {
        throw Failure(.badInput, "line \(number): \(error.message)")
    }
}

extension LineSplitter {
    /// Whether nothing but blanks is there: such lines are passed over.
    func isBlank(_ range: Range<Int>) -> Bool {
        buffer[range].allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
    }
}

extension Output {
    fileprivate func appended(_ result: AppendResult, id: UUID) throws {
        json.beginObject()
        json.field("stream", result.stream.utf8)
        json.key("id")
        json.uuid(id)
        json.field("firstVersion", result.versions.lowerBound)
        json.field("lastVersion", result.versions.upperBound)
        json.field("firstPosition", result.positions?.lowerBound.value)
        json.field("lastPosition", result.positions?.upperBound.value)
        json.field("repeat", result.isRepeat)
        json.field("token", result.token.description)
        json.endObject()
        try endLine()
        try flush()
    }

    /// What of a refusal the caller needs to go on: the stream's version, or the ids to repeat.
    fileprivate func refused(_ error: AppendError, stream: StreamName) throws {
        switch error {
        case .conflict(let conflict):
            json.beginObject()
            json.field("stream", stream.utf8)
            json.key("expected")
            json.expected(conflict.expected)
            json.field("actual", conflict.actual)
            json.endObject()
            try endLine()
        case .outcomeUnknown(let ids):
            json.beginObject()
            json.field("stream", stream.utf8)
            json.key("id")
            if let first = ids.first { json.uuid(first) } else { json.null() }
            json.beginArray("ids")
            for id in ids { json.uuid(id) }
            json.endArray()
            json.endObject()
            try endLine()
        default:
            break
        }
        try flush()
    }
}
