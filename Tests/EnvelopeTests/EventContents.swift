import Envelope

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
