// A process with a store on Kafka: it appends until it is told to stop, and says how far its index is.

import EventLog
import Foundation
import StoreRace
import Synchronization
import Tributary
import TributaryKafka

@main enum KafkaWriter {
    static func main() async {
        do {
            let order = try JSONDecoder().decode(WriterOrder.self, from: Data(CommandLine.arguments[1].utf8))
            try await run(order)
            say(.closed)
        } catch {
            say(.failed("\(error)"))
            exit(1)
        }
    }

    private static func run(_ order: WriterOrder) async throws {
        let past = try Step.read(order.history)
        let history = try History(order.history)
        var location = KafkaLocation(
            order.servers, store: order.store, index: order.index, properties: order.properties)
        location.patience = .seconds(60)
        let store = try await EventStore.open(.kafka(location), creating: .ifMissing)
        say(.open)
        let load = RaceLoad(
            store, node: order.node, shape: order.shape, firstCall: past.map(\.call).max() ?? 0
        ) { history.add($0) }
        await withDiscardingTaskGroup { group in
            group.addTask {
                await load.run(settling: RaceReferee.open(past))
                say(.done)
            }
            while let command = await nextCommand(), command != .close {
                switch command {
                case .stop, .close: load.stop()
                case .state: await answer { .state(NodeState(try await store.statistics())) }
                case .order: await answer { .order(OrderDigest(try await store.placed())) }
                }
            }
            load.stop()
        }
        await store.close()
    }

    private static func answer(_ body: () async throws -> WriterLine) async {
        do {
            say(try await body())
        } catch {
            say(.failed("\(error)"))
        }
    }

    /// nil: there is no more.
    private static func nextCommand() async -> WriterCommand? {
        // It waits for input on a thread of its own.
        let line = try? await onOwnThread(named: "commands") { readLine() }
        return (line ?? nil).flatMap { WriterCommand(rawValue: $0) }
    }
}

private let output = Mutex(FileHandle.standardOutput)

/// One write for a line: a kill leaves whole lines.
private func say(_ line: WriterLine) {
    guard let data = try? JSONEncoder().encode(line) else { return }
    output.withLock { $0.write(data + Data("\n".utf8)) }
}

/// The steps, on disk, and a word of them now and then on the output.
private final class History: Sendable {
    private static let progressEvery = 10

    private struct State {
        var file: FileHandle
        var answered = 0
        var unknown = 0
        var ordered = 0
    }

    private let state: Mutex<State>

    init(_ path: String) throws {
        // A kill may have cut the last line off.
        let data = FileManager.default.contents(atPath: path) ?? Data()
        let whole = data.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        try data.prefix(whole).write(to: URL(fileURLWithPath: path))
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seekToEnd()
        state = Mutex(State(file: file))
    }

    func add(_ step: Step) {
        guard let line = try? step.line else { return say(.failed("a step cannot be written")) }
        let progress = state.withLock { state -> WriterLine? in
            state.file.write(line)
            if step.what == .begins { return nil }
            state.answered += 1
            if step.what == .unknown { state.unknown += 1 }
            if step.position != nil { state.ordered += 1 }
            guard step.what == .unknown || state.answered % Self.progressEvery == 0 else { return nil }
            return .progress(answered: state.answered, unknown: state.unknown, ordered: state.ordered)
        }
        if let progress { say(progress) }
    }
}
