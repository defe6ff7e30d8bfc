import Foundation
import Segments
import SegmentsTestSupport
import Testing

let testStore = StoreUUID(high: 0x0123_4567_89AB_CDEF, low: 0x8899_AABB_CCDD_EEFF)

/// A record as tests keep it.
struct TestRecord: Equatable, Sendable {
    var channel = 0
    var offset: Int64 = 0
    var time: Int64 = 0
    var key: [UInt8]?
    var value: [UInt8]?

    init(channel: Int = 0, offset: Int64 = 0, time: Int64 = 0, key: [UInt8]?, value: [UInt8]?) {
        self.channel = channel
        self.offset = offset
        self.time = time
        self.key = key
        self.value = value
    }

    init(_ frame: SegmentFrame, in bytes: [UInt8]) {
        self.init(
            channel: frame.channel, offset: frame.offset, time: frame.appendTime,
            key: frame.key.map { Array(bytes[$0]) }, value: frame.value.map { Array(bytes[$0]) })
    }

    /// A random record, which may look like the beginning of a block.
    static func random(_ number: Int64, _ random: inout SeededRandom, upTo limit: Int = 300) -> TestRecord {
        var value = random.chance(10) ? nil : random.bytes(random.below(limit))
        if random.chance(20) {
            value = Array(repeating: Array("TBLK".utf8) + [0, 0, 0, 0, 64, 0, 0, 0], count: 20).flatMap { $0 }
        }
        let key = random.chance(10) ? nil : random.bytes(random.below(20))
        return TestRecord(channel: random.below(3), offset: number, time: number * 10, key: key, value: value)
    }
}

extension SegmentBlock {
    init(_ records: [TestRecord]) {
        self.init()
        for record in records {
            append(
                channel: record.channel, offset: record.offset, appendTime: record.time, key: record.key,
                value: record.value)
        }
    }
}

extension SegmentReader {
    /// All records from a number on, and where they lie.
    func all(from number: Int64 = 0) throws -> (records: [TestRecord], places: [SegmentPlace]) {
        var records: [TestRecord] = []
        var places: [SegmentPlace] = []
        try scan(from: number) { run in
            #expect(run.firstFrame == number + Int64(records.count))
            #expect(run.frames.count <= SegmentLimits.blockFrames)
            for frame in run.frames {
                records.append(TestRecord(frame, in: run.bytes))
                places.append(frame.place)
            }
            return true
        }
        return (records, places)
    }
}

/// A directory that is removed when the value goes.
final class TemporaryDirectory {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "tributary-segments-" + UUID().uuidString
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            preconditionFailure("no temporary directory: \(error)")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The typed error that `body` throws.
func segmentError(_ body: () throws -> Void) -> SegmentError? {
    do {
        try body()
        return nil
    } catch {
        return error as? SegmentError
    }
}

/// How many files of the directory this process has open.
func openDescriptors(in directory: String) throws -> Int {
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    return descriptors.count { number in
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
        return target?.hasPrefix(directory) ?? false
    }
}
