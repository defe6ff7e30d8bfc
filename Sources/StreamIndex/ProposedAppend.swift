import AppendRule
import Envelope

/// An append as the layer above hands it in; its parts were checked there.
public struct ProposedAppend: Sendable {
    public enum Expectation: Sendable, Equatable {
        case any, noStream, streamExists
        case exactly(Int64)

        var rule: AppendRule.Expectation {
            switch self {
            case .any: .any
            case .noStream: .noStream
            case .streamExists: .streamExists
            case .exactly(let version): .exactly(version)
            }
        }
    }

    public var stream: [UInt8]
    public var expectation: Expectation
    public var events: [ProposedEvent]
    public var ids: [(high: UInt64, low: UInt64)]
    /// Whether the ids were made for this append and are known to be new.
    public var hasFreshIDs: Bool
    public var deadline: Duration
    /// Whether the log may take it a little later, along with others.
    public var mayGather: Bool

    public init(
        stream: [UInt8], expectation: Expectation, events: [ProposedEvent], ids: [(high: UInt64, low: UInt64)],
        hasFreshIDs: Bool, deadline: Duration, mayGather: Bool = false
    ) {
        self.stream = stream
        self.expectation = expectation
        self.events = events
        self.ids = ids
        self.hasFreshIDs = hasFreshIDs
        self.deadline = deadline
        self.mayGather = mayGather
    }
}

/// An event to append, as bytes.
public struct ProposedEvent: Sendable, Equatable {
    let content: EventContent

    /// - Parameter metadata: nil and empty differ.
    public init(
        type: [UInt8], schemaVersion: UInt32, contentType: [UInt8], correlationID: [UInt8]?, causationID: [UInt8]?,
        data: [UInt8], metadata: [UInt8]?
    ) {
        content = EventContent(
            type: type, schemaVersion: schemaVersion, contentType: contentType, correlationID: correlationID,
            causationID: causationID, data: data, metadata: metadata)
    }

    public var type: [UInt8] { content.type }
    public var contentType: [UInt8] { content.contentType }
    public var correlationID: [UInt8]? { content.correlationID }
    public var causationID: [UInt8]? { content.causationID }

    /// What everything that it brings takes in a record, in bytes.
    public var byteCount: Int { content.byteCount }
}

/// Checks of names against the bounds of the byte format.
public enum NameCheck {
    public enum Problem: Sendable, Equatable {
        case empty
        /// Over so many bytes.
        case tooLong(limit: Int)
        case notUTF8
        case controlCharacter
    }

    public static func streamName(_ name: [UInt8]) -> Problem? {
        problem(RecordEnvelope.problem(inStreamName: name.span))
    }

    public static func eventType(_ type: [UInt8]) -> Problem? {
        problem(RecordEnvelope.problem(inEventType: type.span))
    }

    public static func contentType(_ type: [UInt8]) -> Problem? {
        problem(RecordEnvelope.problem(inContentType: type.span))
    }

    /// Of a correlation or causation id.
    public static func correlationID(_ id: [UInt8]) -> Problem? {
        problem(RecordEnvelope.problem(inCorrelationID: id.span))
    }

    private static func problem(_ found: NameProblem?) -> Problem? {
        switch found {
        case nil: nil
        case .empty: .empty
        case .tooLong(let limit): .tooLong(limit: limit)
        case .notUTF8: .notUTF8
        case .controlCharacter: .controlCharacter
        }
    }
}
