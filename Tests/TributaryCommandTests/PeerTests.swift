import Foundation
import KafkaBrokers
import Testing

@testable import TributaryCommand

@Suite(.timeLimit(.minutes(3)), .serialized) struct PeerTests {
    private func partitions(_ outcome: Tool.Outcome) throws -> [[String: Any]] {
        try #require(try outcome.objects.first?["partitions"] as? [[String: Any]])
    }

    @Test func nodesOnKafkaAgree() async throws {
        let shop = try Shop(partitions: 2)
        let tool = shop.tool
        for number in 0..<4 {
            let appended = try await shop.run(
                "append", "Order-\(number)", "--type", "t", "--json", "1", index: "node-\(number % 2)")
            #expect(appended.code == 0, "\(appended.errors)")
        }
        #expect(try await shop.run("stats", index: "node-0").code == 0)
        let agreed = try await shop.run("verify", "--peer", "node-0", index: "node-1")
        #expect(agreed.code == 0, "\(agreed.errors)")
        #expect(agreed.output.hasPrefix(#"{"peer":"node-0","agrees":true,"partitions":[{"partition":0,"#))
        #expect(try partitions(agreed).map { $0["compared"] as? Int } == [1, 1])
        #expect(try await shop.run("rebuild-index", index: "node-1").code == 0)
        #expect(try await shop.run("verify", "--peer", "node-1", index: "node-0").code == 0)
        // A directory is one process's at a time, and is taken only where it is a node's.
        for peer in ["none", tool.directory.path] {
            let refused = try await shop.run("verify", "--peer", peer)
            #expect(refused.code == 4)
            #expect(refused.output.isEmpty)
            #expect(isOneLine(refused.errors), "\(refused.errors)")
        }
        #expect(try await shop.run("verify", "--peer", "").code == 2)
        shop.cluster.close()
    }

    @Test func directoriesThatPartedDiffer() async throws {
        let tool = try Tool()
        #expect(try await tool.run("append", "a", "--type", "t", "--json", "1").code == 0)
        #expect(try await tool.shell("cp -r store copy").code == 0)
        #expect(try await tool.run("verify", "--peer", "copy").code == 0)
        for place in ["store", "copy"] {
            #expect(try await tool.run("append", "a", "--type", place, "--json", "1", "--data", place).code == 0)
        }
        let differs = try await tool.run("verify", "--peer", "copy")
        #expect(differs.code == 4)
        #expect(differs.output.contains(#""agrees":false"#))
        #expect(try partitions(differs).map { $0["firstDifference"] as? Int } == [2])
        #expect(differs.errors.contains("the digests differ at offset 2"), "\(differs.errors)")
        // One is ahead, so there is no equal offset.
        #expect(try await tool.run("append", "a", "--type", "t", "--json", "1").code == 0)
        let apart = try await tool.run("verify", "--peer", "copy")
        #expect(apart.code == 4)
        #expect(apart.errors.contains("nothing could be compared"), "\(apart.errors)")
    }
}
