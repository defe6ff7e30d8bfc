import AppendRule
import Envelope
import EventLog
import KeyValue
import Segments
import Synchronization
import Testing

@testable import StreamIndex

/// What was answered can be read, though it is written late.
@Suite(.timeLimit(.minutes(1))) struct VisibilityTests {
    @Test func runsGatherUntilSomebodyReads() async throws {
        let parts = try PlayedIndex(keyValue: KeyValueStore(.memory))
        parts.addBarriers(1..<4)
        try await parts.show()
        for run in [1..<2, 2..<4] as [Range<Int64>] {
            try await parts.deliver(run)
            #expect(parts.waits.reachedOffsets == [run.upperBound])
        }
        #expect(try parts.written == 1)
        try await parts.show()
        #expect(try parts.written == 4)
        try await parts.close()
    }

    @Test func manyAreWrittenThoughNobodyReads() async throws {
        let parts = try PlayedIndex(keyValue: KeyValueStore(.memory))
        let count = IndexLimits.gatheredEntries
        parts.addBarriers(1..<count + 1)
        try await parts.show()
        try await parts.deliver(1..<Int64(count))
        #expect(try parts.written == 1)
        try await parts.deliver(Int64(count)..<Int64(count) + 1)
        #expect(try parts.written == Int64(count) + 1)
        try await parts.close()
    }

    /// After a failure within a run nothing of it may be written, nor of those that were answered before: who reads is
    /// told so.
    @Test func whatCannotBeWrittenIsNotMissedInSilence() async throws {
        let parts = try PlayedIndex(keyValue: KeyValueStore(.memory))
        let count = IndexLimits.companionBytes / 32
        parts.addBarriers(1..<count + 10)
        try await parts.deliver(1..<5)
        parts.disk.fail()
        try await parts.deliver(5..<Int64(count) + 5)
        #expect(parts.handler.halts[0]?.code == .unavailable)
        let error = await #expect(throws: IndexError.self) { try await parts.show() }
        #expect(error?.code == .unavailable)
        #expect(throws: IndexError.self) { try parts.handler.betweenRuns {} }
        #expect(try parts.written == 0)
        try await parts.close()
    }

    @Test func aReadDoesNotWaitForACheckpoint() async throws {
        let parts = try PlayedIndex(keyValue: KeyValueStore(.memory), checkpointBytes: 1)
        parts.disk.hold(.syncs)
        let barrier = Task {
            await parts.waits.barrier(id(3), in: 0, until: .distant) { parts.addBarriers(3..<4) }
        }
        try await parts.log.wait(forRecords: 2)
        let delivery = Task { try await parts.deliver(1..<2) }
        try await onOwnThread(named: "visibility-wait") { parts.disk.waitUntilHeld() }
        // What was answered meanwhile needs the lock.
        try await onOwnThread(named: "visibility-wait") {
            parts.shared.state.withLock { _ in parts.shared.fallBehind() }
        }
        try await parts.show()
        #expect(try parts.written == 2)
        // Figures are asked for on Swift's own threads.
        let size = try await onOwnThread(named: "visibility-wait") { parts.writer.byteCount }
        #expect(size > 0)
        if case .reached = await barrier.value {} else { Issue.record("the barrier was not reached") }
        parts.disk.hold(nil)
        try await delivery.value
        try await parts.close()
    }

    @Test func aReadDoesNotWaitForTheNextFileOfRecords() async throws {
        let parts = try PlayedIndex(keyValue: KeyValueStore(.memory), checkpointBytes: 1 << 30, fileBytes: 4_096)
        let count = 40
        parts.addBarriers(1..<count + 1)
        try await parts.deliver(1..<3)
        parts.disk.hold(.syncs)
        let delivery = Task { try await parts.deliver(3..<Int64(count)) }
        try await onOwnThread(named: "visibility-wait") { parts.disk.waitUntilHeld() }
        try await parts.show()
        #expect(try parts.written == 3)
        parts.disk.hold(nil)
        try await delivery.value
        try await parts.show()
        #expect(try parts.written == Int64(count))
        try await parts.close()
    }
}
