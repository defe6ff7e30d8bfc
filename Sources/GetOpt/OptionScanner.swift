import CGetOpt
import Glibc
import Synchronization

/// How an option is written.
public struct OptionForm: Sendable {
    public let name: String
    /// An ASCII letter, or nil.
    public let letter: Character?
    public let takesValue: Bool

    public init(name: String, letter: Character?, takesValue: Bool) {
        self.name = name
        self.letter = letter
        self.takesValue = takesValue
    }
}

/// What is wrong with a command line; options by their place in the table.
public enum OptionError: Error, Equatable, Sendable {
    /// As it was written.
    case unknown(String)
    case missingValue(Int)
    case surplusValue(Int)
}

/// A command line, taken apart.
public struct ScannedArguments: Equatable, Sendable {
    public struct Found: Equatable, Sendable {
        /// The option's place in the table.
        public let option: Int
        /// Nil where it takes none.
        public let value: [UInt8]?
    }

    public let options: [Found]
    public let operands: [[UInt8]]
}

/// The C library's `getopt_long`, on a table: `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, short forms of
/// long names, `--` before operands.
public enum OptionScanner {
    /// `getopt_long` keeps its place in global variables.
    private static let lock = Mutex(())

    /// - Parameters:
    ///   - arguments: those after the program's name.
    ///   - stopsAtOperand: whether what follows the first operand is left as it is.
    public static func scan(
        _ arguments: [[UInt8]], options: [OptionForm], stopsAtOperand: Bool = false
    ) throws(OptionError) -> ScannedArguments {
        let result = lock.withLock { _ in scan(CArguments(arguments), CTable(options, stopsAtOperand)) }
        return try result.get()
    }

    private static func scan(
        _ arguments: CArguments, _ table: CTable
    ) -> Result<ScannedArguments, OptionError> {
        var found: [ScannedArguments.Found] = []
        tributary_getopt_restart()
        while true {
            let value = unsafe tributary_getopt(
                arguments.count, &arguments.pointers, table.letters.start, table.options)
            let index = Int(tributary_getopt_index())
            if value == -1 {
                let operands = unsafe arguments.pointers[index..<Int(arguments.count)].map { unsafe bytes($0) }
                return .success(ScannedArguments(options: found, operands: operands))
            }
            guard let option = table.place(of: value) else {
                let last = unsafe String(decoding: bytes(arguments.pointers[index - 1]), as: UTF8.self)
                return .failure(problem(value, last, table))
            }
            let takesValue = table.forms[option].takesValue
            let text = takesValue ? unsafe bytes(tributary_getopt_value()) : nil
            found.append(ScannedArguments.Found(option: option, value: text))
        }
    }

    private static func problem(_ found: Int32, _ last: String, _ table: CTable) -> OptionError {
        let culprit = tributary_getopt_culprit()
        if let option = table.place(of: culprit) {
            return found == Int32(UInt8(ascii: ":")) ? .missingValue(option) : .surplusValue(option)
        }
        let letter = UInt8(exactly: culprit).flatMap { $0 > 0 ? Character(Unicode.Scalar($0)) : nil }
        return .unknown(letter.map { "-\($0)" } ?? last)
    }

    private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
        guard let text = unsafe text else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}

/// Bytes with a NUL after them, at a fixed place.
@safe private final class CText {
    let start: UnsafeMutablePointer<CChar>

    init(_ bytes: some Collection<UInt8>) {
        unsafe start = .allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { unsafe start[index] = CChar(bitPattern: byte) }
        unsafe start[bytes.count] = 0
    }

    deinit {
        unsafe start.deallocate()
    }
}

/// The arguments as `getopt_long` wants them: it sorts them so that the operands come last.
@safe private final class CArguments {
    let count: Int32
    var pointers: [UnsafeMutablePointer<CChar>?]
    private let texts: [CText]

    init(_ arguments: [[UInt8]]) {
        texts = [CText("program".utf8)] + arguments.map { CText($0) }
        count = Int32(texts.count)
        unsafe pointers = texts.map { unsafe $0.start } + [nil]
    }
}

/// The table of options as `getopt_long` wants it.
@safe private final class CTable {
    /// Above every letter: the first option's value.
    private static let firstValue: Int32 = 256

    let forms: [OptionForm]
    let letters: CText
    let options: [option]
    private let names: [CText]

    init(_ forms: [OptionForm], _ stopsAtOperand: Bool) {
        self.forms = forms
        names = forms.map { CText($0.name.utf8) }
        var options: [option] = unsafe []
        for (index, form) in forms.enumerated() {
            let value = Self.firstValue + Int32(index)
            unsafe options.append(
                option(name: names[index].start, has_arg: form.takesValue ? 1 : 0, flag: nil, val: value))
        }
        unsafe options.append(option(name: nil, has_arg: 0, flag: nil, val: 0))
        unsafe self.options = options
        // The colon first makes a missing value known from an unknown option.
        var letters = stopsAtOperand ? "+:" : ":"
        for form in forms {
            guard let letter = form.letter else { continue }
            letters += form.takesValue ? "\(letter):" : "\(letter)"
        }
        self.letters = CText(letters.utf8)
    }

    /// The option that a value of `getopt_long` stands for.
    func place(of value: Int32) -> Int? {
        if value >= Self.firstValue { return Int(value - Self.firstValue) }
        return forms.firstIndex { $0.letter?.asciiValue.map(Int32.init) == value }
    }
}
