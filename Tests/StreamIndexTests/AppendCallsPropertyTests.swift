import AppendRule
import EventLog
import Testing

@testable import StreamIndex

/// Random interleavings of callers, time and a log that delays, loses, doubles and does not know.
@Suite struct AppendCallsPropertyTests {
    @Test(arguments: [Trouble.none, .some, .much]) func everyCallGetsATrueAnswerInTime(_ trouble: Trouble) {
        let seed = seed(for: "AppendCalls, \(trouble)")
        for round in 0..<250 {
            var play = Play(seed: seed &+ UInt64(round), trouble)
            play.run()
            let problems = play.problems()
            #expect(problems.isEmpty, "seed \(seed), round \(round): \(problems.prefix(5))")
            if !problems.isEmpty { return }
        }
    }
}

enum Trouble: Sendable {
    /// The log stores everything in order, callers stay.
    case none
    case some
    case much

    var percent: Int {
        switch self {
        case .none: 0
        case .some: 8
        case .much: 35
        }
    }
}

/// One play: a machine, its log, other writers.
private struct Play {
    private struct Sent {
        var record: WrittenRecord
        /// Not before; in milliseconds from the beginning.
        var due: Int
    }

    private struct Asked {
        var request: AppendRequest
        var at: Int
    }

    private var machine = Machine()
    private var random: SeededGenerator
    private let trouble: Trouble
    private let start: ContinuousClock.Instant
    private var time = 0
    private var sent: [Sent] = []
    /// Tags to report, and when.
    private var reports: [(tag: UInt64, outcome: TagOutcome, due: Int)] = []
    private var asked: [CallID: Asked] = [:]
    private var order: [CallID] = []
    private var left: Set<CallID> = []
    private var log: [DecidedRecord] = []
    /// Which call wrote a record.
    private var authors: [UInt64: CallID] = [:]
    private var nextForeign: UInt64 = 1 << 40
    private static let streams = ["A-1", "A-2", "B"]

    init(seed: UInt64, _ trouble: Trouble) {
        random = SeededGenerator(seed: seed)
        self.trouble = trouble
        start = machine.now
    }

    private mutating func isTrouble() -> Bool { random.below(100) < trouble.percent }

    mutating func run() {
        for _ in 0..<(20 + random.below(100)) {
            switch random.below(10) {
            case 0...3: submit()
            case 4: answerCheck()
            case 5, 6, 7: deliver()
            case 8: pass(random.below(120))
            default: disturb()
            }
        }
        // All that is under way ends, however long the log was in trouble.
        for _ in 0..<5_000 where !machine.calls.isAtRest || !sent.isEmpty {
            while !machine.checks.isEmpty { answerCheck() }
            deliver()
            pass(10 + random.below(40))
        }
    }

    private mutating func submit() {
        let state = machine.model.streams.values.randomElement(using: &random) ?? .none
        let expectation: AppendRule.Expectation =
            switch random.below(8) {
            case 0: .noStream
            case 1: .streamExists
            case 2, 3: .exactly(max(0, state.current + Int64(random.below(3)) - 1))
            default: .any
            }
        let isRepeat = trouble != .none && random.below(4) == 0
        var number = order.count + 1
        if isRepeat { number = 1 + random.below(number) }
        let isTomb = trouble == .much && random.below(60) == 0
        let request = machine.request(
            random.pick(Self.streams), number, isTomb ? .any : expectation, kind: isTomb ? .tombstone : .append,
            events: isTomb ? 1 : 1 + number % 3, check: isRepeat || expectation != .any || random.below(3) == 0,
            deadline: trouble == .none ? 100_000 : 200 + random.below(3_000))
        let id = machine.calls.submit(request)
        asked[id] = Asked(request: request, at: time)
        order.append(id)
        machine.take()
        takeWritten()
    }

    private mutating func answerCheck() {
        guard !machine.checks.isEmpty else { return }
        let (id, request) = machine.checks.remove(at: random.below(machine.checks.count))
        let isOnlyWriter = trouble == .none && random.below(2) == 0
        machine.calls.checked(id, machine.model.check(request, isOnlyWriter: isOnlyWriter))
        machine.take()
        takeWritten()
    }

    /// What the log does with the records that it was given.
    private mutating func takeWritten() {
        while !machine.written.isEmpty {
            let records = machine.written
            machine.written = []
            for record in records {
                authors[record.header.writeID] =
                    machine.calls.calls.first { $0.value.hasWritten(record.header.writeID) }?.key
                take(record)
            }
        }
    }

    private mutating func take(_ record: WrittenRecord) {
        machine.withdrawable.remove(record.tag)
        guard isTrouble() else {
            sent.append(Sent(record: record, due: time))
            if trouble != .none, random.below(3) == 0 { machine.withdrawable.insert(record.tag) }
            return
        }
        let later = time + random.below(400)
        switch random.below(6) {
        case 0: reports.append((record.tag, .notStored(.temporary("no room")), later))
        case 1: reports.append((record.tag, .unknown, later))
        case 2:
            reports.append((record.tag, .unknown, later))
            sent.append(Sent(record: record, due: time + random.below(1_500)))
        case 3:
            sent.append(Sent(record: record, due: time))
            sent.append(Sent(record: record, due: time + random.below(1_500)))
        case 4: sent.append(Sent(record: record, due: later))
        default:
            sent.append(Sent(record: record, due: later))
            machine.withdrawable.insert(record.tag)
        }
    }

    /// The log stores and delivers some of what is due; a copy that was delayed comes behind what was not.
    private mutating func deliver() {
        sent.removeAll { machine.withdrawn.contains($0.record.tag) }
        var batch: [AppliedRecord] = []
        var rest: [Sent] = []
        var room = 1 + random.below(8)
        for one in sent {
            guard one.due <= time, room > 0 else {
                rest.append(one)
                continue
            }
            room -= 1
            machine.withdrawable.remove(one.record.tag)
            let decided = machine.model.apply(one.record.header, one.record.stream, offset: Int64(log.count))
            log.append(decided)
            batch.append(AppliedRecord(channel: 0, offset: Int64(log.count - 1), what: .decided(decided)))
        }
        sent = rest
        machine.calls.applied(batch)
        machine.take()
        takeWritten()
    }

    /// Time passes; the machine is woken when it asked to be.
    private mutating func pass(_ milliseconds: Int) {
        let end = time + milliseconds
        while time < end {
            time += 1
            machine.now = start + .milliseconds(time)
            for report in reports where report.due <= time { machine.report(report.tag, report.outcome) }
            reports.removeAll { $0.due <= time }
            if let wakeAt = machine.calls.wakeAt, wakeAt <= machine.now { machine.advance(0) }
            takeWritten()
        }
    }

    /// Callers leave, and other processes write.
    private mutating func disturb() {
        guard trouble != .none, let id = order.randomElement(using: &random), let asked = asked[id] else { return }
        switch random.below(3) {
        case 0:
            left.insert(id)
            machine.leave(id)
            takeWritten()
        default:
            nextForeign += 1
            var header = asked.request.header
            header.writeID = nextForeign
            header.attempt = UInt32(random.below(3))
            if random.below(3) == 0, header.kind == .append {
                header.kind = .cancel
            } else if random.below(2) == 0 {
                header.ids = header.ids.map { RecordID(high: $0.high, low: $0.low &+ nextForeign << 8) }
            }
            sent.append(
                Sent(
                    record: WrittenRecord(header: header, stream: asked.request.stream.bytes, tag: 0),
                    due: time + random.below(300)))
        }
    }

    // MARK: - What must hold

    func problems() -> [String] {
        var problems: [String] = []
        if !machine.calls.isAtRest { problems.append("something is left in the machine") }
        for id in order {
            guard let asked = asked[id] else { continue }
            let answers = machine.answers[id] ?? []
            if answers.count != 1 { problems.append("call \(id) has \(answers.count) answers") }
            if machine.releases[id] != 1 {
                problems.append("call \(id) was released \(machine.releases[id] ?? 0) times")
            }
            if let at = machine.answeredAt[id], at > asked.request.deadline {
                problems.append("call \(id) was answered too late")
            }
            if let outcome = answers.first { problems += problem(id, asked.request, outcome) }
        }
        problems += doubles()
        if trouble == .none { problems += disorder() }
        return problems
    }

    private func problem(_ id: CallID, _ request: AppendRequest, _ outcome: CallOutcome) -> [String] {
        let own = log.filter { authors[$0.header.writeID] == id }
        let ownAccepted = own.first { if case .accepted = $0.decision { true } else { false } }
        switch outcome {
        case .accepted(let first, let sequence, let offset, let isRepeat):
            let there = log.indices.first {
                log[$0].decision == .accepted(firstVersion: first) && log[$0].stream == request.stream
                    && log[$0].header.kind == request.header.kind
            }
            guard let there, log[there].header.ids == request.header.ids else {
                return ["call \(id) was told \(first), where it is not"]
            }
            var problems: [String] = []
            if log[there].firstOffset != offset || log[there].firstSequence != sequence {
                problems.append("call \(id) was told another place")
            }
            if isRepeat == (authors[log[there].header.writeID] == id) {
                problems.append("call \(id) was told isRepeat \(isRepeat)")
            }
            return problems
        case .notWritten:
            return own.isEmpty ? [] : ["call \(id) was told that nothing was written"]
        case .conflict(let actual):
            var problems = ownAccepted == nil ? [] : ["call \(id) was told conflict, and was accepted"]
            let holds =
                switch request.header.expectation {
                case .any: true
                case .noStream: actual < 0
                case .streamExists: actual >= 0
                case .exactly(let version): version == actual
                }
            if holds { problems.append("call \(id) was told of a conflict at \(actual)") }
            return problems
        case .cancelled, .tombstoned, .idReused, .withdrawn:
            return ownAccepted == nil ? [] : ["call \(id) was told \(outcome), and was accepted"]
        case .unknown:
            return trouble == .none ? ["call \(id) was told unknown by a log without trouble"] : []
        case .tooLarge, .failed: return ["call \(id) was told \(outcome)"]
        }
    }

    /// No append is there twice.
    private func doubles() -> [String] {
        var seen: Set<FactModel.AppendKey> = []
        return log.compactMap { record in
            guard case .accepted = record.decision else { return nil }
            // An append that expects an exact version is its own append for each version.
            guard record.header.isFoundByID else { return nil }
            let key = FactModel.AppendKey(stream: record.stream.bytes, id: record.header.appendID)
            return seen.insert(key).inserted ? nil : "an append is there twice"
        }
    }

    /// Without trouble the unconditional ones of a stream are in the order in which they were handed in.
    private func disorder() -> [String] {
        Self.streams.compactMap { stream in
            let calls = order.filter {
                asked[$0]?.request.stream.bytes == name(stream) && asked[$0]?.request.header.expectation == .any
            }
            let versions = calls.compactMap { id -> Int64? in
                guard case .accepted(let first, _, _, _) = machine.outcome(id) else { return nil }
                return first
            }
            guard versions.count == calls.count else { return "an unconditional append was refused" }
            return versions == versions.sorted() ? nil : "the appends of \(stream) are out of order"
        }
    }
}
