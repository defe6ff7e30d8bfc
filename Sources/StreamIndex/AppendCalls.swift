// The life of every append under way: a state machine without I/O. Time, randomness and the log come in as arguments.

import AppendRule
import Envelope
import EventLog

/// What the local index said before a record was written.
enum CheckAnswer: Sendable, Equatable {
    case certain(CallOutcome)
    /// It must be written, as this attempt.
    case write(attempt: UInt32)
}

struct AppendCalls: Sendable {
    private struct Stream: Sendable {
        var waiting = CallQueue()
        /// Calls that left `waiting`, in order.
        var active = CallIDs()

        var isEmpty: Bool { waiting.isEmpty && active.isEmpty }
    }

    private(set) var calls: [CallID: AppendCall] = [:]
    private var streams: [NameKey: Stream] = [:]
    private var byAppendID: [RecordID: CallIDs] = [:]
    private var owners: [UInt64: CallID] = [:]
    /// Current versions of streams lately written to: saves asking the index.
    private var remembered = NameCache<Int64>(capacity: IndexLimits.rememberedVersions)
    private var nextID: CallID = 1
    private var nextWriteID: @Sendable () -> UInt64
    private let store: StoreID
    private(set) var actions: [CallAction] = []
    /// Why nothing is taken any more: in a channel, in all of them.
    private var refusals: [Int: IndexError] = [:]
    private var refusal: IndexError?
    /// When `tick` has something to do next; nil: nothing is under way.
    private(set) var wakeAt: ContinuousClock.Instant?

    /// - Parameter nextWriteID: random numbers other than 0.
    init(store: StoreID, nextWriteID: @escaping @Sendable () -> UInt64) {
        self.store = store
        self.nextWriteID = nextWriteID
    }

    /// Whether nothing is under way, and nothing is left of what was.
    var isAtRest: Bool {
        calls.isEmpty && streams.isEmpty && byAppendID.isEmpty && owners.isEmpty && pauseEnds.isEmpty
            && unsettled.isEmpty
    }

    mutating func takeActions() -> [CallAction] {
        defer { actions = [] }
        return actions
    }

    // MARK: - Inputs

    /// - Parameter value: what `request.encoded` returns, where that was called before, outside of any lock.
    mutating func submit(_ request: AppendRequest, value: consuming [UInt8]? = nil) -> CallID {
        let id = nextID
        nextID += 1
        calls[id] = AppendCall(request, value: value)
        byAppendID[request.header.appendID, default: CallIDs()].append(id)
        wake(by: request.settleBy)
        change(request.stream) { stream, calls in
            stream.waiting.append(id)
            calls.pump(&stream)
        }
        if let error = refusal(of: request.channel) { finish(id, .failed(error)) }
        return id
    }

    /// The local index has answered.
    mutating func checked(_ id: CallID, _ answer: CheckAnswer) {
        guard let call = calls[id], call.phase == .checking else { return }
        switch answer {
        case .certain(let outcome):
            if case .conflict(let actual) = outcome { remembered.put(call.request.stream, actual) }
            finish(id, outcome)
        case .write(let attempt):
            write(id, attempt: attempt)
            pump(call.request.stream)
        }
    }

    /// Records were applied, in this order.
    mutating func applied(_ records: [AppliedRecord]) {
        for record in records {
            guard case .decided(let decided) = record.what else { continue }
            apply(decided)
        }
    }

    /// The log speaks of records that it did not plainly store.
    mutating func reported(_ reports: [TagReport], now: ContinuousClock.Instant, withdraw: (LogTag) -> Bool) {
        for report in reports {
            guard let id = owners[report.tag.number], let call = calls[id], call.writeID == report.tag.number else {
                continue
            }
            switch report.outcome {
            case .unknown where call.phase == .written: cancel(id)
            case .unknown: pauseCancel(id, now)
            case .notStored(let reason): notStored(id, reason, now, withdraw)
            }
        }
    }

    /// The caller's task was cancelled.
    mutating func callerLeft(_ id: CallID, withdraw: (LogTag) -> Bool) {
        guard let call = calls[id], !call.isAnswered else { return }
        switch call.phase {
        case .waiting, .checking, .pausing:
            finish(id, .withdrawn)
        case .written where withdraw(LogTag(number: call.writeID)):
            finish(id, .withdrawn)
        case .written:
            calls[id]?.isFinal = true
            answerUnknown(id)
            cancel(id)
        case .cancelling, .cancelPausing:
            calls[id]?.isFinal = true
            answerUnknown(id)
        }
    }

    /// Time has passed.
    mutating func tick(now: ContinuousClock.Instant, withdraw: (LogTag) -> Bool) {
        wakeAt = nil
        for id in calls.keys.sorted() {
            settle(id, now, withdraw)
        }
        // Streams with a call that must be settled before later ones are written again: ids are in the order of calls.
        var blocked: Set<NameKey> = []
        for id in calls.keys.sorted() {
            guard let call = calls[id] else { continue }
            let isDue = now >= pauseEnds[id] ?? now
            switch call.phase {
            case .pausing where isDue && !blocked.contains(call.request.stream): write(id, attempt: call.attempt)
            case .pausing where isDue: pause(id, now)
            case .cancelPausing where isDue: cancel(id)
            case .pausing, .cancelPausing: wake(by: pauseEnds[id] ?? now)
            case .waiting, .checking, .written, .cancelling: break
            }
            if let phase = calls[id]?.phase, phase != .waiting, phase != .written {
                blocked.insert(call.request.stream)
            }
            if !call.isFinal { wake(by: call.request.settleBy) }
            if !call.isAnswered { wake(by: call.request.deadline) }
        }
        for stream in Set(calls.values.map(\.request.stream)) { pump(stream) }
    }

    /// The log stores or delivers nothing more, in one channel or in all: ends every call, and takes no more. What was
    /// written may be in the log, and may be accepted by whoever reads on.
    mutating func fail(channel: Int?, _ error: IndexError, withdraw: (LogTag) -> Bool) {
        refuse(channel, error)
        // The last first, so that none is left out before a later one of its stream.
        for id in calls.keys.sorted().reversed() {
            guard let call = calls[id], channel == nil || call.request.channel == channel else { continue }
            // What the log did not get yet is certain; of a cancel that it did not get, the record before it is not.
            let isOut = call.phase == .written && !call.wasCancelled && withdraw(LogTag(number: call.writeID))
            finish(id, call.mayBeInTheLog && !isOut ? .unknown : .failed(error))
        }
    }

    /// Takes no more, and ends the calls of which nothing was written.
    mutating func failUnwritten(_ error: IndexError) {
        refuse(nil, error)
        for id in calls.keys.sorted() {
            if let call = calls[id], !call.mayBeInTheLog { finish(id, .failed(error)) }
        }
    }

    private mutating func refuse(_ channel: Int?, _ error: IndexError) {
        if let channel { refusals[channel] = refusals[channel] ?? error } else { refusal = refusal ?? error }
    }

    /// Ends what is left when the log is closed.
    mutating func failRest() {
        for id in calls.keys.sorted() { finish(id, .unknown) }
    }

    // MARK: - Turns

    /// Changes a stream in place: each look by name costs as much as all the rest.
    private mutating func change(_ name: NameKey, _ body: (inout Stream, inout AppendCalls) -> Void) {
        var stream = streams.removeValue(forKey: name) ?? Stream()
        body(&stream, &self)
        if !stream.isEmpty { streams[name] = stream }
    }

    private func refusal(of channel: Int) -> IndexError? {
        refusal ?? (refusals.isEmpty ? nil : refusals[channel])
    }

    private mutating func pump(_ name: NameKey) {
        change(name) { $1.pump(&$0) }
    }

    /// Starts the calls of a stream whose turn it is.
    private mutating func pump(_ stream: inout Stream) {
        while let id = stream.waiting.first, let call = calls[id] {
            guard refusal(of: call.request.channel) == nil, mayStart(call, stream.active) else { return }
            stream.waiting.removeFirst()
            stream.active.append(id)
            start(id)
        }
    }

    private func mayStart(_ call: AppendCall, _ active: CallIDs) -> Bool {
        guard let last = active.last else { return true }
        guard !call.request.isExclusive, let before = calls[last] else { return false }
        if before.request.isExclusive || unsettled[call.request.stream] != nil { return false }
        let sameID = byAppendID[call.request.header.appendID] ?? CallIDs()
        return sameID.count < 2
            || !sameID.contains { other in
                guard let other = calls[other] else { return false }
                return other.phase != .waiting && other.request.stream == call.request.stream
            }
    }

    private mutating func start(_ id: CallID) {
        guard let call = calls[id] else { return }
        var isKnown = !call.request.needsCheck
        if case .exactly(let version) = call.request.header.expectation, call.request.header.kind == .append,
            remembered.get(call.request.stream) == version
        {
            isKnown = true
        }
        if isKnown { return write(id, attempt: 0) }
        set(id, .checking)
        actions.append(.check(id, call.request))
    }

    // MARK: - Writing

    private mutating func write(_ id: CallID, attempt: UInt32) {
        guard var call = calls[id] else { return }
        let isSame = call.phase == .pausing && call.attempt == attempt
        call.attempt = attempt
        if !isSame { own(&call, id) }
        // The log has the only copy: rarely is another needed.
        var value = call.value.take() ?? call.request.encoded()
        calls[id] = call
        set(id, .written)
        RecordEnvelope.restamp(&value, key: call.request.stream.bytes, attempt: attempt, writeID: call.writeID)
        var record = LogRecord(key: call.request.stream.bytes, value: value)
        record.mayGather = call.request.mayGather && call.refusals == 0
        actions.append(.write(record, channel: call.request.channel, tag: call.writeID))
    }

    /// Writes a cancel record for the call's attempt.
    private mutating func cancel(_ id: CallID) {
        guard var call = calls[id] else { return }
        // Written again and again while the log is away: one write id serves all copies.
        if call.phase != .cancelPausing { own(&call, id) }
        call.wasCancelled = true
        calls[id] = call
        set(id, .cancelling)
        let subject = call.request.header
        let header = RecordHeader(
            kind: .cancel, subject: subject.kind, expectation: subject.expectation,
            expectedStream: subject.expectedStream, attempt: call.attempt, writeID: call.writeID,
            eventCount: subject.eventCount, ids: subject.ids)
        let value = RecordEnvelope.encode(header, events: [], key: call.request.stream.bytes, store: store)
        let record = LogRecord(key: call.request.stream.bytes, value: value)
        actions.append(.write(record, channel: call.request.channel, tag: call.writeID))
    }

    private mutating func own(_ call: inout AppendCall, _ id: CallID) {
        if call.writeID != 0 { call.earlierWriteIDs.append(call.writeID) }
        call.writeID = nextWriteID()
        owners[call.writeID] = id
    }

    private mutating func notStored(
        _ id: CallID, _ reason: NotStoredReason, _ now: ContinuousClock.Instant, _ withdraw: (LogTag) -> Bool
    ) {
        guard let call = calls[id] else { return }
        switch reason {
        case .tooLarge where call.phase == .written:
            finish(id, .tooLarge)
        case .failed(let why) where call.phase == .written:
            finish(id, .failed(IndexError(.unavailable, why)))
        case .tooLarge, .failed:
            finish(id, .unknown)
        case .temporary where call.phase == .cancelling:
            pauseCancel(id, now)
        case .temporary(let why):
            calls[id]?.refusal = why
            if call.isFinal { return finish(id, call.wasCancelled ? .cancelled : .notWritten(why)) }
            pause(id, now)
            // What came after it in its stream waits with it, as far as the log has not begun with it.
            let active = streams[call.request.stream]?.active ?? CallIDs()
            for later in active.drop(while: { $0 != id }).dropFirst() {
                guard let other = calls[later], other.phase == .written else { continue }
                if withdraw(LogTag(number: other.writeID)) { pause(later, now) }
            }
        }
    }

    /// Takes back what came after a call in its stream, the last first, so that none is left out before a later one.
    private mutating func withdrawLater(
        than id: CallID, _ now: ContinuousClock.Instant, _ withdraw: (LogTag) -> Bool
    ) {
        guard let stream = calls[id]?.request.stream, let active = streams[stream]?.active else { return }
        for later in active.drop(while: { $0 != id }).dropFirst().reversed() {
            guard let other = calls[later], other.phase == .written else { continue }
            guard withdraw(LogTag(number: other.writeID)) else { return }
            pause(later, now)
        }
    }

    // MARK: - Time

    /// When the pause of a call ends.
    private var pauseEnds: [CallID: ContinuousClock.Instant] = [:]
    /// How many active calls of a stream are not plainly written.
    private var unsettled: [NameKey: Int] = [:]

    private mutating func set(_ id: CallID, _ phase: CallPhase) {
        guard let call = calls[id] else { return }
        calls[id]?.phase = phase
        noteUnsettled(call, isNow: phase != .waiting && phase != .written)
    }

    private mutating func noteUnsettled(_ call: AppendCall, isNow: Bool) {
        let was = call.phase != .waiting && call.isUnsettled
        guard was != isNow else { return }
        let count = (unsettled[call.request.stream] ?? 0) + (isNow ? 1 : -1)
        unsettled[call.request.stream] = count == 0 ? nil : count
    }

    private mutating func pause(_ id: CallID, _ now: ContinuousClock.Instant) {
        pause(id, now, .pausing)
    }

    private mutating func pauseCancel(_ id: CallID, _ now: ContinuousClock.Instant) {
        pause(id, now, .cancelPausing)
    }

    /// Each pause in a row is twice as long as the one before.
    private mutating func pause(_ id: CallID, _ now: ContinuousClock.Instant, _ phase: CallPhase) {
        guard let refusals = calls[id]?.refusals else { return }
        calls[id]?.refusals += 1
        let pause = min(IndexLimits.rewritePause * (1 << min(refusals, 16)), IndexLimits.longestRewritePause)
        pauseEnds[id] = now + pause
        wake(by: now + pause)
        set(id, phase)
    }

    private mutating func wake(by time: ContinuousClock.Instant) {
        wakeAt = min(wakeAt ?? time, time)
    }

    /// At three quarters of the deadline a call stops writing and settles; at the deadline its caller is told what is
    /// known.
    private mutating func settle(_ id: CallID, _ now: ContinuousClock.Instant, _ withdraw: (LogTag) -> Bool) {
        guard let call = calls[id] else { return }
        if !call.isFinal, now >= call.request.settleBy {
            calls[id]?.isFinal = true
            let late = call.refusal ?? "the log did not take it before three quarters of the deadline; try again"
            if call.phase == .written { withdrawLater(than: id, now, withdraw) }
            switch call.phase {
            case .waiting, .checking, .pausing:
                return finish(id, call.wasCancelled ? .cancelled : .notWritten(late))
            case .written where withdraw(LogTag(number: call.writeID)):
                return finish(id, call.wasCancelled ? .cancelled : .notWritten(late))
            case .written:
                cancel(id)
            case .cancelling, .cancelPausing:
                break
            }
        }
        if now >= call.request.deadline { answerUnknown(id) }
    }

    private mutating func answerUnknown(_ id: CallID) {
        guard calls[id]?.isAnswered == false else { return }
        calls[id]?.isAnswered = true
        actions.append(.answer(id, .unknown))
    }

    // MARK: - What the log decided

    private mutating func apply(_ decided: DecidedRecord) {
        remember(decided)
        switch decided.decision {
        case .accepted(let first), .alreadyAccepted(let first), .cancelled(accepted: let first?):
            yes(decided, first)
        case .cancelled(accepted: nil), .conflict, .killed, .tombstoned, .idReused:
            no(decided)
        }
    }

    private mutating func remember(_ decided: DecidedRecord) {
        guard streams[decided.stream] != nil, decided.header.kind == .append else { return }
        switch decided.decision {
        case .accepted(let first):
            remembered.put(decided.stream, first + Int64(decided.header.eventCount) - 1)
        case .conflict(let actual, _):
            remembered.put(decided.stream, actual)
        case .alreadyAccepted, .idReused, .killed, .tombstoned, .cancelled:
            break
        }
    }

    /// Whoever wrote the record: every call for the same append has its answer.
    private mutating func yes(_ decided: DecidedRecord, _ firstVersion: Int64) {
        // The last first: one that waits is not to be started by the end of the one before it.
        for id in (byAppendID[decided.header.appendID] ?? CallIDs()).reversed() {
            guard let call = calls[id], call.request.isTried(by: decided.header, of: decided.stream) else { continue }
            let isOwn = call.hasWritten(decided.header.writeID)
            // Had a record of this call been accepted, it would have been answered then.
            var isRepeat = true
            if isOwn, case .accepted = decided.decision { isRepeat = false }
            finish(
                id,
                .accepted(
                    firstVersion: firstVersion, firstSequence: decided.firstSequence, offset: decided.firstOffset,
                    isRepeat: isRepeat))
        }
    }

    /// Only its own record says no to a call: a copy of an older one may say no to what is true now.
    private mutating func no(_ decided: DecidedRecord) {
        guard let id = owners[decided.header.writeID], let call = calls[id], decided.header.attempt == call.attempt
        else { return }
        switch decided.decision {
        case .conflict(let actual, _): finish(id, .conflict(actual: actual))
        case .tombstoned: finish(id, .tombstoned)
        case .idReused: finish(id, .idReused)
        case .killed, .cancelled:
            if call.isFinal || call.isAnswered { return finish(id, .cancelled) }
            calls[id]?.wasCancelled = true
            let killed = max(decided.highestKilled ?? 0, call.attempt)
            // A cancel of the highest attempt there can be leaves none to try.
            guard killed < .max else { return finish(id, .cancelled) }
            write(id, attempt: killed + 1)
            pump(call.request.stream)
        case .accepted, .alreadyAccepted: break
        }
    }

    private mutating func finish(_ id: CallID, _ outcome: CallOutcome) {
        guard let call = calls.removeValue(forKey: id) else { return }
        noteUnsettled(call, isNow: false)
        if !pauseEnds.isEmpty { pauseEnds[id] = nil }
        if call.writeID != 0 { owners[call.writeID] = nil }
        for writeID in call.earlierWriteIDs { owners[writeID] = nil }
        let appendID = call.request.header.appendID
        if var same = byAppendID.removeValue(forKey: appendID) {
            same.remove(id)
            if !same.isEmpty { byAppendID[appendID] = same }
        }
        if !call.isAnswered { actions.append(.answer(id, outcome)) }
        actions.append(.release(id))
        change(call.request.stream) { stream, calls in
            if call.phase == .waiting { stream.waiting.remove(id) } else { stream.active.remove(id) }
            calls.pump(&stream)
        }
    }
}

/// A few calls, in the order in which they came; one takes no memory besides.
struct CallIDs: Sendable, RandomAccessCollection {
    private var head: CallID?
    private var others: [CallID] = []

    var startIndex: Int { 0 }
    var endIndex: Int { head == nil ? 0 : others.count + 1 }

    subscript(index: Int) -> CallID {
        if index > 0 { return others[index - 1] }
        guard let head else { preconditionFailure("there is no call") }
        return head
    }

    mutating func append(_ id: CallID) {
        if head == nil { head = id } else { others.append(id) }
    }

    mutating func remove(_ id: CallID) {
        if head == id {
            head = others.isEmpty ? nil : others.removeFirst()
        } else if let index = others.firstIndex(of: id) {
            others.remove(at: index)
        }
    }
}

/// Calls in the order in which they came.
struct CallQueue: Sendable {
    private var items: [CallID] = []
    private var head = 0

    var isEmpty: Bool { head == items.count }

    var first: CallID? { isEmpty ? nil : items[head] }

    mutating func append(_ id: CallID) {
        items.append(id)
    }

    mutating func removeFirst() {
        head += 1
        if head > 64, head * 2 > items.count {
            items.removeFirst(head)
            head = 0
        }
    }

    mutating func remove(_ id: CallID) {
        guard let index = items[head...].firstIndex(of: id) else { return }
        items.remove(at: index)
    }
}
