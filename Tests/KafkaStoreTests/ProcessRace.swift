import EventLog
import Foundation
import KafkaBrokers
import StoreRace
import Tributary
import TributaryKafka

/// Processes, each with its own index, that race on one store, and what the referee says of them in the end.
final class ProcessRace {
    let location: KafkaLocation
    let shape: RaceShape
    private let directory: URL
    private(set) var writers: [Writer] = []

    /// Makes the store and starts the processes.
    init(on broker: RealBroker, partitions: Int, nodes: Int = 3, shape: RaceShape) async throws {
        let servers = try await onOwnThread(named: "start-kafka") { try broker.start() }
        var location = KafkaLocation(servers, store: "race-\(UUID().uuidString.lowercased())")
        location.replication = min(3, broker.brokers)
        location.patience = .seconds(60)
        self.location = location
        self.shape = shape
        directory = FileManager.default.temporaryDirectory.appending(path: "race-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try await location.createTopics(partitions: partitions)
        for node in 0..<nodes { writers.append(try Writer(order(node))) }
        for writer in writers { try await writer.waitForOpen() }
    }

    private func order(_ node: Int) -> WriterOrder {
        WriterOrder(
            node: node, servers: location.servers, store: location.store,
            index: directory.appending(path: "index-\(node)").path(), history: history(node), shape: shape)
    }

    private func history(_ node: Int) -> String { directory.appending(path: "history-\(node)").path() }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// Kills a process and starts it anew, with the same index.
    func kill(_ node: Int) async throws {
        try await writers[node].kill()
        writers[node] = try Writer(order(node))
        try await writers[node].waitForOpen()
    }

    /// Until each process has been told so many positions more. One is killed at the begin, if any, and does not count.
    func waitForOrdered(_ count: Int, killing node: Int? = nil) async throws {
        let others = writers.filter { $0.order.node != node }
        let wanted = others.map { $0.ordered + count }
        if let node { try await kill(node) }
        for (writer, count) in zip(others, wanted) { try await writer.waitForOrdered(count) }
    }

    /// Until each process has so many answers more.
    func waitForProgress(_ count: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in writers { group.addTask { try await writer.waitForProgress(count) } }
            try await group.waitForAll()
        }
    }

    var unknown: Int { writers.reduce(0) { $0 + $1.progress.unknown } }

    struct Verdict {
        var referee: RaceReferee
        var steps: [Step]
        var problems: [String]
        var state: NodeState
    }

    /// Lets the processes come to an end, compares them with each other and with a node that reads everything anew, and
    /// judges.
    ///
    /// - Parameter isStopped: false: they make all of their appends first.
    func finish(isStopped: Bool = true) async throws -> Verdict {
        if isStopped { for writer in writers { writer.stop() } }
        for writer in writers { try await writer.waitForDone() }
        let judge = try await EventStore.open(.kafka(KafkaLocation(judging: location)), creating: .never)
        let order = try await judge.placed()
        var problems: [String] = []
        for (node, writer) in writers.enumerated() where try await writer.orderDigest() != OrderDigest(order) {
            problems.append("node \(node) has other positions than a node that reads everything anew")
        }
        let states = try await agreed(judge)
        for (node, state) in states.enumerated() where state != states[0] {
            problems.append("node \(node) differs from the first: \(state) and \(states[0])")
        }
        problems += states[0].partitions.compactMap(\.halted)
        for writer in writers { try await writer.close() }
        let steps = try writers.flatMap { try Step.read($0.order.history) }
        let referee = RaceReferee(steps)
        let events = try await judge.raced(referee.streams)
        problems += referee.problems(of: events) + referee.problems(of: order, and: events)
        let count = events.values.reduce(0) { $0 + $1.count }
        if states[0].events != Int64(count) + 1 { problems.append("\(states[0].events) events, \(count) were read") }
        problems += try await judge.verify().problems
        await judge.close()
        print("race: \(referee.summary), decided: \(states[0].partitions.map(\.decisions))")
        return Verdict(referee: referee, steps: steps, problems: problems, state: states[0])
    }

    /// What all nodes say when all are at the same offsets. What settles an append may still come in between.
    private func agreed(_ judge: EventStore) async throws -> [NodeState] {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            var states = [NodeState(try await judge.statistics())]
            for writer in writers { states.append(try await writer.nodeState()) }
            let offsets = states.map { $0.partitions.map(\.offset) }
            if offsets.allSatisfy({ $0 == offsets[0] }) { return states }
            if ContinuousClock.now > end { throw RaceTrouble("the nodes are at \(offsets) for a minute") }
        }
    }
}

extension KafkaLocation {
    /// The same store, seen by a node that has no index yet.
    init(judging other: KafkaLocation) {
        self = other
        index = nil
    }
}

/// The seed in TRIBUTARY_SEED, else a random one; printed, so that a failure can be repeated as far as timing allows.
func raceSeed(for test: String) -> UInt64 {
    let given = ProcessInfo.processInfo.environment["TRIBUTARY_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 0..<1_000_000_000)
    print("\(test): TRIBUTARY_SEED=\(seed)")
    return seed
}

/// Does something to a broker, on a thread that may block.
func act(_ deed: RealBroker.Deed, on number: Int, of broker: RealBroker) async throws {
    try await onOwnThread(named: "broker") { try broker.act(deed, on: number) }
}
