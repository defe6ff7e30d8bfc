import Foundation
import KafkaBrokers
import Testing

@testable import TributaryCommand

@Suite(.timeLimit(.minutes(3)), .serialized) struct KafkaCommandTests {
    @Test func appendReadAndPositions() async throws {
        let shop = try Shop(partitions: 3)
        let missing = try await shop.run("stats")
        #expect(missing.code == 4)
        #expect(missing.errors.contains("empty topic"), "\(missing.errors)")
        let first = try await shop.run("append", "Order-1", "--type", "t", "--json", "1", "--expect", "no-stream")
        #expect(first.code == 0, "\(first.errors)")
        #expect(first.errors.isEmpty, "\(first.errors)")
        #expect(first.output.contains(#""firstVersion":0,"lastVersion":0,"firstPosition":1,"lastPosition":1"#))
        let conflict = try await shop.run(
            "append", "Order-1", "--type", "t", "--json", "1", "--expect", "no-stream", index: "another")
        #expect(conflict.code == 3)
        #expect(conflict.output == #"{"stream":"Order-1","expected":"no-stream","actual":0}"# + "\n")
        #expect(try await shop.run("read", "Order-1").output.contains(#""version":0,"position":1"#))
        let accepted = try await shop.run(
            "append", "Order-2", "--type", "t", "--json", "2", "--acknowledge", "accepted")
        #expect(accepted.output.contains(#""firstPosition":null,"lastPosition":null"#), "\(accepted.errors)")
        // What is not ordered yet is waited for.
        let all = try await shop.run("read-all").objects
        #expect(all.compactMap { $0["position"] as? Int } == [0, 1, 2])
        #expect(try await shop.run("export").lines.count == 2)
        let stats = try #require(try await shop.run("stats").objects.first)
        #expect(stats["location"] as? String == "kafka \(shop.servers) store shop")
        #expect((stats["partitions"] as? [Any])?.count == 3)
        let order = try #require(stats["order"] as? [String: any Sendable])
        #expect(order["head"] as? Int == 3 && order["lag"] as? Int == 0 && order["by"] as? String == "order-records")
        shop.cluster.close()
    }

    @Test func catOfOnePartitionAndOfAll() async throws {
        let shop = try Shop(partitions: 3)
        for number in 0..<4 {
            #expect(try await shop.run("append", "Order-\(number)", "--type", "t", "--json", "1").code == 0)
        }
        let all = try await shop.run("cat").objects.compactMap { $0["partition"] as? Int }
        #expect(all.count == 7)
        #expect(all == all.sorted() && Set(all).count == 3)
        for partition in 0..<3 {
            let one = try await shop.run("cat", "--partition", "\(partition)").objects
            #expect(one.count == all.filter { $0 == partition }.count)
            #expect(one.allSatisfy { $0["partition"] as? Int == partition })
        }
        #expect(try await shop.run("cat", "--from", "0", "--limit", "5").lines.count == 5)
        #expect(try await shop.run("cat", "--from", "1").lines.count == 4)
        let none = try await shop.run("cat", "--partition", "3")
        #expect(none.code == 2)
        #expect(none.errors.contains("the store has 3"))
        #expect(try await shop.run("verify").code == 0)
        let positions = try await shop.run("cat").objects.compactMap { $0["firstPosition"] as? Int }
        #expect(positions.sorted() == [0, 1, 2, 3, 4])
        let records = try await shop.run("cat", "--partition", "order").objects
        #expect(records.first?["kind"] as? String == "store")
        let ranges = records.flatMap { $0["ranges"] as? [[String: any Sendable]] ?? [] }
        #expect(
            ranges.filter { $0["state"] as? String == "placed" }.reduce(0) { $0 + ($1["events"] as? Int ?? 0) } == 4)
        #expect(ranges.allSatisfy { $0["agrees"] as? Bool ?? true })
        #expect(try await shop.run("cat", "--partition", "order", "--from", "1", "--limit", "1").lines.count == 1)
        shop.cluster.close()
    }

    @Test func onePartitionHasAnOrder() async throws {
        let shop = try Shop(partitions: 1)
        let lines = (0..<20).map { #"{"stream":"Order-\#($0 % 3)","type":"t","data":\#($0)}"# }
        _ = try shop.tool.directory.file("lines", lines.joined(separator: "\n").utf8)
        let imported = try await shop.run("import", "lines")
        #expect(imported.code == 0, "\(imported.errors)")
        let exported = try await shop.run("export").objects
        #expect(exported.count == 20)
        #expect(try await shop.run("read-all", "--limit", "1").output.contains(#""position":0"#))
        let order = try #require(try await shop.run("order").objects.first)
        #expect(order["head"] as? Int == 21 && order["by"] as? String == "partition")
        #expect(try await shop.run("order", "--table").output.contains("its order is the global order"))
        #expect(try await shop.run("cat", "--partition", "order").code == 2)
        #expect(try await shop.run("order", "void", "--record", "1", "--partition", "0", "--yes").code == 3)
        shop.cluster.close()
    }

    @Test func theEnvironmentLeadsThere() async throws {
        let shop = try Shop(partitions: 1)
        let script =
            "export TRIBUTARY_KAFKA=\(shop.servers) TRIBUTARY_STORE=shop TRIBUTARY_KAFKA_CONFIG=kafka.properties "
            + #"TRIBUTARY_INDEX=index; "$0" --allow-unverified-topics "#
        let both = try await shop.tool.shell(script + "append a --type t --json 1")
        #expect(both.code == 2)
        #expect(both.errors.contains("TRIBUTARY_KAFKA and TRIBUTARY_DATA"))
        let appended = try await shop.tool.shell("unset TRIBUTARY_DATA; " + script + "append a --type t --json 1")
        #expect(appended.code == 0, "\(appended.errors)")
        #expect(try await shop.run("read", "a").lines.count == 1)
        #expect(!FileManager.default.fileExists(atPath: shop.tool.store))
        shop.cluster.close()
    }

    @Test func unreadableSettingsAreNotWrittenUnder() async throws {
        let shop = try Shop(partitions: 1)
        let refused = try await shop.tool.run(
            "append", "a", "--type", "t", "--json", "1", "--kafka", shop.servers, "--store", "shop")
        #expect(refused.code == 4)
        #expect(refused.output.isEmpty)
        shop.cluster.close()
    }
}

@Suite(.timeLimit(.minutes(3))) struct KafkaUsageTests {
    @Test(arguments: [
        ["read", "a", "--store", "s"], ["read", "a", "--data", "d", "--kafka", "h:1"],
        ["--kafka", "h:1", "read", "a", "--data", "d"], ["stats", "--kafka", "h:1", "--kafka-config", "none"],
        ["stats", "--kafka", "h:1", "--store", "a b"], ["create", "--partitions", "2"],
        ["create", "--replication", "2"],
        ["topics"], ["topics", "nonsense"], ["topics", "create"], ["topics", "check"], ["topics", "check", "x"],
        ["topics", "create", "--kafka", "h:1", "--partitions", "0"],
        ["topics", "create", "--kafka", "h:1", "--partitions", "100001"],
        ["topics", "create", "--kafka", "h:1", "--replication", "0"],
        ["topics", "check", "--kafka", "h:1", "--partitions", "1"], ["cat", "--partition", "-1"],
        ["cat", "--partition", "orders"], ["append", "a", "--type", "t", "--json", "1", "--acknowledge", "never"],
        ["import", "--acknowledge", "never"], ["order", "nonsense"], ["order", "void", "--record", "1", "--yes"],
        ["order", "void", "--partition", "1", "--yes"],
        ["order", "void", "--record", "-1", "--partition", "1", "--yes"],
    ])
    func badUsageIsRefused(_ arguments: [String]) async throws {
        let tool = try Tool()
        let outcome = try await tool.runAll(arguments)
        #expect(outcome.code == 2, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(isOneLine(outcome.errors), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: tool.store))
    }

    @Test func topicsHasHelp() async throws {
        let tool = try Tool()
        let help = try await tool.run("topics", "--help")
        #expect(help.code == 0)
        #expect(help.output.contains("topics create") && help.output.contains("topics check"))
    }

    /// Nobody listens at this port.
    @Test func noBrokerIsNoAnswer() async throws {
        let tool = try Tool()
        let outcome = try await tool.run("topics", "check", "--kafka", "127.0.0.1:1")
        #expect(outcome.code == 4)
        #expect(outcome.errors.contains("no Kafka broker answers at 127.0.0.1:1"), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count <= 3, "\(outcome.errors)")
    }
}
