// What stands in the order channel. Values only: no I/O, no clock, no imports.

/// The 16-byte id of a node that proposes, in RFC 9562 order: `high` holds the first eight bytes, big-endian.
public struct ProposerID: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// What the append rule made of some consecutive offsets of a partition.
public struct RangeContent: Equatable, Sendable {
    /// How many events were accepted.
    public var events: Int64
    /// The offsets that brought no event, ascending.
    public var empty: [Int64]

    public init(events: Int64, empty: [Int64]) {
        self.events = events
        self.empty = empty
    }
}

/// Consecutive offsets of one partition that a node proposes to put next into the global order.
///
/// Any values may stand in one: `isWellFormed` tells.
public struct OrderRange: Equatable, Sendable {
    public var partition: Int
    public var first: Int64
    /// Inclusive.
    public var last: Int64
    public var content: RangeContent

    public init(partition: Int, first: Int64, last: Int64, content: RangeContent) {
        self.partition = partition
        self.first = first
        self.last = last
        self.content = content
    }

    /// Whether the range can be valid at all, in a store of `partitions` partitions: a pure function.
    public func isWellFormed(partitions: Int) -> Bool {
        guard (0..<partitions).contains(partition), first >= 0, last >= first, last <= OrderLimits.highestOffset,
            last - first < OrderLimits.longestRange
        else { return false }
        var previous = first - 1
        for offset in content.empty {
            guard offset > previous, offset <= last else { return false }
            previous = offset
        }
        // Zero events exactly where every offset is empty.
        let filled = last - first + 1 - Int64(content.empty.count)
        return content.events >= filled && content.events <= filled * OrderLimits.eventsPerOffset
    }
}

/// What one node proposes: ranges in the order in which it applied them. Each is judged by itself.
public struct OrderRecord: Equatable, Sendable {
    public var proposer: ProposerID
    public var ranges: [OrderRange]

    public init(proposer: ProposerID, ranges: [OrderRange]) {
        self.proposer = proposer
        self.ranges = ranges
    }
}

/// Declares void what the order record at `orderOffset` says of `partition`: all ranges of that partition in that
/// record, since a later one of them could not stand without the earlier ones.
public struct OrderVoid: Equatable, Sendable {
    public var orderOffset: Int64
    public var partition: Int

    public init(orderOffset: Int64, partition: Int) {
        self.orderOffset = orderOffset
        self.partition = partition
    }
}

/// A range's place in the order channel: the record's offset, and which of its ranges.
public struct OrderPlace: Comparable, Sendable {
    public var orderOffset: Int64
    /// Counts from 0; ranges that were not placed count too.
    public var index: Int

    public init(orderOffset: Int64, index: Int) {
        self.orderOffset = orderOffset
        self.index = index
    }

    public static func < (left: OrderPlace, right: OrderPlace) -> Bool {
        left.orderOffset == right.orderOffset ? left.index < right.index : left.orderOffset < right.orderOffset
    }
}

/// A valid range and where it went. Those of one state follow each other without gaps: in positions, and within each
/// partition in offsets and sequences.
public struct PlacedRange: Equatable, Sendable {
    /// Of its first event. A range without events takes no position: the next one begins at the same.
    public var firstPosition: Int64
    public var partition: Int
    public var firstOffset: Int64
    /// Inclusive.
    public var lastOffset: Int64
    /// Of its first event in its partition.
    public var firstSequence: Int64
    public var events: Int64
    public var place: OrderPlace
    public var proposer: ProposerID

    public var orderOffset: Int64 { place.orderOffset }
    /// The first position after it.
    public var endPosition: Int64 { firstPosition + events }

    public init(
        firstPosition: Int64, partition: Int, firstOffset: Int64, lastOffset: Int64, firstSequence: Int64,
        events: Int64, place: OrderPlace, proposer: ProposerID
    ) {
        self.firstPosition = firstPosition
        self.partition = partition
        self.firstOffset = firstOffset
        self.lastOffset = lastOffset
        self.firstSequence = firstSequence
        self.events = events
        self.place = place
        self.proposer = proposer
    }
}
