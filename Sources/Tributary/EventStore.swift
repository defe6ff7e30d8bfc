import EmbeddedEventLog
import EventLog
import StreamIndex

/// An event store: appends decided by the log, reads of one stream, of a category, of everything.
///
/// ```swift
/// let store = try await EventStore.open(.directory("./data"))
/// let order = try StreamName("Order-42")
/// let done = try await store.append(placed, to: order, expecting: .noStream)
/// for try await event in store.read(order) { print(event.version, event.type) }
/// await store.close()
/// ```
/// A store works from `open` on. All calls may be made from any task; none blocks a thread of Swift's pool.
public final class EventStore: Sendable {
    // STUB
    init() {}
}

extension EventStore {
    /// Makes a store. Completes a creation that was interrupted.
    ///
    /// - Throws: `StoreError`: `alreadyExists`, `notAStore` for a directory that holds something else, `noPermission`,
    ///   `locked`, `unavailable`.
    public static func create(_ location: Location, options: StoreOptions = StoreOptions()) async throws {
        fatalError("stub")
    }

    /// Opens a store; makes it first where there is none, unless told otherwise.
    public static func open(
        _ location: Location, creating: Creation = .ifMissing, options: StoreOptions = StoreOptions()
    ) async throws -> EventStore {
        fatalError("stub")
    }

    /// Throws the index away and makes it anew from the log. The store must not be open.
    public static func rebuildIndex(
        _ location: Location, options: StoreOptions = StoreOptions(),
        progress: @escaping @Sendable (StoreProgress) -> Void = { _ in }
    ) async throws -> RebuildReport {
        fatalError("stub")
    }

    public func close() async { fatalError("stub") }

    public func append(
        _ event: NewEvent, to stream: StreamName, expecting expected: ExpectedVersion = .any,
        deadline: Duration = .seconds(30)
    ) async throws -> AppendResult {
        try await append([event], to: stream, expecting: expected, deadline: deadline)
    }

    public func append(
        _ events: [NewEvent], to stream: StreamName, expecting expected: ExpectedVersion = .any,
        deadline: Duration = .seconds(30)
    ) async throws -> AppendResult {
        fatalError("stub")
    }

    /// Many appends in flight; results in input order; a refused append never ends the sequence.
    /// Appends to one stream keep their order.
    public func append<Appends: AsyncSequence & Sendable>(
        contentsOf appends: Appends, maxInFlight: Int = 1_000, deadline: Duration = .seconds(30)
    ) -> AppendResults<Appends> where Appends.Element == NewAppend {
        AppendResults()
    }

    public func read(
        _ stream: StreamName, from version: Int64? = nil, direction: ReadDirection = .forward, limit: Int = .max,
        consistency: ReadConsistency = .local
    ) -> EventSequence {
        EventSequence()
    }

    public func readAll(
        from position: GlobalPosition? = nil, direction: ReadDirection = .forward, limit: Int = .max,
        where filter: EventFilter = .all, consistency: ReadConsistency = .local
    ) -> EventSequence {
        EventSequence()
    }

    /// nil where the stream has no event (or was soft-deleted); throws `ReadError.tombstoned`.
    public func lastEvent(of stream: StreamName) async throws -> RecordedEvent? { fatalError("stub") }

    public func info(of stream: StreamName) async throws -> StreamInfo { fatalError("stub") }

    public func info(of streams: [StreamName]) async throws -> [StreamInfo] { fatalError("stub") }

    /// Streams with events; those whose name begins with `$` only where the prefix does.
    public func streams(
        prefix: String = "", after name: StreamName? = nil, limit: Int = 1_000, sortedBy order: StreamOrder = .name
    ) async throws -> [StreamInfo] { fatalError("stub") }

    public func statistics() async throws -> StoreStatistics { fatalError("stub") }

    /// Compares digests, offsets and every index entry with what the log gives anew.
    public func verify(progress: @escaping @Sendable (StoreProgress) -> Void = { _ in }) async throws -> VerifyReport {
        fatalError("stub")
    }

    /// The raw records of the log, in the log's order, with what was decided of each.
    public func logRecords(partition: Int = 0, from offset: Int64 = 0) -> LogRecordSequence { LogRecordSequence() }
}

extension EventStore {
    /// Where a store is.
    public struct Location: Sendable {
        public static func directory(_ path: String) -> Location { Location() }
        public static func inMemory(partitions: Int = 1) -> Location { Location() }
    }

    public enum Creation: Sendable {
        case ifMissing
        case never
    }
}

public struct StoreOptions: Sendable {
    /// Gets what the store has to say to people: recovery, rebuilding, damage.
    public var log: @Sendable (LogLine) -> Void = { _ in }
    public init() {}
}

public struct LogLine: Sendable {
    public enum Level: Int, Sendable { case debug, info, warning, error }
    public let level: Level
    public let label: String
    public let message: String
    public let metadata: [String: String]
}

public struct StoreProgress: Sendable {
    public let recordsDone: Int64
    public let recordsTotal: Int64
}

public struct RebuildReport: Sendable {
    public let records: Int64
    public let events: Int64
    /// One for each partition.
    public let digests: [UInt64]
}

public struct VerifyReport: Sendable {
    public struct Partition: Sendable {
        public let partition: Int
        /// The offset of the newest record applied; −1 where there is none.
        public let offset: Int64
        public let digest: UInt64
        public let records: Int64
    }
    public let partitions: [Partition]
    public let events: Int64
    public let streams: Int64
    public let entriesCompared: Int64
    /// Empty where all agrees; else what differs, each with place, at most 100.
    public let problems: [String]
}

public struct StoreStatistics: Sendable {
    public struct Partition: Sendable {
        public let partition: Int
        /// The offset of the newest record applied; −1 where there is none.
        public let appliedOffset: Int64
        public let digest: UInt64
        public let events: Int64
        /// Records by what was decided: "accepted", "alreadyAccepted", "conflict", "killed", "tombstoned", "idReused",
        /// "cancelled", "barrier", "identity", "foreign".
        public let decisions: [String: Int64]
        /// Why the partition was halted; nil while it runs.
        public let halted: String?
    }
    /// Lower-case UUID.
    public let store: String
    public let location: String
    public let partitions: [Partition]
    public let events: Int64
    public let streams: Int64
    public let logBytes: Int64
    public let indexBytes: Int64
}

/// One record of the log.
public struct LogEntry: Sendable {
    public let partition: Int
    public let offset: Int64
    public let createdMilliseconds: Int64
    public let key: [UInt8]?
    public let value: [UInt8]?
    /// "append", "metadata", "tombstone", "cancel", "barrier", "store", "ruleUpgrade", or nil for a foreign record.
    public let kind: String?
    /// As in `StoreStatistics.Partition.decisions`; foreign ones with the reason: "foreign: wrong checksum".
    public let decision: String
    /// Of the events that it brought, or brought earlier.
    public let firstVersion: Int64?
    public let eventCount: Int
    public let ids: [String]
    /// "any", "no-stream", "exists" or a number.
    public let expected: String?
    public let attempt: UInt32?
}

public struct EventSequence: AsyncSequence, Sendable {
    public struct AsyncIterator: AsyncIteratorProtocol {
        public mutating func next() async throws -> RecordedEvent? { fatalError("stub") }
    }
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}

public struct LogRecordSequence: AsyncSequence, Sendable {
    public struct AsyncIterator: AsyncIteratorProtocol {
        public mutating func next() async throws -> LogEntry? { fatalError("stub") }
    }
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}

public struct AppendResults<Appends: AsyncSequence & Sendable>: AsyncSequence, Sendable where Appends.Element == NewAppend {
    public struct AsyncIterator: AsyncIteratorProtocol {
        public mutating func next() async throws -> IndexedAppendResult? { fatalError("stub") }
    }
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}
