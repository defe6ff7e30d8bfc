import EventLog
import Foundation
import KafkaBrokers
import StreamIndex
import Synchronization
import Testing

@testable import Tributary
@testable import TributaryKafka

/// A log on a real broker that is no longer the one that was applied: made anew, cut, damaged.
@Suite(.serialized, .enabled(if: RealBroker.canStart, "no real Kafka can be started"), .timeLimit(.minutes(5)))
struct LogChangedTests {
    private let stream: StreamName

    init() throws { stream = try StreamName("order-1") }

    private func newStore(partitions: Int = 1) async throws -> KafkaLocation {
        let servers = try await onOwnThread(named: "start-kafka") { try RealBroker.own.start() }
        var kafka = KafkaLocation(servers, store: "test-\(UUID().uuidString.lowercased())")
        kafka.replication = 1
        // The machine may have other things to do.
        kafka.patience = .seconds(60)
        try await kafka.createTopics(partitions: partitions)
        return kafka
    }

    private func broker(_ body: @escaping @Sendable (RealBroker) throws -> Void) async throws {
        try await onOwnThread(named: "kafka-tool") { try body(.own) }
    }

    private func event(_ data: String) -> NewEvent { NewEvent(type: "Tested", data: Array(data.utf8), id: nil) }

    private func fill(_ store: EventStore, _ count: Int, _ data: String) async throws {
        for _ in 0..<count { try await store.append(event(data), to: stream) }
    }

    private func files(_ kafka: KafkaLocation, _ partition: Int = 0) -> URL {
        RealBroker.own.directory.appending(path: "node-1/data/\(kafka.store).events-\(partition)")
    }

    /// Gives a partition the records of another, as after a disk was mixed up; the broker must be down.
    private func swap(_ kafka: KafkaLocation, for other: KafkaLocation) throws {
        let (old, new) = (files(kafka), files(other))
        for name in try FileManager.default.contentsOfDirectory(atPath: old.path()) where name != "partition.metadata" {
            try FileManager.default.removeItem(at: old.appending(path: name))
        }
        let log = "00000000000000000000.log"
        try FileManager.default.copyItem(at: new.appending(path: log), to: old.appending(path: log))
        // Else nothing is recovered, and there is no index.
        let clean = RealBroker.own.directory.appending(path: "node-1/data/.kafka_cleanshutdown")
        try? FileManager.default.removeItem(at: clean)
    }

    /// Appends and waits until the store says that it is refused; what was applied can still be read.
    private func expectRefused(_ store: EventStore, _ words: [String]) async throws {
        var refusal: StoreError?
        while refusal == nil {
            do {
                try await store.append(event("late"), to: stream, deadline: .seconds(2))
            } catch AppendError.store(let error) {
                refusal = error
            } catch AppendError.outcomeUnknown, AppendError.notWritten, AppendError.notStored(.cancelled) {
            }
        }
        let error = try #require(refusal)
        #expect(error.code == .indexMismatch, "\(error)")
        for word in words { #expect(error.message.contains(word), "\(error)") }
        let statistics = try await store.statistics()
        // Two may have noticed.
        #expect(statistics.partitions[0].halted != nil)
        var data: [String] = []
        for try await event in store.read(stream) { data.append(String(decoding: event.data, as: UTF8.self)) }
        #expect(data.starts(with: ["ours", "ours", "ours"]))
        await #expect(throws: (any Error).self) {
            for try await _ in store.read(stream, consistency: .linearizable) {}
        }
    }

    /// Nothing but the comparison notices this: the reader reads on.
    @Test func openWhileItWasReplacedByALongerOne() async throws {
        let (kafka, other) = (try await newStore(), try await newStore())
        let store = try await EventStore.open(.kafka(kafka))
        try await fill(store, 3, "ours")
        let theirs = try await EventStore.open(.kafka(other))
        try await fill(theirs, 9, "theirs")
        await theirs.close()
        try await broker { broker in
            try broker.stop()
            try swap(kafka, for: other)
            try broker.startAgain()
        }
        try await expectRefused(store, ["partition 0", "made anew", "index directory"])
        await store.close()
    }

    /// The same partition goes on with other records, so that only the newest record tells.
    @Test func openWhileItWasCutAndHasGrown() async throws {
        let kafka = try await newStore()
        let copy = try await newStore()
        let store = try await EventStore.open(.kafka(kafka))
        try await fill(store, 1, "ours")
        try await broker { broker in
            try broker.stop()
            // The other topic becomes the same store, as it is now.
            try swap(copy, for: kafka)
            try broker.startAgain()
        }
        try await fill(store, 2, "ours")
        let newest = try await store.statistics().partitions[0].appliedOffset
        let other = try await EventStore.open(.kafka(copy))
        try await fill(other, 9, "theirs")
        await other.close()
        try await broker { broker in
            try broker.stop()
            try swap(kafka, for: copy)
            try broker.startAgain()
        }
        try await expectRefused(
            store, ["offset \(newest) of partition 0", "cut and has grown since", "index directory"])
        await store.close()
    }

    @Test func openWhileItWasCut() async throws {
        let kafka = try await newStore()
        let store = try await EventStore.open(.kafka(kafka))
        try await fill(store, 3, "ours")
        try await broker { [files = files(kafka)] broker in
            try broker.stop()
            let log = try FileHandle(forWritingTo: files.appending(path: "00000000000000000000.log"))
            try log.truncate(atOffset: try log.seekToEnd() - 10)
            try log.close()
            for name in try FileManager.default.contentsOfDirectory(atPath: files.path())
            where name.hasSuffix("index") || name.hasSuffix("snapshot") {
                try FileManager.default.removeItem(at: files.appending(path: name))
            }
            try? FileManager.default.removeItem(
                at: broker.directory.appending(path: "node-1/data/.kafka_cleanshutdown"))
            try broker.startAgain()
        }
        try await expectRefused(store, ["artition 0", "index"])
        await store.close()
    }

    /// The topic itself, deleted and made again, with more records than before.
    @Test func openWhileTheTopicWasMadeAnew() async throws {
        let kafka = try await newStore()
        var options = StoreOptions()
        options.comparesEvery = .milliseconds(200)
        let store = try await EventStore.open(.kafka(kafka), options: options)
        try await fill(store, 3, "ours")
        try await broker { broker in
            try broker.tool(
                "topics", "--bootstrap-server", kafka.servers, "--delete", "--topic", kafka.store + ".events")
        }
        try await kafka.createTopics(partitions: 1)
        let theirs = try await EventStore.open(.kafka(kafka))
        try await fill(theirs, 9, "theirs")
        await theirs.close()
        try await expectRefused(store, ["artition 0"])
        await store.close()
    }

    /// A byte of the broker's file was flipped: one partition halts, at open and where it is read.
    @Test func damageHaltsItsPartitionAlone() async throws {
        let kafka = try await newStore(partitions: 2)
        let store = try await EventStore.open(.kafka(kafka))
        let streams = try (0..<2).map { partition in
            try #require(
                (0..<100).map { try! StreamName("order-\($0)") }.first {
                    store.index.partition(ofStream: $0.utf8) == partition
                })
        }
        for stream in streams {
            for data in ["a", "b", "c"] { try await store.append(event(data), to: stream) }
        }
        await store.close()
        try await broker { [log = files(kafka, 1).appending(path: "00000000000000000000.log")] broker in
            var bytes = try Data(contentsOf: log)
            // In the last record's value.
            bytes[bytes.count - 30] ^= 1
            let handle = try FileHandle(forWritingTo: log)
            try handle.write(contentsOf: bytes)
            try handle.close()
        }
        let again = try await EventStore.open(.kafka(kafka), creating: .never)
        let statistics = try await again.statistics()
        #expect(statistics.partitions[0].halted == nil)
        let halted = try #require(statistics.partitions[1].halted)
        #expect(halted.contains("offset 3 of partition 1") && halted.contains("checksum"))
        let metrics = await again.metrics().openMetricsText
        #expect(metrics.contains("tributary_partition_halted{partition=\"1\"} 1"))
        try await again.append(event("d"), to: streams[0], expecting: .version(2))
        do {
            try await again.append(event("d"), to: streams[1])
            Issue.record("taken by a halted partition")
        } catch AppendError.store(let error) {
            #expect(error.code == .halted && error.message == halted)
        }
        var versions: [Int64] = []
        for try await event in again.read(streams[1]) { versions.append(event.version) }
        #expect(versions == [0, 1])
        await again.close()
    }

    /// What the topic is set to is looked at when the store is opened.
    @Test func aSettingThatIsWrongIsSaidAtOnce() async throws {
        let kafka = try await newStore(partitions: 2)
        let store = try await EventStore.open(.kafka(kafka))
        try await fill(store, 3, "ours")
        try await broker { broker in
            try broker.tool(
                "configs", "--bootstrap-server", kafka.servers, "--alter", "--entity-type", "topics", "--entity-name",
                kafka.store + ".events", "--add-config", "retention.ms=1000000000")
        }
        // Nothing changes for who has it open.
        try await store.append(event("ours"), to: stream, expecting: .version(2))
        await store.close()
        let lines = Mutex<[String]>([])
        let again = try await EventStore.open(
            .kafka(kafka), creating: .never,
            options: StoreOptions(log: { line in lines.withLock { $0.append(line.message) } }))
        let command = "--add-config retention.ms=-1"
        #expect(lines.withLock { $0.contains { $0.contains("retention.ms is 1000000000") && $0.contains(command) } })
        do {
            try await again.append(event("no"), to: stream, deadline: .seconds(3_600))
            Issue.record("written to a topic with a wrong setting")
        } catch AppendError.store(let error) {
            #expect(error.code == .unavailable && error.message.contains("retention.ms is 1000000000"))
            #expect(error.message.contains(command))
        }
        var count = 0
        for try await _ in again.read(stream) { count += 1 }
        #expect(count == 4)
        do {
            for try await _ in again.read(stream, consistency: .linearizable) {}
            Issue.record("a barrier cannot be written")
        } catch ReadError.store(let error) {
            #expect(error.message.contains(command))
        }
        await again.close()
    }
}
