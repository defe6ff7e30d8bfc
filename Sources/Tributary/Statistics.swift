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
