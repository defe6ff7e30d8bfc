import AppendRule
import Envelope
import EventLog
import Testing

@testable import StreamIndex

/// A log that is no longer the one that was applied.
@Suite(.timeLimit(.minutes(1))) struct LogWatchTests {
    private func withIndex(
        channels: Int = 1, every interval: Duration = .seconds(3_600),
        _ body: (IndexedLog, PlayedLog) async throws -> Void
    ) async throws {
        let log = PlayedLog(channels: channels)
        var source = IndexSource(OpenedLog(log: log, segments: nil, indexDirectory: nil))
        source.comparesEvery = interval
        let index = try await IndexedLog.open(source)
        do {
            try await body(index, log)
            await index.close()
        } catch {
            await index.close()
            throw error
        }
    }

    private func append(_ index: IndexedLog, _ number: Int, _ stream: String = "S") async -> PendingAppend {
        await index.submit(ProposedAppend(stream, ids: [id(number)]))
    }

    private func version(_ pending: PendingAppend) async -> Int64? {
        guard case .accepted(let version, _, _, _) = await pending.outcome() else { return nil }
        return version
    }

    private func applied(_ index: IndexedLog, _ partition: Int = 0) async throws -> Int64 {
        try await index.partitionSummaries()[partition].appliedOffset
    }

    /// Something that well-formed records of the same length could be taken for.
    private func other(_ index: IndexedLog, _ stream: String = "S") -> LogRecord {
        let header = RecordHeader(kind: .append, writeID: 77, eventCount: 1, ids: [id(777)])
        return LogRecord(
            key: name(stream),
            value: RecordEnvelope.encode(
                header, events: [content()], key: name(stream), store: index.identity.store))
    }

    private func expectRefused(_ index: IndexedLog, _ waiting: PendingAppend, _ words: String) async throws {
        #expect(await waiting.outcome() == .unknown)
        let refusal = try #require(index.halts[0])
        #expect(refusal.code == .mismatch && refusal.message.contains(words), "\(refusal)")
        #expect(refusal.message.contains("remove this node's index directory"))
        for channel in 0..<index.partitions { #expect(index.halts[channel] == refusal) }
        #expect(await (await append(index, 900)).outcome() == .failed(refusal))
        await #expect(throws: refusal) {
            try await index.wait(for: 50, in: 0, deadline: .seconds(3_600))
        }
        // What was applied stays.
        try await index.wait(for: 1, in: 0, deadline: .seconds(3_600))
        let page = StreamPageRequest(stream: name("S"), from: nil, direction: .forward, maxEvents: 1)
        #expect(try await index.page(page).events.map(\.version) == [0])
    }

    @Test func nothingIsAppliedBeforeTheLogHasAnswered() async throws {
        try await withIndex { index, log in
            let first = await append(index, 1)
            log.deliver([1])
            #expect(await version(first) == 0)
            log.tell(.contactLost("a test"))
            let second = await append(index, 2)
            log.deliver([2])
            #expect(try await applied(index) == 1)
            log.setAway(true)
            let asked = log.questions
            log.tell(.contactRegained)
            try await log.wait(forQuestions: asked + 2)
            log.deliver([2])
            #expect(try await applied(index) == 1)
            #expect(log.restarts == [])
            log.setAway(false)
            // What was not taken is delivered again.
            try await log.wait(forRestarts: 1)
            #expect(log.restarts == [PlayedLog.Restart(channel: 0, offset: 2)])
            log.deliver([2])
            #expect(await version(second) == 1)
        }
    }

    /// What was under way when the channel was asked for again is behind what comes next, each time.
    @Test func doubtsOneAfterTheOtherAreNoGap() async throws {
        try await withIndex { index, log in
            let first = await append(index, 1)
            log.deliver([1])
            #expect(await version(first) == 0)
            let second = await append(index, 2)
            let third = await append(index, 3)
            for round in 1...3 {
                log.tell(.contactRegained)
                try await log.wait(forRestarts: 2 * round - 1)
                log.deliver([3])
                try await log.wait(forRestarts: 2 * round)
            }
            log.deliver([2, 3])
            #expect(await version(second) == 1)
            #expect(await version(third) == 2)
            #expect(index.halts == [nil])
        }
    }

    /// What the first loss of contact asked for says nothing of the second.
    @Test func aSecondLossAsksAgain() async throws {
        try await withIndex { index, log in
            let first = await append(index, 1)
            log.deliver([1])
            #expect(await version(first) == 0)
            log.setAway(true)
            let asked = log.questions
            log.tell(.contactRegained)
            try await log.wait(forQuestions: asked + 1)
            log.tell(.contactLost("again"))
            log.setAway(false)
            try await log.wait(forQuestions: asked + 3)
            let second = await append(index, 2)
            log.deliver([2])
            #expect(try await applied(index) == 1)
            log.tell(.contactRegained)
            try await log.wait(forRestarts: 1)
            log.deliver([2])
            #expect(await version(second) == 1)
        }
    }

    @Test func aLogThatHasGrownPastUsAfterALossIsRefusedBeforeAnythingIsApplied() async throws {
        try await withIndex { index, log in
            for number in 1...3 { _ = await append(index, number) }
            log.deliver([1, 2, 3])
            let waiting = await append(index, 4)
            log.tell(.contactLost("a test"))
            log.replace(0, 3, with: other(index))
            log.append(other(index, "T"), to: 0, tag: .none)
            log.setAway(true)
            log.tell(.contactRegained)
            log.deliver([4, 5])
            log.setAway(false)
            try await expectRefused(index, waiting, "offset 3 of partition 0 is not the record")
            log.deliver([4, 5])
            #expect(try await applied(index) == 3)
        }
    }

    @Test func aLogThatWasCutIsRefused() async throws {
        try await withIndex { index, log in
            for number in 1...3 { _ = await append(index, number) }
            log.deliver([1, 2, 3])
            let waiting = await append(index, 4)
            log.cut(0, to: 2)
            log.tell(.contactRegained)
            try await expectRefused(index, waiting, "up to offset 3, and the log ends at 2")
        }
    }

    /// Every partition has its own creation record.
    @Test(arguments: [0, 1]) func anotherCreationRecordIsRefused(_ channel: Int) async throws {
        try await withIndex(channels: 2) { index, log in
            let stream = try #require(
                (0..<100).map { "S\($0)" }.first { index.partition(ofStream: name($0)) == channel })
            let first = await append(index, 1, stream)
            log.deliver(channel, [1])
            #expect(await version(first) == 0)
            let waiting = await append(index, 2, stream)
            let value = RecordEnvelope.encodeIdentity(
                Identity(store: index.identity.store, partitions: 2, nonce: id(5)), id: id(6), partition: channel,
                writeID: 7)
            log.replace(channel, 0, with: LogRecord(key: [], value: value))
            log.tell(.contactRegained)
            #expect(await waiting.outcome() == .unknown)
            for halt in index.halts {
                #expect(halt?.code == .mismatch)
                #expect(halt?.message.contains("partition \(channel) begins with another creation record") == true)
            }
        }
    }

    /// One leader that does not answer holds up its own partition alone.
    @Test func aPartitionThatDoesNotAnswerHoldsUpNoOther() async throws {
        try await withIndex(channels: 2) { index, log in
            let streams = try (0..<2).map { channel in
                try #require((0..<100).map { "S\($0)" }.first { index.partition(ofStream: name($0)) == channel })
            }
            for channel in 0..<2 {
                let first = await append(index, channel, streams[channel])
                log.deliver(channel, [1])
                #expect(await version(first) == 0)
            }
            log.setAway(true, channel: 0)
            log.tell(.contactRegained)
            try await log.wait(forRestarts: 1)
            #expect(log.restarts == [PlayedLog.Restart(channel: 1, offset: 2)])
            let (held, other) = (await append(index, 8, streams[0]), await append(index, 9, streams[1]))
            log.deliver(0, [2])
            log.deliver(1, [2])
            #expect(await version(other) == 1)
            #expect(try await applied(index, 0) == 1)
            log.setAway(false)
            try await log.wait(forRestarts: 2)
            log.deliver(0, [2])
            #expect(await version(held) == 1)
        }
    }

    /// A leader that was replaced may not know the newest record yet.
    @Test func oneOddAnswerIsNotBelieved() async throws {
        try await withIndex { index, log in
            let first = await append(index, 1)
            log.deliver([1])
            #expect(await version(first) == 0)
            log.tell(.contactLost("a test"))
            log.lie(2)
            log.tell(.contactRegained)
            try await log.wait(forRestarts: 1)
            #expect(index.halts == [nil])
        }
    }

    @Test func aLogThatChangesWithoutALossIsNoticedInTime() async throws {
        try await withIndex(every: .milliseconds(5)) { index, log in
            for number in 1...3 { _ = await append(index, number) }
            log.deliver([1, 2, 3])
            let asked = log.questions
            try await log.wait(forQuestions: asked + 4)
            #expect(index.halts == [nil])
            let waiting = await append(index, 4)
            log.replace(0, 3, with: other(index))
            try await expectRefused(index, waiting, "offset 3 of partition 0 is not the record")
        }
    }

    /// Callers are answered before the batch is written; what is compared in between is what was written before.
    @Test func aComparisonWhileCallersAreAnsweredFindsNoDifference() async throws {
        try await withIndex { index, log in
            let found = Monitor<[KnownChannel]>([])
            let first = await append(index, 1)
            // Its turn comes, and it is written, once the first is decided.
            let second = await index.submit(ProposedAppend("S", .exactly(0), ids: [id(2)]))
            log.onAppend { handler in
                let known = (handler as? IndexHandler)?.known ?? []
                found.withLock { $0 += known }
            }
            log.deliver([1])
            #expect(await version(first) == 0)
            let known = found.read { $0 }
            #expect(known.count == 1)
            for channel in known { try await LogComparison.check(log, channel, index.identity) }
            log.deliver([2])
            #expect(await version(second) == 1)
        }
    }

    /// What the watch asks the handler for waits while a run is being written, but not on Swift's own threads.
    @Test func aWatchThatWaitsForTheHandlerHoldsNobodyUp() async throws {
        try await withIndex { index, log in
            let (isHeld, isOver) = (Monitor(false), Monitor(false))
            let handler = index.handler
            async let wasLetGo = onOwnThread(named: "held-handler") {
                try handler.betweenRuns {
                    isHeld.withLock { $0 = true }
                    // Let go after a while, so that this test can fail.
                    return isOver.wait(until: .now + .seconds(20)) { $0 ? true : nil } ?? false
                }
            }
            try await onOwnThread(named: "held-wait") { isHeld.wait { $0 ? () : nil } }
            for _ in 0..<32 { handler.watch.contactRegained(handler, hold: -1) }
            for _ in 0..<32 { await Task { await Task.yield() }.value }
            isOver.withLock { $0 = true }
            #expect(try await wasLetGo)
        }
    }

    /// A log that delivers nothing twice of its own accord loses nothing.
    @Test func nothingIsLostWhileContactComesAndGoes() async throws {
        let records = InMemoryRecords(partitions: 3)
        let log = FaultInjectingLog(InMemoryLog(records), seed: seed(for: "nothingIsLostWhileContactComesAndGoes"))
        let index = try await IndexedLog.open(
            IndexSource(OpenedLog(log: log, segments: nil, indexDirectory: nil)))
        for round in 0..<10 {
            var pending: [PendingAppend] = []
            for number in 0..<20 {
                if number == 5 { log.stop() }
                if number == 15 { log.resume() }
                pending.append(await append(index, round * 20 + number, "S\(number)"))
            }
            for one in pending { #expect(await version(one) == Int64(round)) }
        }
        #expect(index.halts == [nil, nil, nil])
        await index.close()
    }

    // MARK: - At open

    @Test func aLogThatTakesNothingSaysWhyAtOnce() async throws {
        let log = PlayedLog(channels: 2, writeRefusal: "retention.ms is 1 and must be -1")
        await #expect(throws: IndexError(.unavailable, "retention.ms is 1 and must be -1")) {
            _ = try await IndexedLog.open(IndexSource(OpenedLog(log: log, segments: nil, indexDirectory: nil)))
        }
        let first = StoreCreation.firstRecord(partitions: 1).record
        let whole = PlayedLog(writeRefusal: "retention.ms is 1 and must be -1")
        whole.append(first, to: 0, tag: .none)
        let index = try await IndexedLog.open(
            IndexSource(OpenedLog(log: whole, segments: nil, indexDirectory: nil)))
        #expect(try await applied(index) == 0)
        await #expect(throws: IndexError(.unavailable, "retention.ms is 1 and must be -1")) {
            try await index.waitForBarrier(in: nil, deadline: .seconds(3_600))
        }
        await index.close()
    }

    @Test func whatWasAppliedIsComparedWithEveryPartition() async throws {
        try await withIndex(channels: 2) { index, log in
            let known = index.handler.known
            for channel in known { try await LogComparison.check(log, channel, index.identity) }
            log.cut(1, to: 0)
            try await LogComparison.check(log, known[0], index.identity)
            await #expect(throws: IndexError.self) {
                try await LogComparison.check(log, known[1], index.identity)
            }
        }
    }
}
