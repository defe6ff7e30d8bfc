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

    public var description: String {
        let hex = String(storePrefix, radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex + "-\(partition)-\(offset)"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let token = ReadToken(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "this is no read token")
        }
        self = token
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// An append among many: see `EventStore.append(contentsOf:maxInFlight:)`.
public struct NewAppend: Sendable {
    public var stream: StreamName
    public var events: [NewEvent]
    public var expected: ExpectedVersion

    public init(_ events: [NewEvent], to stream: StreamName, expecting expected: ExpectedVersion = .any) {
        self.stream = stream
        self.events = events
        self.expected = expected
    }

    public init(_ event: NewEvent, to stream: StreamName, expecting expected: ExpectedVersion = .any) {
        self.init([event], to: stream, expecting: expected)
    }
}

/// What became of one of many appends.
public struct IndexedAppendResult: Sendable {
    /// The append's place among the inputs, from 0.
    public let index: Int
    public let result: Result<AppendResult, AppendError>
}
