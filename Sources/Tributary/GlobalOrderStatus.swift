/// How far the global order is, as this node sees it: see `EventStore.orderStatus()`.
public struct GlobalOrderStatus: Sendable, Equatable {
    /// How far one partition is ordered.
    public struct Partition: Sendable, Equatable {
        /// Its number, from 0.
        public let partition: Int
        /// The first offset that is not ordered, or of which this node does not agree with what the order says.
        public let nextOffset: Int64
        /// The offset of the newest record applied here; −1 where there is none.
        public let appliedOffset: Int64
        /// The node that proposed the newest range of the partition, a lower-case UUID; nil: nobody did yet, or a
        /// void took it, or the store has one partition.
        public let proposer: String?
        /// Whether that is this node.
        public let isProposedHere: Bool

        /// Records applied here that are not ordered: 0 or more.
        public var lag: Int64 { max(0, appliedOffset + 1 - nextOffset) }
    }

    /// An order record that says of some records other than this node's index: positions stop before it.
    public struct Fault: Sendable, Equatable {
        /// Its offset in the order channel: what `voidOrder` takes.
        public let record: Int64
        /// The partition of which it says something else.
        public let partition: Int
        /// The node that wrote it, a lower-case UUID.
        public let proposer: String
        /// The offsets of the partition that it speaks of.
        public let offsets: ClosedRange<Int64>
        /// The first position that is not told.
        public let position: GlobalPosition
        /// What it says of the offsets; nil where the partition does not have them.
        public let claimed: OrderedContent?
        /// What this node decided of them; nil where the partition does not have them.
        public let own: OrderedContent?
        /// What is wrong and what to do, for people.
        public let message: String
    }

    /// The position that the next ordered event gets: every position below it can be read.
    public let head: GlobalPosition
    /// Events that are accepted and applied here and have no position yet: 0 or more.
    public let lag: Int64
    /// Whether the store has one partition: its order is the global order, nobody proposes, nothing lags.
    public let isOrderOfOnePartition: Bool
    /// All partitions, by number.
    public let partitions: [Partition]
    /// This node's id as a proposer, a lower-case UUID; nil in a store of one partition.
    public let node: String?
    /// Records of the order channel that this node has applied; 0 in a store of one partition.
    public let records: Int64
    /// Ranges of order records that were placed when they came.
    public let validRanges: Int64
    /// Ranges that were ignored when they came: another node was first, which is harmless.
    public let ignoredRanges: Int64
    /// What stops positions until it is declared void; nil: nothing does.
    public let fault: Fault?
    /// Why the order channel was halted, with what to do; nil while it runs.
    public let halted: String?
}
