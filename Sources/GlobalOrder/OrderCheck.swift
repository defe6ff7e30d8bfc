/// A placed range whose content is not what this node decided: two replicas differ, and nobody can tell which is wrong.
public struct OrderFault: Equatable, Sendable {
    public enum Reason: Equatable, Sendable {
        /// The count of accepted events.
        case events
        /// The offsets that brought none.
        case empty
        /// Its last offset did not exist.
        case beyondEnd
    }

    public var reason: Reason
    /// Where it is: record, partition and proposer are what a person needs to find the cause and to void it.
    public var range: PlacedRange
    /// What the record says, and what this node decided; nil of a range beyond the end.
    public var claimed: RangeContent?
    public var own: RangeContent?

    public init(reason: Reason, range: PlacedRange, claimed: RangeContent? = nil, own: RangeContent? = nil) {
        self.reason = reason
        self.range = range
        self.claimed = claimed
        self.own = own
    }
}

/// Compares placed ranges with this node's own decisions, one after the other, as far as it has applied their
/// partitions. Nothing is served from `confirmedPosition` on.
///
/// ```swift
/// while check.fault == nil, let range = table.firstPlaced(from: check.next) {
///     if applied[range.partition] > range.lastOffset {
///         check.compare(range, claimed: record.ranges[range.place.index].content, own: content)
///     } else if let end = answerOfTheLeader {
///         check.compare(range, partitionEnd: end)     // a fault, or nothing yet
///         break
///     }
/// }
/// ```
public struct OrderCheck: Equatable, Sendable {
    /// The first position that may not be served.
    public private(set) var confirmedPosition: Int64
    /// All placed ranges before this place were compared and agree.
    public private(set) var next: OrderPlace
    /// The first range that differs; nothing is compared after it until a void takes it.
    public private(set) var fault: OrderFault?

    /// For the test that has to fail without it.
    package var compares = true

    /// At the beginning, or as it was kept.
    public init(
        confirmedPosition: Int64 = 1, next: OrderPlace = OrderPlace(orderOffset: 0, index: 0),
        fault: OrderFault? = nil
    ) {
        self.confirmedPosition = confirmedPosition
        self.next = next
        self.fault = fault
    }

    /// Compares the first placed range from `next` on, all of whose offsets this node has applied.
    ///
    /// - Parameters:
    ///   - claimed: what the order record says of it.
    ///   - own: what this node decided of these offsets.
    public mutating func compare(_ range: PlacedRange, claimed: RangeContent, own: RangeContent) {
        expect(range)
        if compares, claimed.events != own.events {
            fault = OrderFault(reason: .events, range: range, claimed: claimed, own: own)
        } else if compares, claimed.empty != own.empty {
            fault = OrderFault(reason: .empty, range: range, claimed: claimed, own: own)
        } else {
            confirmedPosition = range.endPosition
            next = OrderPlace(orderOffset: range.orderOffset, index: range.place.index + 1)
        }
    }

    /// Looks at the first placed range from `next` on, not all of whose offsets this node has applied: they must exist.
    ///
    /// - Parameter partitionEnd: the partition's end, asked of its leader after the range was seen.
    public mutating func compare(_ range: PlacedRange, partitionEnd: Int64) {
        expect(range)
        if compares, range.lastOffset >= partitionEnd { fault = OrderFault(reason: .beyondEnd, range: range) }
    }

    /// This node has applied all of a range after all: where it was a fault that the partition ended before, its
    /// content decides now, so that nodes that asked for the end at different times come to the same.
    public mutating func reconsider(_ range: PlacedRange) {
        if let fault, fault.reason == .beyondEnd, fault.range == range { self.fault = nil }
    }

    private func expect(_ range: PlacedRange) {
        precondition(fault == nil, "nothing is compared after a fault")
        precondition(
            range.place >= next && range.firstPosition == confirmedPosition, "ranges are compared in their order")
    }

    /// After a void: ranges from this one on are compared again.
    ///
    /// - Parameter voided: what `OrderState.void` returned.
    public mutating func goBack(to voided: PlacedRange) {
        if let fault, fault.range.place >= voided.place { self.fault = nil }
        guard next > voided.place else { return }
        next = voided.place
        confirmedPosition = min(confirmedPosition, voided.firstPosition)
    }
}
