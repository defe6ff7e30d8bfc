import Testing
import Tributary

@testable import TributaryCommand

private let options: [Option] = [.fromVersion, .backward, .limit, .types, .schemaVersion, .data]

private func parse(_ arguments: String..., stopsAtOperand: Bool = false) throws -> Arguments {
    try OptionParser.parse(arguments.map { Array($0.utf8) }, options: options, stopsAtOperand: stopsAtOperand)
}

private func problem(_ arguments: String...) -> String? {
    do {
        _ = try OptionParser.parse(arguments.map { Array($0.utf8) }, options: options)
        return nil
    } catch {
        #expect(error.code == .badInput)
        return error.message
    }
}

@Suite struct OptionTests {
    @Test func takesLongShortAndMixedForms() throws {
        for given in [
            try parse("--from", "3", "--backward", "a"), try parse("a", "--from=3", "-b"), try parse("-f3", "a", "-b"),
            try parse("-bf", "3", "a"), try parse("--fr", "3", "--back", "--", "a"),
        ] {
            #expect(try given.number(.fromVersion, minimum: 0) == 3)
            #expect(given.has(.backward))
            #expect(!given.has(.limit))
            #expect(given.operands == [[0x61]])
        }
    }

    @Test func keepsOperandsInOrderAndWhatFollowsTwoDashes() throws {
        #expect(
            try parse("a", "-b", "--", "-x", "--from").operands.map { String(decoding: $0, as: UTF8.self) }
                == ["a", "-x", "--from"])
        #expect(try parse("", "-").operands == [[], [0x2d]])
    }

    @Test func canStopAtTheFirstOperand() throws {
        let given = try parse("-d", "x", "read", "--unknown", "-b", stopsAtOperand: true)
        #expect(try given.text(.data) == "x")
        #expect(given.operands.count == 3)
        #expect(!given.has(.backward))
    }

    @Test func givesRepeatedOptionsInOrder() throws {
        #expect(try parse("-t", "b", "--type=a", "-tb").all(.types) == ["b", "a", "b"])
        #expect(try parse().all(.types) == [])
    }

    @Test func saysWhatIsWrong() {
        #expect(problem("--nope") == "unknown or ambiguous option --nope")
        #expect(problem("-x") == "unknown or ambiguous option -x")
        #expect(problem("-bx") == "unknown or ambiguous option -x")
        #expect(problem("-\u{e9}") != nil)
        #expect(problem("--limit") == "--limit needs a value")
        #expect(problem("-n") == "--limit needs a value")
        #expect(problem("--schema-version") == "--schema-version needs a value")
        #expect(problem("--backward=1") == "--backward takes no value")
        #expect(problem("-b", "-b") == "--backward is given twice")
        #expect(problem("-n", "1", "--limit", "1") == "--limit is given twice")
    }

    @Test(arguments: [
        "", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1 ", "9223372036854775808", "99999999999999999999", "٣", "one",
    ])
    func refusesWhatIsNoNumber(_ text: String) throws {
        #expect(throws: Failure.self) { try parse("--from=" + text).number(.fromVersion, minimum: 0) }
    }

    @Test func boundsNumbers() throws {
        #expect(try parse("-f", "0").number(.fromVersion, minimum: 0) == 0)
        #expect(try parse("-f", "9223372036854775807").number(.fromVersion, minimum: 0) == Int64.max)
        #expect(throws: Failure.self) { try parse("-n", "0").limit }
        #expect(try parse("-n", "1").limit == 1)
        #expect(try parse().limit == Int.max)
    }

    @Test func refusesTextThatIsNotUTF8() throws {
        let given = try OptionParser.parse([Array("--type".utf8), [0xff]], options: options)
        #expect(throws: Failure.self) { try given.all(.types) }
        #expect(given[.types] == [0xff])
    }

    @Test func readsExpectations() {
        for text in ["any", "no-stream", "exists", "0", "7", "9223372036854775806"] {
            #expect(ExpectedVersion(text)?.text == text)
        }
        for text in ["", "-1", "Any", "none", "9223372036854775807", "1.5"] { #expect(ExpectedVersion(text) == nil) }
    }

    @Test func tablesAreConsistent() {
        #expect(Set(commands.map(\.name)).count == commands.count)
        for command in commands {
            let options = command.allOptions
            #expect(Set(options.map(\.name)).count == options.count, "\(command.name)")
            let letters = options.compactMap(\.letter)
            #expect(Set(letters).count == letters.count, "\(command.name)")
            #expect(letters.allSatisfy { $0.isASCII })
        }
    }

    @Test func helpSaysEverythingInLinesThatFit() {
        let overview = Help.overview(commands, options: [.help, .version])
        for command in commands {
            #expect(overview.contains("  " + command.name + " "))
            #expect(overview.contains(command.summary))
            let help = Help.of(command)
            for option in command.allOptions {
                #expect(help.contains("--" + option.name))
                #expect(help.contains(option.text.split(separator: " ").suffix(2).last.map(String.init) ?? ""))
            }
            for operand in command.operands { #expect(help.contains(operand.name)) }
            for line in (help + overview).split(separator: "\n") { #expect(line.count <= Help.width, "\(line)") }
        }
    }
}
