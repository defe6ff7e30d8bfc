import EventLog
import Foundation
import KillLoad

/// When the process is killed.
enum KillMoment: Sendable {
    /// So many microseconds after it said this phase.
    case phase(String, microseconds: Int)
    /// When it has said so many acknowledgements.
    case acknowledgements(Int)
}

/// A process that is killed.
enum Victim {
    /// Beside the test bundle.
    private static var executable: URL {
        get throws {
            let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let path = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("KilledWriter")
            guard FileManager.default.isExecutableFile(atPath: path.path) else {
                throw CocoaError(.fileNoSuchFile, userInfo: [NSFilePathErrorKey: path.path])
            }
            return path
        }
    }

    struct End: Sendable {
        var lines: [Line]
        var wasKilled: Bool
    }

    /// Runs the process, kills it, and returns all that it said. One that ends before is not killed.
    static func run(
        _ mode: String, _ path: String, seed: UInt64, tasks: Int = 8, appends: Int = 1_000, segmentBytes: Int,
        until moment: KillMoment
    ) async throws -> End {
        try await onOwnThread(named: "victim") {
            let process = Process()
            process.executableURL = try executable
            process.arguments = [mode, path, "\(seed)", "\(segmentBytes)", "\(tasks)", "\(appends)"]
            let pipe = Pipe()
            process.standardOutput = pipe
            process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
            try process.run()
            let lines = read(pipe.fileHandleForReading, until: moment) { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
            return End(lines: lines, wasKilled: process.terminationReason == .uncaughtSignal)
        }
    }

    private static func read(_ handle: FileHandle, until moment: KillMoment, _ kill: () -> Void) -> [Line] {
        var lines: [Line] = []
        var rest = ""
        var acknowledgements = 0
        while true {
            let data = handle.availableData
            if data.isEmpty { return lines }
            rest += String(decoding: data, as: UTF8.self)
            let parts = rest.split(separator: "\n", omittingEmptySubsequences: false)
            for part in parts.dropLast() {
                guard let line = Line(part) else {
                    lines.append(.failed("it said \(part)"))
                    continue
                }
                lines.append(line)
                switch (line, moment) {
                case (.acknowledged, .acknowledgements(let count)):
                    acknowledgements += 1
                    if acknowledgements == count { kill() }
                case (.phase(let name), .phase(let wanted, let microseconds)) where name == wanted:
                    // Nothing is waited for: this picks a random moment of the phase.
                    var moment = timeval(tv_sec: 0, tv_usec: Int(microseconds))
                    unsafe select(0, nil, nil, nil, &moment)
                    kill()
                default: break
                }
            }
            rest = String(parts.last ?? "")
        }
    }
}
