import EventLog
import Foundation
import KeyValue
import Segments
import SegmentsTestSupport
import Testing

@testable import StreamIndex

/// RocksDB's files are never ahead of the records' files, whenever the power goes.
@Test func recordsAreSyncedBeforeTheIndexOverThemIsFlushed() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("checkpoint-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let disk = CrashStorage(seed: 1)
    let store = StoreUUID(high: 1, low: 2)
    let writer = try SegmentWriter.create(in: disk, store: store, fileBytes: 64 << 10)
    let keyValue = try KeyValueStore(.directory(path), limits: .flushedByOwner(every: 4_096))
    defer { keyValue.close(flushing: false) }
    var checkpoints = Checkpoints(writer: writer, keyValue: keyValue, every: 512)
    let bytes = [UInt8](repeating: 7, count: 200)
    var flushes = 0
    var lost = 0
    for offset in 0..<400 as Range<Int64> {
        var entries = [RunEntry(channel: 0, offset: offset, appendTime: 1, key: 0..<10, value: 10..<200, place: nil)]
        try checkpoints.write(&entries, of: bytes)
        #expect(entries[0].place != nil)
        let batch = WriteBatch()
        batch.put([UInt8(offset / 256), UInt8(offset % 256)], [1])
        try keyValue.write(batch)
        let before = keyValue.unflushedBytes
        try checkpoints.passed()
        let left = try SegmentWriter.open(in: disk.afterPowerCut(), store: store).frameCount
        if keyValue.unflushedBytes < before {
            flushes += 1
            #expect(left == offset + 1)
        } else if left < offset + 1 {
            lost += 1
        }
    }
    #expect(flushes > 10 && lost > 10)
}
