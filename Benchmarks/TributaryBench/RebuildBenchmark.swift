// The index made anew from the log, against RocksDB writing the same entries in the same order and batches.

import EmbeddedEventLog
import EventLog
import Foundation
import KeyValue
import Segments
import StreamIndex
import Tributary

enum RebuildBenchmark: Benchmark {
    static let name = "rebuild"
    static let summary = "rebuild-index, against RocksDB writing the same entries and a plain write of the log's bytes"
    static let options: [BenchmarkOption] = [
        .number("events", "events in the log, one an append", 1_000_000, quick: 500_000),
        .number("streams", "streams, in random order", 100_000, quick: 50_000),
        .number("rounds", "how often each is measured, in turns", 5, quick: 3),
        .flag("any", "appends expect any version: each has an entry for its append id"),
    ]

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {
        let (events, streams) = (settings["events"], settings["streams"])
        let path = directory.place("store")
        var maker = StoreMaker(expectsAny: settings.isSet("any"))
        var generator = SeededGenerator(seed: 1)
        let order = (0..<events).map { _ in Int.random(in: 0..<streams, using: &generator) }
        try maker.make(at: path, order: order, streams: streams)

        WriteRecorder.start()
        let report = try await EventStore.rebuildIndex(.directory(path))
        let writes = WriteRecorder.stop()
        guard report.events == events + 1 else { throw PeerError(description: "\(report.events) events were applied") }
        print("   \(writes.entryCount) entries of \(writes.byteCount) bytes in \(writes.batchCount) batches;")
        let indexBytes = ScratchDirectory.bytes(of: path + "/index")
        print("   log \(maker.logBytes) bytes, index \(indexBytes) bytes on disk, \(indexBytes / events) an event\n")

        var times = Times()
        for round in 0..<settings["rounds"] {
            times.scans.append(try await onOwnThread(named: "scan") { try Effort.of { try scan(path) } })
            if round % 2 == 0 { try await times.measurePeer(writes, maker.logBytes, directory) }
            times.rebuilds.append(
                try await Effort.ofAsync { _ = try await EventStore.rebuildIndex(.directory(path)) })
            if round % 2 == 1 { try await times.measurePeer(writes, maker.logBytes, directory) }
        }
        times.report(events)
    }

    /// Reads and checks every block, and does nothing with it.
    private static func scan(_ path: String) throws {
        let log = try EmbeddedLog.open(at: path)
        var frames = 0
        try log.segments.scan(from: 0) { run in
            frames += run.frames.count
            return true
        }
        precondition(Int64(frames) == log.segments.frameCount, "the scan shows all frames")
    }
}

private struct Times {
    var scans: [Effort] = []
    var rebuilds: [Effort] = []
    var peers: [Effort] = []
    var plainWrites: [Effort] = []

    mutating func measurePeer(_ writes: RecordedWrites, _ logBytes: Int, _ directory: ScratchDirectory) async throws {
        let (entries, log) = try await onOwnThread(named: "peer") {
            let entries = try Effort.of {
                let store = try KeyValueStore(.directory(directory.place("peer")))
                defer { store.close() }
                try writes.replay(into: store)
            }
            return (entries, try Effort.of { try writePlainly(logBytes, to: directory.place("plain")) })
        }
        peers.append(entries)
        plainWrites.append(log)
        directory.remove("peer")
        directory.remove("plain")
    }

    func report(_ events: Int) {
        func row(_ name: String, _ efforts: [Effort]) {
            let time = median(efforts.map(\.seconds))
            let used = median(efforts.map(\.processor)) / Double(events) * 1_000_000
            print(
                pad(name, 48) + right(fixed(time, 2), 9) + right(fixed(Double(events) / time, 0), 12)
                    + right(fixed(used, 2), 14))
        }
        print(pad("", 48) + right("seconds", 9) + right("events/s", 12) + right("CPU us/event", 14))
        row("log: read and checked, nothing done with it", scans)
        row("RocksDB: the same entries, order and batches", peers)
        row("a plain write of the log's bytes, not synced", plainWrites)
        row("store: rebuild-index", rebuilds)
        print("")
        let both = zip(peers, plainWrites).map { $0.seconds + $1.seconds }
        let times = rebuilds.map(\.seconds)
        print(Floor(name: "rebuild's speed / RocksDB's and the plain write's", both, times, least: 0.5).line)
        print(Floor(name: "rebuild's speed / RocksDB's alone", peers.map(\.seconds), times).line)
    }
}

private func writePlainly(_ count: Int, to path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { close(descriptor) }
    let bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
    var left = count
    while left > 0 {
        let written = write(descriptor, bytes, min(left, bytes.count))
        guard written > 0 else { throw PeerError(description: "\(path) cannot be written") }
        left -= written
    }
}
