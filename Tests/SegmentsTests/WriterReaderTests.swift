import Segments
import SegmentsTestSupport
import Testing

@Suite struct WriterReaderTests {
    enum Place: CaseIterable { case memory, directory }

    /// Random blocks over many small files, read in every way.
    @Test(arguments: Place.allCases) func everythingIsReadAsItWasWritten(_ place: Place) throws {
        var random = SeededRandom()
        let directory = TemporaryDirectory()
        let storage: any SegmentStorage = place == .memory ? MemoryStorage() : DirectoryStorage(path: directory.path)
        var writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 8 << 10)
        var written: [TestRecord] = []
        var places: [SegmentPlace] = []
        for round in 0..<60 {
            let count = 1 + random.below(round % 7 == 0 ? 40 : 5)
            let records = (0..<count).map { TestRecord.random(Int64(written.count + $0), &random) }
            var block = SegmentBlock(records)
            try writer.write(&block)
            try writer.sync()
            places += block.frames.map(\.place)
            written += records
            #expect(block.frames.map { TestRecord($0, in: block.bytes) } == records)
            if random.chance(10) {
                if random.chance(50) { try writer.close() }
                writer = try SegmentWriter.open(in: storage, store: testStore, fileBytes: 8 << 10)
                #expect(writer.lastAppendTime == (written.last?.time ?? 0))
            }
        }
        #expect(writer.frameCount == Int64(written.count))
        let all = try writer.reader.all()
        #expect(all.records == written)
        #expect(all.places == places)
        #expect(places.last!.file > 5)
        for _ in 0..<50 {
            let first = random.below(written.count + 2)
            #expect(try writer.reader.all(from: Int64(first)).records == Array(written.dropFirst(first)))
        }
        for _ in 0..<50 {
            var picked = (0..<random.below(30)).map { _ in random.below(written.count) }
            if random.chance(40) { picked.sort() } else if random.chance(50) { picked.sort(by: >) }
            var bytes = random.bytes(3)
            var frames: [SegmentFrame] = []
            try writer.reader.read(picked.map { places[$0] }, into: &bytes, frames: &frames)
            #expect(frames.map { TestRecord($0, in: bytes) } == picked.map { written[$0] })
            #expect(frames.map(\.place) == picked.map { places[$0] })
        }
        var bytes: [UInt8] = []
        for number in [0, written.count / 2, written.count - 1] {
            let frame = try #require(try writer.reader.frame(number: Int64(number), into: &bytes))
            #expect(TestRecord(frame, in: bytes) == written[number])
        }
        #expect(try writer.reader.frame(number: Int64(written.count), into: &bytes) == nil)
    }

    @Test func aRecordOfTheLargestSizeFitsASmallFile() throws {
        let storage = MemoryStorage()
        let writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 64 << 10)
        let large = TestRecord(key: [UInt8](repeating: 1, count: 1_024), value: [UInt8](repeating: 2, count: 2 << 20))
        let small = TestRecord(key: [3], value: [4])
        for record in [small, large, small, large, small] {
            var block = SegmentBlock([record])
            try writer.write(&block)
        }
        try writer.close()
        let reopened = try SegmentWriter.open(in: storage, store: testStore, fileBytes: 64 << 10)
        #expect(try reopened.reader.all().records == [small, large, small, large, small])
    }

    @Test func aBlockIsBounded() {
        var block = SegmentBlock()
        let megabyte = [UInt8](repeating: 0, count: 1 << 20)
        while block.hasRoom(key: nil, value: megabyte.count) {
            block.append(channel: 0, offset: 0, appendTime: 0, key: nil, value: megabyte)
        }
        #expect(block.frames.count == 3)
        block.removeAll()
        #expect(block.hasRoom(key: 1_024, value: 2 << 20))
        while block.hasRoom(key: nil, value: nil) {
            block.append(channel: 0, offset: 0, appendTime: 0, key: nil, value: nil)
        }
        #expect(block.frames.count == SegmentLimits.blockFrames)
    }

    /// A scan crosses its buffer's end within blocks, and lends at most so many frames at once.
    @Test func scansBlocksOfAllSizes() throws {
        var random = SeededRandom()
        let writer = try SegmentWriter.create(in: MemoryStorage(), store: testStore)
        var count: Int64 = 0
        for size in [10, 100_000, 1_900_000, 400_000, 2_000_000, 64, 700_000, 1_500_000] {
            var block = SegmentBlock()
            for _ in 0..<(1 + random.below(5)) where block.hasRoom(key: nil, value: size) {
                block.append(
                    channel: 0, offset: count, appendTime: 0, key: nil,
                    value: [UInt8](repeating: UInt8(count), count: size))
                count += 1
            }
            try writer.write(&block)
        }
        for _ in 0..<3 {
            var block = SegmentBlock()
            for _ in 0..<3_000 {
                block.append(
                    channel: 0, offset: count, appendTime: 0, key: nil, value: [UInt8(truncatingIfNeeded: count)])
                count += 1
            }
            try writer.write(&block)
        }
        #expect(writer.reader.frameCount == 0)
        #expect(try writer.reader.all().records.isEmpty)
        try writer.sync()
        let all = try writer.reader.all()
        #expect(all.records.map(\.offset) == Array(0..<count))
        #expect(
            all.records.allSatisfy {
                $0.value!.first == UInt8(truncatingIfNeeded: $0.offset)
            })
    }

    @Test func aScanStopsWhenToldAndPassesErrorsOn() throws {
        struct Stop: Error {}
        let writer = try SegmentWriter.create(in: MemoryStorage(), store: testStore, fileBytes: 4 << 10)
        for number in 0..<40 {
            var block = SegmentBlock([
                TestRecord(offset: Int64(number), key: nil, value: [UInt8](repeating: 1, count: 900))
            ])
            try writer.write(&block)
        }
        try writer.sync()
        var runs = 0
        try writer.reader.scan(from: 0) { _ in
            runs += 1
            return runs < 3
        }
        #expect(runs == 3)
        #expect(throws: Stop.self) { try writer.reader.scan(from: 0) { _ in throw Stop() } }
    }

    @Test func runsOfAnotherLogAreSplitIntoBlocks() throws {
        let writer = try SegmentWriter.create(in: MemoryStorage(), store: testStore)
        let bytes = [UInt8](repeating: 7, count: 1 << 20)
        let frames = (0..<6_000).map { number in
            SegmentFrame(
                channel: number % 12, offset: Int64(number), appendTime: 5, key: 0..<(number % 30),
                value: number % 1_500 == 0 ? 0..<bytes.count : nil)
        }
        var places: [SegmentPlace] = []
        try writer.append(frames, of: bytes, places: &places)
        #expect(places.count == frames.count)
        var read: [UInt8] = []
        for index in [0, 1, 1_500, 4_096, 5_999] {
            let frame = try writer.reader.read(places[index], into: &read)
            let expected = TestRecord(frames[index], in: bytes)
            #expect(TestRecord(frame, in: read) == expected)
        }
        try writer.sync()
        #expect(try writer.reader.all().places == places)
    }

    @Test func openFilesAreBounded() throws {
        let directory = TemporaryDirectory()
        let writer = try SegmentWriter.create(
            in: DirectoryStorage(path: directory.path), store: testStore, fileBytes: 4 << 10)
        var places: [SegmentPlace] = []
        for number in 0..<(SegmentLimits.openFiles + 50) {
            var block = SegmentBlock([
                TestRecord(offset: Int64(number), key: nil, value: [UInt8](repeating: 1, count: 3_500))
            ])
            try writer.write(&block)
            places.append(block.frames[0].place)
        }
        try writer.sync()
        for _ in 0..<2 {
            for (number, place) in places.enumerated() {
                var bytes: [UInt8] = []
                #expect(try writer.reader.read(place, into: &bytes).offset == Int64(number))
            }
        }
        #expect(try openDescriptors(in: directory.path) <= SegmentLimits.openFiles + 1)
    }

    @Test func aWrongPlaceIsRefused() throws {
        let writer = try SegmentWriter.create(in: MemoryStorage(), store: testStore, fileBytes: 4 << 10)
        var block = SegmentBlock([TestRecord(key: [1], value: [2]), TestRecord(key: [1], value: [2])])
        try writer.write(&block)
        let good = block.frames[0].place
        var wrong: [SegmentPlace] = []
        for change in [-36, -1, 1, 38, 3_900, 1 << 30] {
            wrong.append(SegmentPlace(file: 0, position: UInt32(Int(good.position) + change), length: good.length))
        }
        wrong.append(SegmentPlace(file: 0, position: good.position, length: good.length - 1))
        wrong.append(SegmentPlace(file: 0, position: good.position, length: 0))
        wrong.append(SegmentPlace(file: 0, position: 4_090, length: good.length))
        wrong.append(SegmentPlace(file: 1, position: good.position, length: good.length))
        for place in wrong where place != block.frames[1].place {
            var bytes: [UInt8] = []
            #expect(segmentError { _ = try writer.reader.read(place, into: &bytes) }?.code == .damaged, "\(place)")
        }
    }

    @Test func nothingIsWrittenAfterClose() throws {
        let writer = try SegmentWriter.create(in: MemoryStorage(), store: testStore)
        try writer.close()
        var block = SegmentBlock([TestRecord(key: nil, value: nil)])
        #expect(segmentError { try writer.write(&block) }?.code == .closed)
        #expect(!block.wasGivenToDisk)
    }
}
