import AppendRule
import Envelope
import EventLog
import Testing

@testable import StreamIndex

/// Who waits for room, and what they hold meanwhile.
@Suite struct GateTests {
    private struct Model {
        var waiting: [(id: UInt64, bytes: Int, deadline: ContinuousClock.Instant?)] = []

        mutating func take(where isTaken: (ContinuousClock.Instant) -> Bool) -> [UInt64] {
            let taken = waiting.filter { $0.deadline.map(isTaken) ?? false }
            waiting.removeAll { one in taken.contains { $0.id == one.id } }
            return taken.sorted { ($0.deadline!, $0.id) < ($1.deadline!, $1.id) }.map(\.id)
        }
    }

    /// As an array would keep it, whoever goes first, in the middle, or by the clock; and little more is kept.
    @Test func aLineIsFirstInFirstOut() {
        var random = SeededGenerator(seed: seed(for: "aLineIsFirstInFirstOut"))
        for _ in 0..<20 {
            let start = ContinuousClock.now
            let weights = (0..<4).map { _ in 1 + random.below(6) }
            var line = WaitingLine<UInt64>()
            var model = Model()
            var now = 0
            for id in 1...UInt64(600) {
                let deadline = random.below(4) == 0 ? nil : start + .milliseconds(now + random.below(100))
                let bytes = random.below(1_000)
                for _ in 0..<random.below(weights[0]) where id > 1 {
                    let other = UInt64(1 + random.below(Int(id) - 1))
                    let index = model.waiting.firstIndex { $0.id == other }
                    if let index { model.waiting.remove(at: index) }
                    #expect(line.remove(other) == index.map { _ in other })
                }
                line.append(id, bytes: bytes, until: deadline, id)
                model.waiting.append((id, bytes, deadline))
                if random.below(weights[1]) == 0 {
                    #expect(line.firstBytes == model.waiting.first?.bytes)
                    #expect(line.removeFirst() == model.waiting.first?.id)
                    model.waiting.removeFirst(min(1, model.waiting.count))
                }
                if random.below(weights[2]) == 0 {
                    now += random.below(20)
                    let time = start + .milliseconds(now)
                    #expect(line.expire(now: time) == model.take { $0 <= time })
                }
                #expect(line.isEmpty == model.waiting.isEmpty)
                #expect(line.nextDeadline == model.waiting.compactMap(\.deadline).min())
                #expect(line.keptCount <= 2 * model.waiting.count + IndexLimits.sweptMarks + 1)
            }
            #expect(line.removeAll() == model.waiting.map(\.id))
            #expect(line.isEmpty && line.firstBytes == nil && line.nextDeadline == nil)
        }
    }

    @Test func manyEnterInTurnAndTheRestIsSentAway() async {
        let gate = Gate(count: 1)
        let entered = Monitor<[Int]>([])
        _ = await gate.enter()
        let waits = Monitor(0)
        await withTaskGroup { group in
            for number in 0..<2_000 {
                await withCheckedContinuation { isWaiting in
                    group.addTask {
                        let entry = await gate.enter {
                            waits.withLock { $0 += 1 }
                            isWaiting.resume()
                        }
                        guard entry == .entered else { return }
                        let count = entered.withLock {
                            $0.append(number)
                            return $0.count
                        }
                        if count < 1_000 { gate.leave() } else { gate.close() }
                    }
                }
            }
            gate.leave()
        }
        #expect(entered.read { $0 } == Array(0..<1_000))
        #expect(waits.read { $0 } == 2_000)
        #expect(await gate.enter() == .closed)
    }

    /// The room that is asked for before a record is encoded is what the record takes.
    @Test func theSizeIsKnownBeforeTheRecordIs() {
        for count in 1...5 {
            let events = (0..<count).map { number in
                EventContent(
                    type: name("Tested"), contentType: name("text/plain"),
                    correlationID: number % 2 == 0 ? nil : name("correlation"),
                    causationID: number % 3 == 0 ? nil : name("cause"), data: Array(repeating: 7, count: number * 100),
                    metadata: number == 1 ? nil : Array(repeating: 8, count: number))
            }
            let header = RecordHeader(kind: .append, eventCount: count, ids: (0..<count).map { id($0) })
            let value = RecordEnvelope.encode(header, events: events, key: name("S"), store: testStore)
            let append = ProposedAppend(
                stream: name("S"), expectation: .any, ids: header.ids.map { ($0.high, $0.low) },
                eventBytes: events.reduce(0) {
                    $0
                        + EventBytes.count(
                            type: $1.type.count, contentType: $1.contentType.count,
                            correlationID: $1.correlationID?.count, causationID: $1.causationID?.count,
                            data: $1.data.count, metadata: $1.metadata?.count)
                }, hasFreshIDs: true, deadline: .seconds(1)
            ) { _ in }
            #expect(append.recordBytes == value.count)
        }
    }
}
