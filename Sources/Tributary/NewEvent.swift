public import FoundationEssentials

/// What the bytes of an event are, as a media type of 1 to 128 bytes.
public struct ContentType: RawRepresentable, Hashable, Sendable {
    /// The media type's text: 1 to 128 bytes of UTF-8 without control characters, kept as it is.
    public let rawValue: String

    /// - Parameter rawValue: 1 to 128 bytes, checked when an event with it is appended.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// `application/json`
    public static let json = ContentType(rawValue: "application/json")
    /// `application/octet-stream`: bytes of any kind.
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
    /// What kind of event it is: 1 to 256 bytes of UTF-8 without control characters.
    public var type: String
    /// Any bytes, also none; they count towards the 1 MiB of an append (`StoreOptions`).
    public var data: [UInt8]
    /// What the data is; the store does not look into it.
    public var contentType: ContentType
    /// Any bytes, which count as the data's do. Absent (nil) and empty metadata differ.
    public var metadata: [UInt8]?
    /// Which shape of its type the data has: 1 or more.
    public var schemaVersion: UInt32
    /// What the event belongs to, such as a request: 0 to 128 bytes of UTF-8 without control characters.
    public var correlationID: String?
    /// What brought the event about, such as another event: 0 to 128 bytes of UTF-8 without control characters.
    public var causationID: String?
    /// Whether the id was made here and so is new to every store.
    private(set) var hasFreshID: Bool

    /// - Parameters:
    ///   - type: 1 to 256 bytes.
    ///   - data: any bytes.
    ///   - contentType: 1 to 128 bytes.
    ///   - metadata: any bytes; nil: none.
    ///   - id: a new UUID of version 7 (RFC 9562) unless given.
    ///   - schemaVersion: 1 or more.
    ///   - correlationID: 0 to 128 bytes; nil: none.
    ///   - causationID: 0 to 128 bytes; nil: none.
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

    /// An event whose data is `payload` as JSON. The other parameters are those of `init(type:data:…)`.
    ///
    /// - Parameter payload: its `eventType` becomes the type.
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

    /// Whether all that is stored of them is the same; who made the id does not matter.
    public static func == (one: NewEvent, other: NewEvent) -> Bool {
        one.id == other.id && one.type == other.type && one.data == other.data
            && one.contentType == other.contentType && one.metadata == other.metadata
            && one.schemaVersion == other.schemaVersion && one.correlationID == other.correlationID
            && one.causationID == other.causationID
    }
}
