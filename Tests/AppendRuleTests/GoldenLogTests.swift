import AppendRule
import Envelope
import Foundation
import Testing

/// A channel's log with the decision on each record, as rule version 1 gave it once: every later build must give
/// the same. The file is what the digest is taken of, record after record: lengths of key and value, append time,
/// code, first version, key, value.
@Suite struct GoldenLogTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
    static let log = folder.appending(path: "rule-1.log")
    static let digest = folder.appending(path: "rule-1.digest")
    static let isWriting = ProcessInfo.processInfo.environment["TRIBUTARY_WRITE_GOLDEN"] == "1"

    @Test func theGoldenLogIsDecidedAsItWas() throws {
        if Self.isWriting {
            let (bytes, digest) = encode(GoldenLog.make())
            try Data(bytes).write(to: Self.log)
            try Data("\(String(digest, radix: 16))\n".utf8).write(to: Self.digest)
        }
        let bytes = [UInt8](try Data(contentsOf: Self.log))
        let records = try decode(bytes)
        #expect(records.count > 3_000)
        var codes: Set<UInt32> = []
        var channel = GoldenLog.Channel()
        for (number, record) in records.enumerated() {
            let (code, firstVersion) = channel.apply(key: record.key, value: record.value)
            try #require(code == record.code && firstVersion == record.firstVersion, "record \(number)")
            codes.insert(code)
        }
        let everyReason = ForeignReason.allCases.map { RecordCode.foreign($0) }
        #expect(codes == Set(Array(1...7) + [RecordCode.barrier, RecordCode.identity] + everyReason))

        let (again, digest) = encode(records)
        #expect(again == bytes)
        let expected = try String(contentsOf: Self.digest, encoding: .utf8).trimmingCharacters(in: .newlines)
        #expect(String(digest, radix: 16) == expected)
    }

    private func encode(_ records: [GoldenLog.Entry]) -> (bytes: [UInt8], digest: UInt64) {
        var bytes: [UInt8] = []
        var digest = RecordDigest()
        func add(_ number: some FixedWidthInteger) {
            bytes += (0..<number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        }
        for record in records {
            add(Int32(record.key?.count ?? -1))
            add(Int32(record.value?.count ?? -1))
            add(record.appendTime)
            add(record.code)
            add(record.firstVersion)
            bytes += record.key ?? []
            bytes += record.value ?? []
            let (buffer, key, value) = GoldenLog.buffer(record.key, record.value)
            digest.update(
                bytes: buffer.span, key: key, value: value, appendTime: record.appendTime, code: record.code,
                firstVersion: record.firstVersion)
        }
        return (bytes, digest.value)
    }

    private func decode(_ bytes: [UInt8]) throws -> [GoldenLog.Entry] {
        var position = 0
        func number(_ byteCount: Int) -> UInt64 {
            defer { position += byteCount }
            return (0..<byteCount).reduce(0) { $0 | UInt64(bytes[position + $1]) << UInt64($1 * 8) }
        }
        func part(_ count: Int32) -> [UInt8]? {
            guard count >= 0 else { return nil }
            defer { position += Int(count) }
            return Array(bytes[position..<position + Int(count)])
        }
        var records: [GoldenLog.Entry] = []
        while position < bytes.count {
            let keyCount = Int32(bitPattern: UInt32(number(4)))
            let valueCount = Int32(bitPattern: UInt32(number(4)))
            let time = Int64(bitPattern: number(8))
            let code = UInt32(number(4))
            let firstVersion = Int64(bitPattern: number(8))
            records.append(
                GoldenLog.Entry(
                    key: part(keyCount), value: part(valueCount), appendTime: time, code: code,
                    firstVersion: firstVersion))
        }
        return records
    }
}
