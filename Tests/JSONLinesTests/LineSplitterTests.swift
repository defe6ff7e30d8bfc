import JSONLines
import Testing

private enum Cut: Equatable {
    case line(Int, String)
    case tooLong(Int)
}

/// The lines of a text that comes in pieces of a size.
private func lines(_ bytes: [UInt8], pieces size: Int, maximum: Int = 1_000) -> [Cut] {
    var splitter = LineSplitter(maximum: maximum)
    var rest = bytes[...]
    var cuts: [Cut] = []
    while true {
        switch splitter.next() {
        case .line(let number, let range):
            cuts.append(.line(number, String(decoding: splitter.buffer[range], as: UTF8.self)))
        case .tooLong(let number):
            cuts.append(.tooLong(number))
        case .needsMore where rest.isEmpty:
            splitter.finish()
        case .needsMore:
            splitter.add(rest.prefix(size))
            rest = rest.dropFirst(size)
        case .end:
            return cuts
        }
    }
}

private func lines(_ text: String, pieces size: Int, maximum: Int = 1_000) -> [Cut] {
    lines(Array(text.utf8), pieces: size, maximum: maximum)
}

@Suite(.serialized) struct LineSplitterTests {
    @Test(arguments: [1, 2, 3, 5, 100])
    func cutsLines(_ size: Int) {
        #expect(lines("", pieces: size) == [])
        #expect(lines("\n", pieces: size) == [.line(1, "")])
        #expect(lines("a", pieces: size) == [.line(1, "a")])
        #expect(
            lines("a\nbc\r\n\r\n\nd\r", pieces: size)
                == [.line(1, "a"), .line(2, "bc"), .line(3, ""), .line(4, ""), .line(5, "d")])
        #expect(lines("a\rb\n\0\n", pieces: size) == [.line(1, "a\rb"), .line(2, "\0")])
    }

    @Test(arguments: [1, 2, 3, 100])
    func dropsOneByteOrderMark(_ size: Int) {
        #expect(
            lines([0xef, 0xbb, 0xbf, 0x61, 0x0a, 0xef, 0xbb, 0xbf], pieces: size)
                == [.line(1, "a"), .line(2, "\u{feff}")])
        #expect(lines([0xef, 0xbb, 0xbf], pieces: size) == [])
        #expect(lines([0xef, 0xbb], pieces: size) == [.line(1, "\u{fffd}")])
    }

    @Test(arguments: [1, 2, 3, 7, 100])
    func dropsTooLongLinesAndGoesOn(_ size: Int) {
        let text = "12345\n123456\n12345\r\n123456789012345678901234567890\nok\n1234567"
        #expect(
            lines(text, pieces: size, maximum: 5)
                == [.line(1, "12345"), .tooLong(2), .line(3, "12345"), .tooLong(4), .line(5, "ok"), .tooLong(6)])
    }

    @Test func holdsNoMoreThanALineAndAPiece() {
        var splitter = LineSplitter(maximum: 10)
        let piece = [UInt8](repeating: 0x78, count: 100)
        var tooLong = 0
        for _ in 0..<1_000 {
            splitter.add(piece)
            while case .tooLong = splitter.next() { tooLong += 1 }
            #expect(splitter.buffer.count <= 111)
        }
        #expect(tooLong == 1)
    }
}
