import Foundation
import KafkaBrokers
import Testing
import Tributary
import TributaryKafka

@testable import TributaryCommand

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
private let consumer = root.appendingPathComponent("Docs/consumer.py").path

private let hasPython: Bool = {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", "pass"]
    process.standardError = FileHandle.nullDevice
    let runs = (try? process.run()) != nil
    if runs { process.waitUntilExit() }
    if runs && process.terminationStatus == 0 { return true }
    print("SKIPPED: there is no python3, so the page for consumers in other languages is not tried")
    return false
}()

/// The page for consumers in other languages is enough to tell accepted from rejected: a program that was written from
/// it alone decides as the store does.
@Suite(.timeLimit(.minutes(3)), .enabled(if: hasPython, "there is no python3")) struct ConsumerTests {
    /// The golden log has every kind of decision.
    @Test func decidesAsTheGoldenLog() async throws {
        let log = root.appendingPathComponent("Tests/AppendRuleTests/Golden/rule-1.log").path
        let outcome = try await Tool().shell("python3 '\(consumer)' --golden '\(log)'")
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.hasPrefix("3101 records of 19 kinds of decision, 0 differences"), "\(outcome.output)")
    }

    @Test func thePagesExampleIsTrue() async throws {
        let tool = try Tool()
        let page = try String(contentsOf: root.appendingPathComponent("Docs/consumers.md"), encoding: .utf8)
        let lines = page.split(separator: "\n").filter { $0.hasPrefix(#"{"partition""#) }
        #expect(lines.count == 4)
        let file = try tool.directory.file("records", (lines.joined(separator: "\n") + "\n").utf8)
        let compared = try await tool.shell("python3 '\(consumer)' --compare <'\(file)'")
        #expect(compared.output == "4 records, 0 differences\n", "\(compared.output)\(compared.errors)")
        let events = try await tool.shell("python3 '\(consumer)' <'\(file)'")
        #expect(events.lines.count == 2)
        for line in events.lines { #expect(page.contains("    \(line)\n")) }
        // The bytes shown are those of the second record.
        let dump = page.split(separator: "\n").filter {
            $0.prefix(8).allSatisfy(\.isHexDigit) && $0.dropFirst(8).first == ":"
        }
        let digits = dump.map { $0.dropFirst(10).prefix(39).filter { !$0.isWhitespace } }.joined()
        let record = try JSONSerialization.jsonObject(with: Data(lines[1].utf8)) as? [String: Any]
        let value = try #require((record?["valueBase64"] as? String).flatMap { Data(base64Encoded: $0) })
        #expect(digits == value.map { String(format: "%02x", $0) }.joined())
    }

    /// Three nodes race on few streams, and repeat what they wrote.
    @Test func decidesAsAStoreWithConflictsAndRepeats() async throws {
        let shop = try Shop(partitions: 2)
        var location = shop.location
        location.index = nil
        let place = location
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in 0..<3 {
                group.addTask {
                    let store = try await EventStore.open(.kafka(place))
                    for round in 0..<40 {
                        let stream = try StreamName("Order-\(round % 3)")
                        let id = UUID(
                            uuidString:
                                "0190a0b1-0000-7000-8000-0000000000\(round % 2 == 0 ? "" : "0")\(10 + round % 10)")
                        let event = NewEvent(type: "t", data: Array("\(node)".utf8), id: round % 5 == 0 ? id : nil)
                        let expected: [ExpectedVersion] = [
                            .any, .noStream, .streamExists, .version(Int64(round / 3)), .any,
                        ]
                        _ = try? await store.append([event], to: stream, expecting: expected[round % 5])
                    }
                    await store.close()
                }
            }
            try await group.waitForAll()
        }
        let compared = try await shop.shell("cat | python3 '\(consumer)' --compare")
        #expect(compared.code == 0, "\(compared.output)\(compared.errors)")
        #expect(compared.output.hasSuffix(" records, 0 differences\n"), "\(compared.output)")
        let records = try await shop.run("cat").objects
        let decisions = Set(records.compactMap { $0["decision"] as? String })
        #expect(decisions.isSuperset(of: ["accepted", "conflict", "identity"]), "\(decisions)")
        let events = try await shop.shell("cat | python3 '\(consumer)'")
        #expect(events.lines.count == records.count { $0["decision"] as? String == "accepted" })
        shop.cluster.close()
    }
}
