// Proposes to the global order, and lets callers wait for what is ordered. Its inputs come from the thread that
// delivers; one of its own writes order records when `OrderProposer` says so.

import AppendRule
import Envelope
import EventLog
import GlobalOrder
import Synchronization

final class Orderer: Sendable {
    private struct State: Sendable {
        /// nil: it does not propose yet.
        var proposer: OrderProposer?
        var newest: OrderUpdate
        /// How far each channel was applied.
        var applied: [Int64]
        var flight: (number: UInt64, writeID: UInt64)?
        /// The write ids of records of which the log has said nothing yet, and when they were written.
        var unsettled: [UInt64: Int64] = [:]
        /// Why the log refused one, as it was told last.
        var refusal: String?
        var isEnded = false
        /// The identity record that was written last, when the next may be, and how long the pause behind it is.
        var beginning: UInt64?
        var beginAt: Int64 = 0
        var beginPause = IndexLimits.orderBeginPause
        /// How many callers wait for a position.
        var hurried = 0
        /// Until when its thread waits if it is told nothing; nil: for ever.
        var waitsUntil: Int64?
    }

    private enum Turn: Sendable {
        /// To write the channel's identity record.
        case begin
        case propose(OrderProposal, OrderState)
        /// It is to wait for another time than it does.
        case wait(until: Int64?)
        case closed
    }

    private let log: any RecordLog
    private let store: IndexStore
    private let shared: SharedApplier
    private let channel: Int
    /// What callers wait for: by partition, ordered and as this node decided.
    let waits: AppliedWaits
    let id: ProposerID
    private let say: IndexSay
    private let timing: ProposerTiming
    private let reportTime: Int64
    private let distort: (@Sendable (OrderRange) -> OrderRange)?
    private let began = ContinuousClock.now
    private let state: Monitor<State>
    private let thread = Mutex<WorkerThread?>(nil)

    init(
        log: any RecordLog, store: IndexStore, _ shared: SharedApplier, _ update: OrderUpdate, applied: [Int64],
        _ source: IndexSource
    ) {
        self.log = log
        self.store = store
        self.shared = shared
        channel = store.identity.partitions
        waits = AppliedWaits(nextOffsets: update.confirmedOffsets, stop: update.stop)
        id = source.opened.copy?.node.proposerID() ?? .random()
        say = source.say
        // Nobody else can be ordering where nobody else writes.
        timing =
            source.orderTiming
            ?? ProposerTiming(
                takeOverDelay: log.description.isOnlyWriter
                    ? 2 * IndexLimits.orderGatherTime : ProposerTiming().takeOverDelay,
                gatherTime: IndexLimits.orderGatherTime)
        distort = source.distortOrder
        reportTime = Self.nanoseconds(source.orderReportTime)
        state = Monitor(State(newest: update, applied: applied))
        if let fault = update.fault { say(.error, fault.message) }
    }

    // MARK: - The thread that delivers

    /// From the thread that delivers, or from the one that asked a partition's leader for its end.
    ///
    /// - Parameter applied: how far channels were applied, in the order in which they were.
    func note(_ update: OrderUpdate, applied: [(channel: Int, next: Int64)]) {
        let now = now
        var ended = AppliedWaits.Ended()
        let (newFault, isNews): (OrderFault?, Bool) = state.read { state in
            let before = state.newest.fault
            // Of two that cross, the newer counts.
            if update.number > state.newest.number {
                state.newest = update
                state.proposer?.faultyPartition = update.fault?.range.partition
            }
            for step in applied where step.channel < channel {
                state.applied[step.channel] = max(state.applied[step.channel], step.next)
                state.proposer?.applied(partition: step.channel, next: step.next, at: now)
            }
            state.proposer?.ordered(state.newest.state, at: now)
            for void in update.voided where void.proposer == id {
                state.proposer?.ownRangeWasVoided(partition: void.partition)
            }
            for record in update.seen where record.proposer == id { settle(record.writeID, .seen, &state, at: now) }
            // Under the lock, so that nobody is told of an older state after a newer one.
            ended = waits.applied(
                nextOffsets: state.newest.confirmedOffsets, barriers: update.voids.map(Self.barrier),
                stop: state.newest.stop)
            let newFault = state.newest.fault == before ? nil : state.newest.fault
            // What gathers until a time that it waits for anyway is no news.
            let isSooner = state.waitsUntil.map { now + timing.gatherTime < $0 } ?? true
            let isNews = isSooner || state.hurried > 0 || !update.seen.isEmpty || newFault != nil
            return (newFault, isNews || !update.voided.isEmpty)
        }
        ended.tell()
        if isNews { state.withLock { _ in } }
        if let newFault { say(.error, newFault.message) }
    }

    private func settle(_ writeID: UInt64, _ outcome: ProposalOutcome, _ state: inout State, at now: Int64) {
        state.unsettled[writeID] = nil
        guard let flight = state.flight, flight.writeID == writeID else { return }
        state.proposer?.settled(flight.number, outcome, at: now)
        state.flight = nil
    }

    func reported(_ reports: [TagReport]) {
        for report in reports {
            // What may be in the log is waited for.
            guard case .notStored(let reason) = report.outcome else { continue }
            let why =
                switch reason {
                case .tooLarge: "it is too large"
                case .failed(let why), .temporary(let why): why
                }
            waits.fail(
                barrier: Self.barrier(report.tag.number), IndexError(.unavailable, "the void was not written: \(why)"))
        }
        let now = now
        let refusals: [String] = state.withLock { state in
            var refusals: [String] = []
            for report in reports {
                let isOurs =
                    state.unsettled[report.tag.number] != nil || state.beginning == report.tag.number
                if !state.isEnded, isOurs, let why = report.refusal,
                    why != state.refusal
                {
                    state.refusal = why
                    refusals.append(why)
                }
                settle(report.tag.number, .failed, &state, at: now)
            }
            return refusals
        }
        for why in refusals { say(.warning, "the log refused an order record, positions wait: \(why)") }
    }

    /// A channel is halted, or, where it is nil, all are: without the order channel nothing is ordered any more.
    func fail(channel: Int?, _ error: IndexError) {
        guard channel == nil || channel == self.channel else { return }
        state.withLock { $0.isEnded = true }
        waits.fail(channel: nil, error)
    }

    /// Waits until the record at `offset` is ordered, and this node agrees; whoever waits so is not kept waiting by
    /// what gathers.
    func wait(
        for offset: Int64, in partition: Int, until deadline: ContinuousClock.Instant, isPatient: Bool
    ) async -> AppliedWaits.Outcome {
        hurry(1)
        defer { hurry(-1) }
        return await waits.offset(offset, in: partition, until: deadline, isPatient: isPatient)
    }

    private func hurry(_ change: Int) {
        state.withLock { state in
            state.hurried += change
            state.proposer?.isHurried = state.hurried > 0
        }
    }

    /// How far the order channel and the partitions were applied.
    var progress: (order: OrderState, counts: OrderCounts, applied: [Int64]) {
        state.read { ($0.newest.state, $0.newest.counts, $0.applied) }
    }

    // MARK: - Life

    /// Proposes from now on.
    func begin() {
        guard log.description.writeRefusal == nil else { return }
        let now = now
        let random = SystemRandom.next()
        state.withLock { state in
            guard !state.isEnded else { return }
            var proposer = OrderProposer(id: id, order: state.newest.state, random: random, timing: timing)
            proposer.faultyPartition = state.newest.fault?.range.partition
            proposer.isHurried = state.hurried > 0
            for partition in 0..<channel {
                proposer.applied(partition: partition, next: state.applied[partition], at: now)
            }
            state.proposer = proposer
        }
        let worker = WorkerThread(name: "order-proposer") { [self] in work() }
        thread.withLock { $0 = worker }
    }

    /// Proposes nothing more.
    func stop() {
        state.withLock { $0.isEnded = true }
        waits.fail(channel: nil, IndexError(.closed, "the store is closed"))
    }

    /// Blocks until its thread has ended.
    func finish() {
        thread.withLock { $0 }?.join()
    }

    // MARK: - Voids

    /// Writes a record that declares void what the order record at `orderOffset` says of a partition, and waits until
    /// it is applied here.
    func write(_ void: OrderVoid, until deadline: ContinuousClock.Instant) async throws {
        let writeID = SystemRandom.nextNonzero()
        let value = RecordEnvelope.encodeVoid(
            void, author: id, writeID: writeID, partitions: channel, store: store.identity.store)
        let outcome = await waits.barrier(Self.barrier(writeID), in: channel, until: deadline) { [log, channel] in
            log.append(LogRecord(key: [], value: value), to: channel, tag: LogTag(number: writeID))
        }
        switch outcome {
        case .reached: return
        case .failed(let error) where error.code != .deadline: throw error
        case .failed, .cancelled:
            let isWithdrawn = log.withdraw(LogTag(number: writeID))
            if case .cancelled = outcome, isWithdrawn { throw CancellationError() }
            if isWithdrawn {
                throw IndexError(.unavailable, "the void was not written: the log took it from nobody; try again")
            }
            throw IndexError(
                .deadline, "it is not known whether the void was written; saying the same again is harmless")
        }
    }

    /// A void is waited for by its write id.
    private static func barrier(_ writeID: UInt64) -> RecordID { RecordID(high: 0, low: writeID) }

    // MARK: - Its own thread

    private var now: Int64 {
        Self.nanoseconds(began.duration(to: .now))
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, fraction) = duration.components
        return seconds * 1_000_000_000 + fraction / 1_000_000_000
    }

    private func work() {
        var wake: Int64?
        while true {
            let waked = wake
            let end = waked.map { began + .nanoseconds($0) } ?? .distant
            let turn = state.wait(until: end) { next(&$0, waked) }
            switch turn {
            case .closed: return
            case .wait(let until): wake = until
            // Asked again in a moment where the time has not quite come.
            case nil: wake = nil
            case .begin: writeIdentity()
            case .propose(let proposal, let order): propose(proposal, order)
            }
        }
    }

    private func next(_ state: inout State, _ wake: Int64?) -> Turn? {
        if state.isEnded { return .closed }
        guard var proposer = state.proposer else { return nil }
        if !state.newest.isBegun {
            state.waitsUntil = nil
            if now >= state.beginAt { return .begin }
            return state.beginAt == wake ? nil : .wait(until: state.beginAt)
        }
        // What the log does not take is not heaped up.
        if state.unsettled.count >= IndexLimits.unsettledOrderRecords {
            let forgotten = now - reportTime
            state.unsettled = state.unsettled.filter { $0.value > forgotten }
        }
        if state.unsettled.count >= IndexLimits.unsettledOrderRecords {
            let until = state.unsettled.values.min().map { $0 + reportTime }
            return until == wake ? nil : .wait(until: until)
        }
        defer { state.proposer = proposer }
        switch proposer.step(at: now) {
        case .propose(let proposal): return .propose(proposal, state.newest.state)
        case .wait(let until):
            state.waitsUntil = until
            return until == wake ? nil : .wait(until: until)
        }
    }

    /// Where the store was made before it had an order, or somebody else wrote into the channel first. A second
    /// identity record is ignored.
    private func writeIdentity() {
        let tag = SystemRandom.nextNonzero()
        let now = now
        let (isWanted, old) = state.withLock { state in
            defer {
                state.beginning = tag
                state.beginAt = now + state.beginPause
                state.beginPause = min(2 * state.beginPause, IndexLimits.longestOrderBeginPause)
            }
            return (!state.isEnded, state.beginning)
        }
        guard isWanted else { return }
        if let old { _ = log.withdraw(LogTag(number: old)) }
        log.append(StoreCreation.record(of: channel, store.identity), to: channel, tag: LogTag(number: tag))
    }

    private func propose(_ proposal: OrderProposal, _ order: OrderState) {
        var ranges: [OrderRange] = []
        var sequences = order.partitions.map(\.nextSequence)
        var wrong: Set<Int> = []
        do {
            try shared.show()
            for range in proposal.ranges where !wrong.contains(range.partition) {
                let sequence = sequences[range.partition]
                let offsets = range.first...range.last
                guard let content = try store.ownContent(range.partition, offsets, firstSequence: sequence),
                    try store.begins(range.partition, offsets, content, at: sequence)
                else {
                    // The order counts otherwise than this node: the comparison comes to it.
                    wrong.insert(range.partition)
                    continue
                }
                sequences[range.partition] += content.events
                let own = OrderRange(
                    partition: range.partition, first: range.first, last: range.last, content: content)
                ranges.append(distort?(own) ?? own)
            }
        } catch {
            say(.warning, "cannot propose to the order: \(error)")
            ranges = []
        }
        let writeID = SystemRandom.nextNonzero()
        let now = now
        let isWanted = state.withLock { state in
            if ranges.isEmpty {
                state.proposer?.settled(proposal.number, .failed, at: now)
                return false
            }
            // One that was given up, and that the log did not get to yet.
            if let old = state.flight, log.withdraw(LogTag(number: old.writeID)) { state.unsettled[old.writeID] = nil }
            state.flight = (proposal.number, writeID)
            state.unsettled[writeID] = now
            return !state.isEnded
        }
        guard isWanted else { return }
        let value = RecordEnvelope.encodeOrder(
            OrderRecord(proposer: id, ranges: ranges), writeID: writeID, partitions: channel,
            store: store.identity.store)
        log.append(LogRecord(key: [], value: value), to: channel, tag: LogTag(number: writeID))
    }
}

extension TagReport {
    /// Why the record is not taken, where trying again does not help.
    fileprivate var refusal: String? {
        switch outcome {
        case .notStored(.tooLarge): "it is too large"
        case .notStored(.failed(let why)): why
        case .notStored(.temporary), .unknown: nil
        }
    }
}
