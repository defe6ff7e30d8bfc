/// Which way a read goes.
public enum ReadDirection: Sendable {
    case forward
    case backward
}

/// What a read is guaranteed to include.
public enum ReadConsistency: Sendable, Equatable {
    /// All that this process was told is accepted.
    case local
    /// Also everything up to this token, of whatever process.
    case atLeast(ReadToken)
    /// Everything that was accepted before the read began, wherever: costs one record in the log.
    case linearizable
}

/// Which events a read of the whole store shows. Category and types both hold; of several types one.
public struct EventFilter: Sendable, Equatable {
    public var category: String?
    /// Empty: all types.
    public var types: [String]

    public init(category: String? = nil, types: [String] = []) {
        self.category = category
        self.types = types
    }

    public static let all = EventFilter()

    public static func category(_ name: String) -> EventFilter { EventFilter(category: name) }

    public static func types(_ types: String...) -> EventFilter { EventFilter(types: types) }
}

/// What is known of a stream.
public struct StreamInfo: Sendable, Equatable {
    public enum State: Sendable, Equatable {
        /// It has no event.
        case missing
        case live
        /// Its events are hidden; an append brings it back.
        case softDeleted
        case tombstoned
    }

    public let stream: StreamName
    public let state: State
    /// The first version that a read shows; nil where it shows none.
    public let firstVersion: Int64?
    /// The version of its last event; nil where it never had one.
    public let currentVersion: Int64?

    /// How many events the stream has ever taken.
    public var eventCount: Int64 { (currentVersion ?? -1) + 1 }
}

/// How `streams` sorts.
public enum StreamOrder: Sendable {
    /// By name, as bytes.
    case name
    /// Most events first, then by name; without paging.
    case events
}
