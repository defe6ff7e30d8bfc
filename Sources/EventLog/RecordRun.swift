/// A record in a run: numbers and ranges into the run's bytes.
public struct RunEntry: Sendable, Equatable {
    public var channel: Int
    public var offset: Int64
    /// Milliseconds since 1970.
    public var appendTime: Int64
    /// nil: a null key.
    public var key: Range<Int>?
    /// nil: a null value.
    public var value: Range<Int>?
    /// Where the log keeps the record in segment files; nil for a log that has none.
    public var place: FramePlace?

    public init(
        channel: Int, offset: Int64, appendTime: Int64, key: Range<Int>?, value: Range<Int>?, place: FramePlace?
    ) {
        self.channel = channel
        self.offset = offset
        self.appendTime = appendTime
        self.key = key
        self.value = value
        self.place = place
    }
}

/// Durable records in one contiguous buffer.
///
/// A log keeps one and fills it again for each delivery; a handler copies what it wants to keep.
public struct RecordRun: ~Copyable, Sendable {
    public var bytes: [UInt8]
    public var entries: [RunEntry]

    public init(bytes: [UInt8] = [], entries: [RunEntry] = []) {
        self.bytes = bytes
        self.entries = entries
    }

    /// Forgets the records and keeps the memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
    }

    /// Copies a record in.
    public mutating func append(
        _ record: LogRecord, channel: Int, offset: Int64, appendTime: Int64, place: FramePlace? = nil
    ) {
        entries.append(
            RunEntry(
                channel: channel, offset: offset, appendTime: appendTime,
                key: add(record.key), value: add(record.value), place: place))
    }

    private mutating func add(_ part: [UInt8]?) -> Range<Int>? {
        guard let part else { return nil }
        let start = bytes.count
        bytes.append(contentsOf: part)
        return start..<bytes.count
    }
}
