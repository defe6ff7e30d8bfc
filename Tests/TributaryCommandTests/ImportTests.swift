import Foundation
import Testing
import Tributary

@testable import TributaryCommand

/// A line with an id of its own, so that it can be imported again.
private func line(_ number: Int, stream: String? = nil, expect: String = "") -> String {
    let digits = String(number)
    let id = "0190a0b1-0000-7000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
    return
        #"{"stream":"\#(stream ?? "S-" + String(number % 50))","type":"t","id":"\#(id)","data":\#(number)\#(expect)}"#
        + "\n"
}

private func lines(_ numbers: Range<Int>) -> String {
    numbers.map { line($0) }.joined()
}

private func summary(_ lines: Int, _ stored: Int, _ repeats: Int, _ refused: Int, _ bad: Int) -> String {
    #"{"lines":\#(lines),"stored":\#(stored),"repeats":\#(repeats),"refused":\#(refused),"bad":\#(bad),"#
        + #""unsettled":0}"# + "\n"
}

/// What is written to an import's pipe and not yet stored is less than this.
private let unstoredLines = (ImportSource.maximumBatches + 2) * ImportSource.batchLines + 8_000

@Suite(.timeLimit(.minutes(3))) struct ImportTests {
    @Test func importsOnceHoweverOften() async throws {
        let tool = try Tool()
        let file = try tool.directory.file("lines", ("\u{feff}" + lines(0..<2_000)).utf8)
        #expect(try await tool.run("import", file).output == summary(2_000, 2_000, 0, 0, 0))
        #expect(try await tool.run("import", file).output == summary(2_000, 0, 2_000, 0, 0))
        let more = try await tool.run("import", "-", input: lines(1_000..<3_000).utf8)
        #expect(more.code == 0)
        #expect(more.output == summary(2_000, 1_000, 1_000, 0, 0))
        let stream = try await tool.run("read", "S-7").objects.compactMap { $0["data"] as? Int }
        #expect(stream == Array(stride(from: 7, to: 3_000, by: 50)))
        #expect(try await tool.run("import", input: []).output == summary(0, 0, 0, 0, 0))
    }

    @Test func stopsAtABadLine() async throws {
        let tool = try Tool()
        let outcome = try await tool.run("import", input: (lines(0..<3) + "\nnonsense\n" + lines(3..<6)).utf8)
        #expect(outcome.code == 2)
        #expect(outcome.output == summary(4, 3, 0, 0, 1))
        #expect(outcome.errors.hasPrefix("tributary: line 5: "), "\(outcome.errors)")
        #expect(try await tool.run("export").lines.count == 3)
    }

    @Test func skipsBadLinesWhenTold() async throws {
        let tool = try Tool()
        let bad = [
            "nonsense", #"{"stream":"S","type":"t"}"#, #"{"type":"t","data":1}"#, #"{"stream":"","type":"t","data":1}"#,
            #"{"stream":"$s","type":"t","data":1}"#, #"{"stream":"a\u0000","type":"t","data":1}"#,
            #"{"stream":"a\u0085","type":"t","data":1}"#, #"{"stream":"S","type":"","data":1}"#,
            #"{"stream":"S","type":"t","data":1,"x":1}"#, #"{"stream":"S","type":"t","data":1,"schemaVersion":0}"#,
            #"{"stream":"\#(String(repeating: "s", count: 1_025))","type":"t","data":1}"#,
            #"{"stream":"S","type":"\#(String(repeating: "t", count: 257))","data":1}"#,
            #"{"stream":"S","type":"t","data":"\#(String(repeating: "d", count: 1 << 20))"}"#,
            #"{"stream":"S","type":"t","data":"\#(String(repeating: "d", count: 5 << 20))"}"#,
            #"{"stream":"S","type":"t","data":1,"correlationId":"\#(String(repeating: "c", count: 129))"}"#,
            String(repeating: "[", count: 100_000), "\0", "\u{1b}[31m",
        ]
        let text = bad.map { $0 + "\n" + line(1, stream: "Good") }.joined()
        let outcome = try await tool.run("import", "--on-error", "skip", input: text.utf8)
        #expect(outcome.code == 2)
        #expect(outcome.output == summary(2 * bad.count, 1, bad.count - 1, 0, bad.count), "\(outcome.errors)")
        for index in bad.indices { #expect(outcome.errors.contains("tributary: line \(2 * index + 1): ")) }
        #expect(outcome.errors.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 && $0.value < 0x7f })
    }

    @Test func countsRefusedLines() async throws {
        let tool = try Tool()
        let refused = line(1, stream: "A") + line(2, stream: "A", expect: #","expect":7"#) + line(3, stream: "B")
        let stopped = try await tool.run("import", input: refused.utf8)
        #expect(stopped.code == 3)
        #expect(stopped.errors.hasPrefix("tributary: line 2: conflict: A is at version 0, expected was 7"))
        let skipped = try await tool.run("import", "--on-error", "skip", input: (refused + "bad\n").utf8)
        #expect(skipped.code == 3)
        #expect(skipped.errors.contains("line 2: "))
        let counts = try #require(try skipped.objects.first)
        #expect(counts["refused"] as? Int == 1)
        #expect(counts["bad"] as? Int == 1)
        #expect(counts["lines"] as? Int == 4)
        // What refused it is gone now: the line is tried again, and stored.
        for number in 10..<17 { #expect(try await tool.run("import", input: line(number, stream: "A").utf8).code == 0) }
        let again = try await tool.run("import", input: refused.utf8)
        #expect(again.code == 0, "\(again.errors)")
        #expect(again.output == summary(3, 1, 2, 0, 0))
    }

    @Test func triesLinesAgainThatCameTooEarly() async throws {
        let tool = try Tool()
        let early = line(1, stream: "A", expect: #","expect":2"#) + line(2, stream: "A", expect: #","expect":9"#)
        let text = early + (3..<6).map { line($0, stream: "A") }.joined()
        let outcome = try await tool.run("import", "--on-error", "skip", input: text.utf8)
        #expect(outcome.code == 3)
        #expect(outcome.output == summary(5, 4, 0, 1, 0))
        #expect(outcome.errors.hasPrefix("tributary: line 2: conflict: A is at version 3, expected was 9"))
        #expect(try await tool.run("read", "A").objects.compactMap { $0["data"] as? Int } == [3, 4, 5, 1])
    }

    @Test func expectsWhatLinesSay() async throws {
        let tool = try Tool()
        let text = (0..<20).map {
            line($0, stream: "A", expect: ",\"expect\":" + ($0 == 0 ? "\"no-stream\"" : "\($0 - 1)"))
        }
        #expect(try await tool.run("import", input: text.joined().utf8).output == summary(20, 20, 0, 0, 0))
        #expect(try await tool.run("import", input: text.joined().utf8).output == summary(20, 0, 20, 0, 0))
    }

    @Test func roundTripKeepsEveryByte() async throws {
        let tool = try Tool()
        let odd = (0...255).map { UInt8($0) }
        let base64 = Data(odd).base64EncodedString()
        let text = [
            #"{"stream":"é-\"\\/","type":"ö","data":{ "a" : [1.0,1e400,-0,"\u00e9\/" ] }}"#,
            #"{"stream":"a","type":"t","dataBase64":"\#(base64)","metadataBase64":"\#(base64)"}"#,
            #"{"stream":"a","type":"t","dataBase64":"","metadataBase64":""}"#,
            #"{"stream":"a","type":"t","data":null,"metadataBase64":"bnVsbA=="}"#,
            #"{"stream":"a","type":"t","data":"x","contentType":"application/x+json","metadata":{"m":[]},"schemaVersion":9}"#,
            #"{"stream":"a","type":"t","dataBase64":"IDEg","contentType":"application/json"}"#,
            #"{"stream":"a","type":"t","dataBase64":"e30=","contentType":"text/plain","correlationId":"","causationId":"ü"}"#,
            #"{"stream":"a","type":"t","data":123456789012345678901234567890,"correlationId":"c"}"#,
        ]
        let first = try await tool.run("import", input: text.joined(separator: "\n").utf8)
        #expect(first.code == 0, "\(first.errors)")
        let exported = try await tool.run("export")
        #expect(exported.lines.count == text.count)
        #expect(exported.output.contains(#""data":{ "a" : [1.0,1e400,-0,"\u00e9\/" ] }"#))
        #expect(exported.output.contains(#""data":null,"contentType":"application/json","metadataBase64":"bnVsbA==""#))
        let other = try Tool()
        #expect(try await other.run("import", input: exported.output.utf8).output == summary(8, 8, 0, 0, 0))
        // The order of different streams may change on the way.
        let again = try await other.run("export").lines
        for start in [#"{"stream":"a","#, #"{"stream":"é"#] {
            #expect(again.filter { $0.hasPrefix(start) } == exported.lines.filter { $0.hasPrefix(start) })
        }
        #expect(again.count == text.count)
        #expect(try await tool.run("export", "--from", "8").lines == Array(exported.lines.suffix(1)))
    }

    @Test func aSecondProcessIsToldOfTheFirst() async throws {
        let tool = try Tool()
        let child = try tool.start("import")
        #expect(child.write(lines(0..<unstoredLines)))
        for arguments in [["stats"], ["append", "a", "--type", "t", "--json", "1"], ["rebuild-index"]] {
            let second = try await tool.runAll(arguments)
            #expect(second.code == 4)
            #expect(isOneLine(second.errors))
            #expect(second.errors.contains(String(child.processIdentifier)), "\(second.errors)")
        }
        try child.endInput()
        let outcome = try await child.outcome()
        #expect(outcome.code == 0)
        #expect(outcome.output == summary(unstoredLines, unstoredLines, 0, 0, 0))
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGKILL])
    func whatASignalCutsShortIsImportedAgain(_ signal: Int32) async throws {
        let tool = try Tool()
        let count = unstoredLines + 3_000
        let child = try tool.start("import")
        #expect(child.write(lines(0..<count)))
        child.signal(signal)
        let ended = try await child.outcome()
        let isKilled = signal == SIGKILL
        #expect(ended.code == (isKilled ? -signal : 128 + signal))
        #expect(isKilled || ended.errors.isEmpty)
        let again = try await tool.run("import", input: lines(0..<count).utf8)
        #expect(again.code == 0, "\(again.errors)")
        let counts = try #require(try again.objects.first)
        let repeats = try #require(counts["repeats"] as? Int)
        #expect(repeats >= 3_000)
        #expect(counts["stored"] as? Int == count - repeats)
        if !isKilled {
            #expect(try #require(try ended.objects.first)["stored"] as? Int == repeats)
        }
        #expect(try await tool.run("export").lines.count == count)
    }

    @Test func aClosedPipeEndsItQuietly() async throws {
        let tool = try Tool()
        #expect(try await tool.run("import", input: lines(0..<5_000).utf8).code == 0)
        for command in ["export", "read-all", "cat"] {
            let outcome = try await tool.shell(
                #"{ "$0" \#(command); echo $? >code; } | head -n 1 >/dev/null; cat code"#)
            #expect(outcome.output == "0\n")
            #expect(outcome.errors.isEmpty)
        }
        let full = try await tool.shell(#""$0" export >/dev/full"#)
        #expect(full.code == 1)
        #expect(isOneLine(full.errors))
        #expect(try await tool.run("verify").code == 0)
    }

    @Test func aSignalWhileNothingIsHeldEndsAtOnce() async throws {
        let tool = try Tool()
        let child = try tool.start("append", "a", "--type", "t")
        #expect(child.write(String(repeating: "x", count: 100_000)))
        child.signal(SIGTERM)
        #expect(try await child.outcome().code == 128 + SIGTERM)
        #expect(!FileManager.default.fileExists(atPath: tool.store))
    }
}
