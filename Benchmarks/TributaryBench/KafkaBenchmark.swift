// Appends to a store on Kafka, against librdkafka producing the same bytes and reading them back.

import AppendRule
import Envelope
import EventLog
import Foundation
import Tributary
import TributaryKafka

enum KafkaBenchmark: Benchmark {
    static let name = "append"
    static let summary = "appends of 200-byte events on Kafka, against bare librdkafka producing and reading back"
    static let isOnKafka = true
    static let options: [BenchmarkOption] = [
        .word("kafka", "HOST:PORT[,...]", "brokers; topics are made for the run and deleted after it"),
        .word(
            "index", "DIR",
            "keeps the node's copy and index in a new directory in DIR, removed at the end; else in memory"),
        .number("partitions", "of the topics", 4),
        .number("rounds", "how often each row is measured, in turns", 20),
        .number("milliseconds", "how long each row with latencies takes in each round", 200),
        // Of a third as many a tenth of the time would be to get going and to end.
        .number("appends", "appends of ten events in each round, and ten times as many events one by one", 30_000),
        .number("in-flight", "appends under way at once where they are many", 10_000),
        .number("tasks", "tasks that append at once", 1_000),
        .number("streams", "streams that many appends go to", 10_000),
    ]

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {
        guard let servers = settings.word("kafka") else { throw UsageError("--kafka HOST:PORT is needed") }
        let index = try settings.word("index").map { try ScratchDirectory(under: $0) }
        defer { index?.remove() }
        let name = "bench-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let location = KafkaLocation(servers, store: name, index: index?.place("index"))
        let bare = KafkaLocation(servers, store: name + "-bare")
        let names = [name, name + "-bare"]
        let topics = names.map { $0 + ".events" } + (settings["partitions"] > 1 ? names.map { $0 + ".order" } : [])
        for location in [location, bare] { try await location.createTopics(partitions: settings["partitions"]) }
        let store = try await EventStore.open(.kafka(location))
        let peer = try BareKafka(
            servers: servers, topic: topics[1], partitions: settings["partitions"], maxMessageBytes: 2 << 20)
        let result: Result<KafkaRounds, any Error>
        do {
            var rounds = try KafkaRounds(store: store, peer: peer, settings)
            for _ in 0..<settings["rounds"] { try await rounds.round() }
            result = .success(rounds)
        } catch {
            result = .failure(error)
        }
        await store.close()
        try await onOwnThread(named: "peer") {
            do {
                try peer.delete(topics)
            } catch {
                print("   the topics \(topics.joined(separator: " and ")) are left behind: \(error)")
            }
            peer.close()
        }
        try result.get().report()
    }
}

/// One writer's records for librdkafka, of the size that its appends have.
private struct BareWriter: Sendable {
    private let records: [BareRecord]
    private var turn = 0

    init(_ writer: Writer, partitions: Int, _ store: StoreID) {
        records = writer.names.map { name in
            bareRecord([Samples.content(1)], to: name.utf8, .exactly(1), partitions, store)
        }
    }

    mutating func writeAndRead(_ peer: BareKafka) throws {
        turn = (turn + 1) % records.count
        try peer.produce(records[turn])
        try peer.receive(1)
    }
}

private func bareRecord(
    _ events: [EventContent], to key: [UInt8], _ expectation: Expectation, _ partitions: Int, _ store: StoreID
) -> BareRecord {
    BareRecord(
        key: key, value: Samples.record(events, to: key, expectation, store: store),
        partition: partition(of: key.span, partitions: partitions))
}

/// Many appends, and the records that librdkafka gets in their place.
private struct Many: Sendable {
    let records: [BareRecord]
    let names: [StreamName]
    let eventsEach: Int
    var bare: Row
    var piped: Row

    init(_ label: String, appends: Int, eventsEach: Int, streams: Int, partitions: Int) throws {
        let store = StoreID.random()
        let names = try (0..<streams).map { try StreamName(Samples.streamName($0)) }
        self.names = names
        self.eventsEach = eventsEach
        records = (0..<appends).map { number in
            bareRecord(
                (0..<eventsEach).map { Samples.content(number + $0) }, to: names[number &* 7_919 % streams].utf8,
                .any, partitions, store)
        }
        bare = Row("librdkafka: the same records, read back")
        piped = Row("store: append(contentsOf:), any, \(label)")
    }

    /// With fresh ids.
    func appends() -> [NewAppend] {
        records.indices.map { number in
            NewAppend(
                (0..<eventsEach).map { Samples.event(number + $0) }, to: names[number &* 7_919 % names.count])
        }
    }

    mutating func measureBare(_ peer: BareKafka) async throws {
        let records = records
        let effort = try await Effort.ofAsync {
            async let received: Void = onOwnThread(named: "peer-reader") { try peer.receive(records.count) }
            try await onOwnThread(named: "peer-writer") { for record in records { try peer.produce(record) } }
            try await received
        }
        bare.samples.append(Sample(Array(repeating: 0, count: records.count), effort, eventsEach: eventsEach))
    }

    mutating func measurePiped(_ store: EventStore, inFlight: Int) async throws {
        let appends = appends()
        var watch = Stopwatch()
        let effort = try await Effort.ofAsync {
            for try await done in store.append(contentsOf: appends, maxInFlight: inFlight) {
                _ = try done.result.get()
                watch.note()
            }
        }
        piped.samples.append(Sample(watch.latencies, effort, eventsEach: eventsEach))
    }

    /// By tasks that each append one after the other.
    func measureTasks(_ store: EventStore, _ tasks: Int, _ row: inout Row) async throws {
        let appends = appends()
        let effort = try await Effort.ofAsync {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<tasks {
                    group.addTask {
                        for number in stride(from: task, to: appends.count, by: tasks) {
                            try await store.append(appends[number].events, to: appends[number].stream)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        row.samples.append(Sample(Array(repeating: 0, count: appends.count), effort, eventsEach: eventsEach))
    }
}

private struct KafkaRounds {
    let store: EventStore
    let peer: BareKafka
    let seconds: Double
    let inFlight: Int
    let tasks: Int
    private var round = 0
    private var tens: Many
    private var ones: Many
    private var tenTasks: Row
    /// One stream, then many in turn, then 32 writers.
    private var loads: [Load]
    private var bareLoads: [(row: Row, writer: BareWriter)] = []

    init(store: EventStore, peer: BareKafka, _ settings: Settings) throws {
        self.store = store
        self.peer = peer
        seconds = Double(settings["milliseconds"]) / 1_000
        inFlight = settings["in-flight"]
        tasks = settings["tasks"]
        let (partitions, appends) = (settings["partitions"], settings["appends"])
        tens = try Many(
            "10 events", appends: appends, eventsEach: 10, streams: settings["streams"], partitions: partitions)
        ones = try Many(
            "1 event", appends: appends * 10, eventsEach: 1, streams: settings["streams"], partitions: partitions)
        tenTasks = Row("store: \(tasks) tasks, any, 10 events")
        loads = [
            try Load("store: 1 writer, 1 stream, exact", writers: 1, events: 1, streams: 1, "g"),
            try Load("store: 1 writer, 100 streams, exact", writers: 1, events: 1, streams: 100, "w"),
            try Load("store: 32 writers, own streams, exact", writers: 32, events: 1, streams: 100, "w"),
        ]
        for (load, label) in zip(loads, ["1 partition", "partitions in turn"]) {
            let writer = BareWriter(load.writers[0], partitions: partitions, .random())
            bareLoads.append((Row("librdkafka: 1 record, read back, \(label)"), writer))
        }
    }

    /// Each row beside its peer, the peer first in every other round.
    mutating func round() async throws {
        let peerFirst = round % 2 == 0
        round += 1
        if peerFirst { try await tens.measureBare(peer) }
        try await tens.measurePiped(store, inFlight: inFlight)
        try await tens.measureTasks(store, tasks, &tenTasks)
        if !peerFirst { try await tens.measureBare(peer) }
        for index in loads.indices {
            if peerFirst { try await measureBare(index) }
            try await loads[index].measure(store, seconds)
            if !peerFirst { try await measureBare(index) }
        }
        if peerFirst { try await ones.measureBare(peer) }
        try await ones.measurePiped(store, inFlight: inFlight)
        if !peerFirst { try await ones.measureBare(peer) }
    }

    private mutating func measureBare(_ index: Int) async throws {
        guard index < bareLoads.count else { return }
        let (peer, seconds, before) = (peer, seconds, bareLoads[index].writer)
        let (writer, sample) = try await onOwnThread(named: "peer") {
            var writer = before
            var watch = Stopwatch(seconds: seconds)
            let effort = try Effort.of {
                while watch.isRunning {
                    watch.begin()
                    try writer.writeAndRead(peer)
                    watch.note()
                }
            }
            return (writer, Sample(watch.latencies, effort))
        }
        bareLoads[index].writer = writer
        bareLoads[index].row.samples.append(sample)
    }

    // MARK: - Report

    func report() {
        print(Row.header("op"))
        for row in [tens.bare, tens.piped, tenTasks, ones.bare, ones.piped] { print(row.rateLine) }
        for (index, load) in loads.enumerated() {
            if index < bareLoads.count { print(bareLoads[index].row.line) }
            print(load.row.line)
        }
        print("")
        let floors = [
            Floor(
                name: "10 events, append(contentsOf:): rate / librdkafka's", tens.piped, tens.bare, \.perSecond,
                least: 0.5),
            Floor(
                name: "10 events: events / librdkafka's with a record for each", tens.piped, ones.bare,
                \.eventsPerSecond),
            Floor(name: "10 events, tasks: rate / librdkafka's", tenTasks, tens.bare, \.perSecond),
            Floor(name: "1 event, append(contentsOf:): rate / librdkafka's", ones.piped, ones.bare, \.perSecond),
            Floor(
                name: "1 writer, 1 stream: median latency / librdkafka's", loads[0].row, bareLoads[0].row,
                \.medianNanoseconds, most: 1.5),
            Floor(
                name: "1 writer, 100 streams: median latency / librdkafka's", loads[1].row, bareLoads[1].row,
                \.medianNanoseconds, most: 1.5),
        ]
        for floor in floors { print(floor.line) }
    }
}
