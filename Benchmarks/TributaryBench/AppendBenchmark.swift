// Appends that are durable before the answer, against RocksDB's synchronous writes of the same keys and bytes.

import AppendRule
import Envelope
import EventLog
import Foundation
import Synchronization
import Tributary

enum AppendBenchmark: Benchmark {
    static let name = "append"
    static let summary = "durable appends of 200-byte events, against bare RocksDB's synchronous writes"
    static let options: [BenchmarkOption] = [
        .number("rounds", "how often each row is measured, in turns", 50, quick: 20),
        .number("milliseconds", "how long each row takes in each round", 200),
        .number("streams", "streams that one writer goes round", 100),
    ]

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {
        let store = try await EventStore.open(.directory(directory.place("store")))
        let peer = try BarePeer(directory: directory.place("peer"))
        let disk = try SyncedFile(path: directory.place("disk"))
        var bench = try AppendRounds(
            store: store, peer: peer, disk: disk, seconds: Double(settings["milliseconds"]) / 1_000,
            streams: settings["streams"])
        for _ in 0..<settings["rounds"] { try await bench.round() }
        bench.report()
        await store.close()
        peer.close()
    }
}

/// Preallocated, written in place: the least that a durable write can cost on this disk.
private struct SyncedFile {
    private let descriptor: Int32
    private var position = 0
    private let size = 64 << 20

    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0, posix_fallocate(descriptor, 0, size) == 0, fsync(descriptor) == 0 else {
            throw PeerError(description: "\(path) cannot be made")
        }
    }

    mutating func write(_ bytes: [UInt8]) throws {
        if position + bytes.count > size { position = 0 }
        guard pwrite(descriptor, bytes, bytes.count, position) == bytes.count, fdatasync(descriptor) == 0 else {
            throw PeerError(description: "a file cannot be written")
        }
        position += (bytes.count + 63) & ~63
    }
}

/// One writer's streams, and the versions that they have.
struct Writer: Sendable {
    let names: [StreamName]
    private var versions: [Int64]
    private var turn = 0
    private var number = 0
    private let events: Int

    init(_ writer: Int, streams: Int, events: Int, _ kind: String) throws {
        names = try (0..<streams).map { try StreamName("\(kind)-\(writer)-\($0)") }
        versions = Array(repeating: -1, count: streams)
        self.events = events
    }

    mutating func append(to store: EventStore, acknowledge: Acknowledgement = .accepted) async throws {
        turn = (turn + 1) % names.count
        number += 1
        let batch = (0..<events).map { Samples.event(number &* 31 &+ $0) }
        let version = versions[turn]
        let done = try await store.append(
            batch, to: names[turn], expecting: version < 0 ? .noStream : .version(version), acknowledge: acknowledge)
        versions[turn] = done.versions.upperBound
    }

    mutating func put(into peer: BarePeer, as storeID: StoreID) throws {
        turn = (turn + 1) % names.count
        number += 1
        var entries: [(key: [UInt8], value: [UInt8])] = []
        let key = names[turn].utf8
        for index in 0..<events {
            versions[turn] += 1
            let content = Samples.content(number &* 31 &+ index)
            let record = Samples.record([content], to: key, .exactly(max(0, versions[turn])), store: storeID)
            entries.append((key + Samples.bytes(versions[turn]), record))
        }
        try peer.put(entries)
    }
}

/// Appends of one event for as long as asked.
struct TimedInput: Sequence, IteratorProtocol, Sendable {
    let end: ContinuousClock.Instant
    let names: [StreamName]
    private var number = 0

    init(end: ContinuousClock.Instant, names: [StreamName]) {
        self.end = end
        self.names = names
    }

    mutating func next() -> NewAppend? {
        guard ContinuousClock.now < end else { return nil }
        number += 1
        return NewAppend([Samples.event(number)], to: names[number &* 7_919 % names.count])
    }
}

/// A row of so many writers at once.
struct Load {
    var row: Row
    var writers: [Writer]
    let events: Int

    init(_ name: String, writers: Int, events: Int, streams: Int, _ kind: String) throws {
        row = Row(name)
        self.events = events
        self.writers = try (0..<writers).map {
            try Writer($0, streams: max(1, streams / writers), events: events, "\(kind)\(writers)x\(events)")
        }
    }

    /// Lets every writer work on its own for as long as asked.
    mutating func measure(
        _ seconds: Double, _ work: @escaping @Sendable (Writer) async throws -> (Writer, [Int64])
    ) async throws {
        var latencies: [Int64] = []
        let before = writers
        let effort = try await Effort.ofAsync {
            writers = try await withThrowingTaskGroup(of: (Writer, [Int64]).self) { group in
                for writer in before { group.addTask { try await work(writer) } }
                return try await group.reduce(into: []) {
                    $0.append($1.0)
                    latencies += $1.1
                }
            }
        }
        row.samples.append(Sample(latencies, effort, eventsEach: events))
    }

    /// Lets every writer append to the store, one append after the other.
    mutating func measure(_ store: EventStore, _ seconds: Double) async throws {
        try await measure(seconds) { writer in
            var writer = writer
            var watch = Stopwatch(seconds: seconds)
            while watch.isRunning {
                watch.begin()
                try await writer.append(to: store)
                watch.note()
            }
            return (writer, watch.latencies)
        }
    }
}

private struct AppendRounds {
    let store: EventStore
    let peer: BarePeer
    var disk: SyncedFile
    let seconds: Double
    private var round = 0
    private let storeID = StoreID.random()

    private var rawSync = Row("disk: write and sync of one record")
    private var peers: [Load]
    private var loads: [Load]
    private var pipelined = Row("store: append(contentsOf:), any, 1 event")

    init(store: EventStore, peer: BarePeer, disk: SyncedFile, seconds: Double, streams: Int) throws {
        self.store = store
        self.peer = peer
        self.disk = disk
        self.seconds = seconds
        peers = [
            try Load("RocksDB: 1 thread, synchronous put", writers: 1, events: 1, streams: streams, "p"),
            try Load("RocksDB: 32 threads, synchronous puts", writers: 32, events: 1, streams: streams, "p"),
            try Load("RocksDB: 8 threads, batches of 100", writers: 8, events: 100, streams: streams, "p"),
        ]
        loads = [
            try Load("store: 1 writer, 1 event, exact", writers: 1, events: 1, streams: streams, "w"),
            try Load("store: 32 writers, 1 event, exact", writers: 32, events: 1, streams: streams, "w"),
            try Load("store: 8 writers, 100 events, exact", writers: 8, events: 100, streams: streams, "w"),
        ]
    }

    /// Each row beside its peer, the peer first in every other round.
    mutating func round() async throws {
        let peerFirst = round % 2 == 0
        round += 1
        rawSync.samples.append(try diskSample())
        for index in loads.indices {
            if peerFirst { try await measurePeer(index) }
            try await measureStore(index)
            if !peerFirst { try await measurePeer(index) }
        }
        pipelined.samples.append(try await pipelinedSample())
    }

    private mutating func measureStore(_ index: Int) async throws {
        try await loads[index].measure(store, seconds)
    }

    private mutating func measurePeer(_ index: Int) async throws {
        let (peer, storeID, seconds) = (peer, storeID, seconds)
        try await peers[index].measure(seconds) { writer in
            try await onOwnThread(named: "peer") {
                var writer = writer
                var watch = Stopwatch(seconds: seconds)
                while watch.isRunning {
                    watch.begin()
                    try writer.put(into: peer, as: storeID)
                    watch.note()
                }
                return (writer, watch.latencies)
            }
        }
    }

    private mutating func diskSample() throws -> Sample {
        let record = Samples.record(
            [Samples.content(1)], to: Array("Order-1".utf8), .exactly(1), store: storeID)
        var watch = Stopwatch(seconds: seconds)
        let effort = try Effort.of {
            while watch.isRunning {
                try disk.write(record)
                watch.note()
            }
        }
        return Sample(watch.latencies, effort)
    }

    private func pipelinedSample() async throws -> Sample {
        let end = ContinuousClock.now + .seconds(seconds)
        let names = try (0..<10_000).map { try StreamName(Samples.streamName($0)) }
        let input = TimedInput(end: end, names: names)
        var watch = Stopwatch()
        let effort = try await Effort.ofAsync {
            for try await done in store.append(contentsOf: input, maxInFlight: 10_000) {
                _ = try done.result.get()
                watch.note()
            }
        }
        return Sample(watch.latencies, effort)
    }

    // MARK: - Report

    func report() {
        print(Row.header("op"))
        print(rawSync.line)
        for (peer, load) in zip(peers, loads) {
            print(peer.row.line)
            print(load.row.line)
        }
        print(pipelined.rateLine + "  (10,000 in flight)")
        print("")
        let latency = Floor(
            name: "1 writer: median latency / RocksDB's synchronous put", loads[0].row, peers[0].row,
            \.medianNanoseconds, most: 2)
        let group = Floor(
            name: "32 writers: throughput / 1 writer's", loads[1].row, loads[0].row, \.perSecond, least: 4)
        let batch = Floor(
            name: "8 writers, 100 events: throughput / RocksDB's", loads[2].row, peers[2].row, \.perSecond, least: 0.5)
        for floor in [latency, group, batch] { print(floor.line) }
    }
}
