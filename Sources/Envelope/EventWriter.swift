/// Writes the events of a record, one behind the other.
public struct EventWriter {
    private var value: [UInt8]
    private(set) var count = 0

    init(_ value: consuming [UInt8]) {
        self.value = value
    }

    /// Moves what was written to who asks: two that have it would copy it.
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
        value.add(UInt32(data.count))
        value.add(UInt32(metadata?.count ?? 0))
        value.add(schemaVersion)
        value.add(UInt16(type.count))
        value.add(UInt16(contentType.count))
        value.append(UInt8(correlationID?.count ?? 0))
        value.append(UInt8(causationID?.count ?? 0))
        let flags =
            (metadata == nil ? 0 : Layout.hasMetadata) | (correlationID == nil ? 0 : Layout.hasCorrelationID)
            | (causationID == nil ? 0 : Layout.hasCausationID)
        value.append(flags)
        value.append(0)
        value.append(contentsOf: type)
        value.append(contentsOf: contentType)
        if let correlationID { value.append(contentsOf: correlationID) }
        if let causationID { value.append(contentsOf: causationID) }
        value += data
        if let metadata { value += metadata }
        count += 1
    }

    consuming func finish(key: [UInt8]) -> [UInt8] {
        RecordEnvelope.finish(&value, key: key)
        return value
    }
}
