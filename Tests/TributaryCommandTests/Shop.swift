import Foundation
import KafkaBrokers
import TributaryKafka

/// The command on an imitated cluster of this process.
struct Shop {
    let tool: Tool
    let cluster = MockCluster()
    let servers: String

    init(partitions: Int) throws {
        tool = try Tool()
        cluster.createStore("shop", partitions: partitions)
        servers = cluster.servers
        // The imitation takes a batch also where the one before it failed, so one is sent at a time.
        _ = try tool.directory.file("kafka.properties", "fetch.wait.max.ms=5\nmax.in.flight=1\n".utf8)
    }

    var location: KafkaLocation {
        var location = KafkaLocation(
            servers, store: "shop", properties: ["fetch.wait.max.ms": "5", "max.in.flight": "1"])
        location.allowsUnverifiedTopics = true
        return location
    }

    private func options(_ index: String) -> [String] {
        [
            "--kafka", servers, "--store", "shop", "--kafka-config", "kafka.properties", "--index", index,
            "--allow-unverified-topics",
        ]
    }

    /// Without what the client says of the imitation.
    func run(_ arguments: String..., index: String = "index") async throws -> Tool.Outcome {
        let outcome = try await tool.runAll(options(index) + arguments)
        let lines = outcome.errors.split(separator: "\n").filter { !$0.contains("allow.auto.create.topics=false") }
        return Tool.Outcome(
            code: outcome.code, output: outcome.output, errors: lines.map { $0 + "\n" }.joined())
    }

    /// As `run`, with a terminal at which this was typed.
    func runAtTerminal(_ arguments: String..., typing text: String, index: String = "index") async throws
        -> Tool.Outcome
    {
        try await tool.runAtTerminal(options(index) + arguments, typing: text)
    }

    /// A script that begins with a command on this cluster.
    func shell(_ script: String) async throws -> Tool.Outcome {
        try await tool.shell("\"$0\" \(options("index").joined(separator: " ")) " + script)
    }
}
