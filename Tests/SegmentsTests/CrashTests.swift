import SegmentsTestSupport
import Testing

@testable import Segments

/// A log on a disk that loses what was not synced, with a model of what must and may be in it.
struct CrashModel {
    var storage: CrashStorage
    var random: SeededRandom
    let fileBytes: Int
    /// Every block whose write was begun, in order.
    var blocks: [[TestRecord]] = []
    /// How many of them are synced, shown, or known to be there for another reason.
    var safe = 0
    var writer: SegmentWriter?
    var nextNumber: Int64 = 0

    init(seed: UInt64, fileBytes: Int) throws {
        random = SeededRandom(seed: seed)
        storage = CrashStorage(seed: random.next())
        self.fileBytes = fileBytes
        writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: fileBytes)
    }

    /// False when the disk failed.
    mutating func write() -> Bool {
        let records = (0..<(1 + random.below(4))).map { TestRecord.random(nextNumber + Int64($0), &random) }
        var block = SegmentBlock(records)
        defer {
            if block.wasGivenToDisk {
                blocks.append(records)
                nextNumber += Int64(records.count)
            }
        }
        let before = storage.steps.count
        do { try writer!.write(&block) } catch { return false }
        // A roll-over syncs what came before.
        if storage.steps[before...].contains(.rename) { safe = blocks.count }
        return true
    }

    mutating func sync() -> Bool {
        do { try writer!.sync() } catch { return false }
        safe = blocks.count
        return true
    }

    /// Opens what is found on the disk and compares; false when the disk failed meanwhile.
    mutating func open() throws -> Bool {
        var result: SegmentWriter?
        let error = segmentError {
            result = try SegmentWriter.open(in: storage, store: testStore, fileBytes: fileBytes)
        }
        if let error, error.code != .io(errno: 5) { throw error }
        guard let opened = result else { return false }
        let found = try opened.reader.all().records
        var count = 0
        var kept = 0
        while kept < blocks.count, count < found.count {
            count += blocks[kept].count
            kept += 1
        }
        try #require(found == Array(blocks[..<kept].joined()), "not a first part of whole blocks")
        try #require(kept >= safe, "\(safe) blocks were safe and \(kept) are there")
        try #require(opened.frameCount == Int64(found.count))
        blocks.removeLast(blocks.count - kept)
        safe = kept
        nextNumber = Int64(found.count)
        writer = opened
        return true
    }

    private mutating func expectOpens() throws {
        let isOpen = try open()
        try #require(isOpen)
    }

    mutating func writeAndSync() -> Bool { write() && sync() }

    mutating func cutPower() throws {
        writer = nil
        storage = storage.afterPowerCut()
        // The power may go again while the log is opened.
        if random.chance(30) {
            storage.cutPower(at: random.below(8))
            if try open() { _ = writeAndSync() }
            storage = storage.afterPowerCut()
        }
        try expectOpens()
    }

    mutating func kill() throws {
        writer = nil
        storage = storage.afterKill()
        try expectOpens()
    }
}

@Suite struct CrashTests {
    /// Whatever sectors of what was not synced are lost, the log opens with a first part of its blocks that has
    /// everything synced.
    @Test func lostSectors() throws {
        var random = SeededRandom()
        for _ in 0..<120 {
            let seed = random.next()
            var model = try CrashModel(seed: seed, fileBytes: 4_096 * (1 + random.below(4)))
            for _ in 0..<40 {
                var isWell = true
                switch random.below(20) {
                case 0..<9: isWell = model.write()
                case 9..<15: isWell = model.sync()
                case 15: try model.kill()
                case 16, 17: try model.cutPower()
                case 18:
                    // The power goes in the middle of one of the next steps.
                    model.storage.cutPower(at: model.storage.steps.count + random.below(6))
                    while model.writeAndSync() {}
                    try model.cutPower()
                default:
                    try model.writer!.close()
                    model.safe = model.blocks.count
                    try model.kill()
                }
                try #require(isWell)
            }
        }
    }

    /// The power goes at, or an error comes from, each step of roll-overs; then the process is killed or the power
    /// goes (again).
    @Test(arguments: [false, true]) func everyStepOfARollOver(_ isPowerCut: Bool) throws {
        var random = SeededRandom()
        var step = 0
        var reachesEnd = false
        while !reachesEnd {
            for _ in 0..<5 {
                var model = try CrashModel(seed: random.next(), fileBytes: 4_096)
                let first = model.storage.steps.count
                if isPowerCut {
                    model.storage.cutPower(at: first + step)
                } else {
                    model.storage.fail(step: first + step)
                }
                while model.writer!.frameCount < 60, model.writeAndSync() {}
                reachesEnd = model.storage.steps.count < first + step
                if !isPowerCut, random.chance(50) {
                    // What a failed sync lost is still shown by the page cache, and must be there for good then.
                    try model.kill()
                    if random.chance(50) { _ = model.writeAndSync() }
                }
                try model.cutPower()
                let isWell = model.writeAndSync()
                try #require(isWell)
                try model.cutPower()
            }
            step += 1
        }
        #expect(step > 20)
    }

    /// Each step of making the first file; nothing was promised before it is through.
    @Test func everyStepOfCreation() throws {
        var random = SeededRandom()
        let record = TestRecord(key: [], value: [1, 2, 3])
        for step in 0..<8 {
            for _ in 0..<20 {
                let storage = CrashStorage(seed: random.next())
                storage.cutPower(at: step)
                let made = segmentError {
                    _ = try SegmentWriter.create(
                        in: storage, store: testStore, first: SegmentBlock([record]), fileBytes: 4_096)
                }
                let found = storage.afterPowerCut()
                if made == nil {
                    let writer = try SegmentWriter.open(in: found, store: testStore)
                    #expect(try writer.reader.all().records == [record])
                }
                #expect(try SegmentWriter.holdsOnlyCreation(in: found))
                let again = StoreUUID(high: 9, low: 9)
                _ = try SegmentWriter.create(in: found, store: again, first: SegmentBlock([record]), fileBytes: 4_096)
                let writer = try SegmentWriter.open(in: found.afterPowerCut(), store: again)
                #expect(try writer.reader.all().records == [record])
            }
        }
    }

    @Test func moreThanACreationIsSeen() throws {
        let storage = CrashStorage(seed: 1)
        var block = SegmentBlock([TestRecord(key: nil, value: [1])])
        let writer = try SegmentWriter.create(in: storage, store: testStore, first: block, fileBytes: 4_096)
        try writer.write(&block)
        #expect(try !SegmentWriter.holdsOnlyCreation(in: storage))
    }

    @Test func aFullDiskChangesNothing() throws {
        let storage = CrashStorage(seed: 1)
        let writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 4_096)
        var block = SegmentBlock([TestRecord(key: nil, value: [UInt8](repeating: 5, count: 2_500))])
        try writer.write(&block)
        try writer.sync()
        let before = storage.all
        storage.setFreeBytes(0)
        for _ in 0..<3 {
            var next = SegmentBlock([TestRecord(key: nil, value: [UInt8](repeating: 6, count: 2_500))])
            #expect(segmentError { try writer.write(&next) }?.code == .noSpace)
            #expect(!next.wasGivenToDisk)
        }
        #expect(storage.all == before)
        storage.setFreeBytes(.max)
        try writer.write(&block)
        try writer.sync()
        #expect(try SegmentWriter.open(in: storage.afterPowerCut(), store: testStore).reader.frameCount == 2)
    }

    @Test(arguments: [CrashStorage.Step.write, .sync]) func afterAFailureNothingIsWritten(_ kind: CrashStorage.Step)
        throws
    {
        let storage = CrashStorage(seed: 1)
        let writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 4_096)
        var block = SegmentBlock([TestRecord(key: nil, value: [5])])
        storage.fail(step: storage.steps.count + (kind == .write ? 0 : 1))
        #expect(
            segmentError {
                try writer.write(&block)
                try writer.sync()
            }?.code == .io(errno: 5))
        let steps = storage.steps
        var next = SegmentBlock([TestRecord(key: nil, value: [5])])
        #expect(segmentError { try writer.write(&next) } != nil)
        #expect(!next.wasGivenToDisk)
        #expect(segmentError { try writer.sync() } != nil)
        #expect(segmentError { try writer.close() } != nil)
        #expect(storage.steps == steps)
        #expect(writer.reader.frameCount == 0)
    }

    @Test func aTornTailIsCopiedAsideAndCut() throws {
        let storage = CrashStorage(seed: 1)
        let writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 64 << 10)
        var block = SegmentBlock([TestRecord(key: nil, value: [UInt8](repeating: 5, count: 2_500))])
        for _ in 0..<2 {
            try writer.write(&block)
            try writer.sync()
        }
        let start = Int(block.frames[0].place.position) - 64
        storage.flip("0000000000.seg", at: start + 1_000)
        let torn = Array(storage.contents("0000000000.seg")![start..<(start + block.bytes.count)])
        let opened = try SegmentWriter.open(in: storage, store: testStore)
        #expect(try opened.reader.all().records.count == 1)
        let tail = try #require(opened.tornTail)
        #expect(
            tail
                == TornTail(
                    file: "0000000000.seg", position: start, byteCount: torn.count, copy: "torn-0000000000-\(start)-0"))
        #expect(storage.contents(tail.copy ?? "") == torn)
        let after = storage.afterPowerCut()
        #expect(after.contents(tail.copy ?? "") == torn)
        #expect(after.contents("0000000000.seg")![start...].allSatisfy { $0 == 0 })
        #expect(try SegmentWriter.open(in: after, store: testStore).tornTail == nil)
        // The next tear at the same place has a copy of its own.
        after.flip("0000000000.seg", at: start + 5)
        #expect(try SegmentWriter.open(in: after, store: testStore).tornTail?.copy == "torn-0000000000-\(start)-1")
    }
}
