import SegmentsTestSupport
import Testing

@testable import Segments

@Suite struct DamageTests {
    /// A log of several files, all of it known synced.
    static func sealedLog(seed: UInt64) throws -> CrashStorage {
        var random = SeededRandom(seed: seed)
        let storage = CrashStorage(seed: seed)
        let writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 4_096)
        var number: Int64 = 0
        while storage.contents("0000000003.seg") == nil || number % 9 != 0 {
            var block = SegmentBlock((0..<3).map { TestRecord.random(number + Int64($0), &random, upTo: 120) })
            try writer.write(&block)
            try writer.sync()
            number += 3
        }
        try writer.close()
        return storage
    }

    /// The first byte of the last block that is not a seal, and behind it.
    static func dataEnd(_ bytes: [UInt8]) -> Int {
        bytes.reading { raw in (raw.lastNonZero! / 64 * 64) }
    }

    /// Any bit of the last file that is known synced: headers, frames, padding, checksums.
    @Test func aFlipInTheLastFileIsRefused() throws {
        var random = SeededRandom()
        let healthy = try Self.sealedLog(seed: random.next())
        let name = "0000000003.seg"
        let seal = Self.dataEnd(healthy.contents(name)!)
        #expect(seal > 128)
        for position in 0..<seal {
            let storage = healthy.afterKill()
            storage.flip(name, at: position, mask: 1 << UInt8(random.below(8)))
            try Self.expectRefused(storage, file: name, position)
        }
    }

    /// A flip in an older file: in what opening looks at it is refused then, elsewhere when it is read.
    @Test func aFlipInAnOlderFileIsFound() throws {
        var random = SeededRandom()
        let healthy = try Self.sealedLog(seed: random.next())
        let name = "0000000001.seg"
        let end = Self.dataEnd(healthy.contents(name)!)
        for position in Set((0..<150).map { _ in random.below(end + 40) } + Array(0..<64) + Array(end..<(end + 64))) {
            let storage = healthy.afterKill()
            storage.flip(name, at: position)
            if position < 64 || position >= end {
                try Self.expectRefused(storage, file: name, position)
                continue
            }
            let reader = try SegmentWriter.open(in: storage, store: testStore).reader
            let error = segmentError { _ = try reader.all() }
            #expect(error?.code == .damaged && error?.file == name && error!.position! <= position, "\(position)")
        }
    }

    @Test func aFlipInAFrameIsFoundWhenItIsRead() throws {
        var random = SeededRandom()
        let storage = try Self.sealedLog(seed: random.next())
        let reader = try SegmentWriter.open(in: storage, store: testStore).reader
        for place in try reader.all().places {
            let position = Int(place.position) + random.below(Int(place.length))
            let name = SegmentFormat.name(place.file)
            storage.flip(name, at: position, mask: 0x80)
            var bytes: [UInt8] = []
            let error = segmentError { _ = try reader.read(place, into: &bytes) }
            #expect(error?.code == .damaged && error?.file == name && error?.position == Int(place.position))
            storage.flip(name, at: position, mask: 0x80)
            _ = try reader.read(place, into: &bytes)
        }
    }

    @Test func missingRenumberedForeignAndShortFilesAreRefused() throws {
        let healthy = try Self.sealedLog(seed: 5)
        let names = (0..<4).map { "000000000\($0).seg" }
        let other = try Self.sealedLog(seed: 6)
        for (index, name) in names.enumerated() {
            let bytes = healthy.contents(name)!
            for wrong in [nil, [], Array(bytes.prefix(40)), Array(bytes.dropLast(64)), bytes + [0]] {
                let storage = healthy.afterKill()
                storage.put(name, wrong)
                try Self.expectRefused(storage, file: name)
            }
            let renumbered = healthy.afterKill()
            renumbered.put(name, healthy.contents(names[(index + 1) % 4]))
            try Self.expectRefused(renumbered, file: name)
            // The same store's file of another history.
            let mixed = healthy.afterKill()
            mixed.put(name, other.contents(name))
            if mixed.contents(name) != bytes, index > 0 { try Self.expectRefused(mixed) }
        }
        let error = segmentError {
            _ = try SegmentWriter.open(in: healthy.afterKill(), store: StoreUUID(high: 1, low: 1))
        }
        #expect(error?.code == .foreign)
        try Self.expectRefused(CrashStorage(seed: 1), file: names[0])
    }

    /// After an unclean stop everything but the last block is known synced.
    @Test func withoutASealOnlyTheLastBlockMayBeTorn() throws {
        let healthy = CrashStorage(seed: 3)
        let writer = try SegmentWriter.create(in: healthy, store: testStore, fileBytes: 16_384)
        var starts: [Int] = []
        for number in 0..<6 {
            var block = SegmentBlock([
                TestRecord(offset: Int64(number), key: nil, value: [UInt8](repeating: 9, count: 700))
            ])
            try writer.write(&block)
            try writer.sync()
            starts.append(Int(block.frames[0].place.position) - 64)
        }
        for (index, start) in starts.enumerated() {
            for zeroed in [64, 448, 832] {
                let storage = healthy.afterKill()
                var bytes = storage.contents("0000000000.seg")!
                bytes.replaceSubrange(start..<(start + zeroed), with: [UInt8](repeating: 0, count: zeroed))
                storage.put("0000000000.seg", bytes)
                if index < starts.count - 1 {
                    try Self.expectRefused(storage, file: "0000000000.seg", start)
                } else {
                    #expect(try SegmentWriter.open(in: storage, store: testStore).reader.frameCount == 5)
                }
            }
        }
    }

    /// What shows that the file's beginning was synced may lie further behind than recovery reads at once.
    @Test func damageIsSeenFromFarBehind() throws {
        let storage = CrashStorage(seed: 1)
        let name = "0000000000.seg"
        let writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 5 * SegmentLimits.blockBytes)
        var block = SegmentBlock([TestRecord(key: nil, value: [UInt8](repeating: 9, count: SegmentLimits.recordBytes))])
        while writer.frameCount < 8 {
            try writer.write(&block)
            try writer.sync()
        }
        let start = Int(block.frames[0].place.position) - 64
        #expect(start > 10 * SegmentLimits.windowBytes + SegmentLimits.blockBytes)
        var bytes = storage.contents(name)!
        bytes.replaceSubrange(64..<start, with: [UInt8](repeating: 0, count: start - 64))
        storage.put(name, bytes)
        let damaged = storage.afterKill()
        try Self.expectRefused(damaged, file: name, 64)
        // Without that block the rest is a torn tail, in several parts.
        bytes[start] ^= 1
        storage.put(name, bytes)
        let opened = try SegmentWriter.open(in: storage, store: testStore)
        #expect(opened.reader.frameCount == 0)
        let tail = try #require(opened.tornTail)
        #expect(tail.byteCount == start + block.bytes.count - 64)
        #expect(storage.contents(tail.copy ?? "") == Array(bytes[64..<(64 + tail.byteCount)]))
        #expect(storage.contents(name)![64...].allSatisfy { $0 == 0 })
    }

    /// A block in a record's value is data, also where it lies at a multiple of 64.
    @Test func aCopyOfABlockInsideARecordIsNoBlock() throws {
        let storage = CrashStorage(seed: 3)
        let writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 16_384)
        var block = SegmentBlock([TestRecord(key: nil, value: [1])])
        for _ in 0..<3 {
            try writer.write(&block)
            try writer.sync()
        }
        // Where the value begins, so that the copy of the last block (it says that all before is synced) is aligned.
        let padding = (64 - (64 + 36) % 64) % 64
        let value = [UInt8](repeating: 0, count: padding) + block.bytes + block.bytes
        var last = SegmentBlock([TestRecord(key: nil, value: value)])
        try writer.write(&last)
        storage.flip("0000000000.seg", at: Int(last.frames[0].place.position) + 2)
        #expect(try SegmentWriter.open(in: storage, store: testStore).reader.frameCount == 3)
    }

    /// Refused as damage, naming the file, and every file as it was.
    static func expectRefused(_ storage: CrashStorage, file: String? = nil, _ position: Int? = nil) throws {
        let before = storage.all
        let error = segmentError { _ = try SegmentWriter.open(in: storage, store: testStore) }
        guard let error else {
            Issue.record("opened with damage in \(file ?? "a file") at \(position ?? -1)")
            return
        }
        // A file that lost its end may also be seen by what its neighbour says.
        #expect([.damaged, .foreign].contains(error.code), "\(error)")
        #expect(error.file != nil && error.position != nil)
        if let file { #expect(error.file == file, "\(error)") }
        if let position { #expect(error.position! <= position, "\(error)") }
        #expect(storage.all == before)
        #expect(storage.steps.isEmpty)
    }
}
