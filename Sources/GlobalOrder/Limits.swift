/// The bounds of order records. Those of the rule are part of what a valid range is and never change with a node's
/// configuration.
public enum OrderLimits {
    /// Of the rule: offsets in one range.
    public static let longestRange: Int64 = 1 << 20
    /// Of the rule: accepted events that one offset can bring.
    public static let eventsPerOffset: Int64 = 1 << 16
    /// Of the rule: the highest offset.
    public static let highestOffset: Int64 = 1 << 62

    /// Ranges that a proposer puts into one record.
    public static let rangesInRecord = 1_024
    /// Offsets that a proposer puts into one range.
    public static let offsetsInRange: Int64 = 1 << 16
    /// Offsets in all ranges of one record: even if none brought an event, the record stays below 1 MiB.
    public static let offsetsInRecord: Int64 = 1 << 17
    /// Runs of applied offsets that a proposer remembers in the order in which they were applied. What is applied while
    /// so many wait follows in the order of the partitions.
    public static let waitingRuns = 4_096
}

/// When an `OrderProposer` does what it does, in nanoseconds.
public struct ProposerTiming: Equatable, Sendable {
    /// How long an applied offset waits for the node that orders its partition before another node does it; each node
    /// adds a random share of up to as much again.
    public var takeOverDelay: Int64
    /// How long a record may take to come back before its ranges are proposed again.
    public var flightTime: Int64
    /// The pause after a record that was not stored, or of which nobody knows; each one in a row is twice as long, up
    /// to the flight time.
    public var pauseAfterFailure: Int64
    /// How long an applied offset waits for others where nobody at this node waits for its position.
    public var gatherTime: Int64

    public init(
        takeOverDelay: Int64 = 500_000_000, flightTime: Int64 = 5_000_000_000, pauseAfterFailure: Int64 = 50_000_000,
        gatherTime: Int64 = 0
    ) {
        precondition(
            takeOverDelay > 0 && flightTime > 0 && pauseAfterFailure >= 0 && gatherTime >= 0, "a time is not negative")
        self.gatherTime = gatherTime
        self.takeOverDelay = takeOverDelay
        self.flightTime = flightTime
        self.pauseAfterFailure = pauseAfterFailure
    }
}
