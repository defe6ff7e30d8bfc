// What the thread that delivers runs: dense offsets, places, the applier, and then whoever waits.

import AppendRule
import Envelope
import EventLog
import GlobalOrder
import Synchronization

final class IndexHandler: LogHandler {
    private typealias State = SharedApplier.State

    private let shared: SharedApplier
    /// Where the records of a log without files are kept; nil: the log has files.
    private let checkpoints: Mutex<Checkpoints?>
    /// Why partitions do not run. Under a lock of its own, so that who asks never waits for records being applied.
    private let published: Mutex<[IndexError?]>
    let log: any RecordLog
    let identity: Identity
    let watch = LogWatch()
    private let proposer: Proposer
    private let waits: AppliedWaits
    /// Of the order channel; nil: there is none.
    private let orderer: Orderer?
    private let companion: Companion
    private let say: IndexSay

    init(
        _ shared: SharedApplier, _ identity: Identity, log: any RecordLog, checkpoints: Checkpoints?,
        proposer: Proposer, waits: AppliedWaits, orderer: Orderer?, companion: Companion, say: @escaping IndexSay
    ) {
        self.shared = shared
        self.checkpoints = Mutex(checkpoints)
        let halts = shared.state.withLock { state in
            state.applier.order?.isWatched = orderer != nil
            return state.applier.lanes.map(\.halted)
        }
        published = Mutex(halts)
        self.log = log
        self.identity = identity
        self.proposer = proposer
        self.waits = waits
        self.orderer = orderer
        self.companion = companion
        self.say = say
    }

    func handle(_ run: borrowing RecordRun) {
        var before: [IndexError?] = []
        var entries: [RunEntry] = []
        var halts: [(channel: Int, error: IndexError)] = []
        turn { state throws(IndexError) in
            before = state.applier.lanes.map(\.halted)
            entries = dense(run, &state)
            halts = checkpoints.withLock({ $0 != nil }) ? state.applier.halts(in: &entries, run.bytes.span) : []
            if !entries.isEmpty { try state.applier.admit(entries, run.bytes.count) }
        }
        keep(&entries, of: run)
        var applied: [AppliedRecord] = []
        turn { state throws(IndexError) in applied = try decide(run, entries, &state) }
        // Whoever waits is answered before the index is written: the log has the record, and has decided.
        if !applied.isEmpty { answer(applied) }
        var offsets: [Int64] = []
        var halted: [(Int, IndexError)] = []
        var update: OrderUpdate?
        let isCheckpointDue = checkpoints.withLock { $0?.isDue == true }
        turn { state throws(IndexError) in
            // A failure too comes after the answers.
            defer { companion.finish() }
            if isCheckpointDue || state.applier.isDue { try shared.commit(state) }
            for halt in halts { state.applier.halt(halt.channel, halt.error) }
            for (channel, lane) in state.applier.lanes.enumerated() {
                offsets.append(lane.state.nextOffset)
                if let error = lane.halted, before[channel] == nil { halted.append((channel, error)) }
            }
            if !halted.isEmpty { publish(state) }
            update = state.applier.order?.takeUpdate(state.applier.lanes)
        }
        companion.finish()
        guard !offsets.isEmpty else { return }
        // The order first: who waits for records of its channel goes on with what they say.
        if let orderer, let update {
            orderer.note(update, applied: Self.steps(of: run.entries, offsets))
        }
        waits.applied(nextOffsets: offsets, barriers: applied.compactMap(\.barrier)).tell()
        for (channel, error) in halted { halt(channel, error) }
        attempt { checkpoints throws(IndexError) in try checkpoints?.passed() }
    }

    /// Writes the records of a run and gives them their places.
    private func keep(_ entries: inout [RunEntry], of run: borrowing RecordRun) {
        guard !entries.isEmpty else { return }
        var kept = entries
        attempt { checkpoints throws(IndexError) in try checkpoints?.write(&kept, of: run.bytes) }
        entries = kept
    }

    /// Something that may wait for the disk.
    private func attempt(_ body: (inout Checkpoints?) throws(IndexError) -> Void) {
        guard shared.state.withLock({ $0.failure == nil }) else { return }
        let failure: IndexError? = checkpoints.withLock { checkpoints in
            do throws(IndexError) {
                try body(&checkpoints)
                return nil
            } catch {
                return error
            }
        }
        if let failure { turn { _ throws(IndexError) in throw failure } }
    }

    /// Of many, beside what follows.
    private func answer(_ applied: [AppliedRecord]) {
        guard applied.count >= IndexLimits.companionAnswers else { return proposer.applied(applied) }
        companion.begin { [proposer] in proposer.applied(applied) }
    }

    /// In the order of the run, up to where each channel was applied.
    private static func steps(of entries: [RunEntry], _ offsets: [Int64]) -> [(channel: Int, next: Int64)] {
        var steps: [(channel: Int, next: Int64)] = []
        for entry in entries {
            let next = min(entry.offset + 1, offsets[entry.channel])
            if steps.last?.channel == entry.channel {
                steps[steps.count - 1].next = next
            } else {
                steps.append((entry.channel, next))
            }
        }
        return steps
    }

    /// A part of what a run needs; nothing is done after a failure.
    private func turn(_ body: (inout State) throws(IndexError) -> Void) {
        let failure: IndexError? = shared.state.withLock { state in
            guard state.failure == nil else { return nil }
            do throws(IndexError) {
                try body(&state)
                return nil
            } catch {
                state.failure = error
                publish(state)
                return error
            }
        }
        if let failure { fail(failure) }
    }

    private func decide(
        _ run: borrowing RecordRun, _ entries: [RunEntry], _ state: inout State
    ) throws(IndexError) -> [AppliedRecord] {
        guard !entries.isEmpty else { return [] }
        let reports = proposer.isAwaited || waits.hasBarriers
        state.isTorn = true
        let applied = try state.applier.apply(run.bytes.span, entries, reports: reports)
        try state.applier.settle()
        state.isTorn = false
        shared.fallBehind()
        return applied
    }

    func handle(_ event: LogEvent) {
        switch event {
        case .tags(let reports):
            proposer.reported(reports)
            orderer?.reported(reports)
        case .contactLost(let why):
            _ = hold(isLost: true)
            say(.warning, "contact with the log is lost: \(why)")
        case .contactRegained:
            let (number, wasLost) = hold(isLost: false)
            if wasLost { say(.info, "contact with the log is regained") }
            watch.contactRegained(self, hold: number)
        case .gap(let channel, let expected, let found):
            stop(channel, gap(channel, expected, found))
        case .startMoved(let channel, let start):
            stop(
                channel,
                IndexError(
                    .mismatch,
                    "\(log.description.name(of: channel)) now begins at offset \(start), behind what this index has applied: the log was "
                        + "truncated; export to a new store, or rebuild the index from a backup of the log"))
        case .shortened(let channel, let end):
            stop(
                channel,
                IndexError(
                    .mismatch,
                    "\(log.description.name(of: channel)) ends at offset \(end), before what this index has applied: the log was "
                        + "truncated or made anew; restore it, or remove the index to begin again"))
        case .damaged(nil, let why):
            end(IndexError(.damaged, why))
        case .damaged(let channel?, let why):
            stop(channel, IndexError(.halted, "\(log.description.name(of: channel)) is halted: \(why)"))
        case .failed(let why):
            end(IndexError(.unavailable, why))
        }
    }

    /// Why the partitions do not run; nil for those that do.
    var halts: [IndexError?] { published.withLock { $0 } }

    private func publish(_ state: borrowing State) {
        let halts = state.applier.lanes.map { [failure = state.failure] in $0.halted ?? failure }
        published.withLock { $0 = halts }
    }

    /// Runs `body` while nothing is written to the index, and all that was answered is there.
    func betweenRuns<R>(_ body: () throws -> sending R) throws -> sending R {
        try shared.state.withLock { state in
            try shared.show(state)
            return try body()
        }
    }

    // MARK: - Comparing

    /// Of the partitions that run: what the log must still have.
    var known: [KnownChannel] {
        shared.state.withLock { state in
            state.applier.lanes.filter { $0.halted == nil }.map(\.known)
        }
    }

    /// Partitions that run and of which no identity record was applied.
    var partitionsToBegin: [Int] {
        shared.state.withLock { state in
            (0..<identity.partitions).filter {
                let lane = state.applier.lanes[$0]
                return !lane.state.hasIdentity && lane.halted == nil && state.holds[$0] == nil
            }
        }
    }

    /// Applies nothing until `goOn` is called with the number that this returns.
    private func hold(isLost: Bool) -> (number: Int, wasLost: Bool) {
        shared.state.withLock { state in
            state.lastHold += 1
            for channel in state.holds.indices { state.holds[channel] = state.lastHold }
            defer { state.isLost = isLost }
            return (state.lastHold, state.isLost)
        }
    }

    /// Applies nothing until the log has been compared.
    func holdAll() { _ = hold(isLost: false) }

    /// Applies a channel again; what was not taken meanwhile is delivered again.
    func goOn(_ channel: Int, after hold: Int) {
        shared.state.withLock { state in
            guard state.holds[channel] == hold, state.failure == nil else { return }
            state.holds[channel] = nil
            // What was under way meanwhile is no gap of the log.
            state.restarts[channel] = 0
            let lane = state.applier.lanes[channel]
            if lane.halted == nil { log.restart(channel: channel, from: lane.state.nextOffset) }
        }
    }

    /// Has a channel delivered again that is where it was at the last look, though its log goes on.
    func wake(_ channel: Int, at offset: Int64, end: Int64) {
        let isStill = shared.state.withLock { state in
            let lane = state.applier.lanes[channel]
            guard lane.state.nextOffset == offset, lane.halted == nil, state.holds[channel] == nil,
                state.failure == nil
            else { return false }
            log.restart(channel: channel, from: offset)
            return true
        }
        guard isStill else { return }
        say(
            .warning,
            "\(log.description.name(of: channel)) stands at offset \(offset) though its log ends at \(end): it is read again "
                + "from there")
    }

    // MARK: - The order

    /// The range of the order that waits here for records; nil: none does.
    var awaitedRange: PlacedRange? {
        shared.state.withLock { state in
            guard state.failure == nil, !state.isLost, let order = state.applier.order else { return nil }
            return try? order.nextUnapplied(state.applier.lanes)
        }
    }

    /// Whether the records that a range speaks of exist at all; nil: their log cannot be asked.
    ///
    /// What differs is asked again before it is believed: a leader that was just made one may not know the newest.
    func exists(_ range: PlacedRange) async -> Bool? {
        for look in 0..<2 {
            if look > 0 { try? await Task.sleep(for: IndexLimits.secondOpinion) }
            guard let end = try? await log.bounds(of: range.partition).upperBound else { return nil }
            if end > range.lastOffset { return true }
        }
        return false
    }

    /// The records that the range speaks of do not exist.
    func isBeyondEnd(_ range: PlacedRange) {
        var update: OrderUpdate?
        turn { state throws(IndexError) in
            guard let order = state.applier.order else { return }
            try order.compare(range, partitionEnd: range.lastOffset, state.applier.lanes)
            update = order.takeUpdate(state.applier.lanes)
        }
        if let update { orderer?.note(update, applied: []) }
    }

    // MARK: - Offsets and places

    /// The entries that are next in their channels. One that was seen before is dropped; one behind a gap makes the log
    /// deliver the channel again from the missing offset, once.
    private func dense(_ run: borrowing RecordRun, _ state: inout State) -> [RunEntry] {
        var next = state.applier.lanes.map(\.state.nextOffset)
        var isDense =
            state.applier.lanes.allSatisfy { $0.halted == nil } && state.restarts.allSatisfy { $0 == 0 }
            && state.holds.allSatisfy { $0 == nil }
        for entry in run.entries {
            if entry.offset == next[entry.channel] { next[entry.channel] += 1 } else { isDense = false }
        }
        if isDense { return run.entries }
        next = state.applier.lanes.map(\.state.nextOffset)
        var entries: [RunEntry] = []
        var gaps: Set<Int> = []
        for entry in run.entries where !gaps.contains(entry.channel) {
            guard state.applier.lanes[entry.channel].halted == nil, state.holds[entry.channel] == nil else { continue }
            let expected = next[entry.channel]
            if entry.offset < expected { continue }
            if entry.offset == expected {
                next[entry.channel] += 1
                state.restarts[entry.channel] = 0
                entries.append(entry)
                continue
            }
            gaps.insert(entry.channel)
            if state.restarts[entry.channel] < IndexLimits.restartsForAGap {
                state.restarts[entry.channel] += 1
                log.restart(channel: entry.channel, from: expected)
            } else {
                state.applier.halt(entry.channel, gap(entry.channel, expected, entry.offset))
            }
        }
        return entries
    }

    private func gap(_ channel: Int, _ expected: Int64, _ found: Int64) -> IndexError {
        IndexError(
            .halted,
            "\(log.description.name(of: channel)) is halted: offset \(expected) is missing, the log goes on at \(found); if it is gone, "
                + "export to a new store")
    }

    // MARK: - Ends

    private func stop(_ channel: Int, _ error: IndexError) {
        var update: OrderUpdate?
        let isKnown = shared.state.withLock { state in
            guard state.applier.lanes.indices.contains(channel) else { return false }
            state.applier.halt(channel, error)
            publish(state)
            update = state.applier.order?.takeUpdate(state.applier.lanes)
            return true
        }
        if let update { orderer?.note(update, applied: []) }
        if isKnown { halt(channel, error) }
    }

    /// Nothing more is applied, in no partition.
    func end(_ error: IndexError) {
        shared.state.withLock {
            $0.failure = $0.failure ?? error
            publish($0)
        }
        fail(error)
    }

    private func halt(_ channel: Int, _ error: IndexError) {
        say(.error, error.message)
        proposer.fail(channel: channel, error)
        waits.fail(channel: channel, error)
        orderer?.fail(channel: channel, error)
    }

    private func fail(_ error: IndexError) {
        say(.error, error.message)
        proposer.fail(channel: nil, error)
        waits.fail(channel: nil, error)
        orderer?.fail(channel: nil, error)
    }
}

extension AppliedRecord {
    fileprivate var barrier: RecordID? {
        if case .barrier(let id) = what { return id }
        return nil
    }
}

/// A line for people.
public enum IndexSayLevel: Sendable {
    case info, warning, error
}

public typealias IndexSay = @Sendable (IndexSayLevel, String) -> Void
