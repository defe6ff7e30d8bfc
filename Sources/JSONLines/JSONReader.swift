import CSimdJSON

/// Why a text was refused.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Code: Equatable, Sendable {
        case tooLarge
        case tooDeep
        case notUTF8
        case malformed
        case notAnObject
        case unknownKey
        case duplicateKey
        case noMemory
    }

    public let code: Code
    public let description: String
}

/// Reads JSON texts, one at a time, with simdjson; all of a text is checked before anything of it is given out.
///
/// ```swift
/// let reader = JSONReader(keys: ["type", "data"], maximumBytes: 1 << 20)
/// try reader.readObject(line[...])
/// if let data = reader[1] { keep(line[data.range]) }
/// ```
/// Numbers of any magnitude are valid; lone surrogates are not.
@safe public final class JSONReader {
    public enum Kind: Sendable {
        case object
        case array
        case string
        case number
        case boolean
        case null
    }

    /// A key's value: its bytes are those at `range` of what the line was cut from, without the blanks around it.
    public struct Value: Equatable, Sendable {
        public let kind: Kind
        public let range: Range<Int>
    }

    /// How deep arrays and objects may be nested, the outermost included.
    public static let maximumDepth = TRIBUTARY_JSON_MAXIMUM_DEPTH

    private let reader: OpaquePointer
    /// Of the last line.
    private var start = 0

    /// - Parameters:
    ///   - keys: those that an object may have, at most 32; their values are asked for by their place in this list.
    ///   - maximumBytes: of a text; at most 1 GiB.
    public init(keys: [StaticString] = [], maximumBytes: Int) {
        let texts = unsafe keys.map { unsafe UnsafeRawPointer($0.utf8Start).assumingMemoryBound(to: CChar.self) }
        let made = unsafe texts.map(Optional.some).withUnsafeBufferPointer {
            unsafe tributary_json_reader_make($0.baseAddress, $0.count, maximumBytes)
        }
        guard let reader = unsafe made else { fatalError("no memory for a JSON reader, or over 32 keys") }
        unsafe self.reader = unsafe reader
    }

    deinit {
        unsafe tributary_json_reader_free(reader)
    }

    /// Reads a line that is one JSON object with known keys, each at most once.
    public func readObject(_ line: ArraySlice<UInt8>) throws(JSONError) {
        start = line.startIndex
        try check(
            unsafe line.withUnsafeBufferPointer {
                unsafe tributary_json_read_object(reader, $0.baseAddress, $0.count)
            })
    }

    /// The value of a key in the last object read; nil where it has none.
    public subscript(key: Int) -> Value? {
        let value = unsafe tributary_json_value_of(reader, key)
        guard let kind = unsafe Self.kind(value.kind) else { return nil }
        let first = unsafe start + value.start
        return unsafe Value(kind: kind, range: first..<first + value.length)
    }

    /// The decoded bytes of a key's string; nil where there is none or it is no string.
    public func text(_ key: Int) -> [UInt8]? {
        let value = unsafe tributary_json_value_of(reader, key)
        guard unsafe value.kind == tributary_json_string, let start = unsafe value.text else { return nil }
        return unsafe Array(UnsafeBufferPointer(start: start, count: value.text_length))
    }

    /// Whether the bytes are exactly one JSON value, blanks around it allowed.
    public func isValue(_ bytes: [UInt8]) -> Bool {
        unsafe bytes.withUnsafeBufferPointer {
            unsafe tributary_json_check_value(reader, $0.baseAddress, $0.count) == tributary_json_ok
        }
    }

    /// Says what keeps the bytes from being exactly one JSON value, blanks around it allowed.
    public func checkValue(_ bytes: [UInt8]) throws(JSONError) {
        try check(
            unsafe bytes.withUnsafeBufferPointer {
                unsafe tributary_json_check_value(reader, $0.baseAddress, $0.count)
            })
    }

    /// Whether the bytes are exactly one JSON value that can stand in a line: no blanks around it, no line breaks.
    public func isInlineValue(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first, let last = bytes.last, !Self.isBlank(first), !Self.isBlank(last) else {
            return false
        }
        for byte in bytes where byte == 0x0a || byte == 0x0d { return false }
        return isValue(bytes)
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d
    }

    private static func kind(_ kind: tributary_json_kind) -> Kind? {
        switch kind {
        case tributary_json_object: .object
        case tributary_json_array: .array
        case tributary_json_string: .string
        case tributary_json_number: .number
        case tributary_json_true, tributary_json_false: .boolean
        case tributary_json_null: .null
        default: nil
        }
    }

    private func check(_ error: tributary_json_error) throws(JSONError) {
        let offset = unsafe tributary_json_error_offset(reader)
        switch error {
        case tributary_json_ok:
            return
        case tributary_json_too_large:
            throw JSONError(code: .tooLarge, description: "the JSON text is too long")
        case tributary_json_too_deep:
            throw JSONError(code: .tooDeep, description: "nested deeper than \(Self.maximumDepth) levels")
        case tributary_json_not_utf8:
            throw JSONError(code: .notUTF8, description: "not valid UTF-8")
        case tributary_json_not_an_object:
            throw JSONError(code: .notAnObject, description: "not a JSON object")
        case tributary_json_unknown_key:
            throw JSONError(code: .unknownKey, description: "unknown key \(failedKey())")
        case tributary_json_duplicate_key:
            throw JSONError(code: .duplicateKey, description: "the key \(failedKey()) stands there twice")
        case tributary_json_malformed:
            let place = offset == 0 ? "" : " at byte \(offset + 1)"
            throw JSONError(code: .malformed, description: "not valid JSON\(place)")
        default:
            throw JSONError(code: .noMemory, description: "no memory to read the JSON text")
        }
    }

    /// The key for a message: quoted, shortened, without what would upset a terminal.
    private func failedKey() -> String {
        var length = 0
        guard let start = unsafe tributary_json_error_key(reader, &length) else { return "" }
        let bytes = unsafe UnsafeBufferPointer(start: start, count: length)
        let text = unsafe String(decoding: bytes, as: UTF8.self)
        return "\""
            + String(text.unicodeScalars.prefix(60).map { $0.value < 0x20 || $0.value == 0x7f ? "?" : Character($0) })
            + "\""
    }
}
