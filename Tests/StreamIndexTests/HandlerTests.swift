import AppendRule
import Envelope
import EventLog
import Testing

@testable import StreamIndex

/// What a log may do to its handler, and who hears of it.
@Suite struct HandlerTests {
    private func withIndex(
        channels: Int = 1, _ body: (IndexedLog, PlayedLog) async throws -> Void
    ) async throws {
        let log = PlayedLog(channels: channels)
        let index = try await IndexedLog.open(
            IndexSource(OpenedLog(log: log, segments: nil, indexDirectory: nil)))
        do {
            try await body(index, log)
            await index.close()
        } catch {
            await index.close()
            throw error
        }
    }

    private func append(
        _ index: IndexedLog, _ number: Int, _ stream: String = "S", deadline: Duration = .seconds(3_600)
    ) async -> PendingAppend {
        await index.submit(ProposedAppend(stream, ids: [id(number)], deadline: deadline))
    }

    private func stream(in partition: Int, _ index: IndexedLog) throws -> String {
        try #require((0..<100).map { "S\($0)" }.first { index.partition(ofStream: name($0)) == partition })
    }

    private func version(_ pending: PendingAppend) async -> Int64? {
        guard case .accepted(let version, _, _, _) = await pending.outcome() else { return nil }
        return version
    }

    @Test func aGapIsReadAgainAndWhatWasSeenIsDropped() async throws {
        try await withIndex { index, log in
            var pending: [PendingAppend] = []
            for number in 0..<6 { pending.append(await append(index, number)) }
            log.deliver([1, 2])
            log.deliver([1, 2])
            log.deliver([2, 3, 5])
            #expect(log.restarts == [PlayedLog.Restart(channel: 0, offset: 4)])
            #expect(index.halts == [nil])
            log.deliver([4, 5])
            // Another gap, later, is read again as well.
            pending.append(await append(index, 6))
            pending.append(await append(index, 7))
            log.deliver([6, 8])
            #expect(log.restarts.count == 2 && index.halts == [nil])
            log.deliver([7, 8])
            for (number, one) in pending.enumerated() { #expect(await version(one) == Int64(number)) }
            let summary = try await index.partitionSummaries()[0]
            #expect(summary.appliedOffset == 8)
        }
    }

    /// Who waited no longer wants it, and the log may be away for long.
    @Test func aBarrierThatNobodyWaitsForIsWithdrawn() async throws {
        try await withIndex { index, log in
            await #expect(throws: IndexError.self) { try await index.waitForBarrier(in: 0, deadline: .zero) }
            let tags = log.tags
            #expect(tags.withdrawn.count == 1)
            #expect(tags.withdrawn == tags.appended.suffix(1) && tags.withdrawn != [.none])
        }
    }

    @Test func aGapThatStaysHaltsThePartitionAndNoOther() async throws {
        try await withIndex(channels: 2) { index, log in
            let (halted, running) = (try stream(in: 0, index), try stream(in: 1, index))
            let waiting = await append(index, 1, halted)
            let other = await append(index, 2, running)
            log.deliver(0, [1], as: [3])
            #expect(log.restarts == [PlayedLog.Restart(channel: 0, offset: 1)])
            let reader = Task { try await index.wait(for: 5, in: 0, deadline: .seconds(3_600)) }
            let otherReader = Task { try await index.waitForBarrier(in: 1, deadline: .seconds(3_600)) }
            try await log.wait(forRecords: 3, in: 1)
            log.deliver(0, [1], as: [3])
            // It may be accepted by an index that reads on.
            #expect(await waiting.outcome() == .unknown)
            let halt = try #require(index.halts[0])
            #expect(halt.code == .halted && halt.message.contains("offset 1"))
            await #expect(throws: halt) { try await reader.value }
            #expect(await (await append(index, 3, halted)).outcome() == .failed(halt))
            await #expect(throws: halt) { try await index.waitForBarrier(in: 0, deadline: .seconds(3_600)) }
            #expect(log.restarts.count == 1 && index.halts[1] == nil)
            // Nothing of it is applied any more; the other one goes on.
            log.deliver(0, [1])
            #expect(try await index.partitionSummaries()[0].appliedOffset == 0)
            log.deliver(1, [1, 2])
            #expect(await version(other) == 0)
            try await otherReader.value
        }
    }

    @Test func whatThisBuildDoesNotKnowHaltsThePartition() async throws {
        let upgrade = RecordEnvelope.encodeRuleUpgrade(to: 2, id: id(9), partition: 0, writeID: 9, store: testStore)
        for kind in ["format", "rule"] {
            try await withIndex { index, log in
                let store = index.identity.store
                var record = LogRecord(key: [], value: upgrade)
                if kind == "rule" {
                    record.value = RecordEnvelope.encodeRuleUpgrade(
                        to: 2, id: id(9), partition: 0, writeID: 9, store: store)
                } else {
                    let header = RecordHeader(kind: .append, eventCount: 1, ids: [id(8)])
                    var value = RecordEnvelope.encode(header, events: [content()], key: name("S"), store: store)
                    value[4] = 2
                    RecordEnvelope.restamp(&value, key: name("S"), attempt: 0, writeID: 8)
                    record = LogRecord(key: name("S"), value: value)
                }
                let before = await append(index, 1)
                log.append(record, to: 0, tag: .none)
                let behind = await append(index, 2)
                log.deliver([1, 2, 3])
                #expect(await version(before) == 0)
                #expect(await behind.outcome() == .unknown)
                let halt = try #require(index.halts[0])
                #expect(halt.code == .halted && halt.message.contains("offset 2") && halt.message.contains(kind))
                #expect(await (await append(index, 3)).outcome() == .failed(halt))
                // What came before can be read, also by an index that is opened now.
                let page = StreamPageRequest(stream: name("S"), from: nil, direction: .forward, maxEvents: 10)
                #expect(try await index.page(page).events.map(\.version) == [0])
                let later = try await IndexedLog.open(
                    IndexSource(OpenedLog(log: log, segments: nil, indexDirectory: nil)))
                #expect(later.halts[0] == halt)
                #expect(try await later.page(page).events.map(\.version) == [0])
                await later.close()
            }
        }
    }

    /// One partition's damage halts it, with what was before it readable, and no other.
    @Test func damageHaltsItsPartition() async throws {
        try await withIndex(channels: 2) { index, log in
            let (damaged, running) = (try stream(in: 0, index), try stream(in: 1, index))
            let before = await append(index, 1, damaged)
            log.deliver(0, [1])
            #expect(await version(before) == 0)
            let waiting = await append(index, 2, damaged)
            log.tell(.damaged(channel: 0, "a flipped bit at offset 2"))
            #expect(await waiting.outcome() == .unknown)
            let halt = try #require(index.halts[0])
            #expect(halt.code == .halted && halt.message.contains("a flipped bit at offset 2"))
            try #require(index.halts[1] == nil)
            #expect(await (await append(index, 3, damaged)).outcome() == .failed(halt))
            let page = StreamPageRequest(stream: name(damaged), from: nil, direction: .forward, maxEvents: 10)
            #expect(try await index.page(page).events.map(\.version) == [0])
            let other = await append(index, 4, running)
            log.deliver(1, [1])
            #expect(await version(other) == 0)
        }
    }

    @Test func aLogThatFailsOrMovesIsSaidToEverybody() async throws {
        let events: [(LogEvent, IndexError.Code)] = [
            (.failed("no disk"), .unavailable), (.damaged(channel: nil, "a flipped bit"), .damaged),
            (.startMoved(channel: 0, start: 5), .mismatch), (.shortened(channel: 0, end: 0), .mismatch),
            (.gap(channel: 0, expected: 1, found: 3), .halted),
        ]
        for (event, code) in events {
            try await withIndex { index, log in
                let waiting = await append(index, 1)
                log.tell(event)
                #expect(await waiting.outcome() == .unknown)
                #expect(index.halts[0]?.code == code)
                guard case .failed(let error) = await (await append(index, 2)).outcome() else {
                    Issue.record("taken after \(event)")
                    return
                }
                #expect(error.code == code)
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func whatIsUnderWayIsCounted() async throws {
        try await withIndex { index, log in
            let pending = [await append(index, 1), await append(index, 2)]
            #expect(index.activity.appendsInFlight == 2 && index.activity.bytesInFlight > 0)
            #expect(index.activity.appends[.accepted] == 0)
            log.deliver([1, 2])
            for one in pending { _ = await one.outcome() }
            // The log's thread, here this one, has let them go.
            #expect(index.activity.appendsInFlight == 0 && index.activity.bytesInFlight == 0)
            #expect(index.activity.appends[.accepted] == 2)
            #expect(index.activity.appends.buckets.reduce(0, +) == 2)
            log.tell(.failed("no disk"))
            _ = await (await append(index, 3)).outcome()
            #expect(index.activity.appends[.failed] == 1)
        }
    }

    /// The log never says a word; only the clock ends these calls.
    @Test(.timeLimit(.minutes(1))) func aCallEndsByItsDeadline() async throws {
        try await withIndex { index, log in
            let first = await append(index, 1, deadline: .milliseconds(200))
            let second = await append(index, 2, "T", deadline: .milliseconds(40))
            #expect(await first.outcome() == .unknown)
            #expect(await second.outcome() == .unknown)
            // Settled in the background: by its cancel.
            let kinds = log.records().count
            #expect(kinds == 5)
            log.deliver([1, 2, 3, 4])
            let next = await append(index, 3)
            log.deliver([5])
            #expect(await version(next) == 1)
        }
    }

    @Test(.timeLimit(.minutes(1))) func callersWaitForRoomUntilThreeQuartersOfTheirDeadline() async throws {
        let log = PlayedLog()
        let index = try await IndexedLog.open(
            IndexSource(
                OpenedLog(log: log, segments: nil, indexDirectory: nil), limits: AppendLimits(appendsInFlight: 2)))
        let first = await append(index, 1)
        let second = await append(index, 2, "T")
        let none = await append(index, 3, "U", deadline: .zero)
        guard case .notWritten = await none.outcome() else {
            Issue.record("written without room")
            return
        }
        let late = await append(index, 4, "U", deadline: .milliseconds(40))
        guard case .notWritten = await late.outcome() else {
            Issue.record("written without room")
            return
        }
        let left = Task { await append(index, 5, "U").outcome() }
        left.cancel()
        #expect(await left.value == .withdrawn)
        let next = Task { await append(index, 6, "U").outcome() }
        log.deliver([1])
        #expect(await version(first) == 0)
        try await log.wait(forRecords: 4)
        log.deliver([2, 3])
        #expect(await version(second) == 0)
        #expect(await next.value == .accepted(firstVersion: 0, firstSequence: 3, offset: 3, isRepeat: false))
        await index.close()
    }
}
