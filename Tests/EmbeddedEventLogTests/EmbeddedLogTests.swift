import EventLog
import Segments
import SegmentsTestSupport
import Testing

@testable import EmbeddedEventLog

@Suite struct EmbeddedLogTests {
    @Test func storesDeliversAndReplays() async throws {
        let storage = CrashStorage(seed: 1)
        let log = try openLog(on: storage)
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        await withTaskGroup { group in
            for writer in 0..<8 {
                group.addTask { append(200, from: 1 + writer * 200, to: log) }
            }
        }
        let all = recorder.waitForRecords(1_600)
        #expect(all.map(\.offset) == Array(0..<1_600))
        #expect(Set(all.map { $0.record.value! }) == Set((1...1_600).map { Array("\($0)".utf8) }))
        #expect(try await log.bounds(of: 0) == 0..<1_600)
        #expect(try await log.record(at: 700, in: 0) == all[700])
        #expect(try await log.record(at: 1_600, in: 0) == nil)
        #expect(try await log.record(at: -1, in: 0) == nil)
        for (stored, place) in zip(all, recorder.seen.read { $0.places }) {
            var bytes: [UInt8] = []
            let frame = try log.segments.read(
                SegmentPlace(file: place.file, position: place.position, length: place.length), into: &bytes)
            #expect(StoredRecord(frame, in: bytes) == stored)
        }
        await log.close()
        await log.close()
        #expect(recorder.events.isEmpty)

        for first in [0, 1, 999, 1_599, 1_600] {
            let reopened = try openLog(on: storage)
            let again = Recorder()
            try reopened.start(from: [Int64(first)], handler: again)
            append(1, to: reopened)
            let found = again.waitForRecords(try await reopened.bounds(of: 0).count - first)
            #expect(Array(found.prefix(1_600 - first)) == Array(all.dropFirst(first)))
            #expect(found.map(\.offset) == Array(Int64(first)..<(Int64(first) + Int64(found.count))))
            await reopened.close()
        }
    }

    @Test func whatIsEnqueuedMeanwhileGoesIntoOneBlock() async throws {
        let log = try openLog(on: MemoryStorage())
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        for round in 0..<3 {
            recorder.holdNextRun()
            append(1, from: 1 + round * 1_000, to: log)
            recorder.waitUntilHolding()
            append(999, from: 2 + round * 1_000, to: log)
            recorder.release()
            _ = recorder.waitForRecords((round + 1) * 1_000)
        }
        await log.close()
        #expect(recorder.seen.read { $0.runs } == [1, 999, 1, 999, 1, 999])
    }

    @Test func withdrawTakesBackWhatIsNotInABlock() async throws {
        let log = try openLog(on: MemoryStorage())
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        recorder.holdNextRun()
        append(1, to: log)
        recorder.waitUntilHolding()
        append(5, from: 2, to: log)
        #expect(!log.withdraw(tag(1)))
        #expect(log.withdraw(tag(3)))
        #expect(!log.withdraw(tag(3)))
        #expect(log.withdraw(tag(6)))
        #expect(!log.withdraw(.none))
        recorder.release()
        await log.close()
        #expect(recorder.records.map(\.record) == ["1", "2", "4", "5"].map(record))
        #expect(recorder.records.map(\.offset) == [0, 1, 2, 3])
        #expect(recorder.events.isEmpty)
    }

    @Test func refusals() async throws {
        let log = try openLog(on: MemoryStorage(), queuedBytes: 3 << 20)
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        let large = LogRecord(key: [UInt8](repeating: 1, count: 1_024), value: [UInt8](repeating: 2, count: 2 << 20))
        recorder.holdNextRun()
        append(1, to: log)
        recorder.waitUntilHolding()
        log.append(large, to: 0, tag: tag(2))
        log.append(large, to: 0, tag: tag(3))
        log.append(large, to: 0, tag: .none)
        log.append(LogRecord(key: [1], value: large.value! + large.key!), to: 0, tag: tag(4))
        recorder.release()
        let reports = recorder.waitForReports(2)
        guard case .notStored(.temporary) = reports[tag(3)] else {
            Issue.record("\(reports)")
            return
        }
        #expect(reports[tag(4)] == .notStored(.tooLarge))
        _ = recorder.waitForRecords(2)
        log.append(large, to: 0, tag: tag(5))
        let all = recorder.waitForRecords(3)
        #expect(all.map(\.record) == [record("1"), large, large])
        await log.close()
        #expect(recorder.events.count <= 2)
    }

    /// What comes after `close` began is refused, and that is reported before the end.
    @Test func aClosingQueueRefuses() {
        var queue = LogQueue(byteLimit: 1_000)
        queue.append(record("1"), tag(1))
        queue.close()
        queue.append(record("2"), tag(2))
        queue.append(record("3"), .none)
        guard case .reports(let reports) = queue.next() else {
            Issue.record("no report")
            return
        }
        #expect(reports == [TagReport(tag: tag(2), outcome: .notStored(.failed("the log is closed")))])
        guard case .records(let records) = queue.next() else {
            Issue.record("no records")
            return
        }
        #expect(records.map(\.tag) == [tag(1)])
        guard case .end = queue.next() else {
            Issue.record("no end")
            return
        }
        // The log's thread may still deliver: it is the one to report this.
        let isLateBeforeTheEnd = queue.append(record("4"), tag(4))
        #expect(!isLateBeforeTheEnd)
        let rest = queue.end()
        #expect(rest == [TagReport(tag: tag(4), outcome: .notStored(.failed("the log is closed")))])
        #expect(queue.end() == nil)
        let isLateAfterTheEnd = queue.append(record("5"), tag(5))
        #expect(isLateAfterTheEnd)
        #expect(queue.takeLate().map(\.tag) == [tag(5)])
    }

    /// Blocks of bounded size, in order, whatever is withdrawn in between.
    @Test func aQueueGivesBlocksInOrder() {
        var random = SeededRandom()
        for _ in 0..<50 {
            var queue = LogQueue(byteLimit: 1 << 30)
            var expected: [LogTag] = []
            var taken: [LogTag] = []
            var next = 1
            while next < 300 || taken.count < expected.count {
                for _ in 0..<random.below(40) where next < 300 {
                    queue.append(random.chance(10) ? FaultTests.large : record("small"), tag(next))
                    expected.append(tag(next))
                    next += 1
                }
                if random.chance(30), taken.count < expected.count {
                    let index = taken.count + random.below(expected.count - taken.count)
                    let isWithdrawn = queue.withdraw(expected.remove(at: index))
                    #expect(isWithdrawn)
                }
                guard case .records(let records) = queue.next() else { continue }
                #expect(!records.isEmpty && records.count <= SegmentLimits.blockFrames)
                #expect(records.reduce(0) { $0 + $1.frameBytes } <= SegmentLimits.blockFrameBytes)
                taken += records.map(\.tag)
                let isLate = queue.withdraw(taken[0])
                #expect(!isLate)
            }
            #expect(taken == expected)
        }
    }

    @Test func aLogThatWasNotStartedStoresWhatIsEnqueued() async throws {
        let storage = CrashStorage(seed: 1)
        let log = try openLog(on: storage)
        append(3, to: log)
        await log.close()
        let again = try openLog(on: storage.afterPowerCut())
        #expect(try await again.bounds(of: 0) == 0..<3)
    }

    @Test func appendTimesNeverGoBack() async throws {
        let storage = CrashStorage(seed: 1)
        var expected: Int64 = 0
        for times: [Int64] in [[500, 400, 700], [600, 650], [900]] {
            let clock = Monitor(times)
            let log = try openLog(on: storage, fileBytes: 4_096) {
                clock.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            }
            let recorder = Recorder()
            try log.start(from: [try await log.bounds(of: 0).upperBound], handler: recorder)
            for (index, time) in times.enumerated() {
                // Large, so that some opens find the last file without records.
                log.append(LogRecord(key: nil, value: [UInt8](repeating: 0, count: 3_800)), to: 0, tag: .none)
                expected = max(expected, time)
                #expect(recorder.waitForRecords(index + 1)[index].appendTime == expected)
            }
            await log.close()
        }
    }

    @Test func restartDeliversAgainAndInOrder() async throws {
        let log = try openLog(on: MemoryStorage())
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        append(10, to: log)
        _ = recorder.waitForRecords(10)
        log.restart(channel: 0, from: 4)
        append(1, from: 11, to: log)
        let all = recorder.waitForRecords(17)
        #expect(all.map(\.offset) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] + [4, 5, 6, 7, 8, 9, 10])
        log.restart(channel: 0, from: 50)
        append(1, from: 12, to: log)
        #expect(recorder.waitForRecords(18).last?.offset == 11)
        await log.close()
        #expect(recorder.events == [.shortened(channel: 0, end: 11)])
    }
}
