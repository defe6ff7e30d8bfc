import SegmentsTestSupport
import Testing

@testable import Segments

/// Files that are a copy of what can be had elsewhere, cut behind what is whole.
@Suite struct SalvageTests {
    /// Cuts, opens, and expects a first part of what there was; returns how many records are left.
    static func salvage(_ storage: CrashStorage, of records: [TestRecord], _ what: String) throws -> Int {
        let cut = try SegmentWriter.keepWhole(in: storage, store: testStore)
        if try storage.names().allSatisfy({ SegmentFormat.number(of: $0) == nil }) {
            #expect(cut?.frames ?? 0 == 0)
            return 0
        }
        let writer = try SegmentWriter.open(in: storage, store: testStore, fileBytes: 4_096, keepsTornTail: false)
        let left = try writer.reader.all().records
        #expect(left.count == Int(try #require(cut).frames), "\(what)")
        #expect(left == Array(records.prefix(left.count)), "\(what)")
        // Writing goes on behind what is left, over the end of the file too.
        var block = SegmentBlock(Array(records.dropFirst(left.count).prefix(2)) + records.prefix(40))
        try writer.write(&block)
        try writer.close()
        let again = try SegmentWriter.open(in: storage, store: testStore)
        #expect(try again.reader.all().records.count == left.count + block.frames.count, "\(what)")
        #expect(again.tornTail == nil)
        return left.count
    }

    @Test func aFlippedBitCostsWhatLiesBehindIt() throws {
        var random = SeededRandom()
        let healthy = try DamageTests.sealedLog(seed: random.next())
        let log = try SegmentWriter.open(in: healthy.afterKill(), store: testStore).reader.all()
        for _ in 0..<150 {
            let storage = healthy.afterKill()
            let number = random.below(4)
            let name = SegmentFormat.name(UInt32(number))
            let position = random.below(DamageTests.dataEnd(try #require(storage.contents(name))))
            storage.flip(name, at: position, mask: 1 << UInt8(random.below(8)))
            let left = try Self.salvage(storage, of: log.records, "file \(number), \(position)")
            // The block with the flip and the rest is gone, and what lies before it is not.
            let lost = log.places.firstIndex {
                ($0.file, Int($0.position) + Int($0.length)) > (UInt32(number), position)
            }
            #expect(left <= lost ?? log.records.count)
            #expect(left >= (lost ?? log.records.count) - 3)
        }
    }

    @Test func missingShortAndStrangeFiles() throws {
        let healthy = try DamageTests.sealedLog(seed: 7)
        let records = try SegmentWriter.open(in: healthy.afterKill(), store: testStore).reader.all().records
        for number in 0..<4 {
            let name = SegmentFormat.name(UInt32(number))
            let bytes = try #require(healthy.contents(name))
            for replacement in [
                nil, [], Array(bytes.prefix(40)), Array(bytes.prefix(700)), Array(repeating: 0, count: 4_096),
            ] {
                let storage = healthy.afterKill()
                storage.put(name, replacement)
                let left = try Self.salvage(storage, of: records, "\(name) of \(replacement?.count ?? -1) bytes")
                #expect(left < records.count)
            }
        }
    }

    @Test func wholeFilesStayAsTheyAre() throws {
        let storage = try DamageTests.sealedLog(seed: 8)
        let records = try SegmentWriter.open(in: storage.afterKill(), store: testStore).reader.all().records
        #expect(try Self.salvage(storage, of: records, "whole") == records.count)
    }

    /// The power goes at any step of the cut: the next one ends where this one would have.
    @Test func theCutItselfIsCutShort() throws {
        let healthy = try DamageTests.sealedLog(seed: 9)
        let records = try SegmentWriter.open(in: healthy.afterKill(), store: testStore).reader.all().records
        healthy.flip(SegmentFormat.name(1), at: 900)
        let whole = healthy.afterKill()
        let left = try Self.salvage(whole, of: records, "uninterrupted")
        for step in 0..<20 {
            let storage = healthy.afterKill()
            storage.cutPower(at: step)
            if (try? SegmentWriter.keepWhole(in: storage, store: testStore)) != nil {
                #expect(step > 5)
                continue
            }
            #expect(try Self.salvage(storage.afterPowerCut(), of: records, "step \(step)") == left)
        }
    }

    @Test func filesOfAnotherStoreAreLeftAlone() throws {
        let storage = try DamageTests.sealedLog(seed: 10)
        let before = storage.all
        #expect(
            segmentError { _ = try SegmentWriter.keepWhole(in: storage, store: StoreUUID(high: 1, low: 2)) }?.code
                == .foreign)
        #expect(storage.all == before)
    }
}
