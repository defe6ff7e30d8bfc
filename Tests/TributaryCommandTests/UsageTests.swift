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
            let help = try await tool.runAll(command.words.map(String.init) + ["--help"])
            #expect(help.code == 0)
            #expect(help.output.hasPrefix("Usage: tributary \(command.name) "))
            #expect(help.errors.isEmpty)
        }
        let version = try await tool.run("--version")
        #expect(version.code == 0)
        #expect(version.output == "tributary \(Main.version)\n")
    }

    @Test(arguments: ["import", "export"]) func helpSaysWhatAnIDNames(_ command: String) async throws {
        let tool = try Tool()
        let help = try await tool.run(command, "--help").output.replacingOccurrences(of: "\n", with: " ")
        for text in [
            "Only the first id of an append names it", "are not stored again", "are stored again",
            "The order of events of different streams may be another after an import",
        ] {
            #expect(help.contains(text), "\(text)")
        }
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
        ["append", "a", "--type", "t", "--json", "1", "--expect", "9223372036854775807"],
        ["append", "$x", "--type", "t", "--json", "1"], ["append", "a", "--type", "", "--json", "1"],
        ["append", "a", "--type", String(repeating: "t", count: 257), "--json", "1"],
        ["append", "a", "--type", "t\u{85}", "--json", "1"],
        ["append", "a", "--type", "t", "--json", "1", "--content-type", ""],
        ["append", "a", "--type", "t", "--json", "1", "--content-type", String(repeating: "c", count: 129)],
        ["append", "a", "--type", "t", "--json", "1", "--correlation-id", String(repeating: "c", count: 129)],
        ["append", "a", "--type", "t", "--json", "1", "--causation-id", "\u{1}"],
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

    @Test(arguments: [
        (["--json", "1", "--expect", "9223372036854775807"], "at most 9223372036854775806"),
        (["--json", String(repeating: "[", count: 513)], "nested deeper than 512 levels"),
        (["--json", "1", "--metadata", String(repeating: "[", count: 513)], "nested deeper than 512 levels"),
        (["--json", "1", "--content-type", ""], "must not be empty"),
        (["--json", "1", "--content-type", String(repeating: "c", count: 129)], "at most 128 bytes"),
    ])
    func theMessageSaysTheLimit(_ options: [String], _ limit: String) async throws {
        let tool = try Tool()
        let outcome = try await tool.runAll(["append", "a", "--type", "t"] + options)
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains(limit), "\(outcome.errors)")
        #expect(!outcome.errors.contains("standard input"))
    }

    @Test func anAppendThatIsTooLargeMakesNothing() async throws {
        let tool = try Tool()
        let large = [UInt8](repeating: 0x78, count: 1 + 1 << 20)
        #expect(try await tool.run("append", "a", "--type", "t", input: large).code == 2)
        let lines = String(repeating: #"{"type":"t","data":1}"# + "\n", count: 1_001)
        #expect(try await tool.run("append", "a", "--file", "-", input: lines.utf8).code == 2)
        #expect(!FileManager.default.fileExists(atPath: tool.store))
    }

    @Test func aDirectoryOfTheEnvironmentIsText() async throws {
        let tool = try Tool()
        let outcome = try await tool.shell(#"TRIBUTARY_DATA="$(printf 'a\377')" "$0" create"#)
        #expect(outcome.code == 2)
        #expect(outcome.errors == "tributary: TRIBUTARY_DATA is not valid UTF-8\n")
        #expect(try await tool.shell(#"TRIBUTARY_DATA="$(printf 'a\377')" "$0" create --data "$PWD/b""#).code == 0)
    }

    @Test func closedStandardStreamsTakeNothingFromTheStore() async throws {
        let tool = try Tool()
        let script = #""$0" append a --type t --json 1 <&- >&- 2>&-; echo $?; "$0" nonsense 2>&-; echo $?"#
        #expect(try await tool.shell(script).output == "0\n2\n")
        let empty = try await tool.shell(#""$0" append a --type t <&-"#)
        #expect(empty.code == 0, "\(empty.errors)")
        #expect(try await tool.run("read", "a").objects.compactMap { $0["dataBase64"] as? String } == [""])
        #expect(try await tool.run("verify").code == 0)
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
