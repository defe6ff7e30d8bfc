import Foundation
import SegmentsTestSupport
import Testing

@testable import Segments

@Suite struct FormatTests {
    static let goldenURL = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Golden/0000000000.seg")
    static let time: Int64 = 1_700_000_000_000

    /// What the golden file holds, block by block.
    static let golden: [[TestRecord]] = [
        [
            TestRecord(offset: 0, time: time, key: Array("Order-1".utf8), value: Array("first value".utf8)),
            TestRecord(offset: 1, time: time, key: Array("Order-2".utf8), value: []),
        ],
        [
            TestRecord(channel: 3, offset: 7, time: time + 1, key: nil, value: nil),
            TestRecord(offset: 2, time: time + 2, key: [], value: [UInt8](repeating: 120, count: 100)),
            TestRecord(channel: 1, offset: -1, time: time + 2, key: Array("k".utf8), value: nil),
        ],
    ]

    @Test func writesTheGoldenFile() throws {
        let storage = CrashStorage(seed: 1)
        let writer = try SegmentWriter.create(in: storage, store: testStore, fileBytes: 4_096)
        for records in Self.golden {
            var block = SegmentBlock(records)
            try writer.write(&block)
            try writer.sync()
        }
        try writer.close()
        #expect(try storage.contents("0000000000.seg") == Array(Data(contentsOf: Self.goldenURL)))
    }

    @Test func readsTheGoldenFile() throws {
        let storage = CrashStorage(seed: 1)
        storage.put("0000000000.seg", Array(try Data(contentsOf: Self.goldenURL)))
        let writer = try SegmentWriter.open(in: storage, store: testStore, fileBytes: 4_096)
        let (records, places) = try writer.reader.all()
        #expect(records == Self.golden.flatMap { $0 })
        #expect(places[0] == SegmentPlace(file: 0, position: 128, length: 54))
        #expect(writer.lastAppendTime == Self.time + 2)
        #expect(writer.tornTail == nil)
        try writer.close()
        #expect(try storage.contents("0000000000.seg") == Array(Data(contentsOf: Self.goldenURL)))
    }

    @Test func fileHeaderRoundTrip() throws {
        let header = FileHeader(
            store: testStore, file: 7, firstFrame: 1 << 40, previousEnd: 640, fileBytes: 1 << 31, previousTime: 99)
        #expect(try FileHeader(header.encoded(), name: "x", store: testStore) == header)
        for position in 0..<64 {
            var bytes = header.encoded()
            bytes[position] ^= 0x10
            let error = segmentError { _ = try FileHeader(bytes, name: "x", store: testStore) }
            #expect(error?.code == .damaged)
        }
        let other = StoreUUID(high: 1, low: 2)
        #expect(segmentError { _ = try FileHeader(header.encoded(), name: "x", store: other) }?.code == .foreign)
    }

    @Test func newerFormat() throws {
        var header = FileHeader(
            store: testStore, file: 0, firstFrame: 0, previousEnd: 0, fileBytes: 4_096, previousTime: 0
        ).encoded()
        header[8] = 2
        let crc = CRCOracle.crc32c(header[..<60])
        for byte in 0..<4 { header[60 + byte] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(byte))) }
        let storage = CrashStorage(seed: 1)
        storage.put("0000000000.seg", header + [UInt8](repeating: 0, count: 4_032))
        let error = segmentError { _ = try SegmentWriter.open(in: storage, store: testStore) }
        #expect(error?.code == .newerFormat)
    }

    @Test func names() {
        #expect(SegmentFormat.name(0) == "0000000000.seg")
        #expect(SegmentFormat.name(.max) == "4294967295.seg")
        #expect(SegmentFormat.number(of: "0000000042.seg") == 42)
        for name in ["42.seg", "0000000042.seg.new", "+000000042.seg", "9999999999.seg", "torn-0000000000-64-0"] {
            #expect(SegmentFormat.number(of: name) == nil)
        }
    }

    @Test func lastNonZero() {
        var random = SeededRandom()
        for _ in 0..<500 {
            var bytes = [UInt8](repeating: 0, count: random.below(40))
            for _ in 0..<random.below(3) where !bytes.isEmpty { bytes[random.below(bytes.count)] = 1 }
            #expect(bytes.reading { $0.lastNonZero } == bytes.lastIndex(where: { $0 != 0 }))
        }
    }

    @Test func nothingChecksAtAnotherPlaceOrInAnotherStore() {
        var block = SegmentBlock([TestRecord(key: [1], value: [2])])
        block.finish(.data, seed: StoreSeed(testStore), file: 3, position: 640, firstFrame: 5, synced: (3, 64))
        func checks(_ store: StoreUUID, _ file: UInt32, _ position: Int) -> Bool {
            block.bytes.reading {
                BlockHeader(checking: $0, seed: StoreSeed(store), file: file, position: position) != nil
            }
        }
        #expect(checks(testStore, 3, 640))
        #expect(!checks(testStore, 3, 704))
        #expect(!checks(testStore, 2, 640))
        #expect(!checks(StoreUUID(high: testStore.high, low: testStore.low ^ 1), 3, 640))
    }
}

/// CRC-32C bit by bit.
enum CRCOracle {
    static func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return ~crc
    }
}
