/// How far a walk over the log is: what `open`, `rebuildIndex` and `verify` say of themselves.
public struct StoreProgress: Sendable {
    /// Records of all partitions that were worked through: 0 or more.
    public let recordsDone: Int64
    /// Records that there were when it began: 0 or more.
    public let recordsTotal: Int64
}

/// What `EventStore.rebuildIndex` made.
public struct RebuildReport: Sendable {
    /// Records of all partitions that the new index has applied, refused and foreign ones among them.
    public let records: Int64
    /// Events of all partitions, the store's own creation event among them.
    public let events: Int64
    /// One for each partition, in their order: a CRC-64 over every record and what was decided of it. Two indexes of
    /// one log that have applied as many records have the same.
    public let digests: [UInt64]
}

/// What `EventStore.verify` found.
public struct VerifyReport: Sendable {
    /// One partition of the index in use, as it was when the comparison began.
    public struct Partition: Sendable {
        /// Its number, from 0.
        public let partition: Int
        /// The offset of the newest record applied; −1 where there is none.
        public let offset: Int64
        /// A CRC-64 over every record applied and what was decided of it.
        public let digest: UInt64
        /// Records applied: `offset` + 1.
        public let records: Int64
    }
    /// All partitions, by number.
    public let partitions: [Partition]
    /// Events of all partitions, the store's own creation event among them.
    public let events: Int64
    /// Streams that have ever taken an event, the deleted ones and `$store` among them; `$$…` are not counted.
    public let streams: Int64
    /// Entries of the index that were looked at; one that both indexes have counts once.
    public let entriesCompared: Int64
    /// Empty where all agrees; else what differs, each with place, at most 100.
    public let problems: [String]
    /// How far the global order was when the comparison began; nil where the log keeps none.
    public let order: GlobalOrderStatus?
}

/// What `EventStore.statistics` says: figures of the index as it is now.
public struct StoreStatistics: Sendable {
    /// One partition of the log, as far as it is applied.
    public struct Partition: Sendable {
        /// Its number, from 0.
        public let partition: Int
        /// The offset of the newest record applied; −1 where there is none.
        public let appliedOffset: Int64
        /// A CRC-64 over every record applied and what was decided of it.
        public let digest: UInt64
        /// Events accepted; in partition 0 the store's own creation event among them.
        public let events: Int64
        /// Records by what was decided, each name there, 0 where there is none: "accepted", "alreadyAccepted",
        /// "conflict", "killed", "tombstoned", "idReused", "cancelled", "barrier", "identity", "foreign".
        public let decisions: [String: Int64]
        /// Why the partition was halted, with what to do; nil while it runs.
        public let halted: String?
    }
    /// Lower-case UUID.
    public let store: String
    /// The log's name for people: of a directory, its path.
    public let location: String
    /// All partitions, by number.
    public let partitions: [Partition]
    /// Events of all partitions, the store's own creation event among them.
    public let events: Int64
    /// Streams that have ever taken an event, the deleted ones and `$store` among them; `$$…` are not counted.
    public let streams: Int64
    /// Size of the log's own files as far as they are durable, in bytes; 0 where it has none.
    public let logBytes: Int64
    /// Size of the index's own files, in bytes, about: what was written last may not be in a file yet.
    public let indexBytes: Int64
    /// How far the global order is; nil where the log keeps none.
    public let order: GlobalOrderStatus?
}

/// One record of the log, with what was decided of it: see `EventStore.logRecords(partition:from:)`.
public struct LogEntry: Sendable {
    /// The partition that the record is in, from 0.
    public let partition: Int
    /// Its place in the partition, from 0, without gaps.
    public let offset: Int64
    /// The log's append time, in milliseconds since 1970.
    public let createdMilliseconds: Int64
    /// The record's key as it is in the log; nil for a null key.
    public let key: [UInt8]?
    /// The record's value as it is in the log; nil for a null value.
    public let value: [UInt8]?
    /// "append", "metadata", "tombstone", "cancel", "barrier" or "store"; nil for a record that does not read as one of
    /// this store.
    public let kind: String?
    /// A name as in `StoreStatistics.Partition.decisions`. A foreign record has "foreign: " and the reason's name, such
    /// as "foreign: wrongChecksum"; only where the record is well-formed and stands before its partition's identity
    /// record it is "foreign" alone.
    public let decision: String
    /// The version of the first event that the record brought, or that the same append brought earlier; of a cancel
    /// that came too late, that of the append. nil: none.
    public let firstVersion: Int64?
    /// How many events the record holds, accepted or not; of a cancel, those of the append that it withdraws; else 0.
    public let eventCount: Int
    /// The ids that the record holds, as lower-case UUIDs: of its events, of the append that it withdraws, or its own.
    /// The first is the append's id. Empty for a foreign record.
    public let ids: [String]
    /// "any", "no-stream", "exists" or a number; nil for a record that expects nothing.
    public let expected: String?
    /// Which attempt of its append the record is; nil for a record that is none.
    public let attempt: UInt32?
    /// The global positions of the events that it brought; nil: none, or not ordered yet.
    public let positions: ClosedRange<GlobalPosition>?
}
