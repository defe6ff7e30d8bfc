import AppendRule
import EventLog

/// Names a call among those under way.
typealias CallID = UInt64

/// An append (or metadata, or tombstone) as its caller asked for it. A class, since calls are copied often.
final class AppendRequest: Sendable {
    let stream: NameKey
    let channel: Int
    /// Of attempt 0.
    let header: RecordHeader
    /// Encodes the record; attempt and write id are stamped in when it is written.
    let encoded: @Sendable () -> [UInt8]
    /// Whether the local index is asked before the record is written. A record with fresh ids that expects nothing
    /// needs no asking.
    let needsCheck: Bool
    /// Whether the log may take its record a little later, along with others.
    let mayGather: Bool
    /// From then on the call only settles what it wrote.
    let settleBy: ContinuousClock.Instant
    let deadline: ContinuousClock.Instant

    init(
        stream: NameKey, channel: Int, header: RecordHeader, needsCheck: Bool, mayGather: Bool = false,
        settleBy: ContinuousClock.Instant, deadline: ContinuousClock.Instant, encoded: @escaping @Sendable () -> [UInt8]
    ) {
        self.stream = stream
        self.channel = channel
        self.header = header
        self.encoded = encoded
        self.needsCheck = needsCheck
        self.mayGather = mayGather
        self.settleBy = settleBy
        self.deadline = deadline
    }

    /// Calls of one stream that must not overlap.
    var isExclusive: Bool { header.kind != .append || header.expectation != .any }

    /// Whether a record with this header is a try of the same append (or a cancel of one).
    func isTried(by other: RecordHeader, of stream: NameKey) -> Bool {
        other.subject == header.kind && other.expectation == header.expectation && other.ids == header.ids
            && other.expectedStream == header.expectedStream && stream == self.stream
    }
}

/// How a call ends.
public enum CallOutcome: Sendable, Equatable {
    /// `offset`: where the accepted record lies in its channel.
    case accepted(firstVersion: Int64, firstSequence: Int64, offset: Int64, isRepeat: Bool)
    case conflict(actual: Int64)
    /// This attempt was killed and will never be accepted.
    case cancelled
    case tombstoned
    case idReused
    case notWritten(String)
    /// The caller's task was cancelled, and nothing was written.
    case withdrawn
    case unknown
    case tooLarge
    case failed(IndexError)
}

/// Where a call stands. In brackets: what may come next.
enum CallPhase: Sendable, Equatable {
    /// It waits for its turn in its stream. [checking, written]
    case waiting
    /// The local index is being asked. [written]
    case checking
    /// The log could not store it; it is written again after a pause. [written]
    case pausing
    /// The log has it. [pausing, cancelling, written as the next attempt]
    case written
    /// Its cancel record was written, or is about to be. [written as the next attempt]
    case cancelling
    /// The log could not store the cancel record; it is written again after a pause. [cancelling]
    case cancelPausing
}

/// A call under way.
struct AppendCall: Sendable {
    let request: AppendRequest
    /// The record, until it is handed to the log.
    var value: [UInt8]?
    var phase = CallPhase.waiting
    var attempt: UInt32 = 0
    /// Of its newest record, which is also the record's tag.
    var writeID: UInt64 = 0
    /// Of its records before that, cancels included. One that is written again after *not stored* keeps its own.
    var earlierWriteIDs: [UInt64] = []
    /// How often in a row its record could not be stored.
    var refusals = 0
    /// Why it could not be stored the last time.
    var refusal: String?
    /// Whether a record of it may have been in the log and was killed.
    var wasCancelled = false
    /// It writes no further attempt.
    var isFinal = false
    /// The caller has its answer; the rest is settled in the background.
    var isAnswered = false

    init(_ request: AppendRequest, value: [UInt8]?) {
        self.request = request
        self.value = value
    }

    func hasWritten(_ writeID: UInt64) -> Bool {
        writeID == self.writeID && writeID != 0 || earlierWriteIDs.contains(writeID)
    }

    /// Whether a record of its newest attempt may be in the log, undecided.
    var mayBeInTheLog: Bool {
        switch phase {
        case .waiting, .checking, .pausing: false
        case .written, .cancelling, .cancelPausing: true
        }
    }

    /// Whether later calls of the stream wait for it even where both expect nothing.
    var isUnsettled: Bool { phase != .written }
}

/// What the shell does for the state machine, in this order.
enum CallAction: Sendable {
    /// Ask the local index, and tell `checked`.
    case check(CallID, AppendRequest)
    case write(LogRecord, channel: Int, tag: UInt64)
    case answer(CallID, CallOutcome)
    /// The call is over: its room may be given to another.
    case release(CallID)
}
