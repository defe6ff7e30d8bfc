/// Writes JSON into a buffer of bytes, with the commas where they belong.
///
/// ```swift
/// var writer = JSONWriter()
/// writer.beginObject()
/// writer.field("version", 0)
/// writer.endObject()
/// writer.endLine()
/// ```
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init() {}

    /// Forgets what was written and keeps the room.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    public mutating func endLine() {
        bytes.append(0x0a)
        needsComma = false
    }

    public mutating func beginObject() {
        begin(UInt8(ascii: "{"))
    }

    public mutating func endObject() {
        end(UInt8(ascii: "}"))
    }

    public mutating func beginArray() {
        begin(UInt8(ascii: "["))
    }

    public mutating func endArray() {
        end(UInt8(ascii: "]"))
    }

    public mutating func beginObject(_ name: StaticString) {
        key(name)
        beginObject()
    }

    public mutating func beginArray(_ name: StaticString) {
        key(name)
        beginArray()
    }

    /// - Parameter name: a key that needs no escapes.
    public mutating func key(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    public mutating func key(_ name: String) {
        string(name.utf8)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    // MARK: - Fields: a key and its value

    public mutating func field(_ name: StaticString, _ value: Int64?) {
        key(name)
        integer(value)
    }

    public mutating func field(_ name: StaticString, _ value: Int) {
        key(name)
        integer(Int64(value))
    }

    public mutating func field(_ name: StaticString, _ value: Bool) {
        key(name)
        boolean(value)
    }

    public mutating func field(_ name: StaticString, _ text: String?) {
        key(name)
        string(text)
    }

    /// - Parameter text: UTF-8.
    public mutating func field(_ name: StaticString, _ text: some Sequence<UInt8>) {
        key(name)
        string(text)
    }

    // MARK: - Values

    /// - Parameter text: UTF-8. Only what must be is escaped.
    public mutating func string(_ text: some Sequence<UInt8>) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20, 0x7f:
                bytes.append(contentsOf: [0x5c, 0x75, 0x30, 0x30, Self.hex(byte >> 4), Self.hex(byte & 15)])
            default:
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    public mutating func string(_ text: String) {
        string(text.utf8)
    }

    /// The text, or null.
    public mutating func string(_ text: String?) {
        if let text { string(text.utf8) } else { null() }
    }

    public mutating func integer(_ value: Int64) {
        separate()
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        var magnitude = value.magnitude
        let first = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 10))
            magnitude /= 10
        } while magnitude > 0
        bytes[first...].reverse()
        needsComma = true
    }

    /// The number, or null.
    public mutating func integer(_ value: Int64?) {
        if let value { integer(value) } else { null() }
    }

    public mutating func boolean(_ value: Bool) {
        value ? literal("true") : literal("false")
    }

    public mutating func null() {
        literal("null")
    }

    /// - Parameter value: one valid JSON value, taken as it is.
    public mutating func raw(_ value: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: value)
        needsComma = true
    }

    /// The bytes as a string in base 64 (RFC 4648 §4, padded).
    public mutating func base64(_ data: some Collection<UInt8>) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        Base64.append(data, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    /// A 64-bit number as a string of 16 hexadecimal digits.
    public mutating func hexadecimal(_ value: UInt64) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for shift in stride(from: 60, through: 0, by: -4) {
            bytes.append(Self.hex(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15))
        }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    static func hex(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }

    private mutating func literal(_ word: StaticString) {
        separate()
        unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func begin(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }
}

/// Base 64 as in RFC 4648 §4.
public enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The value of each digit; 255 for other bytes.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()

    public static func append(_ data: some Collection<UInt8>, to text: inout [UInt8]) {
        let digits = digits
        var group: UInt32 = 0
        var count = 0
        for byte in data {
            group = group << 8 | UInt32(byte)
            count += 1
            guard count == 3 else { continue }
            for shift: UInt32 in [18, 12, 6, 0] { text.append(digits[Int(group >> shift & 63)]) }
            group = 0
            count = 0
        }
        guard count > 0 else { return }
        group <<= count == 1 ? 16 : 8
        text.append(digits[Int(group >> 18 & 63)])
        text.append(digits[Int(group >> 12 & 63)])
        text.append(count == 2 ? digits[Int(group >> 6 & 63)] : UInt8(ascii: "="))
        text.append(UInt8(ascii: "="))
    }

    /// Nil where the text is not padded base 64, or has bits set that belong to no byte.
    public static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let values = values
        let padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        var data: [UInt8] = []
        data.reserveCapacity(text.count / 4 * 3)
        var group: UInt32 = 0
        var count = 0
        for byte in text.dropLast(padding) {
            let value = values[Int(byte)]
            guard value != 255 else { return nil }
            group = group << 6 | UInt32(value)
            count += 1
            guard count == 4 else { continue }
            data.append(UInt8(truncatingIfNeeded: group >> 16))
            data.append(UInt8(truncatingIfNeeded: group >> 8))
            data.append(UInt8(truncatingIfNeeded: group))
            group = 0
            count = 0
        }
        switch count {
        case 2 where group & 15 == 0:
            data.append(UInt8(truncatingIfNeeded: group >> 4))
        case 3 where group & 3 == 0:
            data.append(UInt8(truncatingIfNeeded: group >> 10))
            data.append(UInt8(truncatingIfNeeded: group >> 2))
        case 0:
            break
        default:
            return nil
        }
        return data
    }
}
