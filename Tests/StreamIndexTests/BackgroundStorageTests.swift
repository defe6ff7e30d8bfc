import AppendRule
import Envelope
import EventLog
import Foundation
import Glibc
import KeyValue
import Segments
import Testing

@testable import StreamIndex

/// Large writes go on beside the log's thread; nobody sees less than before, and none that fails is forgotten.
@Suite(.timeLimit(.minutes(1))) struct BackgroundStorageTests {
    private let large = [UInt8](repeating: 7, count: IndexLimits.companionBytes)

    @Test func whoWritesMuchGoesOnAndTheNextWriteWaits() async throws {
        let disk = HeldDisk()
        let companion = Companion()
        let storage = BackgroundStorage(disk, companion)
        let file = try storage.create("a", byteCount: 1 << 20)
        disk.hold(.largeWrites)
        try file.write([1, 2, 3], at: 0)
        #expect(disk.written == 3)
        try file.write(large, at: 3)
        try await onOwnThread(named: "storage-wait") { disk.waitUntilHeld() }
        let next = Task {
            try await onOwnThread(named: "storage-write") { [large] in try file.write([9], at: 3 + large.count) }
        }
        #expect(disk.written == 3)
        disk.hold(nil)
        try await next.value
        #expect(try file.bytes(4 + large.count) == [1, 2, 3] + large + [9])
        try await onOwnThread(named: "storage-close") { companion.close() }
    }

    @Test func whatFailedIsSaidFromThenOn() async throws {
        let disk = HeldDisk()
        let companion = Companion()
        let storage = BackgroundStorage(disk, companion)
        let file = try storage.create("a", byteCount: 1 << 20)
        disk.fail()
        try file.write(large, at: 0)
        #expect(throws: HeldDisk.broken) { try storage.settle() }
        #expect(throws: HeldDisk.broken) { try file.write([1], at: 0) }
        #expect(throws: HeldDisk.broken) { try file.sync() }
        #expect(throws: HeldDisk.broken) { try storage.create("b", byteCount: 10) }
        try await onOwnThread(named: "storage-close") { companion.close() }
    }

    /// Nothing points to records that were not kept.
    @Test func anIndexEndsWithTheCopyOfItsRecords() async throws {
        let parts = try PlayedIndex(keyValue: KeyValueStore(.memory))
        let count = IndexLimits.companionBytes / 32
        parts.addBarriers(1..<2 * count + 1)
        let runs = [0, 1].map { run in (0..<count).map { Int64(1 + run * count + $0) } }
        try await onOwnThread(named: "storage-log") { parts.log.deliver(runs[0]) }
        let before = try parts.written
        #expect(before == runs[1][0])
        parts.disk.fail()
        try await onOwnThread(named: "storage-log") { parts.log.deliver(runs[1]) }
        #expect(parts.handler.halts[0]?.code == .unavailable)
        #expect(try parts.written == before)
        try await parts.close()
    }

    /// The records of a run, few or many, or its index have no room: no caller is told *accepted*.
    @Test(arguments: [60, 400], [false, true]) func nobodyIsToldOfWhatCannotBeRead(
        count: Int, keepsRecords: Bool
    ) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("room-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var limits = KeyValueLimits()
        if keepsRecords { (limits.spareBytes, limits.checkBytes) = (1 << 55, 8_192) }
        let parts = try PlayedIndex(keyValue: KeyValueStore(.directory(path), limits: limits))
        var calls: [PendingAppend] = []
        for number in 0..<count {
            let key = name("stream-\(number)")
            let header = RecordHeader(
                kind: .append, expectation: .any, writeID: 0, eventCount: 1, ids: [id(100 + number)])
            let request = AppendRequest(
                stream: NameKey(key), channel: 0, header: header, needsCheck: false, mayGather: false,
                settleBy: .distant, deadline: .distant
            ) { RecordEnvelope.encode(header, events: [content(data: 600)], key: key, store: testStore) }
            calls.append(await parts.proposer.submit(size: 700, settleBy: .distant) { request })
        }
        if !keepsRecords { parts.disk.fail() }
        try await onOwnThread(named: "storage-log") { parts.log.deliver((1...count).map { Int64($0) }) }
        #expect(parts.handler.halts[0]?.code == .unavailable)
        for call in calls { #expect(await call.outcome() == .unknown) }
        try await parts.close(flushing: false)
    }

    /// A torn tail that is written anew is a large write; then the index cannot be opened.
    @Test func anOpeningThatFailsLeavesNoThread() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("companion-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let identity = Identity(store: testStore, partitions: 1, nonce: id(1))
        let node = try NodeDirectory(path, of: "test")
        let writer = try SegmentWriter.create(in: DirectoryStorage(path: node.log), store: StoreUUID(identity))
        let frames = (0..<200).map {
            SegmentFrame(
                channel: 0, offset: Int64($0), appendTime: 1, key: 0..<10, value: 10..<1_000,
                place: SegmentPlace(file: 0, position: 0, length: 0))
        }
        var places: [SegmentPlace] = []
        try writer.append(frames, of: [UInt8](repeating: 7, count: 1_000), places: &places)
        let held = try KeyValueStore(.directory(node.index))
        let copy = CopyPlace(node)
        let source = IndexSource(OpenedLog(log: PlayedLog(), segments: nil, indexDirectory: nil, copy: copy))
        let before = Self.companions
        await #expect(throws: IndexError.self) {
            try await onOwnThread(named: "storage-open") { _ = try NodeCopy.open(copy, identity, source) }
        }
        // Others may run beside this test; theirs end.
        let left = Self.companions.subtracting(before)
        try await onOwnThread(named: "storage-wait") {
            let end = ContinuousClock.now + .seconds(30)
            while !left.isDisjoint(with: Self.companions), .now < end { sched_yield() }
        }
        #expect(left.isDisjoint(with: Self.companions))
        held.close(flushing: false)
    }

    private static var companions: Set<String> {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return Set(
            tasks.filter {
                (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "index-companion\n"
            })
    }
}

extension SegmentFile {
    fileprivate func write(_ bytes: [UInt8], at position: Int) throws(SegmentError) {
        try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(SegmentError) in
            try unsafe write(UnsafeRawBufferPointer(buffer), at: position)
        }
    }

    fileprivate func bytes(_ count: Int) throws(SegmentError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try unsafe bytes.withUnsafeMutableBufferPointer { (buffer) throws(SegmentError) in
            try unsafe read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
        }
        return bytes
    }
}
