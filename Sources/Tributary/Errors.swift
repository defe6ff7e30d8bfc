public import FoundationEssentials

/// An input that no store takes: which part, and what is wrong with it.
public struct InvalidInput: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        case streamName, category, eventType, contentType, correlationID, causationID, schemaVersion
        case expectedVersion
        case noEvents, tooManyEvents, appendTooLarge
        case readLimit, readToken
    }

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
    public let stream: StreamName
    public let expected: ExpectedVersion
    /// The version of the last event; −1 where the stream has none.
    public let actual: Int64
    /// The events that the caller did not know of: after the expected version, else from the first readable one; at
    /// most 100, or 256 KiB of them.
    public let newerEvents: [RecordedEvent]
    /// Whether there are more than `newerEvents`.
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
    public enum Code: Sendable, Equatable {
        case notAStore, unfinishedCreation, alreadyExists, newerFormat
        /// Another process (or another part of this one) has it open.
        case locked
        case noPermission
        case damaged
        /// The index does not belong to this log, or is ahead of it.
        case indexMismatch
        /// A partition holds a record that this build must not guess about.
        case halted
        case unavailable
        case closed
        case `internal`
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
