// What the append rule sees of a record. Values only: no I/O, no clock, no imports.

/// A 16-byte id in RFC 9562 order: `high` holds the first eight bytes, big-endian.
public struct RecordID: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// What a record proposes. The raw values are those of the byte format.
public enum RecordKind: UInt8, Sendable, CaseIterable {
    case append = 1
    /// One event for `$$NAME`, and perhaps a new first readable version of NAME.
    case metadata = 2
    /// The last event of NAME; nothing is accepted after it.
    case tombstone = 3
    /// Kills an attempt of another record, and all attempts below it.
    case cancel = 4
    case barrier = 5
    /// Creation and identity of the store.
    case store = 6
    case ruleUpgrade = 7

    /// Whether an accepted record of this kind brings events.
    public var bringsEvents: Bool {
        switch self {
        case .append, .metadata, .tombstone: true
        case .cancel, .barrier, .store, .ruleUpgrade: false
        }
    }
}

/// What a record expects of a stream's current version.
public enum Expectation: Hashable, Sendable {
    case any
    case noStream
    case streamExists
    /// 0 or more.
    case exactly(Int64)
}

/// Which stream a record's expectation is about: NAME itself, or its metadata stream `$$NAME`.
public enum ExpectedStream: UInt8, Sendable, CaseIterable {
    case stream = 0
    case metadataStream = 1
}

/// The header of a well-formed record that is keyed by a stream name.
public struct RecordHeader: Equatable, Sendable {
    public var kind: RecordKind
    /// Of a cancel: the kind of the record that it cancels. Of any other record: its own kind.
    public var subject: RecordKind
    public var expectation: Expectation
    public var expectedStream: ExpectedStream
    /// Counts the tries of one append, from 0.
    public var attempt: UInt32
    /// Random, one for each record written; the rule never looks at it.
    public var writeID: UInt64
    /// How many events the record brings (of a cancel: how many the cancelled record brings).
    public var eventCount: Int
    /// One for each event, at least one; the first is the append id.
    public var ids: [RecordID]
    /// Of kind metadata: the new first readable version of NAME; nil leaves it as it is.
    public var firstReadable: Int64?

    public var appendID: RecordID { ids[0] }

    public init(
        kind: RecordKind, subject: RecordKind? = nil, expectation: Expectation = .any,
        expectedStream: ExpectedStream = .stream, attempt: UInt32 = 0, writeID: UInt64 = 0,
        eventCount: Int, ids: [RecordID], firstReadable: Int64? = nil
    ) {
        precondition(!ids.isEmpty, "a record has at least one id")
        self.kind = kind
        self.subject = subject ?? kind
        self.expectation = expectation
        self.expectedStream = expectedStream
        self.attempt = attempt
        self.writeID = writeID
        self.eventCount = eventCount
        self.ids = ids
        self.firstReadable = firstReadable
    }

    /// Whether an accepted record of this header is found again by its append id.
    ///
    /// An append with *exactly n* is found at its place, n + 1, and needs no entry of its own.
    public var isFoundByID: Bool {
        if subject == .append, case .exactly = expectation { return false }
        return true
    }
}
