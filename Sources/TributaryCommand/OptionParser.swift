import CGetOpt
import Glibc
import Synchronization

/// The parsing of options: `getopt_long` on a table.
enum OptionParser {
    /// `getopt_long` keeps its place in global variables.
    private static let lock = Mutex(())

    /// - Parameter stopsAtOperand: whether what follows the first operand is left as it is.
    static func parse(
        _ arguments: [[UInt8]], options: [Option], stopsAtOperand: Bool = false
    ) throws(Failure) -> Arguments {
        let result = lock.withLock { _ in scan(CArguments(arguments), CTable(options, stopsAtOperand)) }
        return try result.get()
    }

    private static func scan(_ arguments: CArguments, _ table: CTable) -> Result<Arguments, Failure> {
        var given: [(option: Option, value: [UInt8])] = []
        tributary_getopt_restart()
        while true {
            let found = unsafe tributary_getopt(
                arguments.count, &arguments.pointers, table.letters.start, table.options)
            let index = Int(tributary_getopt_index())
            if found == -1 {
                let operands = unsafe arguments.pointers[index..<Int(arguments.count)].map { unsafe bytes($0) }
                return .success(Arguments(given, operands: operands))
            }
            guard let option = table.entry(found) else {
                let last = unsafe String(decoding: bytes(arguments.pointers[index - 1]), as: UTF8.self)
                return .failure(problem(found, last, table))
            }
            if !option.isRepeated && given.contains(where: { $0.option == option }) {
                return .failure(Failure(.badInput, "--\(option.name) is given twice"))
            }
            given.append((option, option.argument == nil ? [] : unsafe bytes(tributary_getopt_value())))
        }
    }

    private static func problem(_ found: Int32, _ last: String, _ table: CTable) -> Failure {
        let culprit = tributary_getopt_culprit()
        if let option = table.entry(culprit) {
            let what = found == Int32(UInt8(ascii: ":")) ? "needs a value" : "takes no value"
            return Failure(.badInput, "--\(option.name) \(what)")
        }
        let letter = UInt8(exactly: culprit).flatMap { $0 > 0 ? Character(Unicode.Scalar($0)) : nil }
        return Failure(.badInput, "unknown or ambiguous option \(letter.map { "-\($0)" } ?? last)")
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
        texts = [CText("tributary".utf8)] + arguments.map { CText($0) }
        count = Int32(texts.count)
        unsafe pointers = texts.map { unsafe $0.start } + [nil]
    }
}

/// The table of options as `getopt_long` wants it.
@safe private final class CTable {
    /// Above every letter: the first option's value.
    private static let firstValue: Int32 = 256

    let letters: CText
    let options: [option]
    private let table: [Option]
    private let names: [CText]

    init(_ table: [Option], _ stopsAtOperand: Bool) {
        self.table = table
        names = table.map { CText($0.name.utf8) }
        var options: [option] = unsafe []
        for (index, entry) in table.enumerated() {
            let value = Self.firstValue + Int32(index)
            unsafe options.append(
                option(name: names[index].start, has_arg: entry.argument == nil ? 0 : 1, flag: nil, val: value))
        }
        unsafe options.append(option(name: nil, has_arg: 0, flag: nil, val: 0))
        unsafe self.options = options
        // The colon first makes a missing value known from an unknown option.
        var letters = stopsAtOperand ? "+:" : ":"
        for entry in table {
            guard let letter = entry.letter else { continue }
            letters += entry.argument == nil ? "\(letter)" : "\(letter):"
        }
        self.letters = CText(letters.utf8)
    }

    func entry(_ value: Int32) -> Option? {
        if value >= Self.firstValue { return table[Int(value - Self.firstValue)] }
        return table.first { $0.letter?.asciiValue.map(Int32.init) == value }
    }
}
