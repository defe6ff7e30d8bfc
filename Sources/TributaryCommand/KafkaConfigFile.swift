import TributaryKafka

/// A file of librdkafka's properties: `name=value` lines, `#` before comments, as Kafka's own clients and kcat have it.
/// No message about it shows a value: that may be a password.
struct KafkaConfigFile {
    /// Most bytes of a file: certificates and keys may stand in it.
    static let maximumBytes = 1 << 20

    let name: String
    private(set) var properties: [String: String] = [:]
    private var lines: [String: Int] = [:]

    /// Reads a file; `-` is no standard input here.
    init(path: String) throws(Failure) {
        let bytes: [UInt8]
        do throws(Failure) {
            bytes = try Input(Array((path == "-" ? "./-" : path).utf8)).all(
                maximum: Self.maximumBytes, for: "Kafka properties")
        } catch {
            throw Failure(.badInput, "--kafka-config: \(error.message)")
        }
        try self.init(bytes, name: StandardError.printable(path))
    }

    /// - Parameter name: of the file, for messages.
    init(_ bytes: [UInt8], name: String) throws(Failure) {
        self.name = name
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badInput, "\(name) is not valid UTF-8: it must hold Kafka properties, name=value a line")
        }
        for (place, line) in Self.split(text).enumerated() {
            let line = Self.trimmed(line)
            if line.isEmpty || line.first == "#" { continue }
            try take(line, place + 1)
        }
    }

    /// The lines of a text, without a byte order mark that an editor may have left.
    private static func split(_ text: String) -> [Substring.UnicodeScalarView] {
        let scalars = text.unicodeScalars
        return scalars.dropFirst(scalars.first == "\u{feff}" ? 1 : 0)
            .split(separator: "\n", omittingEmptySubsequences: false)
    }

    private mutating func take(_ line: Substring.UnicodeScalarView, _ number: Int) throws(Failure) {
        guard let equals = line.firstIndex(of: "=") else {
            throw Failure(
                .badInput, "\(name) line \(number): there is no = : each line is name=value, or begins with #")
        }
        let key = String(Self.trimmed(line[..<equals]))
        let value = Self.trimmed(line[line.index(after: equals)...])
        if key.isEmpty { throw Failure(.badInput, "\(name) line \(number): there is no name before the =") }
        if let first = lines[key] {
            throw Failure(.badInput, "\(name) line \(number): \(key) was given on line \(first) already")
        }
        // The client library would take the text before a null byte for all of it.
        if (key.unicodeScalars + value).contains(where: { $0.value < 0x20 && $0 != "\t" || $0.value == 0x7f }) {
            throw Failure(.badInput, "\(name) line \(number): there is a control character in it")
        }
        lines[key] = number
        properties[key] = String(value)
    }

    private static func trimmed(_ line: Substring.UnicodeScalarView) -> Substring.UnicodeScalarView {
        let isBlank = { (scalar: Unicode.Scalar) in scalar == " " || scalar == "\t" || scalar == "\r" }
        guard let first = line.firstIndex(where: { !isBlank($0) }), let last = line.lastIndex(where: { !isBlank($0) })
        else { return line[line.endIndex...] }
        return line[first...last]
    }

    /// Has the client library look at the properties, each by itself, so that the line is known.
    ///
    /// - Parameter location: where they are to be used.
    func check(_ location: KafkaLocation) throws(Failure) {
        for (key, value) in properties.sorted(by: { (lines[$0.key] ?? 0) < (lines[$1.key] ?? 0) }) {
            var alone = location
            alone.properties = [key: value]
            guard let problem = alone.problem else { continue }
            throw Failure(.badInput, "\(name) line \(lines[key] ?? 0): \(problem)")
        }
    }
}
