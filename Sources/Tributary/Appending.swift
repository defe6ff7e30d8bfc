/// When an append returns.
public enum Acknowledgement: Sendable, Equatable {
    /// When it is accepted and durable. With several partitions it has no positions yet.
    case accepted
    /// When it also has its place in the global order: events of an append that begins later come after it. Where the
    /// deadline passes between the two, it returns as accepted, without positions.
    case ordered
}

/// What an append expects of its stream.
public enum ExpectedVersion: Hashable, Sendable {
    /// Nothing.
    case any
    /// That it has no event, or was deleted.
    case noStream
    /// That it has at least one event and was not deleted.
    case streamExists
    /// That its last event has this version: 0 or more.
    case version(Int64)
}

/// What an accepted append got.
public struct AppendResult: Sendable, Equatable {
    /// The stream that took the events.
    public let stream: StreamName
    /// The versions of the events, one for each.
    public let versions: ClosedRange<Int64>
    /// The global positions of the events; nil while they have none.
    public let positions: ClosedRange<GlobalPosition>?
    /// "At least this": give it to a read, also of another process, that must see the append.
    public let token: ReadToken
    /// Whether the same append was accepted before; everything else is then as it was said the first time.
    public let isRepeat: Bool
}

/// A point of the store that a read can be asked to have reached. Opaque; survives as text or JSON.
public struct ReadToken: Hashable, Sendable, Codable, CustomStringConvertible {
    let storePrefix: UInt64
    let partition: UInt32
    let offset: Int64

    init(storePrefix: UInt64, partition: UInt32, offset: Int64) {
        self.storePrefix = storePrefix
        self.partition = partition
        self.offset = offset
    }

    /// Reads what `description` wrote; nil for any other text.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 16,
            let prefix = UInt64(parts[0], radix: 16), let partition = UInt32(parts[1]),
            let offset = Int64(parts[2]), offset >= 0, partition <= UInt32(Int32.max)
        else { return nil }
        self.init(storePrefix: prefix, partition: partition, offset: offset)
    }

    /// The token as text: 16 hexadecimal digits of the store, the partition, the offset.
    public var description: String {
        let hex = String(storePrefix, radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex + "-\(partition)-\(offset)"
    }

    /// - Throws: `DecodingError` where it is no string, or one that is no token.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let token = ReadToken(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "this is no read token")
        }
        self = token
    }

    /// Encodes `description`, as one string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// An append among many: see `EventStore.append(contentsOf:maxInFlight:)`.
///
/// ```swift
/// let appends = orders.map { NewAppend($0.placed, to: $0.stream, expecting: .noStream) }
/// ```
/// The values are checked when the append is handed in.
public struct NewAppend: Sendable {
    /// Where the events go: not a stream whose name begins with `$`.
    public var stream: StreamName
    /// 1 to 1,000 events, together at most 1 MiB (`StoreOptions`), which are stored all or none. The first one's id is
    /// the append's.
    public var events: [NewEvent]
    /// What the stream must be for the append to be accepted.
    public var expected: ExpectedVersion

    /// An append of several events.
    ///
    /// - Parameters:
    ///   - events: 1 to 1,000, together at most 1 MiB (`StoreOptions`).
    ///   - stream: not one that begins with `$`.
    ///   - expected: `.version` takes 0 or more.
    public init(_ events: [NewEvent], to stream: StreamName, expecting expected: ExpectedVersion = .any) {
        self.stream = stream
        self.events = events
        self.expected = expected
    }

    /// An append of one event.
    ///
    /// - Parameters:
    ///   - event: at most 1 MiB (`StoreOptions`).
    ///   - stream: not one that begins with `$`.
    ///   - expected: `.version` takes 0 or more.
    public init(_ event: NewEvent, to stream: StreamName, expecting expected: ExpectedVersion = .any) {
        self.init([event], to: stream, expecting: expected)
    }
}

/// What became of one of many appends.
public struct IndexedAppendResult: Sendable {
    /// The append's place among the inputs, from 0.
    public let index: Int
    /// What `append` would have returned or thrown.
    public let result: Result<AppendResult, AppendError>
}
