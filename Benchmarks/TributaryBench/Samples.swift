// What the benchmarks write: events of 200 bytes of data in streams of a few categories.

import AppendRule
import Envelope
import Tributary

enum Samples {
    static let dataBytes = 200
    static let types = ["OrderPlaced", "ItemAdded", "OrderPaid", "ParcelShipped"]
    private static let categories = ["Order", "Cart", "Customer"]
    private static let fill = Array(repeating: UInt8(ascii: "x"), count: dataBytes)

    static func streamName(_ number: Int) -> String {
        let digits = String(number)
        return "\(categories[number % categories.count])-\(String(repeating: "0", count: 8 - digits.count))\(digits)"
    }

    /// JSON of exactly `dataBytes` bytes.
    static func data(_ number: Int) -> [UInt8] {
        let head = Array("{\"number\":\(number),\"text\":\"".utf8)
        return head + fill[..<(dataBytes - head.count - 2)] + Array("\"}".utf8)
    }

    static func event(_ number: Int) -> NewEvent {
        NewEvent(type: types[number % types.count], data: data(number))
    }

    static func content(_ number: Int) -> EventContent {
        EventContent(
            type: Array(types[number % types.count].utf8), contentType: Array("application/json".utf8),
            data: data(number))
    }

    static func id() -> RecordID {
        RecordID(high: UInt64.random(in: 0 ... .max), low: UInt64.random(in: 0 ... .max))
    }

    /// The value of an append record as the store writes it.
    static func record(
        _ events: [EventContent], to stream: [UInt8], _ expectation: Expectation, store: StoreID
    ) -> [UInt8] {
        let header = RecordHeader(
            kind: .append, expectation: expectation, writeID: UInt64.random(in: 1 ... .max),
            eventCount: events.count, ids: events.map { _ in id() })
        return RecordEnvelope.encode(header, events: events, key: stream, store: store)
    }

    /// Big-endian, so that the order of the bytes is that of the numbers.
    static func bytes(_ number: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - $0 * 8)) }
    }
}
