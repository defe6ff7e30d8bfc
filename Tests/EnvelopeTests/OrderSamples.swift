import AppendRule
import Envelope
import GlobalOrder
import Testing

/// A record of each kind that the order channel accepts, and what it says: the golden files.
struct OrderSample: Sendable, CustomTestStringConvertible {
    static let partitions = 4
    static let proposer = ProposerID(high: 0x0102_0304_0506_7008, low: 0x890a_0b0c_0d0e_0f10)

    var name: String
    var value: [UInt8]
    var parsed: ParsedOrderRecord

    var testDescription: String { name }

    static func named(_ name: String) -> OrderSample {
        all.first { $0.name == name }!
    }

    static let all: [OrderSample] = [
        order(
            "order-one-range",
            [OrderRange(partition: 1, first: 7, last: 9, content: RangeContent(events: 4, empty: [8]))], writeID: 1),
        order("order-several", several, writeID: 0x2122_2324_2526_2728),
        void("void", OrderVoid(orderOffset: 0x0102_0304_0506_0708, partition: 3), writeID: 3),
        OrderSample(
            name: "identity",
            value: RecordEnvelope.encodeIdentity(identity, id: Sample.id(17), partition: partitions, writeID: 4),
            parsed: .store(identity, id: Sample.id(17))),
        OrderSample(
            name: "next-format", value: Sample.named("next-format").value.withChecksum(key: []),
            parsed: .halt(.formatVersion(2))),
    ]

    static let identity = Identity(
        store: Sample.store, partitions: partitions, ruleVersion: 1, nonce: RecordID(high: 0xB0B1, low: 0xB2B3))

    private static let several = [
        OrderRange(partition: 0, first: 1, last: 1, content: RangeContent(events: 1_000, empty: [])),
        OrderRange(partition: 3, first: 0, last: 2, content: RangeContent(events: 0, empty: [0, 1, 2])),
        OrderRange(partition: 0, first: 2, last: 5, content: RangeContent(events: 2, empty: [2, 5])),
        OrderRange(
            partition: 2, first: 0x0102_0304_0506_0708, last: 0x0102_0304_0506_0708 + 0xFFFFF,
            content: RangeContent(events: 0x10_0000_0000, empty: [])),
    ]

    private static func order(_ name: String, _ ranges: [OrderRange], writeID: UInt64) -> OrderSample {
        let record = OrderRecord(proposer: proposer, ranges: ranges)
        return OrderSample(
            name: name,
            value: RecordEnvelope.encodeOrder(record, writeID: writeID, partitions: partitions, store: Sample.store),
            parsed: .order(record, writeID: writeID))
    }

    private static func void(_ name: String, _ void: OrderVoid, writeID: UInt64) -> OrderSample {
        OrderSample(
            name: name,
            value: RecordEnvelope.encodeVoid(
                void, author: proposer, writeID: writeID, partitions: partitions, store: Sample.store),
            parsed: .void(void, author: proposer, writeID: writeID))
    }
}

extension [UInt8] {
    func withChecksum(key: [UInt8]) -> [UInt8] {
        var value = self
        checksum(&value, key: key)
        return value
    }
}

func parseOrder(
    key: [UInt8]? = [], value: [UInt8]?, partitions: Int = OrderSample.partitions, store: StoreID? = Sample.store
) -> ParsedOrderRecord {
    let before: [UInt8] = [0xEE, 0xEE, 0xEE]
    let bytes = before + (key ?? []) + (value ?? []) + before
    let start = before.count + (key?.count ?? 0)
    return RecordEnvelope.parseOrderRecord(
        bytes: bytes.span, key: key.map { before.count..<before.count + $0.count },
        value: value.map { start..<start + $0.count }, partitions: partitions, store: store)
}
