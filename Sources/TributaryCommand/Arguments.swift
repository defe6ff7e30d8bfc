import Tributary

/// What a command line held: options with their values, and operands, all as the bytes that were given.
struct Arguments: Sendable {
    private let options: [(option: Option, value: [UInt8])]
    let operands: [[UInt8]]

    init(_ options: [(option: Option, value: [UInt8])] = [], operands: [[UInt8]] = []) {
        self.options = options
        self.operands = operands
    }

    subscript(option: Option) -> [UInt8]? { options.last { $0.option == option }?.value }

    func has(_ option: Option) -> Bool { self[option] != nil }

    func all(_ option: Option) throws(Failure) -> [String] {
        var texts: [String] = []
        for given in options where given.option == option { texts.append(try Self.text(given.value, of: option)) }
        return texts
    }

    func text(_ option: Option) throws(Failure) -> String? {
        guard let value = self[option] else { return nil }
        return try Self.text(value, of: option)
    }

    /// A whole number of `minimum` or more, and `maximum` at most.
    func number(_ option: Option, minimum: Int64, maximum: Int64 = .max) throws(Failure) -> Int64? {
        guard let text = try text(option) else { return nil }
        guard let number = Self.digits(text), number >= minimum, number <= maximum else {
            let bound = maximum == .max ? "\(minimum) or more" : "\(minimum) to \(maximum)"
            throw Failure(.badInput, "--\(option.name) takes a whole number, \(bound); it was \"\(text)\"")
        }
        return number
    }

    /// One of several words.
    func choice(_ option: Option, of words: [String]) throws(Failure) -> String {
        guard let text = try text(option) else { return words[0] }
        guard words.contains(text) else {
            throw Failure(
                .badInput, "--\(option.name) takes \(words.joined(separator: " or ")); it was \"\(text)\"")
        }
        return text
    }

    var limit: Int {
        get throws(Failure) { Int(try number(.limit, minimum: 1) ?? Int64(Int.max)) }
    }

    var direction: ReadDirection { has(.backward) ? .backward : .forward }

    /// The first operand, which is a stream's name.
    var stream: StreamName {
        get throws(Failure) {
            do {
                return try StreamName(utf8: operands[0])
            } catch {
                throw Failure(.badInput, error.message)
            }
        }
    }

    static func digits(_ text: String) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static func text(_ bytes: [UInt8], of option: Option) throws(Failure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badInput, "--\(option.name) is not valid UTF-8")
        }
        return text
    }
}

extension ExpectedVersion {
    /// No event could follow a higher one.
    static let maximumVersion = Int64.max - 1

    /// As it is written on the command line and in JSON lines.
    init?(_ text: String) {
        switch text {
        case "any": self = .any
        case "no-stream": self = .noStream
        case "exists": self = .streamExists
        default:
            guard let version = Arguments.digits(text), version <= Self.maximumVersion else { return nil }
            self = .version(version)
        }
    }

    var text: String {
        switch self {
        case .any: "any"
        case .noStream: "no-stream"
        case .streamExists: "exists"
        case .version(let version): String(version)
        }
    }
}
