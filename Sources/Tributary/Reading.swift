/// Which way a read goes.
public enum ReadDirection: Sendable {
    /// From older to newer.
    case forward
    /// From newer to older.
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
///
/// ```swift
/// EventFilter(category: "Order", types: ["OrderPlaced", "OrderPaid"])
/// ```
/// Names match whole and exactly, case-sensitive, compared as bytes: nothing is normalised, there are no patterns.
public struct EventFilter: Sendable, Equatable {
    /// As `StreamName.category`; nil: all streams, also those of no category.
    public var category: String?
    /// Empty: all types.
    public var types: [String]

    /// A name that no event has is no error: nothing matches.
    ///
    /// - Parameters:
    ///   - category: of the events' streams, compared exactly, as bytes; nil: all.
    ///   - types: of the events, compared exactly, as bytes; empty: all.
    public init(category: String? = nil, types: [String] = []) {
        self.category = category
        self.types = types
    }

    /// Every event.
    public static let all = EventFilter()

    /// The events of one category's streams.
    ///
    /// - Parameter name: compared exactly, case-sensitive, as bytes.
    public static func category(_ name: String) -> EventFilter { EventFilter(category: name) }

    /// The events of one type, or of any of several; without a type, every event.
    ///
    /// - Parameter types: compared exactly, case-sensitive, as bytes.
    public static func types(_ types: String...) -> EventFilter { EventFilter(types: types) }
}

/// What is known of a stream.
public struct StreamInfo: Sendable, Equatable {
    /// Where a stream is in its life.
    public enum State: Sendable, Equatable {
        /// It has no event.
        case missing
        /// It has events, and shows them.
        case live
        /// Its events are hidden; an append brings it back.
        case softDeleted
        /// It was ended for good: its events are hidden, and it takes no more.
        case tombstoned
    }

    /// Whose information it is.
    public let stream: StreamName
    /// Where the stream is in its life.
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
