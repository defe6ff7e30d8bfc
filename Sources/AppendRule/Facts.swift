// What the rule needs to know of a stream, gathered by whoever holds the state.

/// The state of NAME (and `$$NAME`) before a record.
public struct StreamFacts: Equatable, Sendable {
    /// The version of the last event; −1 while there is none.
    public var current: Int64
    /// The version of the last event of `$$NAME`; −1 while there is none.
    public var metadataCurrent: Int64
    /// The first version that reads show; `StreamFacts.softDeleted` hides all.
    public var firstReadable: Int64
    public var isTombstoned: Bool
    /// Whether any attempt was ever killed for this stream.
    public var hasKills: Bool

    /// The value of `firstReadable` in a stream that was soft-deleted: 2⁶³−1, as in KurrentDB's `$tb`.
    public static let softDeleted = Int64.max

    /// A stream of which nothing is known.
    public static let none = StreamFacts(
        current: -1, metadataCurrent: -1, firstReadable: 0, isTombstoned: false, hasKills: false)

    public init(
        current: Int64, metadataCurrent: Int64, firstReadable: Int64, isTombstoned: Bool, hasKills: Bool
    ) {
        self.current = current
        self.metadataCurrent = metadataCurrent
        self.firstReadable = firstReadable
        self.isTombstoned = isTombstoned
        self.hasKills = hasKills
    }

    public var isSoftDeleted: Bool { firstReadable == Self.softDeleted }
}

/// An accepted record, as the rule remembers it.
public struct AcceptedRecord: Equatable, Sendable {
    public var kind: RecordKind
    public var ids: [RecordID]
    /// The version of its first event in the stream that it went to.
    public var firstVersion: Int64

    public init(kind: RecordKind, ids: [RecordID], firstVersion: Int64) {
        self.kind = kind
        self.ids = ids
        self.firstVersion = firstVersion
    }
}

/// Everything that `decide` may look at besides the header.
public struct Facts: Equatable, Sendable {
    public var stream: StreamFacts
    /// The accepted record that may be the same as this one. Where `header.isFoundByID`: the one that
    /// (NAME, append id) finds. Else, for *exactly n*: the append record that begins at version n + 1 of NAME.
    public var earlier: AcceptedRecord?
    /// The highest attempt killed for (NAME, append id); nil where none was.
    public var highestKilled: UInt32?

    public init(stream: StreamFacts, earlier: AcceptedRecord? = nil, highestKilled: UInt32? = nil) {
        self.stream = stream
        self.earlier = earlier
        self.highestKilled = highestKilled
    }
}
