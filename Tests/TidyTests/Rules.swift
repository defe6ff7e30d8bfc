// The rules. Each takes text and returns what is wrong with it, as lines for people: "path:line: what and what to do".

enum Limits {
    static let fileLines = 600
    static let functionLines = 70
}

/// What each module may import, from the design's table of modules. Dependencies point down.
let allowedImports: [String: Set<String>] = {
    let system: Set = ["Foundation", "FoundationEssentials", "Synchronization", "Glibc"]
    return [
        "TributaryCommand": system.union(["Tributary", "TributaryKafka", "JSONLines", "GetOpt"]),
        "TributaryServer": system.union(["Tributary", "TributaryKafka"]),
        "TributaryKafka": system.union(["Tributary", "KafkaEventLog", "EventLog"]),
        "Tributary": system.union(["StreamIndex", "EmbeddedEventLog", "EventLog"]),
        "StreamIndex": system.union([
            "AppendRule", "GlobalOrder", "Envelope", "KeyValue", "Segments", "EventLog", "Checksums",
        ]),
        "KafkaEventLog": system.union(["EventLog", "Kafka"]),
        "EmbeddedEventLog": system.union(["EventLog", "Segments"]),
        "EventLog": system,
        "Segments": system.union(["Checksums"]),
        "Envelope": ["AppendRule", "GlobalOrder", "Checksums"],
        "AppendRule": [],
        "GlobalOrder": [],
        "KeyValue": system.union(["CRocksDB"]),
        "Kafka": system.union(["CRdKafka"]),
        "Checksums": ["CISAL"],
        "JSONLines": ["CSimdJSON"],
        "GetOpt": ["CGetOpt", "Glibc", "Synchronization"],
    ]
}()

/// A place where a construct that the compiler cannot check is allowed, and why.
struct Allowed {
    var path: String
    var construct: String
    var reason: String
}

let allowedConstructs: [Allowed] = [
    Allowed(
        path: "Sources/EventLog/Threads.swift", construct: "nonisolated(unsafe)",
        reason: "the value of Monitor is only touched under its condition's lock, which the compiler cannot see"),
    Allowed(
        path: "Sources/EventLog/Threads.swift", construct: "@unchecked Sendable",
        reason: "pthread's mutex and condition are made for many threads"),
    Allowed(
        path: "Sources/Kafka/Handles.swift", construct: "@unchecked Sendable",
        reason: "librdkafka's clients, topics and queues may be used from any thread"),
    Allowed(
        path: "Sources/KeyValue/KeyValueStore.swift", construct: "@unchecked Sendable",
        reason: "a rocksdb_t may be used from any thread"),
    Allowed(
        path: "Sources/KeyValue/WriteBatch.swift", construct: "@unchecked Sendable",
        reason: "a batch is handed from one thread to another, never shared"),
    Allowed(
        path: "Sources/Segments/MemoryStorage.swift", construct: "@unchecked Sendable",
        reason: "memory that is touched under the lock of its file only"),
    Allowed(
        path: "Sources/StreamIndex/LogWatch.swift", construct: "Task",
        reason: "the log, which is asked asynchronously, is compared beside the log's thread; ends with the store"),
    Allowed(
        path: "Sources/Tributary/AppendResults.swift", construct: "Task",
        reason: "the intake of many appends must run on while its results are awaited; it ends with the iterator"),
    Allowed(
        path: "Sources/Tributary/EventStore.swift", construct: "Task",
        reason: "closing when run() is cancelled: a cancellation handler cannot wait"),
    Allowed(
        path: "Sources/TributaryCommand/Main.swift", construct: "Task",
        reason: "the way from the main thread, which waits for signals, to asynchronous code"),
    Allowed(
        path: "Benchmarks/TributaryBench/BarePeer.swift", construct: "@unchecked Sendable",
        reason: "it holds pointers of RocksDB, whose database is safe from any thread"),
    Allowed(
        path: "Benchmarks/TributaryBench/BareKafka.swift", construct: "@unchecked Sendable",
        reason: "it holds pointers of librdkafka, whose clients are safe from any thread"),
]

/// Modules that are pure for ever: no hashing, whose order differs between processes.
let pureModules: Set = ["AppendRule", "GlobalOrder"]

func checkFileLength(_ file: SourceText) -> [String] {
    guard file.lineCount > Limits.fileLines else { return [] }
    return ["\(file.path): \(file.lineCount) lines; at most \(Limits.fileLines): split it by what its parts do"]
}

/// Functions, initialisers, subscripts and computed properties, from their keyword to their last brace.
func checkFunctionLength(_ file: SourceText) -> [String] {
    var found: [String] = []
    // What the next brace at this depth of parentheses would be the body of.
    var pending: (name: String, line: Int, parentheses: Int)?
    var open: [(name: String, line: Int)?] = []
    var parentheses = 0
    for (index, token) in file.tokens.enumerated() {
        if token.kind == .word {
            let isMember = file.isMark(index - 1, ".")
            switch token.text {
            case "func" where !isMember: pending = (file.word(index + 1) ?? "operator", token.line, parentheses)
            case "init", "deinit", "subscript": if !isMember { pending = (token.text, token.line, parentheses) }
            case "var" where !isMember: pending = (file.word(index + 1) ?? "var", token.line, parentheses)
            case "let", "case", "typealias", "associatedtype", "struct", "class", "enum", "extension":
                if parentheses == pending?.parentheses { pending = nil }
            default: break
            }
        } else if token.kind == .mark {
            switch token.text {
            case "(", "[": parentheses += 1
            case ")", "]": parentheses -= 1
            case "{":
                let isBody = pending?.parentheses == parentheses
                open.append(isBody ? pending.map { ($0.name, $0.line) } : nil)
                if isBody { pending = nil }
            case "}":
                if let function = open.popLast() ?? nil, token.line - function.line >= Limits.functionLines {
                    found.append(
                        "\(file.path):\(function.line): \(function.name) has \(token.line - function.line + 1) lines; "
                            + "at most \(Limits.functionLines): give its steps names of their own")
                }
            default: break
            }
        }
    }
    return found
}

/// The modules that a file imports, with the lines.
func imports(of file: SourceText) -> [(module: String, line: Int)] {
    let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
    return file.tokens.indices.compactMap { index in
        guard file.word(index) == "import", !file.isMark(index - 1, ".") else { return nil }
        let name = kinds.contains(file.word(index + 1) ?? "") ? index + 2 : index + 1
        return file.word(name).map { ($0, file.tokens[index].line) }
    }
}

func checkImports(_ file: SourceText) -> [String] {
    guard let module = file.module else { return [] }
    guard let allowed = allowedImports[module] else {
        return ["\(file.path): module \(module) is not in the table of modules; add it to TidyTests with its imports"]
    }
    return imports(of: file).filter { !allowed.contains($0.module) }.map {
        "\(file.path):\($0.line): \(module) may not import \($0.module); it may import "
            + (allowed.isEmpty ? "nothing" : allowed.sorted().joined(separator: ", "))
    }
}

/// `@unchecked Sendable`, `nonisolated(unsafe)` and tasks that nobody waits for.
func checkConstructs(_ file: SourceText, allowed: [Allowed] = allowedConstructs) -> [String] {
    file.tokens.indices.compactMap { index in
        guard let construct = uncheckedConstruct(in: file, at: index) else { return nil }
        guard !allowed.contains(where: { $0.path == file.path && $0.construct == construct }) else { return nil }
        return "\(file.path):\(file.tokens[index].line): \(construct) is not in the list of TidyTests; "
            + "do without it, or add it there with the reason"
    }
}

private func uncheckedConstruct(in file: SourceText, at index: Int) -> String? {
    switch file.word(index) {
    case "unchecked" where file.isMark(index - 1, "@"):
        return "@unchecked Sendable"
    case "nonisolated" where file.isMark(index + 1, "(") && file.word(index + 2) == "unsafe":
        return "nonisolated(unsafe)"
    case "Task":
        let after = afterGenerics(file, index + 1)
        let starts = ["detached", "immediate", "immediateDetached", "init"]
        if file.isMark(after, "."), starts.contains(file.word(after + 1) ?? "") { return "Task" }
        let isDeclared = ["struct", "class", "enum", "extension"].contains(file.word(index - 1))
        return !isDeclared && (file.isMark(after, "{") || file.isMark(after, "(")) ? "Task" : nil
    default:
        return nil
    }
}

private func afterGenerics(_ file: SourceText, _ start: Int) -> Int {
    guard file.isMark(start, "<") else { return start }
    var depth = 0
    var index = start
    repeat {
        if file.isMark(index, "<") { depth += 1 }
        if file.isMark(index, ">") { depth -= 1 }
        index += 1
    } while depth > 0 && index < file.tokens.count
    return index
}

/// A public type named as its module shadows the module.
func checkTypeNames(_ file: SourceText) -> [String] {
    let kinds: Set = ["struct", "class", "enum", "protocol", "actor", "typealias"]
    return file.tokens.indices.compactMap { index in
        guard let module = file.module, file.word(index) == module, kinds.contains(file.word(index - 1) ?? "") else {
            return nil
        }
        return
            "\(file.path):\(file.tokens[index].line): type \(module) has the name of its module, which it would shadow"
    }
}

/// No Dictionary and no Set where replicas must agree.
func checkPurity(_ file: SourceText) -> [String] {
    guard let module = file.module, pureModules.contains(module) else { return [] }
    return file.tokens.indices.compactMap { index in
        let isType = ["Dictionary", "Set", "Hasher", "hashValue"].contains(file.word(index))
        let isLiteral =
            file.isMark(index, "[") && (file.isMark(index + 1, ":") || file.word(index + 1) != nil)
            && (file.isMark(index + 1, ":") || file.isMark(index + 2, ":"))
        guard isType || isLiteral else { return nil }
        return "\(file.path):\(file.tokens[index].line): \(module) may not hash: two replicas would differ"
    }
}

/// A test that sleeps is slow when it passes and flaky when it fails.
func checkSleeps(_ file: SourceText) -> [String] {
    file.tokens.indices.compactMap { index in
        guard ["sleep", "usleep", "nanosleep"].contains(file.word(index)), file.isMark(index + 1, "(") else {
            return nil
        }
        return "\(file.path):\(file.tokens[index].line): a test may not sleep; wait for what it is about"
    }
}

/// Notes to oneself, hosts that a build may not ask, paths of one machine. Written in pieces here, so that this file
/// passes too.
func checkText(path: String, _ text: String) -> [String] {
    let notes = ["TO" + "DO", "FIX" + "ME"].map { ($0, "finish it, or leave it out") }
    let hosts = [
        "registry.npm" + "js.org", "pypi" + ".org", "files.python" + "hosted.org", "crates" + ".io",
        "proxy.go" + "lang.org", "ruby" + "gems.org", "repo1.ma" + "ven.org", "repo.ma" + "ven.apache.org",
        "swiftpackage" + "index.com", "nu" + "get.org",
    ].map { ($0, "nothing here is fetched from a package registry") }
    let paths = ["/wo" + "rk/", "/ro" + "ot/", "/Us" + "ers/", "/ho" + "me/"].map {
        ($0, "this is a path of one machine")
    }
    var found: [String] = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        for (needle, message) in notes + hosts + paths where line.contains(needle) {
            found.append("\(path):\(number + 1): \(needle): \(message)")
        }
    }
    return found
}

/// The names of the targets in a manifest.
func targetNames(in manifest: SourceText) -> [String] {
    manifest.tokens.indices.compactMap { index in
        guard
            ["target", "executableTarget", "testTarget", "systemLibrary", "plugin", "macro", "binaryTarget"]
                .contains(manifest.word(index)), manifest.isMark(index - 1, "."), manifest.isMark(index + 1, "("),
            manifest.word(index + 2) == "name", manifest.tokens.indices.contains(index + 4)
        else { return nil }
        return manifest.tokens[index + 4].text
    }
}

/// A case-insensitive file system would mix them up.
func checkNames(_ names: [String]) -> [String] {
    Dictionary(grouping: names) { $0.lowercased() }.values.filter { $0.count > 1 }.map {
        "the targets \($0.joined(separator: ", ")) differ only in case, or not at all"
    }
}

func checkManifest(_ manifest: SourceText) -> [String] {
    manifest.tokens.indices.compactMap { index in
        guard manifest.word(index) == "package", manifest.isMark(index - 1, "."), manifest.isMark(index + 1, "(") else {
            return nil
        }
        return "\(manifest.path):\(manifest.tokens[index].line): no package dependencies; "
            + "the toolchain and the system's C libraries only"
    }
}
