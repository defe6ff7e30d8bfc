import Foundation
import Testing

/// The built command, run as a child in a directory of its own.
struct Tool {
    struct Outcome {
        let code: Int32
        let output: String
        let errors: String

        var lines: [String] { output.split(separator: "\n").map(String.init) }

        /// The lines as objects.
        var objects: [[String: any Sendable]] {
            get throws {
                try lines.map { line in
                    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: any Sendable]
                    return try #require(object)
                }
            }
        }
    }

    static let path: String = {
        let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return tests.deletingLastPathComponent().appendingPathComponent("tributary").path
    }()

    let directory: TemporaryDirectory
    var store: String { directory.path + "/store" }

    init() throws {
        directory = try TemporaryDirectory()
    }

    @discardableResult
    func run(_ arguments: String..., input: some Sequence<UInt8> = []) async throws -> Outcome {
        try await child(Self.path, arguments, input: try inputFile(input)).outcome()
    }

    /// A script of `sh`, in which `$0` is the command.
    func shell(_ script: String) async throws -> Outcome {
        try await child("/bin/sh", ["-c", script, Self.path], input: try inputFile([])).outcome()
    }

    /// Starts the command; its input is what is written to the child.
    func start(_ arguments: String...) throws -> Child {
        let pipe = Pipe()
        return try child(Self.path, arguments, input: pipe.fileHandleForReading, writer: pipe.fileHandleForWriting)
    }

    /// With a terminal as its input, at which this was typed.
    func runAtTerminal(_ arguments: [String], typing text: String) async throws -> Outcome {
        let terminal = FileHandle(fileDescriptor: open("/dev/ptmx", O_RDWR | O_NOCTTY), closeOnDealloc: true)
        var (locked, number): (Int32, Int32) = (0, -1)
        // TIOCSPTLCK and TIOCGPTN, which are not imported.
        try #require(ioctl(terminal.fileDescriptor, 0x4004_5431, &locked) == 0)
        try #require(ioctl(terminal.fileDescriptor, 0x8004_5430, &number) == 0)
        let input = FileHandle(
            fileDescriptor: open("/dev/pts/\(number)", O_RDWR | O_NOCTTY), closeOnDealloc: true)
        try terminal.write(contentsOf: Data(text.utf8))
        return try await child(Self.path, arguments, input: input).outcome()
    }

    private func inputFile(_ bytes: some Sequence<UInt8>) throws -> FileHandle {
        let file = try directory.file("input-" + UUID().uuidString, bytes)
        return try #require(FileHandle(forReadingAtPath: file))
    }

    private func child(
        _ program: String, _ arguments: [String], input: FileHandle, writer: FileHandle? = nil
    ) throws -> Child {
        let output = try directory.file("output-" + UUID().uuidString, [])
        let errors = try directory.file("errors-" + UUID().uuidString, [])
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
        var environment = ProcessInfo.processInfo.environment
        for name in ["KAFKA", "STORE", "KAFKA_CONFIG", "INDEX"] { environment["TRIBUTARY_" + name] = nil }
        environment["TRIBUTARY_DATA"] = store
        process.environment = environment
        process.standardInput = input
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = FileHandle(forWritingAtPath: errors)
        return try Child(process, output: output, errors: errors, writer: writer)
    }
}

/// A running command.
final class Child {
    private let process: Process
    private let output: String
    private let errors: String
    private let writer: FileHandle?
    private let ends: AsyncStream<Void>

    fileprivate init(_ process: Process, output: String, errors: String, writer: FileHandle?) throws {
        self.process = process
        self.output = output
        self.errors = errors
        self.writer = writer
        let (ends, continuation) = AsyncStream<Void>.makeStream()
        self.ends = ends
        process.terminationHandler = { _ in continuation.finish() }
        try process.run()
    }

    var processIdentifier: Int32 { process.processIdentifier }

    /// Blocks until the child has taken all but a pipe's worth; false where it is gone.
    func write(_ text: String) -> Bool {
        guard let writer else { return false }
        do {
            try writer.write(contentsOf: Data(text.utf8))
            return true
        } catch {
            return false
        }
    }

    func endInput() throws {
        try writer?.close()
    }

    func signal(_ number: Int32) {
        kill(process.processIdentifier, number)
    }

    /// Waits for the end. The code of a child that a signal killed is negative.
    func outcome() async throws -> Tool.Outcome {
        for await _ in ends {}
        // The task was cancelled, as at a test's time limit.
        if process.isRunning {
            signal(SIGKILL)
            throw CancellationError()
        }
        let code = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return Tool.Outcome(code: code, output: try text(output), errors: try text(errors))
    }

    private func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }
}
