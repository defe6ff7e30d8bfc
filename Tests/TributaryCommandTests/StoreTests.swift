import Foundation
import Testing

private let uuid = "0190a0b1-0000-7000-8000-00000000000"

@Suite(.timeLimit(.minutes(3))) struct StoreTests {
    @Test func createsOnce() async throws {
        let tool = try Tool()
        let first = try await tool.run("create")
        #expect(first.code == 0, "\(first.errors)")
        #expect(try first.objects.count == 1)
        let second = try await tool.run("create")
        #expect(second.code == 3)
        #expect(isOneLine(second.errors))
        #expect(try await tool.run("verify").code == 0)
    }

    @Test func appendsAndReads() async throws {
        let tool = try Tool()
        let append = try await tool.run(
            "append", "Order-1", "--type", "Placed", "--json", #"{ "item":"tea" }"#, "--expect", "no-stream",
            "--metadata", "[1]", "--id", uuid + "1", "--correlation-id", "c", "--causation-id", "", "--schema-version",
            "2")
        #expect(append.code == 0, "\(append.errors)")
        #expect(
            append.output.hasPrefix(
                #"{"stream":"Order-1","id":"\#(uuid)1","firstVersion":0,"lastVersion":0,"firstPosition":1,"#
                    + #""lastPosition":1,"repeat":false,"token":""#))
        let read = try await tool.run("read", "Order-1")
        #expect(read.code == 0)
        #expect(
            read.output.hasPrefix(
                #"{"stream":"Order-1","version":0,"position":1,"id":"\#(uuid)1","type":"Placed","data":{ "item":"tea" },"#
                    + #""contentType":"application/json","metadata":[1],"schemaVersion":2,"correlationId":"c","#
                    + #""causationId":"","created":"20"#))
        #expect(read.output.hasSuffix("Z\"}\n"))
        let bare = try await tool.run("append", "Order-1", "--type", "Paid", "--json", "null")
        #expect(bare.code == 0)
        let second = try await tool.run("read", "Order-1", "--from", "1")
        #expect(
            second.output.contains(
                #""type":"Paid","data":null,"contentType":"application/json","metadata":null,"schemaVersion":1,"#
                    + #""correlationId":null,"causationId":null,"created":""#))
    }

    @Test func refusesAConflictAndKnowsARepeat() async throws {
        let tool = try Tool()
        let arguments = ["append", "Order-1", "--type", "t", "--json", "1"]
        #expect(try await tool.runAll(arguments + ["--id", uuid + "1"]).code == 0)
        let repeated = try await tool.runAll(arguments + ["--id", uuid + "1"])
        #expect(repeated.code == 0)
        #expect(
            repeated.output.contains(
                #""firstVersion":0,"lastVersion":0,"firstPosition":1,"lastPosition":1,"repeat":true"#))
        for (expect, printed) in [("no-stream", #""no-stream""#), ("7", "7")] {
            let conflict = try await tool.runAll(arguments + ["--expect", expect])
            #expect(conflict.code == 3)
            #expect(conflict.output == #"{"stream":"Order-1","expected":\#(printed),"actual":0}"# + "\n")
            #expect(isOneLine(conflict.errors))
        }
        let missing = try await tool.run("append", "Order-2", "--type", "t", "--json", "1", "--expect", "exists")
        #expect(missing.code == 3)
        #expect(missing.output == #"{"stream":"Order-2","expected":"exists","actual":-1}"# + "\n")
        let others = [1, 9].map { #"{"type":"t","data":1,"id":"\#(uuid)\#($0)"}"# }
        let reused = try await tool.run("append", "Order-1", "--file", "-", input: others.joined(separator: "\n").utf8)
        #expect(reused.code == 3)
        #expect(reused.output.isEmpty)
        #expect(isOneLine(reused.errors))
        #expect(try await tool.run("read", "Order-1").lines.count == 1)
    }

    @Test func takesDataFromStandardInputByteForByte() async throws {
        let tool = try Tool()
        let all = (0...255).map { UInt8($0) }
        for (input, key, type) in [
            (Array(#"{"a":1}"#.utf8), #""data":{"a":1}"#, "application/json"),
            (Array("{\"a\":1}\n".utf8), #""dataBase64":"eyJhIjoxfQo=""#, "application/json"),
            (all, #""dataBase64":"\#(Data(all).base64EncodedString())""#, "application/octet-stream"),
            ([], #""dataBase64":"""#, "application/octet-stream"),
            (Array("plain".utf8), #""dataBase64":"cGxhaW4=""#, "application/octet-stream"),
        ] {
            #expect(try await tool.run("append", "S", "--type", "t", input: input).code == 0)
            let last = try await tool.run("read", "S", "--backward", "--limit", "1")
            #expect(last.output.contains(key + #","contentType":"\#(type)""#), "\(last.output)")
        }
        #expect(
            try await tool.run("append", "S", "--type", "t", "--content-type", "text/plain", input: Array("1".utf8))
                .code == 0)
        #expect(
            try await tool.run("read", "S", "--from", "5").output.contains(
                #""dataBase64":"MQ==","contentType":"text/plain""#))
    }

    @Test func appendsSeveralAtomically() async throws {
        let tool = try Tool()
        let good = (0..<3).map { #"{"stream":"S","type":"t\#($0)","data":\#($0),"id":"\#(uuid)\#($0)"}"# }
        let outcome = try await tool.run("append", "S", "--file", "-", input: (good.joined(separator: "\r\n\n")).utf8)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(
            outcome.output.contains(
                #""id":"\#(uuid)0","firstVersion":0,"lastVersion":2,"firstPosition":1,"lastPosition":3"#))
        for bad in [
            #"{"stream":"T","type":"t","data":1}"#, #"{"type":"t","data":1,"expect":"any"}"#, "nonsense",
            #"{"data":1}"#,
        ] {
            let file = try tool.directory.file("bad", (#"{"type":"t","data":1}"# + "\n" + bad).utf8)
            let refused = try await tool.run("append", "S", "--file", file)
            #expect(refused.code == 2)
            #expect(refused.errors.hasPrefix("tributary: line 2: "), "\(refused.errors)")
        }
        #expect(try await tool.run("read", "S").lines.count == 3)
    }

    @Test func readsForwardAndBackward() async throws {
        let tool = try Tool()
        let lines = (0..<10).map { #"{"stream":"\#($0 % 2 == 0 ? "A-1" : "B-1")","type":"t\#($0 % 3)","data":\#($0)}"# }
        #expect(try await tool.run("import", input: lines.joined(separator: "\n").utf8).code == 0)
        func data(_ arguments: String...) async throws -> [Int] {
            let outcome = try await tool.runAll(arguments)
            #expect(outcome.code == 0, "\(outcome.errors)")
            return try outcome.objects.compactMap { $0["data"] as? Int }
        }
        #expect(try await data("read", "A-1") == [0, 2, 4, 6, 8])
        #expect(try await data("read", "A-1", "--from", "1", "--limit", "2") == [2, 4])
        #expect(try await data("read", "A-1", "--backward", "--limit", "2") == [8, 6])
        #expect(try await data("read", "A-1", "--backward", "--from", "1") == [2, 0])
        #expect(try await data("read", "A-1", "--from", "5") == [])
        #expect(try await data("read-all", "--from", "1") == Array(0..<10))
        #expect(try await data("read-all", "--from", "4", "--limit", "2") == [3, 4])
        #expect(try await data("read-all", "--backward", "--limit", "3") == [9, 8, 7])
        #expect(try await data("read-all", "--category", "B") == [1, 3, 5, 7, 9])
        #expect(try await data("read-all", "--category", "none") == [])
        #expect(try await data("read-all", "--type", "t1") == [1, 4, 7])
        #expect(try await data("read-all", "-t", "t1", "-t", "t2", "--category", "A") == [2, 4, 8])
        #expect(try await tool.run("read", "C").code == 5)
        #expect(try await tool.run("read", "$store").code == 0)
        #expect(
            try await tool.run("read-all", "--limit", "1").output.contains(
                #""stream":"$store","version":0,"position":0"#))
    }

    @Test func listsStreams() async throws {
        let tool = try Tool()
        let names = ["b", "a-2", "a-1", "a-1", "a-1", "b"]
        let lines = names.map { #"{"stream":"\#($0)","type":"t","data":1}"# }
        #expect(try await tool.run("import", input: lines.joined(separator: "\n").utf8).code == 0)
        let all = try await tool.run("streams")
        #expect(
            all.lines == [
                #"{"stream":"a-1","events":3,"currentVersion":2,"firstVersion":0,"state":"live"}"#,
                #"{"stream":"a-2","events":1,"currentVersion":0,"firstVersion":0,"state":"live"}"#,
                #"{"stream":"b","events":2,"currentVersion":1,"firstVersion":0,"state":"live"}"#,
            ])
        func listed(_ arguments: String...) async throws -> [String] {
            try await tool.runAll(["streams"] + arguments).objects.compactMap { $0["stream"] as? String }
        }
        #expect(try await listed("--prefix", "a") == ["a-1", "a-2"])
        #expect(try await listed("--after", "a-1") == ["a-2", "b"])
        #expect(try await listed("--limit", "1") == ["a-1"])
        #expect(try await listed("--sort", "events") == ["a-1", "b", "a-2"])
        #expect(try await listed("--sort", "events", "--limit", "1", "--prefix", "b") == ["b"])
        #expect(try await listed("--prefix", "none") == [])
        #expect(try await listed("--prefix", "$") == ["$store"])
    }

    @Test func showsStatisticsAndRecordsAndVerifies() async throws {
        let tool = try Tool()
        for _ in 0..<3 { #expect(try await tool.run("append", "S", "--type", "t", "--json", "1").code == 0) }
        let stats = try #require(try await tool.run("stats").objects.first)
        #expect(
            Set(stats.keys) == [
                "store", "location", "events", "streams", "logBytes", "indexBytes", "partitions", "order",
            ])
        let verify = try await tool.run("verify")
        #expect(verify.code == 0, "\(verify.errors)")
        let report = try #require(try verify.objects.first)
        #expect((report["problems"] as? [any Sendable])?.isEmpty == true)
        let before = try #require((report["partitions"] as? [[String: any Sendable]])?.first?["digest"] as? String)
        let rebuilt = try await tool.run("rebuild-index")
        #expect(rebuilt.code == 0, "\(rebuilt.errors)")
        #expect(try #require(try rebuilt.objects.first)["digests"] as? [String] == [before])
        let records = try await tool.run("cat")
        #expect(records.code == 0)
        #expect(try records.objects.count == 4)
        #expect(try records.objects.map { $0["offset"] as? Int } == [0, 1, 2, 3])
        #expect(try await tool.run("cat", "--from", "1", "--limit", "2").lines.count == 2)
    }
}
