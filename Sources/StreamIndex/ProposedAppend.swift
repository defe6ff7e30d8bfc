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
    /// One for each event.
    public var ids: [(high: UInt64, low: UInt64)]
    /// What the events take in the record, ids included: the sum of `EventBytes.count`.
    public var eventBytes: Int
    /// Whether the ids were made for this append and are known to be new.
    public var hasFreshIDs: Bool
    public var deadline: Duration
    /// Whether the log may take it a little later, along with others.
    public var mayGather: Bool
    /// Writes the events, in the order of their ids. It is called once there is room for the record.
    public var writeEvents: @Sendable (inout EventBytes) -> Void

    public init(
        stream: [UInt8], expectation: Expectation, ids: [(high: UInt64, low: UInt64)], eventBytes: Int,
        hasFreshIDs: Bool, deadline: Duration, mayGather: Bool = false,
        writeEvents: @escaping @Sendable (inout EventBytes) -> Void
    ) {
        self.stream = stream
        self.expectation = expectation
        self.ids = ids
        self.eventBytes = eventBytes
        self.hasFreshIDs = hasFreshIDs
        self.deadline = deadline
        self.mayGather = mayGather
        self.writeEvents = writeEvents
    }

    /// What the value of its record takes, known before it is encoded.
    var recordBytes: Int { IndexLimits.recordHeaderBytes + eventBytes }
}

/// The bytes of an append's events in its record.
public struct EventBytes: ~Copyable {
    var writer: EventWriter

    /// Adds an event whose parts were checked (`NameCheck`). Of metadata and ids nil and empty differ.
    public mutating func add(
        type: String, schemaVersion: UInt32, contentType: String, correlationID: String?, causationID: String?,
        data: [UInt8], metadata: [UInt8]?
    ) {
        writer.add(
            type: type, schemaVersion: schemaVersion, contentType: contentType, correlationID: correlationID,
            causationID: causationID, data: data, metadata: metadata)
    }

    /// What an event takes in a record, from the lengths of its parts in bytes; its id is counted.
    public static func count(
        type: Int, contentType: Int, correlationID: Int?, causationID: Int?, data: Int, metadata: Int?
    ) -> Int {
        EventWriter.byteCount(
            type: type, contentType: contentType, correlationID: correlationID, causationID: causationID, data: data,
            metadata: metadata)
    }
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

    public static func eventType(_ type: String) -> Problem? {
        problem(RecordEnvelope.problem(inEventType: type.utf8Span.span))
    }

    public static func contentType(_ type: String) -> Problem? {
        problem(RecordEnvelope.problem(inContentType: type.utf8Span.span))
    }

    /// Of a correlation or causation id.
    public static func correlationID(_ id: String) -> Problem? {
        problem(RecordEnvelope.problem(inCorrelationID: id.utf8Span.span))
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
