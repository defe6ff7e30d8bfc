import Foundation
import GlobalOrder
import KafkaBrokers
import StreamIndex
import Synchronization
import Testing
import Tributary
import TributaryKafka

@testable import TributaryCommand

@Suite(.timeLimit(.minutes(3)), .serialized) struct OrderCommandTests {
    /// Works on the shop's store as a program does, as another node than the command's.
    private func asProgram(
        _ shop: Shop, index: String? = nil, _ adjust: @escaping @Sendable (inout IndexSource) -> Void,
        _ body: (EventStore) async throws -> Void
    ) async throws {
        var location = shop.location
        location.index = index.map { shop.tool.directory.path + "/" + $0 }
        var options = StoreOptions()
        options.adjustSource = adjust
        let store = try await EventStore.open(.kafka(location), options: options)
        do {
            try await body(store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    private func event() -> NewEvent { NewEvent(type: "t", data: Array("1".utf8)) }

    /// Five ordered events, then one that a false order record speaks of.
    private func makeFault(_ shop: Shop) async throws {
        let isWrong = Mutex(false)
        let wrong: @Sendable (OrderRange) -> OrderRange = { range in
            guard isWrong.withLock({ $0 }), range.content.events > 0 else { return range }
            var range = range
            range.content.events += 1
            return range
        }
        try await asProgram(shop) {
            $0.distortOrder = wrong
        } _: { store in
            for number in 0..<5 {
                try await store.append(event(), to: try StreamName("Order-\(number)"), acknowledge: .ordered)
            }
            isWrong.withLock { $0 = true }
            let done = try await store.append(
                event(), to: try StreamName("Order-1"), acknowledge: .ordered, deadline: .seconds(3))
            #expect(done.positions == nil)
        }
    }

    @Test func statusAndTable() async throws {
        let shop = try Shop(partitions: 3)
        #expect(try await shop.run("append", "Order-1", "--type", "t", "--json", "1").code == 0)
        let outcome = try await shop.run("order")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let order = try #require(try outcome.objects.first)
        #expect(order["head"] as? Int == 2 && order["lag"] as? Int == 0)
        let partitions = try #require(order["partitions"] as? [[String: any Sendable]])
        #expect(partitions.map { $0["partition"] as? Int } == [0, 1, 2])
        #expect(partitions.contains { $0["proposer"] is String })
        #expect(UUID(uuidString: order["node"] as? String ?? "") != nil)
        let table = try await shop.run("order", "--table").lines
        #expect(table.first == "next position 2, 0 accepted events without one yet")
        #expect(table.contains { $0.contains("partition  applied up to  ordered up to  lag") })
        shop.cluster.close()
    }

    /// The whole way: seen, described, asked, declined, declared void.
    @Test func aFalseRecordIsShownAndDeclaredVoid() async throws {
        let shop = try Shop(partitions: 3)
        try await makeFault(shop)
        let shown = try await shop.run("order")
        #expect(shown.code == 4)
        #expect(shown.errors.contains("tributary order void --record "), "\(shown.errors)")
        let fault = try #require(try shown.objects.first?["fault"] as? [String: any Sendable])
        let record = "\(try #require(fault["record"] as? Int))"
        let partition = "\(try #require(fault["partition"] as? Int))"
        let message = try #require(fault["message"] as? String)
        #expect(message.contains("order record \(record)"))
        #expect(try await shop.run("verify").code == 4)
        #expect(try await shop.run("stats").output.contains(#""head":6"#))
        // What is before it is exported, and the rest is not left out silently.
        let export = try await shop.run("export")
        #expect(export.code == 4 && export.lines.count == 5, "\(export.errors)")
        #expect(export.errors.contains("order record \(record)"), "\(export.errors)")
        // Appends go on.
        let append = try await shop.run("append", "Order-3", "--type", "t", "--json", "1")
        #expect(append.code == 0 && append.output.contains(#""firstPosition":null"#), "\(append.errors)")
        #expect(append.errors.contains("not waiting for positions"), "\(append.errors)")
        let raw = try await shop.run("cat", "--partition", "order", "--from", record, "--limit", "1")
        #expect(raw.output.contains(#""state":"placed","firstPosition":6,"agrees":false"#), "\(raw.output)")

        let nobody = try await shop.run("order", "void", "--record", record, "--partition", partition)
        #expect(nobody.code == 2 && nobody.errors.contains("--yes"), "\(nobody.errors)")
        for answer in ["no\n", "\u{4}"] {
            let declined = try await shop.runAtTerminal(
                "order", "void", "--record", record, "--partition", partition, typing: answer)
            #expect(declined.code == 3 && declined.output.isEmpty, "\(declined.errors)")
            for words in [
                "2 events", "this node decided: 1 event", "type the store's name, shop", "nothing was written",
            ] {
                #expect(declined.errors.contains(words), "\(declined.errors)")
            }
        }
        #expect(try await shop.run("order").code == 4)
        let done = try await shop.runAtTerminal(
            "order", "void", "--record", record, "--partition", partition, typing: "shop\n")
        #expect(done.code == 0, "\(done.errors)")
        #expect(done.output == #"{"record":\#(record),"partition":\#(partition),"firstPosition":6}"# + "\n")
        let again = try await shop.run("order", "void", "--record", record, "--partition", partition, "--yes")
        #expect(again.code == 3 && isOneLine(again.errors) && again.errors.contains("already"), "\(again.errors)")

        #expect(try await shop.run("read-all").objects.compactMap { $0["position"] as? Int } == Array(0...7))
        #expect(try await shop.run("order", index: "another").code == 0)
        #expect(try await shop.run("verify").code == 0)
        #expect(try await shop.run("cat", "--partition", "order").output.contains(#""tookEffect":true"#))
        shop.cluster.close()
    }

    /// Offline nobody orders: what has no position is not left out silently.
    @Test func anExportSaysWhatItLeavesOut() async throws {
        let shop = try Shop(partitions: 3)
        #expect(try await shop.run("append", "Order-1", "--type", "t", "--json", "1").code == 0)
        try await asProgram(shop, index: "index") { source in
            source.orderTiming = ProposerTiming(takeOverDelay: 3_600_000_000_000)
            source.distortOrder = { range in
                // Nothing that this node proposes counts.
                OrderRange(
                    partition: range.partition, first: range.first + 1_000, last: range.last + 1_000,
                    content: RangeContent(events: 0, empty: Array(range.first + 1_000...range.last + 1_000)))
            }
        } _: { store in
            for number in 0..<2 { try await store.append(event(), to: try StreamName("Order-\(number)")) }
        }
        let export = try await shop.run("export", "--offline")
        #expect(export.code == 4 && export.lines.count == 1, "\(export.errors)")
        #expect(
            export.errors.contains("the export is incomplete: 2 accepted events are not ordered"), "\(export.errors)")
        let read = try await shop.run("read-all", "--offline")
        #expect(read.code == 0 && read.lines.count == 2, "\(read.errors)")
        #expect(read.errors.contains("2 accepted events"), "\(read.errors)")
        #expect(try await shop.run("order", "--offline").output.contains(#""head":2,"lag":2"#))
        // Kafka at hand, they are ordered first.
        let whole = try await shop.run("export")
        #expect(whole.code == 0 && whole.lines.count == 3, "\(whole.errors)")
        #expect(try await shop.run("export", "--offline").code == 0)
        shop.cluster.close()
    }
}

@Suite(.timeLimit(.minutes(3)), .serialized, .enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"))
struct ExportTests {
    /// The lines of each stream, in their order.
    private func streams(_ exported: Tool.Outcome) throws -> [String: [String]] {
        var streams: [String: [String]] = [:]
        for (object, line) in zip(try exported.objects, exported.lines) {
            streams[try #require(object["stream"] as? String), default: []].append(line)
        }
        return streams
    }

    /// From four partitions to one and back to four: every stream is as it was.
    @Test func roundTripKeepsEveryStream() async throws {
        let tool = try Tool()
        let servers = try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try RealBroker.current.start() }) }.start()
        }
        func store(_ name: String) -> [String] {
            [
                "--kafka", servers, "--store", "\(name)-\(tool.directory.path.suffix(8).filter(\.isLetter))", "--index",
                name,
            ]
        }
        let lines = (0..<60).map { number in
            #"{"stream":"Order-\#(number * 7 % 11)","type":"T\#(number % 3)","data":{"n":\#(number)}}"#
        }
        _ = try tool.directory.file("first", lines.joined(separator: "\n").utf8)
        var before: [String: [String]] = [:]
        var from = "first"
        for (step, partitions) in [4, 1, 4].enumerated() {
            let place = store("step\(step)")
            let created = try await tool.runAll(place + ["create", "--partitions", "\(partitions)"])
            #expect(created.code == 0, "\(created.errors)")
            let imported = try await tool.runAll(place + ["import", from, "--acknowledge", "ordered"])
            #expect(imported.code == 0, "\(imported.errors)")
            #expect(try imported.objects.first?["stored"] as? Int == 60)
            let exported = try await tool.runAll(place + ["export"])
            #expect(exported.code == 0 && exported.lines.count == 60, "\(exported.errors)")
            let found = try streams(exported)
            #expect(found.count == 11)
            if step > 0 { #expect(found == before) }
            before = found
            from = "export\(step)"
            _ = try tool.directory.file(from, exported.output.utf8)
            let positions = try await tool.runAll(place + ["read-all"]).objects.map { $0["position"] as? Int }
            #expect(positions == Array(0...60))
            #expect(try await tool.runAll(place + ["verify"]).code == 0)
        }
    }
}
