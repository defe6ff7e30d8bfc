// Makes stores of many events quickly: the records are written into the segment files as the store would write them.

import AppendRule
import EmbeddedEventLog
import Envelope
import EventLog
import Segments
import StreamIndex
import Tributary

struct StoreMaker {
    /// Appends that expect nothing rather than an exact version.
    var expectsAny = false
    private(set) var logBytes = 0

    /// Makes a store whose records, one event each, go to the streams in the order given; it has no index yet.
    ///
    /// - Parameter order: the number of each record's stream.
    mutating func make(at path: String, order: some Sequence<Int>, streams: Int) throws {
        let first = StoreCreation.firstRecord(partitions: 1)
        try EmbeddedLog.create(at: path, storeID: first.store, firstRecord: first.record)
        let store = StoreID(high: first.store.high, low: first.store.low)
        let writer = try SegmentWriter.open(
            in: DirectoryStorage(path: path + "/log"), store: StoreUUID(high: store.high, low: store.low))
        var versions = [Int64](repeating: -1, count: streams)
        var block = SegmentBlock()
        var offset: Int64 = 1
        for (number, stream) in order.enumerated() {
            let key = Array(Samples.streamName(stream).utf8)
            let version = versions[stream]
            let expectation: Expectation = expectsAny ? .any : version < 0 ? .noStream : .exactly(version)
            let value = Samples.record([Samples.content(number)], to: key, expectation, store: store)
            if !block.hasRoom(key: key.count, value: value.count) { try write(&block, to: writer) }
            block.append(
                channel: 0, offset: offset, appendTime: wallClockMilliseconds(), key: key, value: value)
            versions[stream] = version + 1
            offset += 1
        }
        if !block.isEmpty { try write(&block, to: writer) }
        try writer.close()
    }

    private mutating func write(_ block: inout SegmentBlock, to writer: SegmentWriter) throws {
        try writer.write(&block)
        logBytes += block.bytes.count
        block.removeAll()
    }

    /// Every stream as often as every other, in an order that a seed gives.
    static func shuffled(streams: Int, each: Int, seed: UInt64 = 1) -> [Int] {
        var order = (0..<streams * each).map { $0 % streams }
        var generator = SeededGenerator(seed: seed)
        order.shuffle(using: &generator)
        return order
    }
}
