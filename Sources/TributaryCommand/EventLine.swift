import FoundationEssentials
import JSONLines
import Tributary

/// An event of a JSON line, as `import` and `append --file` take it.
struct EventLine: Sendable {
    let stream: StreamName?
    let event: NewEvent
    let expected: ExpectedVersion?
}

/// Reads such lines. The keys `version`, `position` and `created` of what `read` shows are ignored; null is absent,
/// but for `data`.
final class EventLineReader {
    /// Of a line, in bytes: an append at its limit fits in base 64.
    static let maximumLine = LineSplitter.defaultMaximum

    private enum Key: Int {
        case stream
        case version
        case position
        case id
        case type
        case data
        case dataBase64
        case contentType
        case metadata
        case metadataBase64
        case schemaVersion
        case correlationId
        case causationId
        case created
        case expect
    }

    private static let keys: [StaticString] = [
        "stream", "version", "position", "id", "type", "data", "dataBase64", "contentType", "metadata",
        "metadataBase64", "schemaVersion", "correlationId", "causationId", "created", "expect",
    ]

    private let json = JSONReader(keys: keys, maximumBytes: maximumLine)

    func read(_ line: ArraySlice<UInt8>) throws(Failure) -> EventLine {
        do {
            try json.readObject(line)
        } catch {
            throw Failure(error)
        }
        guard let type = try text(.type) else { throw Failure(.badInput, "the key \"type\" is missing") }
        let contentType = try text(.contentType)
        if let contentType { try AppendCheck.check(ContentType(rawValue: contentType)) }
        let (data, isInline) = try data(line)
        if isInline, let contentType, !ContentType(rawValue: contentType).isJSON {
            throw Failure(.badInput, "\"data\" is JSON: give \(contentType) as \"dataBase64\"")
        }
        let defaultType = isInline ? ContentType.json : .octetStream
        let event = NewEvent(
            type: type, data: data, contentType: contentType.map(ContentType.init(rawValue:)) ?? defaultType,
            metadata: try metadata(line), id: try id(), schemaVersion: try schemaVersion(line),
            correlationID: try text(.correlationId), causationID: try text(.causationId))
        return EventLine(stream: try stream(), event: event, expected: try expected(line))
    }

    private func value(_ key: Key) -> JSONReader.Value? {
        json[key.rawValue]
    }

    /// The bytes of a string; nil where there is none.
    private func bytes(_ key: Key) throws(Failure) -> [UInt8]? {
        guard let value = value(key), value.kind != .null else { return nil }
        guard let text = json.text(key.rawValue) else {
            throw Failure(.badInput, "the value of \"\(key)\" is not a string")
        }
        return text
    }

    private func text(_ key: Key) throws(Failure) -> String? {
        guard let bytes = try bytes(key) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func base64(_ key: Key) throws(Failure) -> [UInt8]? {
        guard let text = try bytes(key) else { return nil }
        guard let data = Base64.decode(text) else {
            throw Failure(.badInput, "the value of \"\(key)\" is not base 64")
        }
        return data
    }

    private func data(_ line: ArraySlice<UInt8>) throws(Failure) -> (data: [UInt8], isInline: Bool) {
        let encoded = try base64(.dataBase64)
        switch (value(.data), encoded) {
        case (let inline?, nil): return (Array(line[inline.range]), true)
        case (nil, let encoded?): return (encoded, false)
        case (nil, nil): throw Failure(.badInput, "the key \"data\" (or \"dataBase64\") is missing")
        default: throw Failure(.badInput, "give one of \"data\" and \"dataBase64\", not both")
        }
    }

    private func metadata(_ line: ArraySlice<UInt8>) throws(Failure) -> [UInt8]? {
        let encoded = try base64(.metadataBase64)
        guard let inline = value(.metadata), inline.kind != .null else { return encoded }
        if encoded != nil { throw Failure(.badInput, "give one of \"metadata\" and \"metadataBase64\", not both") }
        return Array(line[inline.range])
    }

    private func id() throws(Failure) -> UUID? {
        guard let text = try text(.id) else { return nil }
        return try UUID(argument: text)
    }

    private func stream() throws(Failure) -> StreamName? {
        guard let name = try bytes(.stream) else { return nil }
        do {
            return try StreamName(utf8: name)
        } catch {
            throw Failure(error)
        }
    }

    private func schemaVersion(_ line: ArraySlice<UInt8>) throws(Failure) -> UInt32 {
        guard let value = value(.schemaVersion), value.kind != .null else { return 1 }
        guard let number = UInt32(String(decoding: line[value.range], as: UTF8.self)), number > 0 else {
            throw Failure(.badInput, "\"schemaVersion\" is a whole number of 1 to \(UInt32.max)")
        }
        return number
    }

    private func expected(_ line: ArraySlice<UInt8>) throws(Failure) -> ExpectedVersion? {
        guard let value = value(.expect), value.kind != .null else { return nil }
        let isNumber = value.kind == .number
        let text = isNumber ? String(decoding: line[value.range], as: UTF8.self) : try text(.expect)
        guard let expected = text.flatMap(ExpectedVersion.init) else {
            throw Failure(
                .badInput,
                "\"expect\" is \"any\", \"no-stream\", \"exists\" or a version: at least 0 and at most "
                    + "\(ExpectedVersion.maximumVersion)")
        }
        return expected
    }
}

extension UUID {
    init(argument text: String) throws(Failure) {
        guard text.utf8.count == 36, let id = UUID(uuidString: text) else {
            throw Failure(.badInput, "\"\(text)\" is not a UUID: give 32 hexadecimal digits as 8-4-4-4-12")
        }
        self = id
    }
}
