import JSONLines
import Testing

private let keys: [StaticString] = ["a", "b", "type"]

/// The kinds and spans that a line's values were given, or the error.
private func read(_ line: [UInt8], maximum: Int = 1 << 20) -> Result<[String: String], JSONError> {
    let reader = JSONReader(keys: keys, maximumBytes: maximum)
    do throws(JSONError) {
        try reader.readObject(line[...])
    } catch {
        return .failure(error)
    }
    var values: [String: String] = [:]
    for (index, key) in keys.enumerated() {
        guard let value = reader[index] else { continue }
        values["\(key)"] = "\(value.kind) " + String(decoding: line[value.range], as: UTF8.self)
    }
    return .success(values)
}

private func code(_ line: String) -> JSONError.Code? {
    guard case .failure(let error) = read(Array(line.utf8)) else { return nil }
    return error.code
}

private func isValue(_ text: String) -> Bool {
    JSONReader(maximumBytes: 1 << 20).isValue(Array(text.utf8))
}

@Suite struct JSONReaderTests {
    @Test func givesEachValueByteForByte() throws {
        let line = #" {"a" :  { "x": [1, 2 , {}] ,"y":1.50e+3}  , "b":"q\u00e9\n","type":-0.0 } "#
        let values = try read(Array(line.utf8)).get()
        #expect(
            values == [
                "a": #"object { "x": [1, 2 , {}] ,"y":1.50e+3}"#, "b": #"string "q\u00e9\n""#, "type": "number -0.0",
            ])
    }

    @Test func knowsEachKind() throws {
        #expect(
            try read(Array(#"{"a":[],"b":null,"type":true}"#.utf8)).get()
                == ["a": "array []", "b": "null null", "type": "boolean true"])
        #expect(
            try read(Array(#"{"a":{},"b":"","type":false}"#.utf8)).get()
                == ["a": "object {}", "b": #"string """#, "type": "boolean false"])
        #expect(try read(Array("{}".utf8)).get() == [:])
    }

    @Test func saysWhatIsWrongWithAValue() {
        let reader = JSONReader(maximumBytes: 2_000)
        let depth = JSONReader.maximumDepth
        func code(_ text: String) -> JSONError.Code? {
            do throws(JSONError) {
                try reader.checkValue(Array(text.utf8))
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code(String(repeating: "[", count: depth) + String(repeating: "]", count: depth)) == nil)
        #expect(code(String(repeating: "[", count: depth + 1)) == .tooDeep)
        #expect(code("1 2") == .malformed)
        #expect(code("") == .malformed)
        #expect(code(String(repeating: " ", count: 2_001)) == .tooLarge)
    }

    @Test func decodesStrings() throws {
        let reader = JSONReader(keys: keys, maximumBytes: 1 << 20)
        let line = Array(#"{"a":"\u0000\"\\\/\b\f\n\r\t\ud83d\ude00é","b":"","\u0074ype":"t"}"#.utf8)
        try reader.readObject(line[...])
        #expect(reader.text(0) == Array("\0\"\\/\u{8}\u{c}\n\r\t😀é".utf8))
        #expect(reader.text(1) == [])
        #expect(reader.text(2) == Array("t".utf8))
        try reader.readObject(Array(#"{"a":1}"#.utf8)[...])
        #expect(reader.text(0) == nil)
        #expect(reader.text(1) == nil)
    }

    @Test func refusesUnknownAndRepeatedKeys() {
        #expect(code(#"{"a":1,"c":2}"#) == .unknownKey)
        #expect(code(#"{"a":1,"a":2}"#) == .duplicateKey)
        #expect(code(#"{"a":1,"\u0061":2}"#) == .duplicateKey)
        #expect(code(#"{"":1}"#) == .unknownKey)
        guard case .failure(let error) = read(Array(#"{"k\ny":1}"#.utf8)) else {
            Issue.record("taken")
            return
        }
        #expect(error.description == #"unknown key "k?y""#)
    }

    @Test(arguments: [
        "", " ", "x", "1", "[]", "\"a\"", "{", "}", "{}}", "{}{}", "{} {}", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "{,}", "{\"a\" 1}", "{a:1}", "{'a':1}", "{\"a\":1 \"b\":2}", "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":[}",
        "{\"a\":[1}]", "{\"a\":{\"x\":1]}", "{\"a\":{\"x\"}}", "{\"a\":tru}", "{\"a\":trueX}", "{\"a\":nul}",
        "{\"a\":falsee}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}", "{\"a\":-}",
        "{\"a\":0x1}", "{\"a\":NaN}", "{\"a\":1_0}", "{\"a\":\"", "{\"a\":\"x", "{\"a\":\"\\\"}", "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":[\"\\q\"]}", "{\"a\":\"x\"y}", "{\"a\":\"x\"\"y\"}",
        "{\"a\":\"\\ud800\"}", "{\"a\":[\"\\ud800\"]}", "{\"a\":\"\\udc00\"}", "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\u{1}\"}", "{\"a\":\"\n\"}", "{\"a\":\u{0}1}", "{\"a\":1}\u{0}", "{\"a\":\"\u{0}\"}",
        "\u{feff}{}", "{\"a\":1}//", "{\"a\":/**/1}", "{\"a\":1,,\"b\":2}", "{\"a\"::1}", "{:1}", "{\"a\":1\u{c}}",
        "{\"a\":[[],[[]]", "{\"a\":\"x\\",
    ])
    func refusesWhatIsNoObject(_ line: String) {
        #expect(code(line) != nil)
    }

    @Test(arguments: [
        "1", "-1", "0", "1e400", "-1E-400", "123456789012345678901234567890", "0.000000000000000000000000000000001",
        "\"\"", "\"x\"", "true", "false", "null", "[]", "{}", "[1,\"\u{7f}\",{\"a\":1,\"a\":2}]", " 1 ", "\t[\n]\r\n",
    ])
    func takesAnyValue(_ text: String) {
        #expect(isValue(text))
    }

    @Test(arguments: ["", " ", "1 2", "1,2", "[1],[2]", "1]", "[1", "\"a\" \"b\"", "truefalse", "{}[]", "nulll", "-"])
    func refusesWhatIsNotOneValue(_ text: String) {
        #expect(!isValue(text))
    }

    @Test func refusesBadUTF8Anywhere() {
        for bad: [UInt8] in [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]] {
            for (before, after) in [(#"{"a":""#, #""}"#), (#"{"a":[{""#, #"":1}]}"#), (#"{"a":1"#, "}")] {
                let line = Array(before.utf8) + bad + Array(after.utf8)
                guard case .failure(let error) = read(line) else {
                    Issue.record("took \(line)")
                    continue
                }
                #expect(error.code == .notUTF8)
            }
        }
    }

    @Test func boundsDepth() {
        let most = JSONReader.maximumDepth
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(isValue(nested(most)))
        #expect(!isValue(nested(most + 1)))
        #expect(code("{\"a\":\(nested(most - 1))}") == nil)
        #expect(code("{\"a\":\(nested(most))}") == .tooDeep)
        #expect(code(String(repeating: "{\"a\":", count: 200_000)) == .tooDeep)
        #expect(code("{\"a\":" + String(repeating: "[", count: 500_000)) == .tooDeep)
    }

    @Test func boundsSize() {
        let line = Array(#"{"a":"0123456789"}"#.utf8)
        #expect((try? read(line, maximum: line.count).get()) != nil)
        guard case .failure(let error) = read(line, maximum: line.count - 1) else {
            Issue.record("taken")
            return
        }
        #expect(error.code == .tooLarge)
    }

    @Test func growsAndIsUsedAgainAfterErrors() throws {
        let reader = JSONReader(keys: keys, maximumBytes: 4 << 20)
        for size in [1, 100_000, 10, 3_000_000, 5] {
            let line = Array(("{\"a\":\"" + String(repeating: "é", count: size / 2) + "\\n\",\"b\":[\"\\t\"]}").utf8)
            try reader.readObject(line[...])
            #expect(reader.text(0)?.count == size / 2 * 2 + 1)
            #expect(throws: JSONError.self) { try reader.readObject(line.dropLast()) }
            #expect(reader[2] == nil)
        }
    }

    @Test func saysWhatCanStandInALine() {
        let reader = JSONReader(maximumBytes: 1 << 20)
        for text in ["1", "[1, 2]", "{\"a\":\t1}", "\"a\\nb\"", "null"] {
            #expect(reader.isInlineValue(Array(text.utf8)), "\(text)")
        }
        for text in ["", " 1", "1 ", "1\n", "[1,\n2]", "[1,\r2]", "x", "1 2", "\u{feff}1", "\"\\ud800\""] {
            #expect(!reader.isInlineValue(Array(text.utf8)), "\(text)")
        }
    }

    @Test func everyTruncationAndFlipIsReadOrRefused() throws {
        let line = Array(#"{"a":{"x":[1,2.5e3,"q\u00e9😀\\",null,true,{}]},"b":"text","type":"\ud83d\ude00"}"#.utf8)
        let reader = JSONReader(keys: keys, maximumBytes: 1 << 20)
        for length in 0..<line.count {
            #expect(throws: JSONError.self) { try reader.readObject(line[..<length]) }
        }
        var taken = 0
        for index in line.indices {
            for bit in 0..<8 {
                var flipped = line
                flipped[index] ^= 1 << UInt8(bit)
                guard (try? reader.readObject(flipped[...])) != nil else { continue }
                taken += 1
                for key in keys.indices {
                    guard let value = reader[key] else { continue }
                    #expect(value.range.upperBound <= flipped.count)
                    #expect(reader.isValue(Array(flipped[value.range])))
                    try reader.readObject(flipped[...])
                }
            }
        }
        #expect(taken > 0)
    }
}
