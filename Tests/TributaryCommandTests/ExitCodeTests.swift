import Foundation
import Testing

@testable import TributaryCommand

/// What the command ends with where nobody reads its output.
@Suite(.timeLimit(.minutes(3))) struct ExitCodeTests {
    /// The exit code of a command line whose output is a pipe that was closed.
    private func code(_ tool: Tool, _ commandLine: String) async throws -> Int32? {
        let outcome = try await tool.shell(
            #"{ while [ ! -e closed ]; do :; done; "$0" \#(commandLine); echo $? >code; } | { exec <&-; : >closed; }; "#
                + "cat code; rm closed code")
        return Int32(outcome.output.dropLast())
    }

    @Test func aClosedPipeDoesNotHideARefusal() async throws {
        let tool = try Tool()
        #expect(try await code(tool, "append a --type t --json 1") == 0)
        #expect(try await code(tool, "append a --type t --json 1 --expect 99") == 3)
        _ = try tool.directory.file("bad", "nonsense\n".utf8)
        _ = try tool.directory.file("refused", #"{"stream":"a","type":"t","data":1,"expect":99}"#.utf8)
        _ = try tool.directory.file("good", #"{"stream":"a","type":"t","data":1}"#.utf8)
        #expect(try await code(tool, "import bad") == 2)
        #expect(try await code(tool, "import refused") == 3)
        #expect(try await code(tool, "import good") == 0)
        #expect(try await code(tool, "verify") == 0)
        #expect(try await code(tool, "read a") == 0)
        #expect(try await tool.run("read", "a").lines.count == 2)
    }

    @Test func aFullDeviceDoesNotHideAnOutcome() async throws {
        let tool = try Tool()
        let id = "0190a0b1-0000-7000-8000-000000000001"
        let stored = try await tool.shell(#""$0" append a --type t --json 1 --id \#(id) >/dev/full"#)
        #expect(stored.code == 1)
        #expect(isOneLine(stored.errors))
        #expect(stored.errors.contains("stored") && stored.errors.contains(id), "\(stored.errors)")
        #expect(try await tool.run("read", "a").lines.count == 1)
        let refused = try await tool.shell(#""$0" append a --type t --json 1 --expect 99 >/dev/full"#)
        #expect(refused.code == 3)
        let imported = try await tool.shell(
            #"echo '{"stream":"a","type":"t","data":1}' | "$0" import >/dev/full"#)
        #expect(imported.code == 1)
        #expect(isOneLine(imported.errors))
    }

    /// The log takes half a megabyte and then no more.
    @Test(arguments: ["cat", "true"]) func linesOfUnknownOutcomeAreCounted(_ reader: String) async throws {
        let tool = try Tool()
        #expect(try await tool.run("create").code == 0)
        let line = #"{"stream":"S","type":"t","data":"\#(String(repeating: "x", count: 1_000))"}"# + "\n"
        _ = try tool.directory.file("lines", String(repeating: line, count: 3_000).utf8)
        let outcome = try await tool.shell(
            #"trap "" XFSZ; { (ulimit -f 1000; "$0" import lines 2>errors); echo $? >code; } | \#(reader) >summary; "#
                + "cat summary; cat errors >&2; exit $(cat code)")
        #expect(outcome.code == ExitCode.outcomeUnknown.rawValue)
        // The ids were made up.
        let unknown = outcome.errors.split(separator: "\n").filter { $0.contains("; the id is ") }
        #expect(!unknown.isEmpty && Set(unknown).count == unknown.count)
        if reader == "true" { return }
        let counts = try #require(try outcome.objects.first).compactMapValues { $0 as? Int }
        #expect(try #require(counts["unsettled"]) >= unknown.count)
        let settled = ["stored", "repeats", "refused", "bad", "unsettled"].compactMap { counts[$0] }
        #expect(settled.reduce(0, +) == counts["lines"])
    }
}
