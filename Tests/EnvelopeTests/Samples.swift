import AppendRule
import Checksums
import Envelope
import Testing

/// A record of each kind and of each field's every form, and what it says: the golden files.
struct Sample: Sendable, CustomTestStringConvertible {
    static let store = StoreID(high: 0x0011_2233_4455_4677, low: 0x8899_aabb_ccdd_eeff)
    static let partitions = 1

    var name: String
    var key: [UInt8]
    var value: [UInt8]
    var parsed: Parsed
    var events: [EventContent] = []

    var testDescription: String { name }

    static func named(_ name: String) -> Sample {
        all.first { $0.name == name }!
    }

    static let all: [Sample] = [
        record("append-any", RecordHeader(kind: .append, writeID: 1, eventCount: 1, ids: [id(1)]), [smallest]),
        record(
            "append-no-stream",
            RecordHeader(kind: .append, expectation: .noStream, writeID: 2, eventCount: 1, ids: [id(2)]), [smallest]),
        record(
            "append-stream-exists",
            RecordHeader(kind: .append, expectation: .streamExists, writeID: 3, eventCount: 1, ids: [id(3)]),
            [smallest]),
        record(
            "append-exactly",
            RecordHeader(
                kind: .append, expectation: .exactly(0x0102_0304_0506_0708), attempt: 0x1112_1314,
                writeID: 0x2122_2324_2526_2728, eventCount: 4, ids: [id(4), id(5), id(6), id(7)]),
            [full, emptyParts, withCorrelation, withCausation], name: "straße-№ 1"),
        record(
            "metadata-settings",
            RecordHeader(
                kind: .metadata, expectation: .exactly(0), expectedStream: .metadataStream, writeID: 5, eventCount: 1,
                ids: [id(8)]), [settings("{\"$maxCount\":10}")]),
        record(
            "metadata-truncate",
            RecordHeader(
                kind: .metadata, expectation: .exactly(9), writeID: 6, eventCount: 1, ids: [id(9)], firstReadable: 5),
            [settings("{\"$tb\":5}")]),
        record(
            "metadata-soft-delete",
            RecordHeader(
                kind: .metadata, expectation: .streamExists, writeID: 7, eventCount: 1, ids: [id(10)],
                firstReadable: Int64.max), [settings("{\"$tb\":9223372036854775807}")]),
        record(
            "tombstone",
            RecordHeader(kind: .tombstone, expectation: .exactly(4), writeID: 8, eventCount: 1, ids: [id(11)]),
            [
                EventContent(
                    type: bytes("$streamDeleted"), contentType: bytes("application/json"), data: bytes("{}"))
            ]),
        record(
            "cancel-append",
            RecordHeader(
                kind: .cancel, subject: .append, expectation: .exactly(7), attempt: 2, writeID: 9, eventCount: 2,
                ids: [id(12), id(13)]), []),
        record(
            "cancel-metadata",
            RecordHeader(
                kind: .cancel, subject: .metadata, expectation: .any, expectedStream: .metadataStream,
                writeID: 10, eventCount: 1, ids: [id(14)], firstReadable: 0), []),
        record(
            "cancel-tombstone",
            RecordHeader(kind: .cancel, subject: .tombstone, writeID: 11, eventCount: 1, ids: [id(15)]), []),
        Sample(
            name: "barrier", key: [],
            value: RecordEnvelope.encodeBarrier(id: id(16), partition: 0, writeID: 12, store: store),
            parsed: .barrier(id(16))),
        Sample(
            name: "identity", key: [],
            value: RecordEnvelope.encodeIdentity(identity, id: id(17), partition: 0, writeID: 13),
            parsed: .store(identity, id: id(17))),
        Sample(
            name: "rule-upgrade", key: [],
            value: RecordEnvelope.encodeRuleUpgrade(to: 2, id: id(18), partition: 0, writeID: 14, store: store),
            parsed: .halt(.ruleVersion(2))),
        Sample(
            name: "next-format", key: bytes("order-1"), value: nextFormat(key: bytes("order-1")),
            parsed: .halt(.formatVersion(2))),
    ]

    static let identity = Identity(
        store: store, partitions: 12, ruleVersion: 1, nonce: RecordID(high: 0xA0A1_A2A3_A4A5_A6A7, low: 0xA8A9))

    static let smallest = EventContent(type: [0x54], contentType: [0x63], data: [])
    static let full = EventContent(
        type: bytes("OrderPlaced"), schemaVersion: 0xF1F2_F3F4, contentType: bytes("application/json"),
        correlationID: bytes("corr"), causationID: bytes("cause"), data: bytes("{\"total\":1}"),
        metadata: [0, 255, 10])
    static let emptyParts = EventContent(
        type: bytes("E"), contentType: bytes("text/plain"), correlationID: [], causationID: [], data: [], metadata: [])
    static let withCorrelation = EventContent(
        type: bytes("Größe"), contentType: bytes("x/y"), correlationID: bytes("ü"), data: [0])
    static let withCausation = EventContent(
        type: bytes("🙂"), contentType: bytes("x/y"), causationID: bytes("€"), data: [1, 2])

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    static func id(_ number: UInt64) -> RecordID { RecordID(high: 0x0102_0304_0506_7000, low: 0x8000 << 48 | number) }

    private static func settings(_ json: String) -> EventContent {
        EventContent(type: bytes("$metadata"), contentType: bytes("application/json"), data: bytes(json))
    }

    private static func record(
        _ sample: String, _ header: RecordHeader, _ events: [EventContent], name: String = "order-1"
    ) -> Sample {
        let key = bytes(name)
        let value = RecordEnvelope.encode(header, events: events, key: key, store: store)
        let body = 56 + 16 * header.ids.count..<value.count - 4
        return Sample(name: sample, key: key, value: value, parsed: .record(header, body: body), events: events)
    }

    /// As little as a later version may write: magic, version, UUID, anything, checksum.
    private static func nextFormat(key: [UInt8]) -> [UInt8] {
        var value = bytes("TRIB") + [2, 0, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x46, 0x77, 9, 0, 0, 0, 0]
        checksum(&value, key: key)
        return value
    }
}

/// Writes the right checksum into the last four bytes.
func checksum(_ value: inout [UInt8], key: [UInt8]) {
    var crc = CRC32C()
    crc.update(key.span)
    crc.update(value.span.extracting(0..<value.count - 4))
    for index in 0..<4 { value[value.count - 4 + index] = UInt8(truncatingIfNeeded: crc.value >> UInt32(index * 8)) }
}

/// As a reader calls it: key and value somewhere in a larger buffer.
func parse(
    key: [UInt8]?, value: [UInt8]?, channel: Int = 0, partitions: Int = Sample.partitions,
    store: StoreID? = Sample.store
) -> Parsed {
    let before: [UInt8] = [0xEE, 0xEE, 0xEE]
    let bytes = before + (key ?? []) + (value ?? []) + before
    let start = before.count + (key?.count ?? 0)
    return RecordEnvelope.parse(
        bytes: bytes.span, key: key.map { before.count..<before.count + $0.count },
        value: value.map { start..<start + $0.count }, channel: channel, partitions: partitions, store: store)
}
