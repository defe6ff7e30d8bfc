public import FoundationEssentials

/// An input that no store takes: which part, and what is wrong with it.
public struct InvalidInput: Error, Sendable, Equatable, CustomStringConvertible {
    /// Which part of the input it is.
    public enum Code: Sendable, Equatable {
        /// A stream name is empty, over 1,024 bytes, not UTF-8 or has a control character, or begins with `$` where
        /// events are appended. Choose another name.
        case streamName
        /// A filter's category is empty, over 1,024 bytes or has a control character. No stream is in such a category.
        case category
        /// An event type is empty, over 256 bytes or has a control character. Choose another type.
        case eventType
        /// A content type is empty, over 128 bytes or has a control character. Give a media type.
        case contentType
        /// A correlation id is over 128 bytes or has a control character. Shorten it or leave it out.
        case correlationID
        /// A causation id is over 128 bytes or has a control character. Shorten it or leave it out.
        case causationID
        /// A schema version is 0. Count from 1.
        case schemaVersion
        /// An exact expected version is below 0 or `Int64.max`. For a new stream expect `.noStream`.
        case expectedVersion
        /// An append has no event. Append only where there is something to append.
        case noEvents
        /// Two events of an append have the same id. Give each its own.
        case repeatedID
        /// An append has more events than `StoreOptions.maxEventsPerAppend`. Split it.
        case tooManyEvents
        /// An append's events take more bytes than `StoreOptions.maxBytesPerAppend`, or than the log takes in one
        /// record. Split it, or keep large data elsewhere and append a reference.
        case appendTooLarge
        /// A read's limit is below 1, or it begins below 0. Ask for 1 event or more, from 0 or later.
        case readLimit
        /// A token is of another store. Read with it from the store that gave it.
        case readToken
    }

    /// Which part of the input it is.
    public let code: Code
    /// What is wrong and what is allowed.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}

/// Why an append was refused because of its expectation: enough to decide again without another read.
public struct Conflict: Sendable {
    /// The stream that refused the append.
    public let stream: StreamName
    /// What the append expected.
    public let expected: ExpectedVersion
    /// The version of the last event; −1 where the stream has none.
    public let actual: Int64
    /// The events that the caller did not know of: after the expected version, else from the first readable one; as
    /// many as fit in 100 events and 256 KiB of type, data and metadata. May be empty though there are some.
    public let newerEvents: [RecordedEvent]
    /// Whether there are more than `newerEvents`: read the stream behind them.
    public let hasMore: Bool
}

/// Why an append was not done, or that nobody knows. Each speaks of this call only.
public enum AppendError: Error, Sendable, CustomStringConvertible {
    /// Nothing was stored: the stream is not at the expected version.
    case conflict(Conflict)
    /// Nothing was stored and nothing of this attempt will be.
    case notStored(NotStored)
    /// This call wrote nothing; of earlier calls with the same ids it says nothing. The text says why.
    case notWritten(String)
    /// The log could not be reached before the deadline: the events may be stored or not. Repeat the same call with the
    /// same ids; that settles it.
    case outcomeUnknown(ids: [UUID])
    /// Nothing was stored: the input is one that no store takes.
    case invalid(InvalidInput)
    /// Nothing was stored: the store is closed, halted or damaged. It concerns every append.
    case store(StoreError)

    /// Why an append is not stored and never will be.
    public enum NotStored: Sendable, Equatable {
        /// It was withdrawn, by its deadline or by another call with the same ids.
        case cancelled
        /// The stream was tombstoned: it takes no event any more.
        case tombstoned
        /// The first event's id was used before, for other events. Ids are compared, not content.
        case idReused
    }

    public var description: String {
        switch self {
        case .conflict(let conflict):
            "\(conflict.stream) is at version \(conflict.actual), expected was \(conflict.expected): "
                + "read the newer events and decide again"
        case .notStored(.cancelled): "not stored: the attempt was withdrawn; append again"
        case .notStored(.tombstoned): "not stored: the stream is tombstoned and takes no more events"
        case .notStored(.idReused): "not stored: the event id was used before for another append; use a new id"
        case .notWritten(let why): "nothing was written: \(why)"
        case .outcomeUnknown:
            "the outcome is unknown: repeat the same append with the same ids, that settles it"
        case .invalid(let problem): problem.description
        case .store(let error): error.description
        }
    }
}

/// Why a read failed.
public enum ReadError: Error, Sendable, CustomStringConvertible {
    /// The stream was tombstoned.
    case tombstoned(StreamName)
    /// The read asks for what no store has.
    case invalid(InvalidInput)
    /// The store is closed, unavailable or damaged. It concerns every call.
    case store(StoreError)

    public var description: String {
        switch self {
        case .tombstoned(let stream): "\(stream) is tombstoned"
        case .invalid(let problem): problem.description
        case .store(let error): error.description
        }
    }
}

/// What is wrong with a store as a whole. The message says what to do.
public struct StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, for programs.
    public enum Code: Sendable, Equatable {
        /// There is no store, and it was not to be made; or the place holds something else. Name another place.
        case notAStore
        /// Open: the creation of the store was interrupted. Create it again; that completes it.
        case unfinishedCreation
        /// Create: there is a store already. Open it, or name another place.
        case alreadyExists
        /// Open: the store is of a version that this build does not know. Use a newer build.
        case newerFormat
        /// Open: another process (or another part of this one) has it open. Close it there.
        case locked
        /// The system does not let this process at the store's files. Give it the permission.
        case noPermission
        /// What is read back is not what was stored. Verify the store; where only the index is damaged rebuild it, else
        /// restore a backup.
        case damaged
        /// The index does not belong to this log, or is ahead of it: the log was made anew, cut or replaced. Restore
        /// the log, or begin a new index to go on with what the log has; the message says how.
        case indexMismatch
        /// A partition was halted, and takes no appends: it holds a record that this build must not guess about, or one
        /// that is damaged or missing. What lies before it can be read. The message says which, and what to do.
        case halted
        /// The log or the index cannot be reached, read or written, did not answer in time, or has not what was asked
        /// for (a partition, a global order, an index to rebuild). The message says which; in the first cases see to
        /// the disk or the log, and try again.
        case unavailable
        /// Global positions stop: an order record says of some records other than this node's index. Streams and
        /// appends go on. The message names the record and who wrote it.
        case disputed
        /// The store was closed. Open it again.
        case closed
        /// Something that should not happen, a defect of this library: report it.
        case `internal`
    }

    /// What is wrong, for programs.
    public let code: Code
    /// What is wrong and what to do, for people.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
