import Foundation
import Testing

private let everyCommand: [[String]] = [
    ["create"], ["append", "a", "--type", "t", "--json", "1"], ["import", "/dev/null"], ["read", "a"], ["read-all"],
    ["export"], ["streams"], ["stats"], ["verify"], ["rebuild-index"], ["cat"],
]

@Suite(.timeLimit(.minutes(3))) struct BadStoreTests {
    @Test func aStrangersDirectoryIsLeftAlone() async throws {
        let tool = try Tool()
        try FileManager.default.createDirectory(atPath: tool.store, withIntermediateDirectories: false)
        let diary = tool.store + "/diary.txt"
        try Data("mine".utf8).write(to: URL(fileURLWithPath: diary))
        for arguments in everyCommand {
            let outcome = try await tool.runAll(arguments)
            #expect(outcome.code == 4, "\(arguments): \(outcome.errors)")
            #expect(outcome.output.isEmpty)
            #expect(isOneLine(outcome.errors))
            #expect(try FileManager.default.contentsOfDirectory(atPath: tool.store) == ["diary.txt"])
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: diary)) == Data("mine".utf8))
    }

    @Test func aFileInPlaceOfADirectoryIsLeftAlone() async throws {
        let tool = try Tool()
        _ = try tool.directory.file("store", "mine".utf8)
        for arguments in everyCommand {
            let outcome = try await tool.runAll(arguments)
            #expect(outcome.code == 4, "\(arguments): \(outcome.errors)")
            #expect(isOneLine(outcome.errors))
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: tool.store)) == Data("mine".utf8))
    }

    @Test func anUnfinishedCreationIsCompletedByCreateOnly() async throws {
        let tool = try Tool()
        try FileManager.default.createDirectory(atPath: tool.store + "/log", withIntermediateDirectories: true)
        for arguments in everyCommand.dropFirst() {
            let outcome = try await tool.runAll(arguments)
            #expect(outcome.code == 4, "\(arguments): \(outcome.errors)")
            #expect(isOneLine(outcome.errors))
            #expect(outcome.errors.contains("create"))
        }
        #expect(try await tool.run("create").code == 0)
        #expect(try await tool.run("append", "a", "--type", "t", "--json", "1").code == 0)
    }

    @Test func aNewerFormatIsLeftAlone() async throws {
        let tool = try Tool()
        #expect(try await tool.run("create").code == 0)
        let format = URL(fileURLWithPath: tool.store + "/format")
        let current = try String(contentsOf: format, encoding: .utf8)
        let newer = current.replacingOccurrences(of: "format 1\n", with: "format 2\n")
        #expect(newer != current)
        try Data(newer.utf8).write(to: format)
        for arguments in everyCommand.dropFirst() {
            let outcome = try await tool.runAll(arguments)
            #expect(outcome.code == 4, "\(arguments): \(outcome.errors)")
            #expect(isOneLine(outcome.errors))
            #expect(outcome.errors.contains("newer"), "\(outcome.errors)")
        }
        try Data(current.utf8).write(to: format)
        #expect(try await tool.run("verify").code == 0)
    }

    @Test func damageIsSaid() async throws {
        let tool = try Tool()
        let line = #"{"stream":"S","type":"t","data":"find me"}"# + "\n"
        #expect(try await tool.run("import", input: String(repeating: line, count: 10).utf8).code == 0)
        let segment = URL(fileURLWithPath: tool.store + "/log/0000000000.seg")
        var bytes = try Data(contentsOf: segment)
        let place = try #require(bytes.range(of: Data("find me".utf8))).lowerBound
        bytes[place] ^= 1
        try bytes.write(to: segment)
        for arguments in [["verify"], ["rebuild-index"], ["read", "S"], ["export"]] {
            let outcome = try await tool.runAll(arguments)
            #expect(outcome.code == 4, "\(arguments): \(outcome.errors)")
            #expect(!outcome.errors.isEmpty)
        }
    }

    @Test(.enabled(if: geteuid() != 0, "root may do everything"))
    func noPermissionIsSaid() async throws {
        let tool = try Tool()
        #expect(try await tool.run("create").code == 0)
        #expect(chmod(tool.store, 0) == 0)
        for arguments in everyCommand {
            let outcome = try await tool.runAll(arguments)
            #expect(outcome.code == 4, "\(arguments): \(outcome.errors)")
            #expect(isOneLine(outcome.errors))
        }
        #expect(chmod(tool.store, 0o700) == 0)
        #expect(try await tool.run("verify").code == 0)
    }

    @Test func badInputLeavesTheStoreAsItWas() async throws {
        let tool = try Tool()
        #expect(try await tool.run("append", "S", "--type", "t", "--json", "1").code == 0)
        let before = try await tool.run("cat").output
        let long = String(repeating: "s", count: 1_025)
        for arguments in [
            ["append", long, "--type", "t", "--json", "1"], ["append", "a\nb", "--type", "t", "--json", "1"],
            ["append", "a\u{85}", "--type", "t", "--json", "1"], ["append", "$a", "--type", "t", "--json", "1"],
            ["append", "a", "--type", "", "--json", "1"], ["append", "a", "--type", "a\u{7f}", "--json", "1"],
            ["append", "a", "--type", String(repeating: "t", count: 257), "--json", "1"],
            ["append", "a", "--type", "t", "--json", "1", "--content-type", "application/" + long + "+json"],
            ["append", "a", "--type", "t", "--json", "1", "--correlation-id", String(repeating: "c", count: 129)],
            ["append", "a", "--type", "t", "--json", "1", "--causation-id", "\u{1}"], ["read", long],
            ["read", "\u{1}"],
        ] {
            let outcome = try await tool.runAll(arguments)
            #expect(outcome.code == 2, "\(arguments): \(outcome.errors)")
            #expect(isOneLine(outcome.errors), "\(outcome.errors)")
        }
        let large = [UInt8](repeating: 0x78, count: 1 << 20)
        #expect(try await tool.run("append", "a", "--type", "t", input: large).code == 2)
        #expect(try await tool.run("append", "a", "--type", "t", input: large + large + large).code == 2)
        let line = #"{"type":"t","data":1}"# + "\n"
        let many = String(repeating: line, count: 1_001)
        #expect(try await tool.run("append", "a", "--file", "-", input: many.utf8).code == 2)
        let half = #"{"type":"t","data":"\#(String(repeating: "x", count: 600_000))"}"# + "\n"
        #expect(try await tool.run("append", "a", "--file", "-", input: (half + half).utf8).code == 2)
        #expect(try await tool.run("cat").output == before)
        #expect(try await tool.run("verify").code == 0)
        let most = String(repeating: line, count: 1_000)
        #expect(try await tool.run("append", "a", "--file", "-", input: most.utf8).code == 0)
    }
}
