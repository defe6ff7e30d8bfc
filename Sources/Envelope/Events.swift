// An event in a record, as values and as ranges of bytes.

/// An event to write.
public struct EventContent: Sendable, Equatable {
    /// Of the length `EnvelopeLimits.eventType`.
    public var type: [UInt8]
    /// 1 or more.
    public var schemaVersion: UInt32
    public var contentType: [UInt8]
    public var correlationID: [UInt8]?
    public var causationID: [UInt8]?
    public var data: [UInt8]
    /// nil and empty differ.
    public var metadata: [UInt8]?

    public init(
        type: [UInt8], schemaVersion: UInt32 = 1, contentType: [UInt8], correlationID: [UInt8]? = nil,
        causationID: [UInt8]? = nil, data: [UInt8], metadata: [UInt8]? = nil
    ) {
        self.type = type
        self.schemaVersion = schemaVersion
        self.contentType = contentType
        self.correlationID = correlationID
        self.causationID = causationID
        self.data = data
        self.metadata = metadata
    }

    /// What the event takes in a record, in bytes: its part of the body and its id.
    public var byteCount: Int {
        EventWriter.byteCount(
            type: type.count, contentType: contentType.count, correlationID: correlationID?.count,
            causationID: causationID?.count, data: data.count, metadata: metadata?.count)
    }
}

/// Where an event's parts lie, counted from the value's first byte.
public struct EventRanges: Sendable, Equatable {
    public var schemaVersion: UInt32
    public var type: Range<Int>
    public var contentType: Range<Int>
    public var correlationID: Range<Int>?
    public var causationID: Range<Int>?
    public var data: Range<Int>
    public var metadata: Range<Int>?

    /// The event that begins at `start`; nil where it does not fit before `end` or a length does not agree with its
    /// flag.
    init?(in value: Span<UInt8>, at start: Int, end: Int) {
        guard end - start >= Layout.eventHeaderBytes else { return nil }
        let flags = value[start + 18]
        var next = start + Layout.eventHeaderBytes
        func take(_ length: Int) -> Range<Int> {
            defer { next += length }
            return next..<next + length
        }
        schemaVersion = value.u32(at: start + 8)
        type = take(Int(value.u16(at: start + 12)))
        contentType = take(Int(value.u16(at: start + 14)))
        let correlation = take(Int(value[start + 16]))
        let causation = take(Int(value[start + 17]))
        data = take(Int(value.u32(at: start)))
        let last = take(Int(value.u32(at: start + 4)))
        guard next <= end else { return nil }

        correlationID = flags & Layout.hasCorrelationID != 0 ? correlation : nil
        causationID = flags & Layout.hasCausationID != 0 ? causation : nil
        metadata = flags & Layout.hasMetadata != 0 ? last : nil
        let isAbsentEmpty =
            (correlationID != nil || correlation.isEmpty) && (causationID != nil || causation.isEmpty)
            && (metadata != nil || last.isEmpty)
        guard isAbsentEmpty else { return nil }
    }

    /// Where the next event begins.
    var end: Int { metadata?.upperBound ?? data.upperBound }

    /// Whether all is well that `init` did not look at.
    func isWellFormed(in value: Span<UInt8>, at start: Int) -> Bool {
        let known = Layout.hasMetadata | Layout.hasCorrelationID | Layout.hasCausationID
        return value[start + 18] & ~known == 0 && value[start + 19] == 0 && schemaVersion >= 1
            && RecordEnvelope.problem(inEventType: value.extracting(type)) == nil
            && RecordEnvelope.problem(inContentType: value.extracting(contentType)) == nil
            && isText(correlationID, in: value) && isText(causationID, in: value)
    }

    private func isText(_ id: Range<Int>?, in value: Span<UInt8>) -> Bool {
        guard let id else { return true }
        return RecordEnvelope.problem(inCorrelationID: value.extracting(id)) == nil
    }
}

/// Walks the events of a value that `RecordEnvelope.parse` found well-formed, without allocating.
///
/// ```swift
/// var cursor = EventCursor(body: body)
/// while let event = cursor.next(in: value) { … value.extracting(event.data) … }
/// ```
public struct EventCursor: Sendable {
    private var position: Int
    private let end: Int

    /// - Parameter body: as `parse` gave it, counted from the value's first byte.
    public init(body: Range<Int>) {
        position = body.lowerBound
        end = body.upperBound
    }

    /// The next event; nil after the last.
    ///
    /// - Parameter value: the record's value, the same in each call.
    public mutating func next(in value: Span<UInt8>) -> EventRanges? {
        guard position < end, let event = EventRanges(in: value, at: position, end: end) else { return nil }
        position = event.end
        return event
    }
}
