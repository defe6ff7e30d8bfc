// What it costs to have appends acknowledged when they are ordered rather than when they are accepted.

import EventLog
import Foundation
import Tributary
import TributaryKafka

enum OrderBenchmark: Benchmark {
    static let name = "order"
    static let summary = "appends acknowledged when ordered, against the same acknowledged when accepted"
    static let options: [BenchmarkOption] = [
        .word(
            "kafka", "HOST:PORT[,...]",
            "on these brokers, with topics made for the run and deleted after it; else in memory"),
        .word("partitions", "N[,...]", "of the stores that are measured one after the other (default 1,4,12)"),
        .number("rounds", "how often each row is measured, in turns", 20, quick: 10),
        .number("milliseconds", "how long each row with latencies takes in each round", 200),
        .number("appends", "appends of one event in each round where they are many", 20_000, quick: 10_000),
        .number("in-flight", "appends under way at once where they are many", 10_000),
        .number("tasks", "tasks that append at once", 1_000),
        .number("streams", "streams that appends go to", 10_000),
    ]

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {
        for word in (settings.word("partitions") ?? "1,4,12").split(separator: ",") {
            guard let partitions = Int(word), (1...1_000).contains(partitions) else {
                throw UsageError("--partitions takes numbers of 1 to 1,000, with commas")
            }
            print(partitions == 1 ? "-- 1 partition" : "-- \(partitions) partitions")
            let rounds = try await measure(partitions, settings)
            rounds.report()
        }
    }

    private static func measure(_ partitions: Int, _ settings: Settings) async throws -> OrderRounds {
        guard let servers = settings.word("kafka") else {
            return try await rounds(.inMemory(partitions: partitions), settings)
        }
        let name = "bench-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let location = KafkaLocation(servers, store: name)
        try await location.createTopics(partitions: partitions)
        var topics = [name + ".events"]
        if partitions > 1 { topics.append(name + ".order") }
        let result: Result<OrderRounds, any Error>
        do {
            result = .success(try await rounds(.kafka(location), settings))
        } catch {
            result = .failure(error)
        }
        try await delete(topics, servers, partitions)
        return try result.get()
    }

    private static func delete(_ topics: [String], _ servers: String, _ partitions: Int) async throws {
        try await onOwnThread(named: "peer") {
            let peer = try BareKafka(
                servers: servers, topic: topics[0], partitions: partitions, maxMessageBytes: 2 << 20)
            defer { peer.close() }
            do {
                try peer.delete(topics)
            } catch {
                print("   the topics \(topics.joined(separator: " and ")) are left behind: \(error)")
            }
        }
    }

    private static func rounds(_ place: EventStore.Location, _ settings: Settings) async throws -> OrderRounds {
        let store = try await EventStore.open(place)
        var rounds = try OrderRounds(store: store, settings)
        do {
            for _ in 0..<settings["rounds"] { try await rounds.round() }
        } catch {
            await store.close()
            throw error
        }
        await store.close()
        return rounds
    }
}

/// The same work twice: acknowledged when accepted, and when ordered.
private struct Pair: Sendable {
    var accepted: Row
    var ordered: Row

    init(_ name: String) {
        accepted = Row(name + ", accepted")
        ordered = Row(name + ", ordered")
    }
}

private struct OrderRounds {
    let store: EventStore
    let seconds: Double
    let appends: Int
    let inFlight: Int
    let tasks: Int
    let names: [StreamName]
    private var round = 0
    private var lone = Pair("1 writer, own stream, exact")
    private var around: Pair
    private var piped = Pair("append(contentsOf:), any, 1 event")
    private var many: Pair
    private var writers: [Acknowledgement: [Writer]] = [:]

    init(store: EventStore, _ settings: Settings) throws {
        self.store = store
        seconds = Double(settings["milliseconds"]) / 1_000
        appends = settings["appends"]
        inFlight = settings["in-flight"]
        tasks = settings["tasks"]
        names = try (0..<settings["streams"]).map { try StreamName(Samples.streamName($0)) }
        around = Pair("1 writer, 100 streams, exact")
        many = Pair("\(tasks) tasks, any, 1 event")
        for (acknowledge, kind) in [(Acknowledgement.accepted, "a"), (.ordered, "o")] {
            writers[acknowledge] = [
                try Writer(0, streams: 1, events: 1, kind), try Writer(1, streams: 100, events: 1, kind),
            ]
        }
    }

    /// Each row beside its peer, the peer first in every other round.
    mutating func round() async throws {
        let both: [Acknowledgement] = round % 2 == 0 ? [.accepted, .ordered] : [.ordered, .accepted]
        round += 1
        for acknowledge in both { lone.add(try await writerSample(0, acknowledge), acknowledge) }
        for acknowledge in both { around.add(try await writerSample(1, acknowledge), acknowledge) }
        for acknowledge in both { piped.add(try await pipedSample(acknowledge), acknowledge) }
        for acknowledge in both { many.add(try await taskSample(acknowledge), acknowledge) }
    }

    // What is still to be ordered of the sample before is waited for first.

    private mutating func writerSample(_ number: Int, _ acknowledge: Acknowledgement) async throws -> Sample {
        guard var writer = writers[acknowledge]?[number] else { preconditionFailure("both have their writers") }
        try await store.waitUntilOrdered()
        var watch = Stopwatch(seconds: seconds)
        let effort = try await Effort.ofAsync {
            while watch.isRunning {
                watch.begin()
                try await writer.append(to: store, acknowledge: acknowledge)
                watch.note()
            }
        }
        writers[acknowledge]?[number] = writer
        return Sample(watch.latencies, effort)
    }

    /// With fresh ids.
    private func newAppends() -> [NewAppend] {
        (0..<appends).map { NewAppend([Samples.event($0)], to: names[$0 &* 7_919 % names.count]) }
    }

    private func pipedSample(_ acknowledge: Acknowledgement) async throws -> Sample {
        let appends = newAppends()
        try await store.waitUntilOrdered()
        let effort = try await Effort.ofAsync {
            let results = store.append(contentsOf: appends, maxInFlight: inFlight, acknowledge: acknowledge)
            for try await done in results { _ = try done.result.get() }
        }
        return Sample(Array(repeating: 0, count: appends.count), effort)
    }

    private func taskSample(_ acknowledge: Acknowledgement) async throws -> Sample {
        let (appends, store, tasks) = (newAppends(), store, tasks)
        try await store.waitUntilOrdered()
        let effort = try await Effort.ofAsync {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<tasks {
                    group.addTask {
                        for number in stride(from: task, to: appends.count, by: tasks) {
                            let append = appends[number]
                            try await store.append(append.events, to: append.stream, acknowledge: acknowledge)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        return Sample(Array(repeating: 0, count: appends.count), effort)
    }

    // MARK: - Report

    func report() {
        print(Row.header("op"))
        for pair in [lone, around] {
            print(pair.accepted.line)
            print(pair.ordered.line)
        }
        for pair in [piped, many] {
            print(pair.accepted.rateLine)
            print(pair.ordered.rateLine)
        }
        print("")
        let ratios = [
            lone.ratio("1 writer: median latency, ordered / accepted", \.medianNanoseconds),
            lone.ratio("1 writer: 99th percentile, ordered / accepted", \.slowestHundredth),
            around.ratio("1 writer, 100 streams: median latency", \.medianNanoseconds),
            around.ratio("1 writer, 100 streams: 99th percentile", \.slowestHundredth),
            piped.ratio("append(contentsOf:): rate", \.perSecond),
            many.ratio("\(tasks) tasks: rate", \.perSecond),
        ]
        for ratio in ratios { print(ratio.line) }
        print("")
        fflush(nil)
    }
}

extension Pair {
    fileprivate mutating func add(_ sample: Sample, _ acknowledge: Acknowledgement) {
        if acknowledge == .ordered { ordered.samples.append(sample) } else { accepted.samples.append(sample) }
    }

    fileprivate func ratio(_ name: String, _ figure: (Sample) -> Double) -> Floor {
        Floor(name: name, ordered, accepted, figure)
    }
}

extension Sample {
    /// The 99th percentile, in nanoseconds.
    fileprivate var slowestHundredth: Double {
        let sorted = latencies.sorted()
        return sorted.isEmpty ? 0 : Double(sorted[min(sorted.count - 1, sorted.count * 99 / 100)])
    }
}
