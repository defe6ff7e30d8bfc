import AppendRule
import Envelope
import Testing

@Test func anAppendComesBackAsItWas() {
    let store = StoreID.random()
    let events = [
        EventContent(
            type: Array("OrderPlaced".utf8), schemaVersion: 2, contentType: Array("application/json".utf8),
            correlationID: Array("c".utf8), causationID: [], data: Array("{}".utf8), metadata: []),
        EventContent(type: Array("T".utf8), contentType: Array("text/plain".utf8), data: []),
    ]
    let header = RecordHeader(
        kind: .append, expectation: .exactly(7), attempt: 3, writeID: 9, eventCount: 2,
        ids: [RecordID(high: 1, low: 2), RecordID(high: 3, low: 4)])
    let key = Array("order-1".utf8)
    let value = Envelope.encode(header, events: events, key: key, store: store)
    let bytes = key + value
    let parsed = Envelope.parse(
        bytes: bytes.span, key: 0..<key.count, value: key.count..<bytes.count, channel: 0, partitions: 1,
        store: store)
    guard case .record(let found, let body) = parsed else {
        Issue.record("\(parsed)")
        return
    }
    #expect(found == header)
    #expect(events == [EventContent](body: body, of: value))
}

extension EventContent {
    init(_ ranges: EventRanges, in value: [UInt8]) {
        self.init(
            type: Array(value[ranges.type]), schemaVersion: ranges.schemaVersion,
            contentType: Array(value[ranges.contentType]),
            correlationID: ranges.correlationID.map { Array(value[$0]) },
            causationID: ranges.causationID.map { Array(value[$0]) },
            data: Array(value[ranges.data]), metadata: ranges.metadata.map { Array(value[$0]) })
    }
}

extension [EventContent] {
    /// The events that the cursor finds.
    init(body: Range<Int>, of value: [UInt8]) {
        self = []
        var cursor = EventCursor(body: body)
        while let ranges = cursor.next(in: value.span) { append(EventContent(ranges, in: value)) }
    }
}
