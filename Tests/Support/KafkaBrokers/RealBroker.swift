// A real Apache Kafka for tests: given as an address, or started from a folder with a starter script.

public import Foundation
import Glibc
import Synchronization

/// A real cluster of one version, started once for all tests of the process and ended with it.
///
/// `TRIBUTARY_TEST_KAFKA` gives an address (HOST:PORT), which then serves for every version where an address is enough.
/// `TRIBUTARY_KAFKA_HOME` gives a folder with a program `kafka` that understands `start DIR --version V --owner PID`.
public final class RealBroker: Sendable, CustomStringConvertible {
    public let version: String
    /// How many brokers it has; they are numbered from 1.
    public let brokers: Int
    private let kind: Kind
    private let servers = Mutex<Result<String, any Error>?>(nil)

    private enum Kind: String, Sendable {
        /// Whatever has an address.
        case any = ""
        /// Started here, so that tests may do with it what they like.
        case own
        /// The same, with TLS and SASL, too.
        case secure
        /// The same, and it takes tokens that nobody signed.
        case tokens

        var arguments: [String] {
            switch self {
            case .any, .own: []
            case .secure: ["--secure"]
            case .tokens:
                [
                    "--secure", "--set", "sasl.enabled.mechanisms=OAUTHBEARER", "--set",
                    "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config="
                        + "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
                        + "unsecuredLoginStringClaim_sub=\"broker\";",
                ]
            }
        }
    }

    /// Apache Kafka as it is now, and the last of the line before.
    public static let current = RealBroker("4.3.1")
    public static let older = RealBroker("3.9.2")
    /// The current one, for tests that stop it or look at its files.
    public static let own = variable("TRIBUTARY_TEST_KAFKA") == nil ? current : RealBroker("4.3.1", .own)
    /// Three brokers: three copies of each record, of which two must be in sync.
    public static let three = RealBroker("4.3.1", .own, brokers: 3)
    public static let secure = RealBroker("4.3.1", .secure)
    public static let olderSecure = RealBroker("3.9.2", .secure)
    public static let tokens = RealBroker("4.3.1", .tokens)

    private init(_ version: String, _ kind: Kind = .any, brokers: Int = 1) {
        self.version = version
        self.kind = kind
        self.brokers = brokers
    }

    /// Whether brokers can be started here, with what settings a test needs; if not, that is said, once.
    public static let canStart: Bool = {
        if variable("TRIBUTARY_KAFKA_HOME") != nil { return true }
        if isAtHand {
            print("SKIPPED: tests that break brokers or their settings; set TRIBUTARY_KAFKA_HOME=FOLDER to run them")
        }
        return false
    }()

    /// Where a started broker keeps its files; those of TLS in `tls`.
    public var directory: URL {
        FileManager.default.temporaryDirectory.appending(
            path: "tributary-kafka-\(version)-\(brokers)\(kind.rawValue)-\(ProcessInfo.processInfo.processIdentifier)")
    }

    /// What a file in `directory` says.
    public func text(of file: String) throws -> String {
        try String(contentsOf: directory.appending(path: file), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs one of Kafka's own tools. Blocks for seconds.
    public func tool(_ arguments: String...) throws { try tool(arguments) }

    /// Runs one of Kafka's own tools. Blocks for seconds.
    public func tool(_ arguments: [String]) throws { try Self.kafka(["tool"] + arguments) }

    /// What can be done to one broker of a cluster.
    public enum Deed: String, Sendable {
        /// It ends without a word.
        case kill
        /// It ends in an orderly way.
        case term
        /// It stands still, and its connections stay.
        case pause
        case resume
        /// It is started again on its port, with its data.
        case restart
    }

    /// Does this to a broker, numbered from 1. Blocks for seconds.
    public func act(_ deed: Deed, on broker: Int) throws {
        try Self.kafka([deed.rawValue, directory.path(), "\(broker)"])
    }

    /// Stops all brokers; their data stays. Blocks for seconds.
    public func stop() throws { try Self.kafka(["stop", directory.path()]) }

    /// Starts the brokers again, on their ports, with their data. Blocks for seconds.
    public func startAgain() throws {
        try Self.kafka(["start", directory.path(), "--owner", "\(ProcessInfo.processInfo.processIdentifier)"])
    }

    private static func kafka(_ arguments: [String]) throws {
        guard let home = variable("TRIBUTARY_KAFKA_HOME") else { throw CocoaError(.fileNoSuchFile) }
        try run([URL(filePath: home).appending(path: "kafka").path()] + arguments)
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
        if kind == .any, let given = Self.variable("TRIBUTARY_TEST_KAFKA") { return given }
        try Self.kafka(
            [
                "start", directory.path(), "--version", version, "--brokers", "\(brokers)",
                "--owner", "\(ProcessInfo.processInfo.processIdentifier)",
            ] + kind.arguments)
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
