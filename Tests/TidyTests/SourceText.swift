// Swift text as tokens, as far as the tidy rules need it: comments are gone, strings are one token each.

struct Token: Equatable {
    enum Kind { case word, mark, string }

    var kind: Kind
    var text: String
    /// Counts from 1.
    var line: Int
}

/// A file of the repository. `path` is relative to its root.
struct SourceText {
    var path: String
    var text: String
    var tokens: [Token]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        var scanner = Scanner(bytes: Array(text.utf8))
        scanner.code(inInterpolation: false)
        self.tokens = scanner.tokens
    }

    /// The module that the file belongs to: the folder after `Sources`.
    var module: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    var lineCount: Int {
        text.split(separator: "\n", omittingEmptySubsequences: false).count - (text.hasSuffix("\n") ? 1 : 0)
    }

    func word(_ index: Int) -> String? {
        tokens.indices.contains(index) && tokens[index].kind == .word ? tokens[index].text : nil
    }

    func isMark(_ index: Int, _ mark: String) -> Bool {
        tokens.indices.contains(index) && tokens[index].kind == .mark && tokens[index].text == mark
    }
}

private struct Scanner {
    let bytes: [UInt8]
    var next = 0
    var line = 1
    var tokens: [Token] = []

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private func byte(_ ahead: Int = 0) -> UInt8 {
        next + ahead < bytes.count ? bytes[next + ahead] : 0
    }

    private func begins(_ text: StaticString, at ahead: Int = 0) -> Bool {
        "\(text)".utf8.enumerated().allSatisfy { byte(ahead + $0.offset) == $0.element }
    }

    private mutating func skip(_ count: Int = 1) {
        for _ in 0..<count where next < bytes.count {
            if bytes[next] == UInt8(ascii: "\n") { line += 1 }
            next += 1
        }
    }

    /// Reads code up to the end, or up to the parenthesis that ends an interpolation.
    mutating func code(inInterpolation: Bool) {
        var depth = 0
        while next < bytes.count {
            let hashes = countHashes()
            if begins("//") {
                while next < bytes.count, byte() != UInt8(ascii: "\n") { skip() }
            } else if begins("/*") {
                comment()
            } else if byte(hashes) == UInt8(ascii: "\"") {
                string(hashes: hashes)
            } else if isWord(byte()) {
                word()
            } else {
                if inInterpolation, byte() == UInt8(ascii: ")"), depth == 0 { return skip() }
                if byte() == UInt8(ascii: "(") { depth += 1 }
                if byte() == UInt8(ascii: ")") { depth -= 1 }
                mark()
            }
        }
    }

    private func countHashes() -> Int {
        var count = 0
        while byte(count) == UInt8(ascii: "#") { count += 1 }
        return count
    }

    private func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    private mutating func word() {
        let start = next
        while isWord(byte()) { next += 1 }
        tokens.append(Token(kind: .word, text: String(decoding: bytes[start..<next], as: UTF8.self), line: line))
    }

    private mutating func mark() {
        if byte() > UInt8(ascii: " ") {
            tokens.append(Token(kind: .mark, text: String(UnicodeScalar(byte())), line: line))
        }
        skip()
    }

    private mutating func comment() {
        var depth = 0
        repeat {
            if begins("/*") {
                depth += 1
                skip(2)
            } else if begins("*/") {
                depth -= 1
                skip(2)
            } else {
                skip()
            }
        } while depth > 0 && next < bytes.count
    }

    private mutating func string(hashes: Int) {
        let first = tokens.count
        let start = line
        let quotes = begins("\"\"\"", at: hashes) ? 3 : 1
        skip(hashes + quotes)
        var content: [UInt8] = []
        while next < bytes.count {
            if ends(quotes: quotes, hashes: hashes) {
                skip(quotes + hashes)
                break
            }
            if byte() == UInt8(ascii: "\\"), hasHashes(hashes, after: 1) {
                if byte(1 + hashes) == UInt8(ascii: "(") {
                    skip(2 + hashes)
                    code(inInterpolation: true)
                } else {
                    content.append(byte(1 + hashes))
                    skip(2 + hashes)
                }
                continue
            }
            content.append(byte())
            skip()
        }
        tokens.insert(Token(kind: .string, text: String(decoding: content, as: UTF8.self), line: start), at: first)
    }

    private func ends(quotes: Int, hashes: Int) -> Bool {
        (0..<quotes).allSatisfy { byte($0) == UInt8(ascii: "\"") } && hasHashes(hashes, after: quotes)
    }

    private func hasHashes(_ count: Int, after offset: Int) -> Bool {
        (0..<count).allSatisfy { byte(offset + $0) == UInt8(ascii: "#") }
    }
}
