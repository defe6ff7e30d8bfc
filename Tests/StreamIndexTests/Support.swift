import AppendRule
import Envelope
import EventLog
import Foundation
import Synchronization

@testable import StreamIndex

/// The seed in TRIBUTARY_SEED, else a random one; printed, so that a failure can be repeated.
func seed(for test: String) -> UInt64 {
    let given = ProcessInfo.processInfo.environment["TRIBUTARY_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 0..<1_000_000_000)
    print("\(test): TRIBUTARY_SEED=\(seed)")
    return seed
}

extension SeededGenerator {
    /// 0 ..< bound
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    mutating func pick<T>(_ from: [T]) -> T { from[below(from.count)] }
}

let testStore = StoreID(high: 0x1122_3344_5566_4788, low: 0x8899_AABB_CCDD_EEFF)

func name(_ text: String) -> [UInt8] { Array(text.utf8) }

func id(_ number: Int) -> RecordID { RecordID(high: 0x0197_0000_0000_7000, low: 1 << 63 | UInt64(number)) }

func content(_ type: String = "Tested", data: Int = 20) -> EventContent {
    EventContent(
        type: name(type), schemaVersion: 1, contentType: name("application/json"), correlationID: nil, causationID: nil,
        data: Array(repeating: 0x20, count: data), metadata: nil)
}

extension ProposedAppend {
    /// An append of events without data.
    init(
        _ stream: String, _ expectation: Expectation = .any, ids: [RecordID], hasFreshIDs: Bool = true,
        deadline: Duration = .seconds(3_600)
    ) {
        self.init(
            stream: name(stream), expectation: expectation, ids: ids.map { ($0.high, $0.low) },
            eventBytes: ids.count
                * EventBytes.count(
                    type: 6, contentType: 10, correlationID: nil, causationID: nil, data: 0, metadata: nil),
            hasFreshIDs: hasFreshIDs, deadline: deadline
        ) { bytes in
            for _ in ids {
                bytes.add(
                    type: "Tested", schemaVersion: 1, contentType: "text/plain", correlationID: nil, causationID: nil,
                    data: [], metadata: nil)
            }
        }
    }
}

/// A model of one partition: what was accepted and killed, in dictionaries. Gathers the facts for the rule.
struct FactModel {
    struct AppendKey: Hashable {
        var stream: [UInt8]
        var id: RecordID
    }

    struct Accepted {
        var record: AcceptedRecord
        var writeID: UInt64
        var firstSequence: Int64
        var offset: Int64
    }

    private(set) var streams: [[UInt8]: StreamFacts] = [:]
    private var byID: [AppendKey: Accepted] = [:]
    private var byPlace: [[UInt8]: [Int64: Accepted]] = [:]
    private var killed: [AppendKey: UInt32] = [:]
    private var nextSequence: Int64 = 1

    func facts(_ header: RecordHeader, _ stream: [UInt8]) -> (facts: Facts, earlier: Accepted?) {
        let key = AppendKey(stream: stream, id: header.appendID)
        var earlier = header.isFoundByID ? byID[key] : nil
        if !header.isFoundByID, case .exactly(let version) = header.expectation {
            earlier = byPlace[stream]?[version + 1]
        }
        let facts = Facts(
            stream: streams[stream] ?? .none, earlier: earlier?.record, highestKilled: killed[key])
        return (facts, earlier)
    }

    /// Decides a record and takes it in.
    mutating func apply(_ header: RecordHeader, _ stream: [UInt8], offset: Int64) -> DecidedRecord {
        let (facts, earlier) = facts(header, stream)
        let decision = decide(header, facts)
        streams[stream] = facts.stream.applying(decision, of: header)
        let key = AppendKey(stream: stream, id: header.appendID)
        let firstSequence = nextSequence
        switch decision {
        case .accepted(let first):
            let record = AcceptedRecord(kind: header.kind, ids: header.ids, firstVersion: first)
            let accepted = Accepted(
                record: record, writeID: header.writeID, firstSequence: nextSequence, offset: offset)
            if header.isFoundByID { byID[key] = accepted }
            if header.kind == .append { byPlace[stream, default: [:]][first] = accepted }
            nextSequence += Int64(header.eventCount)
        case .cancelled, .conflict(_, killsAttempt: true):
            killed[key] = max(facts.highestKilled ?? 0, header.attempt)
        case .conflict, .alreadyAccepted, .idReused, .killed, .tombstoned:
            break
        }
        return DecidedRecord(
            stream: NameKey(stream), header: header, decision: decision, highestKilled: facts.highestKilled,
            firstSequence: earlier?.firstSequence ?? firstSequence, firstOffset: earlier?.offset ?? offset)
    }

    /// What the index would say before a record is written.
    func check(_ request: AppendRequest, isOnlyWriter: Bool) -> CheckAnswer {
        let (facts, earlier) = facts(request.header, request.stream.bytes)
        let known = earlier.map {
            EarlierRecord(record: $0.record, firstSequence: $0.firstSequence, offset: $0.offset)
        }
        return checkBeforeWriting(
            request.header, GatheredFacts(facts: facts, earlier: known), isOnlyWriter: isOnlyWriter)
    }
}

/// A record that the machine wrote.
struct WrittenRecord: Equatable {
    var header: RecordHeader
    var stream: [UInt8]
    var tag: UInt64
}

/// The machine with a clock and a log that are played by a test.
struct Machine {
    var calls: AppendCalls
    var now = ContinuousClock.now
    /// Written and not yet taken by the test.
    var written: [WrittenRecord] = []
    var checks: [(id: CallID, request: AppendRequest)] = []
    var answers: [CallID: [CallOutcome]] = [:]
    var answeredAt: [CallID: ContinuousClock.Instant] = [:]
    var releases: [CallID: Int] = [:]
    var withdrawable: Set<UInt64> = []
    var withdrawn: Set<UInt64> = []
    var model = FactModel()
    var offset: Int64 = 1

    init() {
        let last = Atomic<UInt64>(0)
        let box = WriteIDs(last)
        calls = AppendCalls(store: testStore) { box.next() }
    }

    private final class WriteIDs: Sendable {
        private let last: Atomic<UInt64>

        init(_ last: consuming Atomic<UInt64>) { self.last = last }

        func next() -> UInt64 { last.add(1, ordering: .relaxed).newValue }
    }

    mutating func request(
        _ stream: String = "S", _ number: Int, _ expectation: Expectation = .any, kind: RecordKind = .append,
        events: Int = 1, check: Bool = false, deadline: Int = 4_000, channel: Int = 0
    ) -> AppendRequest {
        let ids = (0..<events).map { StreamIndexTests.id(number * 1_000 + $0) }
        let header = RecordHeader(kind: kind, expectation: expectation, eventCount: events, ids: ids)
        return AppendRequest(
            stream: NameKey(name(stream)), channel: channel, header: header, needsCheck: check,
            settleBy: now + .milliseconds(deadline * 3 / 4), deadline: now + .milliseconds(deadline)
        ) {
            RecordEnvelope.encode(
                header, events: ids.map { _ in content(data: 1) }, key: name(stream), store: testStore)
        }
    }

    mutating func submit(_ request: AppendRequest) -> CallID {
        let id = calls.submit(request)
        take()
        return id
    }

    /// Answers the checks that wait, from the model.
    mutating func answerChecks(isOnlyWriter: Bool = false) {
        while !checks.isEmpty {
            let (id, request) = checks.removeFirst()
            calls.checked(id, model.check(request, isOnlyWriter: isOnlyWriter))
            take()
        }
    }

    mutating func advance(_ milliseconds: Int) {
        now += .milliseconds(milliseconds)
        let withdrawal = withdrawal()
        calls.tick(now: now, withdraw: withdrawal.take)
        keep(withdrawal)
        take()
    }

    mutating func report(_ tag: UInt64, _ outcome: TagOutcome) {
        let withdrawal = withdrawal()
        calls.reported(
            [TagReport(tag: LogTag(number: tag), outcome: outcome)], now: now, withdraw: withdrawal.take)
        keep(withdrawal)
        take()
    }

    mutating func leave(_ id: CallID) {
        let withdrawal = withdrawal()
        calls.callerLeft(id, withdraw: withdrawal.take)
        keep(withdrawal)
        take()
    }

    /// The log has decided these records.
    @discardableResult mutating func decide(_ records: WrittenRecord...) -> [DecidedRecord] {
        let decided = records.map { record in
            defer { offset += 1 }
            return model.apply(record.header, record.stream, offset: offset)
        }
        calls.applied(decided.map { AppliedRecord(channel: 0, offset: $0.firstOffset, what: .decided($0)) })
        take()
        return decided
    }

    /// Takes the only record that was written.
    mutating func takeOne() throws -> WrittenRecord {
        defer { written = [] }
        guard written.count == 1 else { throw NotOne(written: written) }
        return written[0]
    }

    struct NotOne: Error {
        var written: [WrittenRecord]
    }

    func outcome(_ id: CallID) -> CallOutcome? { answers[id]?.first }

    mutating func take() {
        for action in calls.takeActions() {
            switch action {
            case .check(let id, let request): checks.append((id, request))
            case .write(let record, _, let tag):
                let (key, value) = (record.key ?? [], record.value ?? [])
                written.append(WrittenRecord(header: parsed(value, key), stream: key, tag: tag))
            case .answer(let id, let outcome):
                answers[id, default: []].append(outcome)
                answeredAt[id] = now
            case .release(let id): releases[id, default: 0] += 1
            }
        }
    }

    private func parsed(_ value: [UInt8], _ key: [UInt8]) -> RecordHeader {
        let bytes = key + value
        let parsed = RecordEnvelope.parse(
            bytes: bytes.span, key: 0..<key.count, value: key.count..<bytes.count, channel: 0, partitions: 1,
            store: testStore)
        guard case .record(let header, _) = parsed else { preconditionFailure("the machine wrote \(parsed)") }
        return header
    }

    private final class Withdrawal {
        var left: Set<UInt64>
        var taken: Set<UInt64> = []

        init(_ left: Set<UInt64>) { self.left = left }

        func take(_ tag: LogTag) -> Bool {
            guard left.remove(tag.number) != nil else { return false }
            taken.insert(tag.number)
            return true
        }
    }

    private func withdrawal() -> Withdrawal { Withdrawal(withdrawable) }

    private mutating func keep(_ withdrawal: Withdrawal) {
        withdrawable = withdrawal.left
        withdrawn.formUnion(withdrawal.taken)
    }
}
