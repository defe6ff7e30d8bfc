import Foundation
import KafkaBrokers
import Testing

@testable import TributaryCommand

private func broker() async throws -> String {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try RealBroker.current.start() }) }.start()
    }
}

@Suite(.timeLimit(.minutes(3)), .serialized, .enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"))
struct KafkaTopicsTests {
    @Test func createsChecksAndCreatesOnce() async throws {
        let tool = try Tool()
        let options = ["--kafka", try await broker(), "--store", "cmd-\(UUID().uuidString.lowercased())"]
        let absent = try await tool.runAll(options + ["topics", "check"])
        #expect(absent.code == 4)
        #expect(absent.errors.contains("tributary topics create"), "\(absent.errors)")
        let created = try await tool.runAll(options + ["topics", "create", "--partitions", "2", "--replication", "1"])
        #expect(created.code == 0, "\(created.errors)")
        #expect(
            created.lines == [
                #"{"topic":"\#(options[3]).events","partitions":2}"#,
                #"{"topic":"\#(options[3]).order","partitions":1}"#,
            ])
        let again = try await tool.runAll(options + ["topics", "create"])
        #expect(again.code == 3)
        #expect(isOneLine(again.errors), "\(again.errors)")
        let checked = try await tool.runAll(options + ["topics", "check"])
        #expect(checked.code == 0, "\(checked.errors)")
        #expect(
            checked.lines
                == [("events", 2), ("order", 1)].map { name, count in
                    #"{"topic":"\#(options[3]).\#(name)","partitions":\#(count),"replication":1,"mismatches":[],"#
                        + #""unreadable":null}"#
                })
        let few = try await tool.runAll(options + ["topics", "check", "--replication", "3"])
        #expect(few.code == 3)
        #expect(few.output.contains(#"[{"setting":"the replication factor","found":"1","wanted":"3 or more","#))
        // The topics are there and empty: a store is made in them, once.
        let store = try await tool.runAll(options + ["create"])
        #expect(store.code == 0, "\(store.errors)")
        let second = try await tool.runAll(options + ["create"])
        #expect(second.code == 3)
        #expect(second.errors.contains("already"), "\(second.errors)")
        #expect(try await tool.runAll(options + ["append", "a", "--type", "t", "--json", "1"]).code == 0)
        #expect(try await tool.runAll(options + ["read", "a"]).lines.count == 1)
    }

    @Test func createMakesTopicsAndStore() async throws {
        let tool = try Tool()
        let options = ["--kafka", try await broker(), "--store", "cmd-\(UUID().uuidString.lowercased())"]
        let refused = try await tool.runAll(options + ["append", "a", "--type", "t", "--json", "1"])
        #expect(refused.code == 4)
        #expect(refused.errors.contains("tributary topics create"), "\(refused.errors)")
        let created = try await tool.runAll(options + ["create", "--partitions", "1"])
        #expect(created.code == 0, "\(created.errors)")
        let all = try await tool.runAll(options + ["read-all"])
        #expect(all.lines.count == 1)
        #expect(all.output.contains("$store-created"))
    }
}

@Suite(.timeLimit(.minutes(3)), .serialized, .enabled(if: RealBroker.canStart, "no real Kafka can be started"))
struct KafkaMismatchTests {
    /// The command that is named is run as it stands, by Kafka's own tool.
    @Test func theNamedCommandMendsTheMismatch() async throws {
        let tool = try Tool()
        let servers = try await broker()
        let name = "cmd-\(UUID().uuidString.lowercased())"
        let options = ["--kafka", servers, "--store", name]
        #expect(try await tool.runAll(options + ["create", "--partitions", "1"]).code == 0)
        try await configure([
            "--bootstrap-server", servers, "--alter", "--entity-type", "topics", "--entity-name", name + ".events",
            "--add-config", "retention.ms=604800000",
        ])
        let checked = try await tool.runAll(options + ["topics", "check"])
        #expect(checked.code == 3)
        let report = try #require(try checked.objects.first)
        let mismatch = try #require((report["mismatches"] as? [[String: Any]])?.first)
        #expect(mismatch["setting"] as? String == "retention.ms")
        #expect(mismatch["found"] as? String == "604800000")
        #expect(mismatch["wanted"] as? String == "-1")
        let mend = try #require(mismatch["mend"] as? String).split(separator: " ").map(String.init)
        #expect(mend.first == "kafka-configs.sh")
        #expect(checked.errors.contains("mend it with: kafka-configs.sh"))
        let refused = try await tool.runAll(options + ["append", "a", "--type", "t", "--json", "1"])
        #expect(refused.code == 4)
        #expect(refused.errors.contains("retention.ms is 604800000"), "\(refused.errors)")
        #expect(try await tool.runAll(options + ["stats"]).code == 0)
        try await configure(Array(mend.dropFirst()))
        #expect(try await tool.runAll(options + ["topics", "check"]).code == 0)
        #expect(try await tool.runAll(options + ["append", "a", "--type", "t", "--json", "1"]).code == 0)
    }

    /// A store of which one topic is missing is completed, and that is said; one with another number of partitions is
    /// not.
    @Test func theMissingOrderTopicIsMade() async throws {
        let tool = try Tool()
        let servers = try await broker()
        let name = "cmd-\(UUID().uuidString.lowercased())"
        let options = ["--kafka", servers, "--store", name]
        #expect(try await tool.runAll(options + ["create", "--partitions", "3", "--replication", "1"]).code == 0)
        try await kafka(["topics", "--bootstrap-server", servers, "--delete", "--topic", name + ".order"])
        for command in [["topics", "check"], ["append", "a", "--type", "t", "--json", "1"]] {
            let missing = try await tool.runAll(options + command)
            #expect(missing.code == 4)
            #expect(missing.errors.contains("\(name).order") && missing.errors.contains("tributary topics create"))
        }
        let other = try await tool.runAll(options + ["topics", "create", "--partitions", "4"])
        #expect(other.code == 3)
        #expect(other.errors.contains("3 partitions, not 4"), "\(other.errors)")
        let made = try await tool.runAll(options + ["topics", "create", "--replication", "1"])
        #expect(made.code == 0, "\(made.errors)")
        #expect(made.output == #"{"topic":"\#(name).order","partitions":1}"# + "\n")
        #expect(made.errors.contains("\(name).events stands; \(name).order was missing"), "\(made.errors)")
        #expect(try await tool.runAll(options + ["topics", "check"]).code == 0)
        // It is not the topic that this node has applied; a new one has nothing to compare it with.
        let append = ["append", "a", "--type", "t", "--json", "1"]
        let old = try await tool.runAll(options + append)
        #expect(old.code == 4)
        #expect(old.errors.contains("the index has applied the order topic"), "\(old.errors)")
        #expect(try await tool.runAll(options + append + ["--index", "new"]).code == 0)
        let all = try await tool.runAll(options + ["topics", "create"])
        #expect(all.code == 3)
        #expect(isOneLine(all.errors), "\(all.errors)")
    }

    private func configure(_ arguments: [String]) async throws { try await kafka(["configs"] + arguments) }

    private func kafka(_ arguments: [String]) async throws {
        try await withCheckedThrowingContinuation { continuation in
            Thread {
                continuation.resume(with: Result { try RealBroker.current.tool(arguments) })
            }.start()
        } as Void
    }
}
