// Whole streams read from a warm index, against the least that such a read can be.

import EventLog
import Foundation
import KeyValue
import Tributary

enum ReadBenchmark: Benchmark {
    static let name = "read"
    static let summary = "random streams of 20 events from a warm index, against one get, one seek and 20 preads"
    static let options: [BenchmarkOption] = [
        .number("streams", "streams of 20 events, written in random order", 150_000, quick: 25_000),
        .number("rounds", "how often each row is measured, in turns", 15, quick: 8),
        .number("milliseconds", "how long each row takes in each round", 500, quick: 300),
    ]
    static let eventsEach = 20

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {
        let streams = settings["streams"]
        let path = directory.place("store")
        var maker = StoreMaker()
        try maker.make(
            at: path, order: StoreMaker.shuffled(streams: streams, each: eventsEach), streams: streams)
        _ = try await EventStore.rebuildIndex(.directory(path))
        try FileManager.default.copyItem(atPath: path + "/index", toPath: directory.place("index"))
        let indexBytes = ScratchDirectory.bytes(of: path + "/index")
        print("   \(streams * eventsEach) events; log \(maker.logBytes) bytes, index \(indexBytes) bytes\n")

        let store = try await EventStore.open(.directory(path), creating: .never)
        let peer = try RawReader(index: directory.place("index"), log: path + "/log")
        var rounds = ReadRounds(
            store: store, peer: peer, streams: streams, seconds: Double(settings["milliseconds"]) / 1_000)
        try await rounds.warm()
        for _ in 0..<settings["rounds"] { try await rounds.round() }
        rounds.report()
        await store.close()
        peer.close()
    }
}

/// Reads records as they lie, by the index's own entries, and looks into nothing.
private final class RawReader: Sendable {
    private let index: KeyValueStore
    private let files: [Int32]

    init(index: String, log: String) throws {
        self.index = try KeyValueStore(.directory(index))
        files = try FileManager.default.contentsOfDirectory(atPath: log).sorted().map { name in
            let descriptor = open(log + "/" + name, O_RDONLY)
            guard descriptor >= 0 else { throw PeerError(description: "\(name) cannot be opened") }
            return descriptor
        }
    }

    /// How many records it read.
    func read(_ stream: [UInt8], into buffer: inout [UInt8]) throws -> Int {
        guard let number = try index.withValue(of: [UInt8(ascii: "s")] + stream, { state in (0..<8).map { state[$0] } })
        else { return 0 }
        let prefix = [UInt8(ascii: "v")] + number
        let walk = KeyIterator(index, prefix: prefix)
        walk.seek(prefix)
        var count = 0
        while walk.isValid {
            let place = walk.withValue { value in
                func number(_ start: Int) -> Int { (start..<start + 4).reduce(0) { $0 << 8 | Int(value[$1]) } }
                return (file: number(0), position: number(4), length: number(8))
            }
            guard pread(files[place.file], &buffer, place.length, place.position) == place.length else {
                throw PeerError(description: "a record cannot be read")
            }
            count += 1
            walk.next()
        }
        return count
    }

    func close() {
        index.close()
        for file in files { Glibc.close(file) }
    }
}

private struct ReadRounds {
    let store: EventStore
    let peer: RawReader
    let streams: Int
    let seconds: Double
    private static let widths = [1, 2, 8]
    private var peers = widths.map { Row("raw: \($0) thread\($0 == 1 ? "" : "s")") }
    private var rows = widths.map { Row("store: \($0) task\($0 == 1 ? "" : "s")") }
    private var round = 0

    init(store: EventStore, peer: RawReader, streams: Int, seconds: Double) {
        self.store = store
        self.peer = peer
        self.streams = streams
        self.seconds = seconds
    }

    /// Reads every stream once by both ways.
    func warm() async throws {
        for stream in 0..<streams {
            try await Self.read(stream, store)
            var buffer = [UInt8](repeating: 0, count: 4_096)
            try Self.readRaw(stream, peer, &buffer)
        }
    }

    mutating func round() async throws {
        round += 1
        for (index, width) in Self.widths.enumerated() {
            for isPeer in [round % 2 == 0, round % 2 != 0] {
                if isPeer {
                    peers[index].samples.append(try await peerSample(width))
                } else {
                    rows[index].samples.append(try await storeSample(width))
                }
            }
        }
    }

    private static func read(_ stream: Int, _ store: EventStore) async throws {
        var events = 0
        var bytes = 0
        for try await event in store.read(try StreamName(Samples.streamName(stream))) {
            events += 1
            bytes += event.data.count
        }
        guard events == ReadBenchmark.eventsEach, bytes == events * Samples.dataBytes else {
            throw PeerError(description: "a stream has \(events) events")
        }
    }

    private static func readRaw(_ stream: Int, _ peer: RawReader, _ buffer: inout [UInt8]) throws {
        let events = try peer.read(Array(Samples.streamName(stream).utf8), into: &buffer)
        guard events == ReadBenchmark.eventsEach else { throw PeerError(description: "a stream has \(events) events") }
    }

    private func storeSample(_ tasks: Int) async throws -> Sample {
        let (store, streams, seconds) = (store, streams, seconds)
        return try await sample(tasks) {
            var watch = Stopwatch(seconds: seconds)
            while watch.isRunning {
                try await Self.read(Int.random(in: 0..<streams), store)
                watch.note()
            }
            return watch.latencies
        }
    }

    private func peerSample(_ threads: Int) async throws -> Sample {
        let (peer, streams, seconds) = (peer, streams, seconds)
        return try await sample(threads) {
            try await onOwnThread(named: "peer") {
                var buffer = [UInt8](repeating: 0, count: 4_096)
                var watch = Stopwatch(seconds: seconds)
                while watch.isRunning {
                    try Self.readRaw(Int.random(in: 0..<streams), peer, &buffer)
                    watch.note()
                }
                return watch.latencies
            }
        }
    }

    private func sample(_ width: Int, _ work: @escaping @Sendable () async throws -> [Int64]) async throws -> Sample {
        var latencies: [Int64] = []
        let effort = try await Effort.ofAsync {
            latencies = try await withThrowingTaskGroup(of: [Int64].self) { group in
                for _ in 0..<width { group.addTask { try await work() } }
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }
        return Sample(latencies, effort, eventsEach: ReadBenchmark.eventsEach)
    }

    func report() {
        print(Row.header("stream"))
        for (peer, row) in zip(peers, rows) {
            print(peer.line)
            print(row.line)
        }
        print("")
        let best = rows.map(\.perSecond).max() ?? 0
        print(
            "the store reads at most \(fixed(best, 0)) streams/s: at least 20000: \(best >= 20_000 ? "met" : "NOT MET")"
        )
        for (width, (row, peer)) in zip(Self.widths, zip(rows, peers)) {
            print(Floor(name: "\(width) at once: streams/s / the raw limit's", row, peer, \.perSecond).line)
        }
    }
}
