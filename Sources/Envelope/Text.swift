/// What is wrong with a stream name, event type, content type, correlation id or causation id.
public enum NameProblem: Error, Equatable, Sendable {
    case empty
    /// Over so many bytes.
    case tooLong(limit: Int)
    case notUTF8
    /// One of U+0000–001F and U+007F–009F.
    case controlCharacter
}

extension RecordEnvelope {
    /// Checks the form of a stream name; whether the caller may use a name that begins with `$` is another matter.
    public static func problem(inStreamName name: Span<UInt8>) -> NameProblem? {
        problem(in: name, bounds: EnvelopeLimits.streamName)
    }

    public static func problem(inEventType type: Span<UInt8>) -> NameProblem? {
        problem(in: type, bounds: EnvelopeLimits.eventType)
    }

    public static func problem(inContentType type: Span<UInt8>) -> NameProblem? {
        problem(in: type, bounds: EnvelopeLimits.contentType)
    }

    /// Checks a correlation or causation id.
    public static func problem(inCorrelationID id: Span<UInt8>) -> NameProblem? {
        problem(in: id, bounds: EnvelopeLimits.correlationID)
    }

    static func problem(in text: Span<UInt8>, bounds: ClosedRange<Int>) -> NameProblem? {
        if text.count < bounds.lowerBound { return .empty }
        if text.count > bounds.upperBound { return .tooLong(limit: bounds.upperBound) }
        var index = 0
        // Almost all names are ASCII: eight bytes of it at a time, then what is left or differs one by one.
        while index + 8 <= text.count {
            guard isPlain(unsafe text.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)) else { break }
            index += 8
        }
        while index < text.count {
            let byte = text[index]
            if byte < 0x80 {
                if byte < 0x20 || byte == 0x7F { return .controlCharacter }
                index += 1
                continue
            }
            guard let length = scalarLength(in: text, at: index) else { return .notUTF8 }
            if byte == 0xC2, text[index + 1] < 0xA0 { return .controlCharacter }
            index += length
        }
        return nil
    }

    /// Whether eight bytes are ASCII without control characters. What is not ASCII has its highest bit set; so has what
    /// is below 0x20 once that is taken away, and 0x7F once it is one more.
    private static func isPlain(_ eight: UInt64) -> Bool {
        let each: UInt64 = 0x0101_0101_0101_0101
        return (eight | (eight &- 0x20 * each) | (eight &+ each)) & (0x80 * each) == 0
    }

    /// The length of the well-formed sequence of 2 to 4 bytes at `index` (Unicode, table 3-7); nil where there is
    /// none. No tables of the toolchain are asked: they change.
    private static func scalarLength(in text: Span<UInt8>, at index: Int) -> Int? {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch text[index] {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return nil
        }
        guard index + length <= text.count, second.contains(text[index + 1]) else { return nil }
        for next in index + 2..<index + length where text[next] & 0xC0 != 0x80 { return nil }
        return length
    }
}
