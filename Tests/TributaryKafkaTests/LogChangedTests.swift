import EventLog
import Foundation
import Glibc
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

    /// Returns when the broker has gone, without a word.
    private func kill(_ broker: RealBroker) throws {
        let process = "/proc/\(try broker.text(of: "node-1/pid"))/cmdline"
        try broker.act(.kill, on: 1)
        while let line = try? Data(contentsOf: URL(filePath: process)), !line.isEmpty { sched_yield() }
    }

    private func event(_ data: String) -> NewEvent { NewEvent(type: "Tested", data: Array(data.utf8), id: nil) }

    private func fill(_ store: EventStore, _ count: Int, _ data: String) async throws {
        for _ in 0..<count { try await store.append(event(data), to: stream) }
    }

    private func files(_ kafka: KafkaLocation, _ partition: Int = 0) -> URL { files(kafka.eventsTopic, partition) }

    private func files(_ topic: String, _ partition: Int = 0) -> URL {
        RealBroker.own.directory.appending(path: "node-1/data/\(topic)-\(partition)")
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

    private enum Change: CaseIterable {
        /// By another store's records, more than there were.
        case replaced
        /// It lost its end.
        case cut
        /// It lost its end and went on with other records, so that only the newest one tells.
        case grown
    }

    /// Nothing but the comparison notices these: the reader reads on. Each befalls a store that is open and a node that
    /// is not.
    @Test func theLogIsAnotherWhenTheBrokerIsBack() async throws {
        var places: [Change: KafkaLocation] = [:]
        var stores: [Change: EventStore] = [:]
        for change in Change.allCases {
            places[change] = try await newStore()
            // Only the doubt after the broker's absence is to notice it.
            var options = StoreOptions()
            options.comparesEvery = .seconds(3_600)
            stores[change] = try await EventStore.open(.kafka(places[change]!), options: options)
            try await fill(stores[change]!, 1, "ours")
        }
        let (replaced, cut, grown) = (places[.replaced]!, places[.cut]!, places[.grown]!)
        let (other, copy) = (try await newStore(), try await newStore())
        try await broker { broker in
            try kill(broker)
            // The other topic becomes the same store, as it is now.
            try swap(copy, for: grown)
            try broker.act(.restart, on: 1)
        }
        for donor in [other, copy] {
            let theirs = try await EventStore.open(.kafka(donor))
            try await fill(theirs, 9, "theirs")
            await theirs.close()
        }
        for change in Change.allCases {
            try await fill(stores[change]!, 2, "ours")
            let node = try await EventStore.open(.kafka(node(places[change]!)))
            await node.close()
        }
        let newest = try await stores[.grown]!.statistics().partitions[0].appliedOffset
        try await broker { broker in
            try kill(broker)
            try swap(replaced, for: other)
            try swap(grown, for: copy)
            try shorten(files(cut))
            try broker.act(.restart, on: 1)
        }
        for change in Change.allCases {
            let words =
                switch change {
                case .replaced: ["partition 0", "made anew"]
                case .cut: ["artition 0"]
                case .grown: ["offset \(newest) of partition 0", "cut and has grown since"]
                }
            try await expectRefused(stores[change]!, words)
            await stores[change]!.close()
            try await expectRefused(node(places[change]!))
        }
    }

    private func node(_ kafka: KafkaLocation) -> KafkaLocation {
        var kafka = kafka
        kafka.index = FileManager.default.temporaryDirectory.appending(path: "node-\(kafka.store)").path()
        return kafka
    }

    /// The node is refused, and its directory begins anew where it is removed.
    private func expectRefused(_ node: KafkaLocation) async throws {
        let directory = try #require(node.index)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        do {
            let store = try await EventStore.open(.kafka(node), creating: .never)
            await store.close()
            Issue.record("opened on another log")
        } catch let error as StoreError {
            #expect(error.code == .indexMismatch, "\(error)")
            #expect(error.message.contains("director"), "\(error)")
        }
        try FileManager.default.removeItem(atPath: directory)
        let store = try await EventStore.open(.kafka(node), creating: .never)
        await store.close()
    }

    /// Takes the end of a partition's newest record away; the broker must be down.
    private func shorten(_ files: URL) throws {
        let log = try FileHandle(forWritingTo: files.appending(path: "00000000000000000000.log"))
        try log.truncate(atOffset: try log.seekToEnd() - 10)
        try log.close()
        for name in try FileManager.default.contentsOfDirectory(atPath: files.path())
        where name.hasSuffix("index") || name.hasSuffix("snapshot") {
            try FileManager.default.removeItem(at: files.appending(path: name))
        }
        try? FileManager.default.removeItem(
            at: RealBroker.own.directory.appending(path: "node-1/data/.kafka_cleanshutdown"))
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

    /// The order topic, deleted and made again, with another order of the same events: while it is gone streams and
    /// appends go on, and when it is back as another it is refused, by who has the store open and by who opens it.
    @Test func theOrderTopicWasMadeAnew() async throws {
        let kafka = try await newStore(partitions: 2)
        let lines = Mutex<[String]>([])
        let store = try await EventStore.open(
            .kafka(kafka), options: StoreOptions(log: { line in lines.withLock { $0.append(line.message) } }))
        try await fill(store, 3, "ours")
        let ordered = try await store.append(event("ours"), to: stream, acknowledge: .ordered)
        #expect(ordered.positions != nil)
        let closed = try await EventStore.open(.kafka(node(kafka)))
        await closed.close()
        try await broker { broker in
            try broker.tool("topics", "--bootstrap-server", kafka.servers, "--delete", "--topic", kafka.orderTopic)
        }
        var version: Int64 = 3
        // The broker may take some more before it has heard of it.
        while try await store.append(
            event("ours"), to: stream, expecting: .version(version), acknowledge: .ordered, deadline: .seconds(4)
        ).positions != nil { version += 1 }
        version += 1
        while !lines.withLock({ $0.contains { $0.contains("the order topic cannot be read") } }) {
            try await store.append(event("ours"), to: stream, expecting: .version(version))
            version += 1
        }
        try await store.append(event("ours"), to: stream, expecting: .version(version))
        #expect(!lines.withLock { $0.contains { $0.contains("contact") } })
        await #expect {
            await (try await EventStore.open(.kafka(kafka), creating: .never)).close()
        } throws: {
            "\($0)".contains(kafka.orderTopic) && "\($0)".contains("tributary topics create")
        }
        #expect(try await kafka.createTopics() == [kafka.orderTopic: 1])
        let theirs = try await EventStore.open(.kafka(kafka))
        for _ in 0..<30 { try await theirs.append(event("ours"), to: stream, acknowledge: .ordered) }
        await theirs.close()
        try await expectRefused(store, ["the order topic"])
        await store.close()
        try await expectRefused(node(kafka))
    }

    /// It lost its newest record: positions stop, and either streams go on, where the reader noticed that the topic is
    /// shorter, or nothing does, where the comparison was the first.
    @Test func theOrderTopicWasCut() async throws {
        let kafka = try await newStore(partitions: 2)
        let lines = Mutex<[String]>([])
        var options = StoreOptions(log: { line in lines.withLock { $0.append(line.message) } })
        options.comparesEvery = .seconds(3_600)
        let store = try await EventStore.open(.kafka(kafka), options: options)
        try await fill(store, 3, "ours")
        try await store.append(event("ours"), to: stream, acknowledge: .ordered)
        let closed = try await EventStore.open(.kafka(node(kafka)))
        await closed.close()
        try await broker { broker in
            try kill(broker)
            try shorten(files(kafka.orderTopic))
            try broker.act(.restart, on: 1)
        }
        while !lines.withLock({ $0.contains { $0.contains("the order topic") } }) {
            do {
                try await store.append(event("ours"), to: stream, deadline: .seconds(2))
            } catch AppendError.outcomeUnknown, AppendError.notWritten, AppendError.notStored(.cancelled) {
            } catch AppendError.store(let error) {
                #expect(error.code == .indexMismatch, "\(error)")
            }
        }
        var positions: [Int64] = []
        for try await event in store.readAll() { positions.append(event.position?.value ?? -1) }
        #expect(positions == Array(0...4))
        await store.close()
        try await expectRefused(node(kafka))
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
