// A real Apache Kafka for tests: given as an address, or started from a folder with a starter script.

public import Foundation
import Glibc
import Synchronization

/// A real broker of one version, started once for all tests of the process and ended with it.
///
/// `TRIBUTARY_TEST_KAFKA` gives an address (HOST:PORT), which then serves for every version.
/// `TRIBUTARY_KAFKA_HOME` gives a folder with a program `kafka` that understands `start DIR --version V --owner PID`.
public final class RealBroker: Sendable, CustomStringConvertible {
    public let version: String
    private let servers = Mutex<Result<String, any Error>?>(nil)

    /// Apache Kafka as it is now, and the last of the line before.
    public static let current = RealBroker("4.3.1")
    public static let older = RealBroker("3.9.2")
    /// With TLS and SASL, too.
    public static let secure = RealBroker("4.3.1", isSecure: true)
    public static let olderSecure = RealBroker("3.9.2", isSecure: true)

    private let isSecure: Bool

    private init(_ version: String, isSecure: Bool = false) {
        self.version = version
        self.isSecure = isSecure
    }

    /// Whether brokers can be started here, with what settings a test needs.
    public static var canStart: Bool { isAtHand && variable("TRIBUTARY_KAFKA_HOME") != nil }

    /// Where a started broker keeps its files; those of TLS in `tls`.
    public var directory: URL {
        FileManager.default.temporaryDirectory.appending(
            path: "tributary-kafka-\(version)\(isSecure ? "s" : "")-\(ProcessInfo.processInfo.processIdentifier)")
    }

    /// What a file in `directory` says.
    public func text(of file: String) throws -> String {
        try String(contentsOf: directory.appending(path: file), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs one of Kafka's own tools. Blocks for seconds.
    public func tool(_ arguments: String...) throws { try tool(arguments) }

    /// Runs one of Kafka's own tools. Blocks for seconds.
    public func tool(_ arguments: [String]) throws {
        guard let home = Self.variable("TRIBUTARY_KAFKA_HOME") else { throw CocoaError(.fileNoSuchFile) }
        try Self.run([URL(filePath: home).appending(path: "kafka").path(), "tool"] + arguments)
    }

    public var description: String { "Kafka \(version)" }

    private static func variable(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Whether there is one; if not, that is said, once.
    public static let isAtHand: Bool = {
        if variable("TRIBUTARY_TEST_KAFKA") != nil || variable("TRIBUTARY_KAFKA_HOME") != nil { return true }
        print(
            "SKIPPED: no real Kafka; set TRIBUTARY_TEST_KAFKA=HOST:PORT or TRIBUTARY_KAFKA_HOME=FOLDER to test on one")
        return false
    }()

    /// Its address; starts it where nobody has. Blocks for seconds.
    public func start() throws -> String {
        try servers.withLock { servers in
            if let servers { return try servers.get() }
            let result = Result { try launch() }
            servers = result
            return try result.get()
        }
    }

    private func launch() throws -> String {
        if !isSecure, let given = Self.variable("TRIBUTARY_TEST_KAFKA") { return given }
        guard let home = Self.variable("TRIBUTARY_KAFKA_HOME") else { throw CocoaError(.fileNoSuchFile) }
        try Self.run(
            [
                URL(filePath: home).appending(path: "kafka").path(), "start", directory.path(), "--version", version,
                "--owner", "\(ProcessInfo.processInfo.processIdentifier)",
            ] + (isSecure ? ["--secure"] : []))
        // Its data goes when we and the broker are gone.
        let clean = #"(while kill -0 "$1"; do sleep 1; done; sleep 3; rm -rf "$2") >/dev/null 2>&1 &"#
        try Self.run([
            "/bin/sh", "-c", clean, "sh", "\(ProcessInfo.processInfo.processIdentifier)", directory.path(),
        ])
        return try text(of: "bootstrap")
    }

    /// Runs a program and waits for it alone: Foundation's `Process` waits for what it leaves running, too.
    private static func run(_ arguments: [String]) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var strings = arguments.map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var child: pid_t = 0
        guard posix_spawn(&child, arguments[0], &actions, nil, &strings, environ) == 0 else {
            throw CocoaError(.executableLoad)
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw CocoaError(.executableRuntimeMismatch) }
    }
}
