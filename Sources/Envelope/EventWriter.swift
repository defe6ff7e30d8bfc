/// Writes the events of a record, one behind the other. With a copy of it, all that was written would be copied.
public struct EventWriter: ~Copyable {
    private var value: [UInt8]
    private(set) var count = 0

    init(_ value: consuming [UInt8]) {
        self.value = value
    }

    /// Moves what was written to who asks.
    public mutating func take() -> EventWriter {
        var taken = EventWriter([])
        swap(&taken, &self)
        return taken
    }

    /// Adds an event, within `EnvelopeLimits`. Of metadata and ids nil and empty differ.
    public mutating func add(
        type: String, schemaVersion: UInt32, contentType: String, correlationID: String?, causationID: String?,
        data: [UInt8], metadata: [UInt8]?
    ) {
        add(
            type.utf8, schemaVersion, contentType.utf8, correlationID?.utf8, causationID?.utf8, data, metadata)
    }

    mutating func add(_ event: EventContent) {
        add(
            event.type, event.schemaVersion, event.contentType, event.correlationID, event.causationID, event.data,
            event.metadata)
    }

    /// What an event takes in a record, in bytes, from the lengths of its parts: its part of the body and its id.
    public static func byteCount(
        type: Int, contentType: Int, correlationID: Int?, causationID: Int?, data: Int, metadata: Int?
    ) -> Int {
        Layout.idBytes + Layout.eventHeaderBytes + type + contentType + (correlationID ?? 0) + (causationID ?? 0) + data
            + (metadata ?? 0)
    }

    private mutating func add<Text: Collection<UInt8>>(
        _ type: Text, _ schemaVersion: UInt32, _ contentType: Text, _ correlationID: Text?, _ causationID: Text?,
        _ data: [UInt8], _ metadata: [UInt8]?
    ) {
        precondition(schemaVersion >= 1, "a schema version is 1 or more")
        let flags =
            (metadata == nil ? 0 : Layout.hasMetadata) | (correlationID == nil ? 0 : Layout.hasCorrelationID)
            | (causationID == nil ? 0 : Layout.hasCausationID)
        let bytes =
            Layout.eventHeaderBytes + type.count + contentType.count + (correlationID?.count ?? 0)
            + (causationID?.count ?? 0) + data.count + (metadata?.count ?? 0)
        // All at once: each call asks for room.
        value.append(addingCapacity: bytes) { value in
            value.add(UInt32(data.count))
            value.add(UInt32(metadata?.count ?? 0))
            value.add(schemaVersion)
            value.add(UInt16(type.count))
            value.add(UInt16(contentType.count))
            value.append(UInt8(correlationID?.count ?? 0))
            value.append(UInt8(causationID?.count ?? 0))
            value.append(flags)
            value.append(0)
            value.add(contentsOf: type)
            value.add(contentsOf: contentType)
            if let correlationID { value.add(contentsOf: correlationID) }
            if let causationID { value.add(contentsOf: causationID) }
            value.add(contentsOf: data)
            if let metadata { value.add(contentsOf: metadata) }
        }
        count += 1
    }

    consuming func finish(key: [UInt8]) -> [UInt8] {
        RecordEnvelope.finish(&value, key: key)
        return value
    }
}
