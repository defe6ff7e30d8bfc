// Layouts of the index beside each other, in bare RocksDB with the index's settings.

import AppendRule
import Envelope
import EventLog
import Foundation
import KeyValue

enum LayoutBenchmark: Benchmark {
    static let name = "layout"
    static let summary = "layouts of the index beside each other, in bare RocksDB with the index's settings"
    static let options: [BenchmarkOption] = [
        .number("events", "events, one a record, 20 a stream, in random order", 500_000, quick: 200_000),
        .number("run", "records in a run, which is one batch", 4_096),
        .number("rounds", "how often each layout is measured, in turns", 3, quick: 1),
    ]
    private static let reads = 20_000
    private static let eventsEach = 20

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {
        let streams = max(1, settings["events"] / eventsEach)
        let order = StoreMaker.shuffled(streams: streams, each: eventsEach)
        let records = try RecordFile(path: directory.place("records"), count: order.count)
        var results = Layout.all.map { LayoutResults(layout: $0) }
        for _ in 0..<settings["rounds"] {
            for index in results.indices {
                let before = results[index]
                results[index] = try await onOwnThread(named: "layout") {
                    var after = before
                    try after.measure(order, settings["run"], records, directory.place("index"))
                    return after
                }
                directory.remove("index")
            }
        }
        print(LayoutResults.header)
        for result in results { print(result.line(against: results[0])) }
    }

    fileprivate static func randomReads(_ streams: Int, _ body: (Int) throws -> Void) rethrows -> Double {
        let effort = try Effort.of {
            for _ in 0..<reads { try body(Int.random(in: 0..<streams)) }
        }
        return Double(reads) / effort.seconds
    }
}

/// Records one after the other in a file, for layouts that keep only their places.
private struct RecordFile: Sendable {
    let record: [UInt8]
    let descriptor: Int32

    init(path: String, count: Int) throws {
        record =
            Array(Samples.streamName(1).utf8)
            + Samples.record([Samples.content(1)], to: Array("Order-1".utf8), .any, store: .random())
        descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        let block = Array(repeatElement(record, count: 1_000).joined())
        for _ in 0...(count / 1_000) where write(descriptor, block, block.count) != block.count {
            throw PeerError(description: "\(path) cannot be written")
        }
    }
}

private struct LayoutResults: Sendable {
    let layout: Layout
    private var written: [Double] = []
    private var processor: [Double] = []
    private var reads: [Double] = []
    private var versions: [Double] = []
    private var putBytes = 0.0
    private var diskBytes = 0.0

    init(layout: Layout) {
        self.layout = layout
    }

    mutating func measure(_ order: [Int], _ run: Int, _ records: RecordFile, _ path: String) throws {
        let streams = (order.max() ?? 0) + 1
        let store = try KeyValueStore(.directory(path))
        defer { store.close() }
        var writer = LayoutWriter(layout, streams: streams, record: records.record)
        for start in stride(from: 0, to: order.count, by: run) {
            writer.write(order[start..<min(order.count, start + run)])
        }
        let effort = try Effort.of {
            try writer.writes.replay(into: store)
            try store.flush()
        }
        written.append(Double(order.count) / effort.seconds)
        processor.append(effort.processor / Double(order.count) * 1_000_000)
        putBytes = Double(writer.writes.byteCount) / Double(order.count)
        diskBytes = Double(ScratchDirectory.bytes(of: path)) / Double(order.count)
        let reader = LayoutReader(
            layout: layout, store: store, records: records.descriptor, recordBytes: records.record.count)
        var buffer = records.record
        for stream in 0..<streams { _ = try reader.readStream(stream, &buffer) }
        reads.append(
            try LayoutBenchmark.randomReads(streams) { stream in
                let count = try reader.readStream(stream, &buffer)
                guard count == order.count / streams else {
                    throw PeerError(description: "a stream has \(count) events")
                }
            })
        versions.append(
            try LayoutBenchmark.randomReads(streams) { stream in
                guard try reader.currentVersion(stream) else { throw PeerError(description: "a stream is empty") }
            })
    }

    static let header =
        pad("", 36)
        + ["events/s in", "x", "CPU us/event", "put B/event", "disk B/event", "20-reads/s", "x", "versions/s"]
        .map { right($0, $0 == "x" ? 7 : 13) }.joined()

    func line(against other: LayoutResults) -> String {
        pad(layout.name, 36) + right(fixed(median(written), 0), 13)
            + right(fixed(median(written) / median(other.written), 2), 7) + right(fixed(median(processor), 2), 13)
            + right(fixed(putBytes, 0), 13)
            + right(fixed(diskBytes, 0), 13) + right(fixed(median(reads), 0), 13)
            + right(fixed(median(reads) / median(other.reads), 2), 7) + right(fixed(median(versions), 0), 13)
    }
}
