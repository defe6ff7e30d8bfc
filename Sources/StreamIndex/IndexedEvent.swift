import AppendRule
import Envelope

/// An event of a page: numbers, and ranges into the page's bytes. The events of a page share them.
public struct IndexedEvent: Sendable {
    let page: [UInt8]
    let key: Range<Int>
    let eventID: RecordID
    let isMetadata: Bool
    /// Its place among its partition's events.
    let sequence: Int64
    public let version: Int64
    /// Its global position; nil while it has none.
    public var position: Int64?
    /// Milliseconds since 1970.
    public let appendTime: Int64
    public let ranges: Ranges

    /// Where the event's parts lie in the page.
    public struct Ranges: Sendable {
        public let schemaVersion: UInt32
        public let type: Range<Int>
        public let contentType: Range<Int>
        public let correlationID: Range<Int>?
        public let causationID: Range<Int>?
        public let data: Range<Int>
        public let metadata: Range<Int>?

        init(_ event: EventRanges, at start: Int) {
            func moved(_ range: Range<Int>) -> Range<Int> { range.lowerBound + start..<range.upperBound + start }
            schemaVersion = event.schemaVersion
            type = moved(event.type)
            contentType = moved(event.contentType)
            correlationID = event.correlationID.map(moved)
            causationID = event.causationID.map(moved)
            data = moved(event.data)
            metadata = event.metadata.map(moved)
        }

        /// Of an event whose parts lie one after the other: type, content type, data.
        init(type: Int, contentType: Int, data: Int, at start: Int) {
            schemaVersion = 1
            self.type = start..<start + type
            self.contentType = self.type.upperBound..<self.type.upperBound + contentType
            correlationID = nil
            causationID = nil
            self.data = self.contentType.upperBound..<self.contentType.upperBound + data
            metadata = nil
        }
    }

    public var id: (high: UInt64, low: UInt64) { (eventID.high, eventID.low) }

    public var streamName: [UInt8] {
        let name = Array(page[key])
        return isMetadata ? SystemStream.metadataStream(of: name) : name.isEmpty ? SystemStream.storeName : name
    }

    public func bytes(_ range: Range<Int>) -> ArraySlice<UInt8> { page[range] }

    /// Bytes of data, metadata and type.
    public var byteCount: Int { ranges.data.count + (ranges.metadata?.count ?? 0) + ranges.type.count }
}
