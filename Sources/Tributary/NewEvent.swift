public import FoundationEssentials

/// What the bytes of an event are, as a media type of 1 to 128 bytes.
public struct ContentType: RawRepresentable, Hashable, Sendable {
    public let rawValue: String

    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    public static let json = ContentType(rawValue: "application/json")
    public static let octetStream = ContentType(rawValue: "application/octet-stream")
}

/// A Swift value that is kept as the JSON data of an event.
///
/// ```swift
/// struct OrderPlaced: EventPayload {
///     static let eventType = "OrderPlaced"
///     let item: String
/// }
/// ```
public protocol EventPayload: Codable, Sendable {
    /// The event type that such values are stored under: 1 to 256 bytes.
    static var eventType: String { get }
}

/// An event to append.
///
/// ```swift
/// let placed = try NewEvent(OrderPlaced(item: "tea"))
/// let scan = NewEvent(type: "Scanned", data: bytes, contentType: .octetStream)
/// ```
/// The values are checked when the event is appended. The data and the metadata are bytes that the store keeps and
/// never looks into.
public struct NewEvent: Sendable, Equatable {
    /// Names the event; by it the store knows a repeat. The ids of an append's events, the first above all, say which
    /// append it is: use one append id for one append to one stream only.
    public var id: UUID {
        didSet { hasFreshID = false }
    }
    /// 1 to 256 bytes.
    public var type: String
    public var data: [UInt8]
    public var contentType: ContentType
    /// Absent (nil) and empty metadata differ.
    public var metadata: [UInt8]?
    /// 1 or more.
    public var schemaVersion: UInt32
    /// Text of 0 to 128 bytes.
    public var correlationID: String?
    /// Text of 0 to 128 bytes.
    public var causationID: String?
    /// Whether the id was made here and so is new to every store.
    private(set) var hasFreshID: Bool

    /// - Parameters:
    ///   - type: 1 to 256 bytes.
    ///   - data: any bytes.
    ///   - id: a new UUID of version 7 (RFC 9562) unless given.
    ///   - schemaVersion: 1 or more.
    public init(
        type: String, data: [UInt8], contentType: ContentType = .json, metadata: [UInt8]? = nil,
        id: UUID? = nil, schemaVersion: UInt32 = 1, correlationID: String? = nil, causationID: String? = nil
    ) {
        self.id = id ?? UUID.version7()
        hasFreshID = id == nil
        self.type = type
        self.data = data
        self.contentType = contentType
        self.metadata = metadata
        self.schemaVersion = schemaVersion
        self.correlationID = correlationID
        self.causationID = causationID
    }

    /// An event whose data is `payload` as JSON.
    ///
    /// - Throws: `EncodingError` where the payload cannot be encoded.
    public init(
        _ payload: some EventPayload, metadata: [UInt8]? = nil, id: UUID? = nil, schemaVersion: UInt32 = 1,
        correlationID: String? = nil, causationID: String? = nil
    ) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        self.init(
            type: Swift.type(of: payload).eventType, data: Array(try encoder.encode(payload)), metadata: metadata,
            id: id, schemaVersion: schemaVersion, correlationID: correlationID, causationID: causationID)
    }
}
