import AppendRule
import Checksums
import Envelope
import SeededNumbers
import Testing

@Suite struct TextTests {
    private func problem(_ bytes: [UInt8]) -> NameProblem? {
        RecordEnvelope.problem(inStreamName: bytes.span)
    }

    @Test func eachProblemHasItsName() {
        #expect(problem(Array("order-1".utf8)) == nil)
        #expect(problem([]) == .empty)
        #expect(problem([UInt8](repeating: 0x61, count: 1_024)) == nil)
        #expect(problem([UInt8](repeating: 0x61, count: 1_025)) == .tooLong(limit: 1_024))
        #expect(problem([0x61, 0xC3]) == .notUTF8)
        let long = [UInt8](repeating: 0x61, count: 1_025)
        #expect(RecordEnvelope.problem(inEventType: long.span) == .tooLong(limit: 256))
        #expect(RecordEnvelope.problem(inContentType: long.span) == .tooLong(limit: 128))
        #expect(RecordEnvelope.problem(inCorrelationID: long.span) == .tooLong(limit: 128))
        #expect(RecordEnvelope.problem(inCorrelationID: [UInt8]().span) == nil)
        #expect(RecordEnvelope.problem(inEventType: [UInt8]().span) == .empty)
    }

    @Test func controlCharactersAreRefusedAndNoOthers() {
        for number in UInt32(0)...0x300 {
            let scalar = Unicode.Scalar(number)!
            let isControl = number < 0x20 || (0x7F...0x9F).contains(number)
            #expect(problem(Array("a\(Character(scalar))".utf8)) == (isControl ? .controlCharacter : nil))
        }
    }

    @Test func everyByteIsJudgedWhereverItStands() {
        for fill in [UInt8(0x20), 0x61, 0x7E] {
            for place in 0..<20 {
                for byte in UInt8.min ... .max {
                    var name = [UInt8](repeating: fill, count: 20)
                    name[place] = byte
                    let expected: NameProblem? =
                        byte >= 0x80 ? .notUTF8 : byte < 0x20 || byte == 0x7F ? .controlCharacter : nil
                    #expect(problem(name) == expected, "\(byte) at \(place)")
                }
            }
        }
    }

    @Test func everyScalarIsValid() {
        for number in stride(from: UInt32(0xA0), through: 0x10FFFF, by: 7) {
            guard let scalar = Unicode.Scalar(number) else { continue }
            #expect(problem(Array(String(Character(scalar)).utf8)) == nil)
        }
    }

    /// Against the standard library's validation.
    @Test func randomBytesAreJudgedAsTheLibraryDoes() {
        let seed = SeededGenerator.seed(for: "randomBytesAreJudgedAsTheLibraryDoes")
        var random = SeededGenerator(seed: seed)
        let common: [UInt8] = [
            0x61, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4,
            0xF5, 0xFF,
        ]
        var valid = 0
        for _ in 0..<60_000 {
            let bytes = (0...random.below(5)).map { _ in common[random.below(common.count)] }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                // A control character may come before what is not UTF-8.
                #expect(problem(bytes) != nil, "seed \(seed): \(bytes)")
                continue
            }
            valid += 1
            let hasControl = text.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
            #expect(problem(bytes) == (hasControl ? .controlCharacter : nil), "seed \(seed): \(bytes)")
        }
        #expect(valid > 1_000)
    }
}

@Suite struct StoreIDTests {
    @Test func aNewOneIsOfVersion4() {
        for _ in 0..<100 {
            let id = StoreID.random()
            #expect(id.high >> 12 & 0xF == 4)
            #expect(id.low >> 62 == 0b10)
            #expect(StoreID(id.description) == id)
        }
        #expect(StoreID.random() != StoreID.random())
    }

    @Test func itsTextIsThatOfAUUID() {
        #expect(Sample.store.description == "00112233-4455-4677-8899-aabbccddeeff")
        #expect(StoreID("00112233-4455-4677-8899-AABBCCDDEEFF") == Sample.store)
        for text in [
            "", "00112233-4455-4677-8899-aabbccddeef", "00112233-4455-4677-8899-aabbccddeeff0",
            "00112233445546778899aabbccddeeff", "0011223-34455-4677-8899-aabbccddeeff",
            "g0112233-4455-4677-8899-aabbccddeeff", "00112233-4455-4677-8899-aabbccddeef\u{FF11}",
        ] {
            #expect(StoreID(text) == nil, "\(text)")
        }
    }
}

@Suite struct RecordDigestTests {
    /// The digest is the CRC-64 of the records' encodings put together.
    @Test func itIsOneChecksumOfAllRecords() {
        let encoded: [UInt8] = [
            2, 0, 0, 0, 3, 0, 0, 0, 0xE8, 0x03, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0x61, 0x62, 1, 2,
            3,
            255, 255, 255, 255, 255, 255, 255, 255, 254, 255, 255, 255, 255, 255, 255, 255, 33, 0, 0, 0,
            255, 255, 255, 255, 255, 255, 255, 255,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
        ]
        let bytes: [UInt8] = [0x61, 0x62, 1, 2, 3]
        var digest = RecordDigest()
        digest.update(bytes: bytes.span, key: 0..<2, value: 2..<5, appendTime: 1_000, code: 1, firstVersion: 7)
        var second = RecordDigest(value: digest.value)
        let code = RecordCode.foreign(.noValue)
        second.update(bytes: bytes.span, key: nil, value: nil, appendTime: -2, code: code, firstVersion: -1)
        second.update(
            bytes: bytes.span, key: 0..<0, value: 5..<5, appendTime: 0, code: RecordCode.barrier, firstVersion: -1)
        #expect(second.value == crc64(0, encoded.span))
    }

    @Test func itsChecksumIsCRC64XZ() {
        #expect(crc64(0, [UInt8]("123456789".utf8).span) == 0x995D_C9BB_DF19_39FA)
    }

    @Test func noTwoKindsOfRecordShareACode() {
        let decisions: [Decision] = [
            .accepted(firstVersion: 0), .alreadyAccepted(firstVersion: 0), .idReused, .killed, .tombstoned,
            .conflict(actual: 0, killsAttempt: false), .cancelled(accepted: nil),
        ]
        let codes =
            decisions.map(\.code) + [RecordCode.barrier, RecordCode.identity]
            + ForeignReason.allCases.map { RecordCode.foreign($0) }
        #expect(codes == [1, 2, 3, 4, 5, 6, 7, 16, 17, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42])
    }
}
