import EventLog
import Segments
import SegmentsTestSupport
import Testing

@testable import EmbeddedEventLog

@Suite struct FaultTests {
    static let large = LogRecord(key: nil, value: [UInt8](repeating: 7, count: 2 << 20))

    /// A write or sync fails while more waits: what was written is unknown, the rest is not stored, and no more is
    /// acknowledged, also when the disk is well again.
    @Test(arguments: [CrashStorage.Step.write, .sync], [false, true])
    func afterAFailureNothingIsAcknowledged(_ step: CrashStorage.Step, _ isUnderLoad: Bool) async throws {
        let storage = CrashStorage(seed: 1)
        let log = try openLog(on: storage, fileBytes: 16 << 20)
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        recorder.holdNextRun()
        append(1, to: log)
        recorder.waitUntilHolding()
        // Enough for the second thread to be used; then two of the large size, which do not fit into one block.
        if isUnderLoad {
            append(EmbeddedLimits.pipelinedRecords, from: 11, to: log)
            log.append(Self.large, to: 0, tag: tag(2))
        }
        for number in 3...4 { log.append(Self.large, to: 0, tag: tag(number)) }
        let first = storage.steps.count + (isUnderLoad ? 2 : 0)
        storage.fail(step: first + (step == .write ? 0 : 1))
        recorder.release()
        let reports = recorder.waitForReports(2)
        #expect(reports[tag(3)] == .unknown)
        guard case .notStored(.failed) = reports[tag(4)] else {
            Issue.record("\(reports)")
            return
        }
        #expect(!recorder.waitForFailure().isEmpty)
        let steps = storage.steps
        append(1, from: 5, to: log)
        guard case .notStored(.failed) = recorder.waitForReports(3)[tag(5)] else {
            Issue.record("not refused")
            return
        }
        log.restart(channel: 0, from: 0)
        let bounds = try await log.bounds(of: 0)
        await log.close()
        #expect(storage.steps == steps)
        let seen = recorder.records
        #expect(seen.count == (isUnderLoad ? 2 + EmbeddedLimits.pipelinedRecords : 1))
        #expect(bounds == 0..<Int64(seen.count))
        #expect(recorder.events.count { if case .failed = $0 { true } else { false } } == 1)

        // A new process, then a power cut: what is shown then is there for good.
        let killed = storage.afterKill()
        let shown = try await openLog(on: killed).bounds(of: 0)
        #expect(shown.upperBound >= Int64(seen.count))
        #expect(try await openLog(on: killed.afterPowerCut()).bounds(of: 0) == shown)
    }

    @Test func aFullDiskIsTemporary() async throws {
        let storage = CrashStorage(seed: 1)
        let log = try openLog(on: storage, fileBytes: 4_096)
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        let record = LogRecord(key: nil, value: [UInt8](repeating: 7, count: 3_000))
        log.append(record, to: 0, tag: tag(1))
        _ = recorder.waitForRecords(1)
        storage.setFreeBytes(0)
        log.append(record, to: 0, tag: tag(2))
        guard case .notStored(.temporary) = recorder.waitForReports(1)[tag(2)] else {
            Issue.record("not refused")
            return
        }
        append(1, from: 3, to: log)
        #expect(recorder.waitForRecords(2)[1].offset == 1)
        storage.setFreeBytes(.max)
        log.append(record, to: 0, tag: tag(4))
        #expect(recorder.waitForRecords(3)[2].offset == 2)
        await log.close()
        #expect(recorder.events.count == 1)
    }

    @Test func damageFoundWhileReplayingFailsTheLog() async throws {
        let storage = CrashStorage(seed: 1)
        let log = try openLog(on: storage, fileBytes: 4_096)
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        for number in 1...6 {
            log.append(LogRecord(key: nil, value: [UInt8](repeating: 7, count: 3_000)), to: 0, tag: tag(number))
        }
        _ = recorder.waitForRecords(6)
        await log.close()
        storage.flip("0000000001.seg", at: 500)
        let damaged = try openLog(on: storage, fileBytes: 4_096)
        let again = Recorder()
        try damaged.start(from: [0], handler: again)
        let message = again.waitForFailure()
        #expect(message.contains("0000000001.seg") && message.contains("position 64"))
        append(1, to: damaged)
        _ = again.waitForReports(1)
        await damaged.close()
        #expect(again.records.map(\.offset).allSatisfy { $0 < 2 })
    }

    /// The power goes at a random moment under load: all that a handler saw is there, and what is there is a first
    /// part of what was enqueued.
    @Test func whatWasSeenSurvivesAPowerCut() async throws {
        var random = SeededRandom()
        for _ in 0..<40 {
            var storage = CrashStorage(seed: random.next())
            var seen: [StoredRecord] = []
            for _ in 0..<4 {
                let log = try openLog(on: storage, fileBytes: 4_096 << random.below(4))
                let recorder = Recorder()
                try log.start(from: [0], handler: recorder)
                storage.cutPower(at: storage.steps.count + random.below(30))
                var sent = seen.count
                while !recorder.seen.read({ !$0.events.isEmpty }) {
                    let before = recorder.records.count
                    append(1 + random.below(20), from: sent, to: log)
                    sent += 20
                    _ = recorder.waitForRecordsOrFailure(before + 1)
                }
                let shown = recorder.records
                #expect(Array(shown.prefix(seen.count)) == seen)
                await log.close()
                storage = storage.afterPowerCut()
                let found = try openLog(on: storage)
                var kept: [StoredRecord] = []
                try found.segments.scan(from: 0) { run in
                    kept += run.frames.map { StoredRecord($0, in: run.bytes) }
                    return true
                }
                #expect(Array(kept.prefix(shown.count)) == shown)
                #expect(kept.map(\.offset) == Array(0..<Int64(kept.count)))
                seen = kept
                await found.close()
            }
        }
    }
}

extension Recorder {
    func waitForRecordsOrFailure(_ count: Int) -> Bool {
        wait { seen in
            if seen.records.count >= count { return true }
            for case .failed in seen.events { return false }
            return nil
        }
    }
}
