import Foundation
import Testing

@testable import TributaryCommand

/// One line that begins with the command's name.
func isOneLine(_ errors: String) -> Bool {
    errors.hasPrefix("tributary: ") && errors.hasSuffix("\n") && errors.filter { $0 == "\n" }.count == 1
}

@Suite(.timeLimit(.minutes(3))) struct UsageTests {
    @Test func everyCommandHasHelp() async throws {
        let tool = try Tool()
        let overview = try await tool.run("--help")
        #expect(overview.code == 0)
        #expect(overview.errors.isEmpty)
        for command in commands {
            #expect(overview.output.contains(command.name))
            let help = try await tool.run(command.name, "--help")
            #expect(help.code == 0)
            #expect(help.output.hasPrefix("Usage: tributary \(command.name) "))
            #expect(help.errors.isEmpty)
        }
        let version = try await tool.run("--version")
        #expect(version.code == 0)
        #expect(version.output == "tributary \(Main.version)\n")
    }

    @Test(arguments: [
        [], ["nonsense"], ["--nonsense"], ["read"], ["read", ""], ["read", "a", "b"], ["read", "a", "--from", "-1"],
        ["read", "a", "--from", "x"], ["read", "a", "--limit", "0"], ["read", "a", "--limit", "9223372036854775808"],
        ["read", "a", "--limit"], ["read", "a", "--nonsense"], ["read-all", "--from", "-1"], ["read-all", "a"],
        ["append"], ["append", "a"], ["append", "a", "--type"], ["append", "a", "--type", "t", "--json", "{"],
        ["append", "a", "--type", "t", "--json", "1 2"], ["append", "a", "--type", "t", "--json", ""],
        ["append", "a", "--type", "t", "--json", "1", "--metadata", "x"],
        ["append", "a", "--type", "t", "--json", "1", "--expect", "-1"],
        ["append", "a", "--type", "t", "--json", "1", "--expect", "some"],
        ["append", "a", "--type", "t", "--json", "1", "--expect", "9223372036854775808"],
        ["append", "a", "--type", "t", "--json", "1", "--id", "1"],
        ["append", "a", "--type", "t", "--json", "1", "--schema-version", "0"],
        ["append", "a", "--type", "t", "--json", "1", "--schema-version", "4294967296"],
        ["append", "a", "--type", "t", "--json", "1", "--content-type", "text/plain"],
        ["append", "", "--type", "t", "--json", "1"], ["append", "a", "--file", "/nonexistent"],
        ["append", "a", "--file", "-", "--type", "t"], ["append", "a", "--file", "-"],
        ["import", "/nonexistent"], ["import", "--on-error", "ignore"], ["import", "a", "b"], ["export", "a"],
        ["streams", "--sort", "size"], ["streams", "--sort", "events", "--after", "a"], ["streams", "--after", ""],
        ["create", "a"], ["stats", "--from", "1"], ["cat", "--from", "-1"], ["read", "a", "--data", ""],
    ])
    func badUsageMakesNothing(_ arguments: [String]) async throws {
        let tool = try Tool()
        let outcome = try await tool.runAll(arguments)
        #expect(outcome.code == 2, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(isOneLine(outcome.errors), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: tool.store))
    }

    @Test func bytesThatAreNotTextAreRefused() async throws {
        let tool = try Tool()
        for script in [
            #""$0" append "$(printf 'a\377')" --type t --json 1"#, #""$0" append a --type "$(printf '\377')" --json 1"#,
            #""$0" append a --type t --json "$(printf '"\377"')""#, #""$0" read "$(printf '\377')""#,
            #""$0" streams --prefix "$(printf '\377')""#,
        ] {
            let outcome = try await tool.shell(script)
            #expect(outcome.code == 2, "\(script)")
            #expect(isOneLine(outcome.errors))
        }
        #expect(!FileManager.default.fileExists(atPath: tool.store))
    }

    @Test(arguments: [
        ["read", "a"], ["read-all"], ["export"], ["streams"], ["stats"], ["verify"], ["rebuild-index"], ["cat"],
    ])
    func onlyThreeCommandsMakeAStore(_ arguments: [String]) async throws {
        let tool = try Tool()
        let outcome = try await tool.runAll(arguments)
        #expect(outcome.code == 4, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(isOneLine(outcome.errors), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: tool.store))
    }

    @Test func helpToAClosedPipeAndAFullDevice() async throws {
        let tool = try Tool()
        let closed = try await tool.shell(#"{ "$0" --help; echo $? >code; } | true; cat code"#)
        #expect(closed.output == "0\n")
        #expect(closed.errors.isEmpty)
        let full = try await tool.shell(#""$0" --help >/dev/full"#)
        #expect(full.code == 1)
        #expect(isOneLine(full.errors))
    }
}

extension Tool {
    func runAll(_ arguments: [String]) async throws -> Outcome {
        let words = arguments.map { "'" + $0.replacingOccurrences(of: "'", with: #"'\''"#) + "'" }
        return try await shell("\"$0\" " + words.joined(separator: " ") + " </dev/null")
    }
}
