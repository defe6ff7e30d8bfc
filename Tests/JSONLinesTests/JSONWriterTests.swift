import JSONLines
import Testing

private func written(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    body(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
}

@Suite struct JSONWriterTests {
    @Test func putsCommasWhereTheyBelong() {
        let text = written { writer in
            writer.beginObject()
            writer.key("a")
            writer.integer(1)
            writer.key("b")
            writer.beginArray()
            writer.boolean(true)
            writer.null()
            writer.beginObject()
            writer.endObject()
            writer.endArray()
            writer.key("c")
            writer.raw(Array("{ }".utf8))
            writer.key("d\n" as String)
            writer.string(nil as String?)
            writer.endObject()
            writer.endLine()
            writer.string("x")
        }
        #expect(text == #"{"a":1,"b":[true,null,{}],"c":{ },"d\u000a":null}"# + "\n\"x\"")
    }

    @Test(arguments: [0, 1, -1, 9, 10, 1_234_567_890, Int64.max, Int64.min])
    func writesNumbers(_ number: Int64) {
        #expect(written { $0.integer(number) } == String(number))
    }

    @Test func writesHexadecimal() {
        #expect(written { $0.hexadecimal(0x0123_4567_89ab_cdef) } == "\"0123456789abcdef\"")
        #expect(written { $0.hexadecimal(0) } == "\"0000000000000000\"")
    }

    @Test func escapesSoThatTheReaderGetsTheSame() throws {
        var scalars = String.UnicodeScalarView()
        for value: UInt32 in 0..<0x3000 { scalars.append(Unicode.Scalar(value) ?? " ") }
        scalars.append("\u{10ffff}")
        let text = String(scalars)
        let line = Array(("{\"k\":" + written { $0.string(text) } + "}").utf8)
        let reader = JSONReader(keys: ["k"], maximumBytes: 1 << 20)
        try reader.readObject(line[...])
        #expect(reader.text(0) == Array(text.utf8))
    }

    @Test func base64KnowsTheVectorsOfTheStandard() {
        for (plain, text) in [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            #expect(written { $0.base64(Array(plain.utf8)) } == "\"\(text)\"")
            #expect(Base64.decode(Array(text.utf8)) == Array(plain.utf8))
        }
        let all = (0...255).map { UInt8($0) }
        var text: [UInt8] = []
        Base64.append(all, to: &text)
        #expect(Base64.decode(text) == all)
    }

    @Test(arguments: ["Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm9_", "Zh==", "Zm9=", "=Zg="])
    func base64RefusesWhatIsNone(_ text: String) {
        #expect(Base64.decode(Array(text.utf8)) == nil)
    }
}
