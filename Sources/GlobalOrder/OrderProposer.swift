// When to propose what. Time is handed in; nothing here writes.

/// Consecutive applied offsets to propose.
public struct ProposedRange: Equatable, Sendable {
    public var partition: Int
    public var first: Int64
    /// Inclusive.
    public var last: Int64

    public init(partition: Int, first: Int64, last: Int64) {
        self.partition = partition
        self.first = first
        self.last = last
    }
}

/// What the next order record is to hold, in the order in which it was applied.
public struct OrderProposal: Equatable, Sendable {
    /// Counts this proposer's records: names the record in `settled`.
    public var number: UInt64
    public var ranges: [ProposedRange]
}

/// What a proposer wants now.
public enum ProposerStep: Equatable, Sendable {
    /// Write a record of this; it is in flight from now on.
    case propose(OrderProposal)
    /// Ask again at this time, or when something was applied, ordered or settled; nil: only then.
    case wait(until: Int64?)
}

/// What became of a record.
public enum ProposalOutcome: Equatable, Sendable {
    /// It was read back from the order channel, and `ordered` was told of it.
    case seen
    /// The log says that it was not stored, or does not know.
    case failed
}

/// Decides what this node proposes, and when.
///
/// Of each partition the node that proposed its newest valid range goes on at once, or after a moment in which it
/// gathers. The others step in when an offset that they applied has waited too long, so a node that is dead, stalled or
/// hangs on one partition is replaced there. The *leading* node, which proposed the newest ranges of the most
/// partitions, also takes back what others took over, as soon as it has applied it, so that in a healthy store one node
/// writes nearly all records. At most one record of a node is in flight; meanwhile it gathers. Whatever two nodes do at
/// once is harmless: one is ignored.
///
/// ```swift
/// proposer.applied(partition: 2, next: 18, at: now)
/// switch proposer.step(at: now) {
/// case .propose(let proposal): …          // written as a record; later: settled(proposal.number, .seen, at: now)
/// case .wait(let time): …
/// }
/// ```
public struct OrderProposer: Sendable {
    /// Applied offsets of a partition, up to `end`, behind what waits of it before.
    private struct Run {
        var partition: Int
        var end: Int64
        var since: Int64
    }

    private struct Partition {
        /// The first offset that is not ordered, and who ordered the last.
        var ordered: Int64
        var newestProposer: ProposerID?
        /// The first offset that is not in `waiting`.
        var queued: Int64
        var applied: Int64
        /// What was won by another node is not tried again before this.
        var notBefore = Int64.min
        /// A void took this node's range: the others go first.
        var yields = false
    }

    private struct Flight {
        var number: UInt64
        var until: Int64
        var ranges: [ProposedRange]
    }

    public let id: ProposerID
    /// The partition of the fault that this node sees, of which it proposes nothing: its own decisions are in doubt.
    public var faultyPartition: Int?
    /// Whether somebody at this node waits for a position: then nothing gathers.
    public var isHurried = false

    private let timing: ProposerTiming
    /// How long this node waits before it steps in.
    private let patience: Int64
    private var partitions: [Partition]
    private var waiting: [Run] = []
    /// Whether the last of `waiting` was there when something was proposed.
    private var isProposed = false
    /// Whether something applied found no room in `waiting`.
    private var isFull = false
    /// Who leads; nil while nobody has ordered anything.
    private var leader: ProposerID?
    private var flight: Flight?
    private var nextNumber: UInt64 = 0
    private var pausedUntil = Int64.min
    /// Records in a row that failed.
    private var failures = 0

    /// Tell it next how far this node has applied each partition.
    ///
    /// - Parameters:
    ///   - id: this node's.
    ///   - order: as far as this node has read the order channel: best to its end, else what it proposes at first is
    ///     ordered already, which is harmless.
    ///   - random: any random number.
    public init(id: ProposerID, order: OrderState, random: UInt64, timing: ProposerTiming = ProposerTiming()) {
        self.id = id
        self.timing = timing
        patience = timing.takeOverDelay + Int64(random % UInt64(timing.takeOverDelay))
        partitions = order.partitions.map {
            Partition(ordered: $0.nextOffset, newestProposer: $0.newestProposer, queued: 0, applied: 0)
        }
        leader = leadingProposer()
    }

    /// Whether a record of this node is under way.
    public var isInFlight: Bool { flight != nil }

    /// This node has applied the partition up to before `next`. Calls are in the order in which it applied.
    public mutating func applied(partition: Int, next: Int64, at now: Int64) {
        guard next > partitions[partition].applied else { return }
        partitions[partition].applied = next
        enqueue(partition, at: now)
    }

    /// The order channel was read on; after a void, once what follows it was judged again.
    public mutating func ordered(_ order: OrderState, at now: Int64) {
        var hasNewProposer = false
        for index in partitions.indices {
            let new = order.partitions[index]
            let old = partitions[index].ordered
            partitions[index].ordered = new.nextOffset
            if new.newestProposer != partitions[index].newestProposer {
                partitions[index].newestProposer = new.newestProposer
                hasNewProposer = true
            }
            if new.nextOffset > old, new.newestProposer != nil { partitions[index].yields = false }
            if new.nextOffset < old { reopen(index, at: now) }
        }
        if hasNewProposer { leader = leadingProposer() }
    }

    /// A void took a range of this node; call it after `ordered`.
    public mutating func ownRangeWasVoided(partition: Int) {
        partitions[partition].yields = true
    }

    /// What became of the record of this number; nothing happens if it was given up before.
    public mutating func settled(_ number: UInt64, _ outcome: ProposalOutcome, at now: Int64) {
        guard let flight, flight.number == number else { return }
        self.flight = nil
        guard outcome == .seen else {
            let pause = timing.pauseAfterFailure << Int64(min(failures, 10))
            pausedUntil = now + min(pause, max(timing.flightTime, timing.pauseAfterFailure))
            failures += 1
            return
        }
        failures = 0
        for range in flight.ranges where partitions[range.partition].newestProposer != id {
            partitions[range.partition].notBefore = now + timing.takeOverDelay
        }
    }

    /// What to do now. Each answer holds until it is asked again.
    public mutating func step(at now: Int64) -> ProposerStep {
        if let flight, now < flight.until { return .wait(until: flight.until) }
        flight = nil
        if now < pausedUntil { return .wait(until: pausedUntil) }
        waiting.removeAll { $0.end <= partitions[$0.partition].ordered }
        if isFull {
            isFull = false
            for partition in partitions.indices { enqueue(partition, at: now) }
        }
        let times = dueTimes()
        let ranges = gather { times[$0].map { $0 <= now } ?? false }
        guard !ranges.isEmpty else { return .wait(until: times.reduce(nil) { earlier($0, $1) }) }
        let proposal = OrderProposal(number: nextNumber, ranges: ranges)
        flight = Flight(number: nextNumber, until: now + timing.flightTime, ranges: ranges)
        nextNumber += 1
        isProposed = true
        return .propose(proposal)
    }

    private func earlier(_ left: Int64?, _ right: Int64?) -> Int64? {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }

    private mutating func enqueue(_ index: Int, at now: Int64) {
        let partition = partitions[index]
        guard partition.applied > max(partition.queued, partition.ordered) else { return }
        // Runs are joined only within a part of the delay, so that each knows how long its oldest offset has waited.
        // What comes after a proposal gathers anew.
        if let last = waiting.last, last.partition == index, !isProposed, now - last.since < timing.takeOverDelay / 4 {
            waiting[waiting.count - 1].end = partition.applied
        } else if waiting.count < OrderLimits.waitingRuns {
            waiting.append(Run(partition: index, end: partition.applied, since: now))
            isProposed = false
        } else {
            isFull = true
            return
        }
        partitions[index].queued = partition.applied
    }

    /// What was ordered is no longer: all that was applied of the partition waits, before everything else.
    private mutating func reopen(_ index: Int, at now: Int64) {
        waiting.removeAll { $0.partition == index }
        let partition = partitions[index]
        partitions[index].queued = partition.applied
        guard partition.applied > partition.ordered else { return }
        waiting.insert(Run(partition: index, end: partition.applied, since: now), at: 0)
    }

    /// For each partition when this node may propose what waits of it; nil: not at all. What gathers goes together.
    private func dueTimes() -> [Int64?] {
        var times = [Int64?](repeating: nil, count: partitions.count)
        let gatherTime = isHurried ? 0 : timing.gatherTime
        let leads = leader == nil || leader == id
        var oldest: Int64?
        for run in waiting where run.partition != faultyPartition {
            // Runs of one partition are in the order of time, but for what was reopened; the first counts.
            guard times[run.partition] == nil else { continue }
            let partition = partitions[run.partition]
            if partition.yields {
                times[run.partition] = run.since + 2 * patience
            } else if partition.newestProposer == id || leads {
                let notBefore = partition.newestProposer == id ? .min : partition.notBefore
                let since = min(oldest ?? run.since, run.since)
                // What may not be proposed yet hurries nothing else.
                if notBefore <= since + gatherTime { oldest = since }
                times[run.partition] = max(since + gatherTime, notBefore)
            } else {
                times[run.partition] = max(run.since + patience, partition.notBefore)
            }
        }
        return times
    }

    private func gather(_ isDue: (Int) -> Bool) -> [ProposedRange] {
        var ranges: [ProposedRange] = []
        var next = partitions.map(\.ordered)
        var room = OrderLimits.offsetsInRecord
        for run in waiting where isDue(run.partition) {
            while next[run.partition] < run.end {
                let first = next[run.partition]
                var count = min(run.end - first, room)
                if let last = ranges.last, last.partition == run.partition, isShort(last) {
                    count = min(count, OrderLimits.offsetsInRange - (last.last - last.first + 1))
                    ranges[ranges.count - 1].last += count
                } else {
                    guard ranges.count < OrderLimits.rangesInRecord else { return ranges }
                    count = min(count, OrderLimits.offsetsInRange)
                    ranges.append(ProposedRange(partition: run.partition, first: first, last: first + count - 1))
                }
                next[run.partition] += count
                room -= count
                if room == 0 { return ranges }
            }
        }
        return ranges
    }

    private func isShort(_ range: ProposedRange) -> Bool {
        range.last - range.first + 1 < OrderLimits.offsetsInRange
    }

    /// Who proposed the newest ranges of the most partitions; of several the one with the lowest partition.
    private func leadingProposer() -> ProposerID? {
        var counts: [(proposer: ProposerID, partitions: Int)] = []
        for partition in partitions {
            guard let proposer = partition.newestProposer else { continue }
            if let index = counts.firstIndex(where: { $0.proposer == proposer }) {
                counts[index].partitions += 1
            } else {
                counts.append((proposer, 1))
            }
        }
        var leading = counts.first
        for count in counts.dropFirst() where count.partitions > (leading?.partitions ?? 0) { leading = count }
        return leading?.proposer
    }
}
