// A real Apache Kafka for tests: given as an address, or started from a folder with a starter script.

import Foundation
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

    private init(_ version: String) {
        self.version = version
    }

    public var description: String { "Kafka \(version)" }

    private static func variable(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Whether there is one; if not, that is said, once.
    public static let isAtHand: Bool = {
        if variable("TRIBUTARY_TEST_KAFKA") != nil || variable("TRIBUTARY_KAFKA_HOME") != nil { return true }
        print("SKIPPED: no real Kafka; set TRIBUTARY_TEST_KAFKA=HOST:PORT or TRIBUTARY_KAFKA_HOME=FOLDER to test on one")
        return false
    }()

    /// Its address; starts it where nobody has. Blocks for seconds.
    public func start() throws -> String {
        try servers.withLock { servers in
            if let servers { return try servers.get() }
            let result = Result { try Self.variable("TRIBUTARY_TEST_KAFKA") ?? launch() }
            servers = result
            return try result.get()
        }
    }

    private func launch() throws -> String {
        guard let home = Self.variable("TRIBUTARY_KAFKA_HOME") else { throw CocoaError(.fileNoSuchFile) }
        let directory = FileManager.default.temporaryDirectory
            .appending(path: "tributary-kafka-\(version)-\(ProcessInfo.processInfo.processIdentifier)")
        let process = Process()
        process.executableURL = URL(filePath: home).appending(path: "kafka")
        process.arguments = [
            "start", directory.path(), "--version", version, "--owner", "\(ProcessInfo.processInfo.processIdentifier)",
        ]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let bootstrap = try String(contentsOf: directory.appending(path: "bootstrap"), encoding: .utf8)
        return bootstrap.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
