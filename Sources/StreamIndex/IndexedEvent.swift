


/// An event of a page: numbers, and ranges into the page's bytes. Many events share one page.
public struct IndexedEvent: Sendable {
    public let id: (high: UInt64, low: UInt64)
    public let version: Int64
    public let position: Int64?
    public let appendTime: Int64
    public let ranges: Ranges
    public let streamName: [UInt8]
    let page: [UInt8]
    public struct Ranges: Sendable {
        public let type: Range<Int>
        public let data: Range<Int>
        public let contentType: Range<Int>
        public let metadata: Range<Int>?
        public let correlationID: Range<Int>?
        public let causationID: Range<Int>?
        public let schemaVersion: UInt32
    }
    public func bytes(_ range: Range<Int>) -> ArraySlice<UInt8> { page[range] }
}
