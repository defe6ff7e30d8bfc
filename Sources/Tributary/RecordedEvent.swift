public import FoundationEssentials
import StreamIndex

/// An event as the store keeps it. A slice of the page that it was read with; its parts are decoded when asked for.
public struct RecordedEvent: Sendable {
    let stored: IndexedEvent

    init(_ stored: IndexedEvent) {
        self.stored = stored
    }

    /// The stream that it is in.
    public var stream: StreamName { StreamName(stored: stored.streamName) }

    /// Its place in the stream, from 0.
    public var version: Int64 { stored.version }

    /// Its place in the whole store; nil while it has none yet (a store of several partitions orders its events a
    /// little later).
    public var position: GlobalPosition? { stored.position.map { GlobalPosition($0) } }

    /// The id that it was appended with.
    public var id: UUID { UUID(high: stored.id.high, low: stored.id.low) }

    /// What kind of event it is: 1 to 256 bytes.
    public var type: String { String(decoding: stored.bytes(stored.ranges.type), as: UTF8.self) }

    /// The data as it was appended, byte for byte; may be empty.
    public var data: [UInt8] { Array(stored.bytes(stored.ranges.data)) }

    /// What the data is, as the appender said: the store does not look into it.
    public var contentType: ContentType {
        ContentType(rawValue: String(decoding: stored.bytes(stored.ranges.contentType), as: UTF8.self))
    }

    /// The metadata as it was appended, byte for byte; nil where the event was appended without.
    public var metadata: [UInt8]? { stored.ranges.metadata.map { Array(stored.bytes($0)) } }

    /// Which shape of its type the data has, as the appender said: 1 or more.
    public var schemaVersion: UInt32 { stored.ranges.schemaVersion }

    /// What the event belongs to, as the appender said: 0 to 128 bytes; nil where it was appended without.
    public var correlationID: String? {
        stored.ranges.correlationID.map { String(decoding: stored.bytes($0), as: UTF8.self) }
    }

    /// What brought the event about, as the appender said: 0 to 128 bytes; nil where it was appended without.
    public var causationID: String? {
        stored.ranges.causationID.map { String(decoding: stored.bytes($0), as: UTF8.self) }
    }

    /// The log's append time, to the millisecond. Events of one batch may share it.
    public var created: Date { Date(timeIntervalSince1970: Double(stored.appendTime) / 1_000) }

    /// `created` in milliseconds since 1970.
    public var createdMilliseconds: Int64 { stored.appendTime }

    /// Decodes the data as JSON.
    ///
    /// ```swift
    /// let order = try event.decode(OrderPlaced.self)
    /// ```
    /// - Throws: `DecodingError`, also where the event is of another type than the payload's.
    public func decode<Payload: EventPayload>(_ payload: Payload.Type) throws -> Payload {
        guard type == Payload.eventType else {
            throw DecodingError.typeMismatch(
                payload,
                .init(codingPath: [], debugDescription: "this is a \(type), not a \(Payload.eventType)"))
        }
        return try JSONDecoder().decode(payload, from: Data(data))
    }
}
