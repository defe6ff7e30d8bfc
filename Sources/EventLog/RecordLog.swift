// The one interface between the stream index and whatever keeps the records: files of one directory, Kafka, memory.
// A log stores and orders; it never decides, and it does not know what is in a record.

/// Bytes to write. Kafka lets both be null, and so does every log here.
public struct LogRecord: Sendable, Equatable {
    public var key: [UInt8]?
    public var value: [UInt8]?
    /// Nobody is kept waiting if a log takes it a few milliseconds later, along with others.
    public var mayGather = false

    public init(key: [UInt8]?, value: [UInt8]?) {
        self.key = key
        self.value = value
    }

    public var byteCount: Int { (key?.count ?? 0) + (value?.count ?? 0) }
}

/// A record as the log keeps it.
public struct StoredRecord: Sendable, Equatable {
    public var offset: Int64
    /// Milliseconds since 1970, given by the log.
    public var appendTime: Int64
    public var record: LogRecord

    public init(offset: Int64, appendTime: Int64, record: LogRecord) {
        self.offset = offset
        self.appendTime = appendTime
        self.record = record
    }
}

/// Where a frame lies in segment files: the file's number, the byte in it, the frame's length in bytes.
public struct FramePlace: Sendable, Hashable {
    public var file: UInt32
    public var position: UInt32
    public var length: UInt32

    public init(file: UInt32, position: UInt32, length: UInt32) {
        self.file = file
        self.position = position
        self.length = length
    }
}

/// Names an enqueued record in what the log reports of it. Chosen by the caller; `none` is never reported.
public struct LogTag: Sendable, Hashable {
    public var number: UInt64
    public static let none = LogTag(number: 0)

    public init(number: UInt64) {
        self.number = number
    }
}

/// What a log says of a record that it could not plainly store. A record that was stored is never reported: it
/// comes back in a run.
public enum TagOutcome: Sendable, Equatable {
    /// It is not in the log and never will be.
    case notStored(NotStoredReason)
    /// It may be in the log, now or later.
    case unknown
}

public enum NotStoredReason: Sendable, Equatable {
    /// Over the log's limit: no use in trying again.
    case tooLarge
    /// The log is closed, or failed for good; the text says why and what to do.
    case failed(String)
    /// Trying again may help.
    case temporary(String)
}

public struct TagReport: Sendable, Equatable {
    public var tag: LogTag
    public var outcome: TagOutcome

    public init(tag: LogTag, outcome: TagOutcome) {
        self.tag = tag
        self.outcome = outcome
    }
}

/// What a log tells its handler, besides runs.
public enum LogEvent: Sendable, Equatable {
    case tags([TagReport])
    case contactLost(String)
    /// Also told by itself where a connection broke or a leader was odd, so that what is delivered next may come from
    /// another log.
    case contactRegained
    /// The next record of the channel should have had offset `expected`; the log went on at `found`.
    case gap(channel: Int, expected: Int64, found: Int64)
    /// The channel's log begins at `start`, above the offset asked for.
    case startMoved(channel: Int, start: Int64)
    /// The channel's log ends at `end`, below the offset asked for.
    case shortened(channel: Int, end: Int64)
    /// What was stored is not what is read back: nothing more is delivered of the channel, or, where it is nil, of any,
    /// and then nothing is stored either. The text says where and what to do.
    case damaged(channel: Int?, String)
    /// The log delivers and stores nothing more; the text says why and what to do.
    case failed(String)
}

/// Gets what a log delivers: called on threads of the log's own, one call at a time over all channels.
public protocol LogHandler: AnyObject, Sendable {
    /// Durable records, in each channel's order, dense in each channel. The run is valid during the call only.
    func handle(_ run: borrowing RecordRun)
    func handle(_ event: LogEvent)
}

public struct LogDescription: Sendable, Equatable {
    /// For people: "directory /srv/orders", "memory", "kafka localhost:9092 store shop".
    public var name: String
    /// The number of event channels: 0 ..< partitions.
    public var partitions: Int
    /// Whether there is an order channel.
    public var hasOrderChannel: Bool
    /// Whether nobody but this instance can write to the log.
    public var isOnlyWriter: Bool
    /// The most that key and value of one record may take together, in bytes.
    public var maxRecordBytes: Int
    /// Why nothing can be written, with what to do; nil: it can.
    public var writeRefusal: String?
    /// Nobody could be reached when it was opened: what it holds is not known before `LogEvent.contactRegained`.
    public var isAway: Bool

    public init(
        name: String, partitions: Int, hasOrderChannel: Bool = false, isOnlyWriter: Bool, maxRecordBytes: Int,
        writeRefusal: String? = nil, isAway: Bool = false
    ) {
        self.name = name
        self.partitions = partitions
        self.hasOrderChannel = hasOrderChannel
        self.isOnlyWriter = isOnlyWriter
        self.maxRecordBytes = maxRecordBytes
        self.writeRefusal = writeRefusal
        self.isAway = isAway
    }

    /// All channels: the partitions, and behind them the order channel where there is one.
    public var channels: Int { partitions + (hasOrderChannel ? 1 : 0) }

    /// The number of the order channel; nil: there is none.
    public var orderChannel: Int? { hasOrderChannel ? partitions : nil }

    /// What people call a channel: "partition 3", "the order topic".
    public func name(of channel: Int) -> String {
        channel == orderChannel ? "the order topic" : "partition \(channel)"
    }
}

/// An error of a log. The message says what to do about it.
public struct LogError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// The log cannot be reached, read or written.
        case unavailable
        /// What was stored is not what is read back.
        case damaged
        /// Another process or instance holds it.
        case locked(pid: Int32?)
        /// It is no log of this kind.
        case notAStore
        /// It is of a version that this build does not know.
        case newerFormat
        /// It was never finished.
        case unfinishedCreation
        case alreadyExists
        case noPermission
        case closed
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}

/// Ordered channels of records, delivered back in order once they are durable.
///
/// Life: `start` once, any calls, `close` once. `append` and `withdraw` may be called from any thread, also from
/// the handler; they never block. After `close` the calls that ask the log throw `LogError.Code.closed`.
///
/// The log keeps what is enqueued until it is stored or reported: how much that is, its caller limits.
public protocol RecordLog: AnyObject, Sendable {
    var description: LogDescription { get }

    /// Enqueues a record. Of a record with a tag the handler hears through `LogEvent.tags` if it is not stored or
    /// unknown, and through a run if it is; the report comes once at most, and never from within this call. After
    /// `close`, also after it returned, the report is *not stored*, for as long as the handler lives.
    func append(_ record: LogRecord, to channel: Int, tag: LogTag)

    /// Takes back a record that was not yet given to the disk or the client library. True: it will never be stored,
    /// and nothing is reported of it.
    func withdraw(_ tag: LogTag) -> Bool

    /// Begins delivering, at the given offset in each channel: `offsets.count` is `description.channels`. An offset
    /// where the channel has no more, or not yet, any records is told by `LogEvent.startMoved` or `shortened`, and
    /// delivery goes on from there.
    func start(from offsets: [Int64], handler: any LogHandler) throws

    /// Delivers the channel again: its next run, after the one that is being delivered, begins at `offset`.
    func restart(channel: Int, from offset: Int64)

    /// The first offset that is there and the one that the next record gets, asked afresh.
    func bounds(of channel: Int) async throws(LogError) -> Range<Int64>

    /// One record, without moving the delivery; nil where there is none at this offset.
    func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord?

    /// Figures of its own, as they are now; cheap, from any thread.
    var figures: [LogFigure] { get }

    /// Stops: what is enqueued is stored or reported, the last call to the handler returns, threads end.
    func close() async
}

extension RecordLog {
    public var figures: [LogFigure] { [] }
}

/// A figure of a log, for metrics.
public struct LogFigure: Sendable, Equatable {
    /// Lower-case words with underscores, the unit last where there is one: "kafka_queued_bytes".
    public var name: String
    public var help: String
    /// As "bytes"; nil: a number of things.
    public var unit: String?
    /// Whether it only grows while the log is open.
    public var isCounter: Bool
    public var labels: [String: String]
    public var value: Double

    public init(
        _ name: String, _ help: String, unit: String? = nil, isCounter: Bool = false, labels: [String: String] = [:],
        _ value: Double
    ) {
        self.name = name
        self.help = help
        self.unit = unit
        self.isCounter = isCounter
        self.labels = labels
        self.value = value
    }
}
