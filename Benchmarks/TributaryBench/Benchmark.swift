import Foundation

/// One command of the program.
protocol Benchmark: SendableMetatype {
    static var name: String { get }
    static var summary: String { get }
    static var options: [BenchmarkOption] { get }
    /// Whether it is chosen by `--kafka` only.
    static var isOnKafka: Bool { get }
    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws
}

extension Benchmark {
    static var isOnKafka: Bool { false }
}

/// `--name N`, `--name TEXT`, or `--name` for a flag.
struct BenchmarkOption: Sendable {
    var name: String
    var text: String
    var value: Int
    /// Its value where all benchmarks run one after the other; nil: `value`.
    var quick: Int?
    var isFlag = false
    /// What the help calls a value that is no number.
    var word: String?

    static func number(_ name: String, _ text: String, _ value: Int, quick: Int? = nil) -> BenchmarkOption {
        BenchmarkOption(name: name, text: text, value: value, quick: quick)
    }

    static func flag(_ name: String, _ text: String) -> BenchmarkOption {
        BenchmarkOption(name: name, text: text, value: 0, isFlag: true)
    }

    static func word(_ name: String, _ word: String, _ text: String) -> BenchmarkOption {
        BenchmarkOption(name: name, text: text, value: 0, word: word)
    }
}

struct UsageError: Error {
    var text: String

    init(_ text: String) {
        self.text = text
    }
}

/// The options of one run.
struct Settings: Sendable {
    private var values: [String: Int] = [:]
    private var words: [String: String] = [:]
    private let names: [String]
    private(set) var directory = ".build/bench"

    init(_ options: [BenchmarkOption], _ arguments: [String]) throws {
        names = options.map(\.name)
        for option in options where option.word == nil { values[option.name] = option.value }
        var rest = arguments.flatMap { $0.split(separator: "=", maxSplits: 1).map(String.init) }[...]
        while let argument = rest.popFirst() {
            let name = String(argument.dropFirst(2))
            if argument == "--directory" {
                guard let value = rest.popFirst() else { throw UsageError("--directory needs a path") }
                directory = value
            } else if let option = options.first(where: { argument == "--" + $0.name }) {
                guard !option.isFlag else {
                    values[name] = 1
                    continue
                }
                guard option.word == nil else {
                    guard let value = rest.popFirst(), !value.isEmpty else {
                        throw UsageError("\(argument) needs a value")
                    }
                    words[name] = value
                    continue
                }
                guard let value = rest.popFirst().flatMap({ Int($0) }), value > 0 else {
                    throw UsageError("\(argument) needs a number above 0")
                }
                values[name] = value
            } else {
                throw UsageError("\(argument) is no option of this command")
            }
        }
    }

    subscript(_ name: String) -> Int { values[name] ?? 0 }

    func isSet(_ name: String) -> Bool { self[name] != 0 }

    func word(_ name: String) -> String? { words[name] }

    var description: String {
        names.compactMap { name in
            if let word = words[name] { return "--\(name) \(word)" }
            return values[name].map { "--\(name) \($0)" }
        }.joined(separator: " ")
    }
}

/// A directory for the files of one run.
struct ScratchDirectory: Sendable {
    let path: String

    init(under parent: String) throws {
        path = parent + "/run-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func place(_ name: String) -> String { path + "/" + name }

    func remove() {
        try? FileManager.default.removeItem(atPath: path)
    }

    func remove(_ name: String) {
        try? FileManager.default.removeItem(atPath: place(name))
    }

    /// Bytes of all files in a directory, as the disk holds them.
    static func bytes(of path: String) -> Int {
        let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return names.reduce(0) { sum, name in
            var status = stat()
            guard lstat(path + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return sum }
            return sum + Int(status.st_blocks) * 512
        }
    }
}

enum Machine {
    static func description(_ directory: String) -> String {
        let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = info.split(separator: "\n").first { $0.hasPrefix("model name") }?.split(separator: ":").last
        var loads = [0.0, 0.0, 0.0]
        getloadavg(&loads, 3)
        return "\(ProcessInfo.processInfo.activeProcessorCount) cores"
            + (model.map { " (\($0.trimmingCharacters(in: .whitespaces)))" } ?? "")
            + ", load \(fixed(loads[0], 2)) before, files in \(directory)"
    }
}
