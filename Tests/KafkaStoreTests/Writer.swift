import EventLog
import Foundation
import StoreRace

/// A `KafkaWriter` in a process of its own.
final class Writer: Sendable {
    private struct State {
        var isOpen = false
        var isDone = false
        var hasEnded = false
        var answered = 0
        var unknown = 0
        var ordered = 0
        var states: [NodeState] = []
        var orders: [OrderDigest] = []
        var failures: [String] = []
    }

    let order: WriterOrder
    private let process: Process
    private let input = Pipe()
    private let state = Monitor(State())

    /// Beside the test bundle.
    private static var executable: URL {
        get throws {
            let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let path = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("KafkaWriter")
            guard FileManager.default.isExecutableFile(atPath: path.path) else {
                throw CocoaError(.fileNoSuchFile, userInfo: [NSFilePathErrorKey: path.path])
            }
            return path
        }
    }

    init(_ order: WriterOrder) throws {
        self.order = order
        process = Process()
        process.executableURL = try Self.executable
        process.arguments = [String(decoding: try JSONEncoder().encode(order), as: UTF8.self)]
        process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        _ = WorkerThread(name: "writer") { [state, process] in
            Self.read(output.fileHandleForReading, into: state)
            process.waitUntilExit()
            state.withLock { $0.hasEnded = true }
        }
    }

    private static func read(_ handle: FileHandle, into state: Monitor<State>) {
        var rest = Data()
        while case let data = handle.availableData, !data.isEmpty {
            rest += data
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = rest[rest.startIndex..<end]
                rest = Data(rest[(end + 1)...])
                state.withLock { state in
                    switch try? JSONDecoder().decode(WriterLine.self, from: Data(line)) {
                    case .open: state.isOpen = true
                    case .progress(let answered, let unknown, let ordered):
                        (state.answered, state.unknown, state.ordered) = (answered, unknown, ordered)
                    case .done: state.isDone = true
                    case .state(let node): state.states.append(node)
                    case .order(let digest): state.orders.append(digest)
                    case .closed: break
                    case .failed(let why): state.failures.append(why)
                    case nil: state.failures.append(String(decoding: line, as: UTF8.self))
                    }
                }
            }
        }
    }

    /// SIGKILL.
    func kill() async throws {
        Foundation.kill(process.processIdentifier, SIGKILL)
        try await wait(for: "its end") { $0.hasEnded ? () : nil }
    }

    private func tell(_ command: WriterCommand) {
        try? input.fileHandleForWriting.write(contentsOf: Data((command.rawValue + "\n").utf8))
    }

    // MARK: - Waiting

    private func wait<R: Sendable>(
        for what: String, _ body: @escaping @Sendable (inout State) -> R?
    ) async throws -> R {
        let (state, node) = (state, order.node)
        return try await onOwnThread(named: "wait-writer") {
            let end = ContinuousClock.now + .seconds(120)
            let result = state.wait(until: end) { state -> Result<R, any Error>? in
                if let result = body(&state) { return .success(result) }
                if state.failures.isEmpty, !state.hasEnded { return nil }
                return .failure(RaceTrouble("node \(node), before \(what): \(state.failures)"))
            }
            guard let result else { throw RaceTrouble("node \(node): no \(what) in two minutes") }
            return try result.get()
        }
    }

    /// Calls that were answered so far, and those of them without a certain answer.
    var progress: (answered: Int, unknown: Int) { state.read { ($0.answered, $0.unknown) } }

    func waitForOpen() async throws { try await wait(for: "opening") { $0.isOpen ? () : nil } }

    /// Until it has so many answers more.
    func waitForProgress(_ count: Int) async throws {
        let before = progress.answered
        try await wait(for: "\(count) more answers") { $0.answered >= before + count ? () : nil }
    }

    /// Calls that were told a position so far.
    var ordered: Int { state.read { $0.ordered } }

    /// Until so many calls in all were told a position.
    func waitForOrdered(_ count: Int) async throws {
        try await wait(for: "\(count) ordered appends") { $0.ordered >= count ? () : nil }
    }

    func waitForDone() async throws { try await wait(for: "the end of its appends") { $0.isDone ? () : nil } }

    func stop() { tell(.stop) }

    func nodeState() async throws -> NodeState {
        let count = state.read { $0.states.count }
        tell(.state)
        return try await wait(for: "its state") { $0.states.count > count ? $0.states.last : nil }
    }

    func orderDigest() async throws -> OrderDigest {
        let count = state.read { $0.orders.count }
        tell(.order)
        return try await wait(for: "its order") { $0.orders.count > count ? $0.orders.last : nil }
    }

    func close() async throws {
        // A broker started meanwhile may hold the pipe, too, so closing it says nothing.
        tell(.close)
        let state = state
        let failures = try await onOwnThread(named: "wait-writer") {
            state.wait(until: .now + .seconds(120)) { $0.hasEnded ? $0.failures : nil } ?? ["it does not end"]
        }
        if !failures.isEmpty { throw RaceTrouble("node \(order.node) closed with \(failures)") }
    }

    deinit {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }
}

struct RaceTrouble: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
