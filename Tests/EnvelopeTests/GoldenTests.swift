import AppendRule
import Envelope
import Foundation
import Testing

/// Files hold the byte format: a difference here is a change of format.
@Suite struct GoldenTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    @Test(arguments: Sample.all) func bytesAndValuesAgree(sample: Sample) throws {
        let keyFile = Self.folder.appending(path: sample.name + ".key")
        let valueFile = Self.folder.appending(path: sample.name + ".value")
        if ProcessInfo.processInfo.environment["TRIBUTARY_WRITE_GOLDEN"] == "1" {
            try Data(sample.key).write(to: keyFile)
            try Data(sample.value).write(to: valueFile)
        }
        let key = [UInt8](try Data(contentsOf: keyFile))
        let value = [UInt8](try Data(contentsOf: valueFile))
        #expect(key == sample.key)
        #expect(value == sample.value)
        let parsed = parse(key: key, value: value)
        #expect(parsed == sample.parsed)
        if case .record(_, let body) = parsed { #expect([EventContent](body: body, of: value) == sample.events) }
        #expect(parse(key: key, value: value, store: nil) == sample.parsed)
    }

    @Test func noFileIsLeftOver() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(names.sorted() == Sample.all.flatMap { [$0.name + ".key", $0.name + ".value"] }.sorted())
    }

    @Test func theNextTryDiffersInAttemptAndWriteIDOnly() {
        for sample in Sample.all {
            guard case .record(var header, let body) = sample.parsed else { continue }
            var value = sample.value
            RecordEnvelope.restamp(&value, key: sample.key, attempt: 77, writeID: UInt64.max)
            header.attempt = 77
            header.writeID = UInt64.max
            #expect(parse(key: sample.key, value: value) == .record(header, body: body))
        }
    }

    @Test func anEventsSizeIsWhatItAddsToARecord() {
        let key = Sample.bytes("s")
        func size(_ events: [EventContent]) -> Int {
            let ids = events.indices.map { Sample.id(UInt64($0)) }
            let header = RecordHeader(kind: .append, eventCount: events.count, ids: ids)
            return RecordEnvelope.encode(header, events: events, key: key, store: Sample.store).count
        }
        for event in [Sample.full, Sample.emptyParts, Sample.smallest] {
            #expect(size([Sample.full, event]) - size([Sample.full]) == event.byteCount)
        }
    }
}
