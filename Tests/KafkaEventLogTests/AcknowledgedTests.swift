import EventLog
import Foundation
import Kafka
import KafkaBrokers
import LogContract
import Testing

@testable import KafkaEventLog

/// A delivery without its threads: what is acknowledged and what is read comes when a test says so.
private final class Bench {
    let cluster: MockCluster
    let collector: RecordCollector
    private let shared: SharedState
    private let reader: KafkaReader
    private let producer: KafkaProducer
    private var delivery: Delivery

    /// - Parameters:
    ///   - values: the records that are in the topic.
    ///   - isAway: no broker answers any more.
    ///   - offset: where delivery begins.
    init(_ values: [[UInt8]], isAway: Bool = false, from offset: Int64 = 0) async throws {
        let (cluster, collector) = (MockCluster(), RecordCollector(channels: 1))
        let place = mockPlace(cluster, partitions: 1)
        let kafka = try place.configuration()
        let description = LogDescription(
            name: "a test", partitions: 1, isOnlyWriter: false, maxRecordBytes: 1 << 20, isAway: isAway)
        let shared = SharedState(description)
        let reader = try KafkaReader(kafka, topics: [place.eventsTopic])
        let producer = try KafkaProducer(kafka, topics: [place.eventsTopic], maxMessageBytes: 1 << 20)
        for value in values {
            let outcome = await producer.send(KafkaRecord(key: [1], value: value, partition: 0))
            try #require(outcome.isStored, "\(outcome)")
        }
        if isAway { cluster.stop() }
        _ = shared.start(collector) { WorkerThread(name: "test-nothing") {} }
        let leaders = Leaders(
            kafka: kafka, place: place, description: description, shared: shared, wake: {})
        delivery = Delivery(
            description, reader: reader, producer: producer, shared: shared, leaders: leaders, handler: collector,
            offsets: [offset])
        (self.cluster, self.collector, self.shared) = (cluster, collector, shared)
        (self.reader, self.producer) = (reader, producer)
        delivery.begin(writesAfterRestart: false)
    }

    var values: [[UInt8]?] { collector.now.records[0].map(\.record.value) }

    /// Says of these records of a cluster that they were written here and acknowledged.
    func acknowledge(_ offsets: ClosedRange<Int64>, of cluster: MockCluster) async throws {
        let shared = shared
        let servers = cluster.servers
        try await onOwnThread(named: "test-acknowledge") {
            let kafka = try KafkaConfiguration(servers: servers, clientID: "test")
            let other = try KafkaReader(kafka, topics: ["shop.events"])
            defer { other.close() }
            try other.begin(TopicPartition(0), at: offsets.lowerBound)
            var next = offsets.lowerBound
            let end = ContinuousClock.now + .seconds(30)
            while next <= offsets.upperBound, .now < end {
                other.read(within: .seconds(1)) { reading in
                    switch reading {
                    case .record(let message):
                        shared.acknowledged(message)
                        next = message.offset + 1
                    default: break
                    }
                    return next <= offsets.upperBound
                }
            }
        }
    }

    func deliver() { delivery.deliverAcknowledged() }

    /// Reads what comes next.
    func readOnce() {
        reader.whenReady(within: .seconds(10)) { all in delivery.read(all) }
    }

    /// Reads until there are so many records.
    func read(_ count: Int) {
        let end = ContinuousClock.now + .seconds(30)
        while collector.now.records[0].count < count, .now < end {
            reader.whenReady(within: .seconds(1)) { all in delivery.read(all) }
        }
    }

    /// Reads on from elsewhere, as where a log has nothing at the offsets between.
    func skip(to offset: Int64) throws { try reader.begin(TopicPartition(0), at: offset) }

    /// Waits until nobody asks a leader any more.
    func waitForAnswers() async {
        while shared.probes > 0 { await Task.yield() }
    }

    /// Reads until the handler has heard of something like this.
    func read(until matches: (LogEvent) -> Bool) {
        let end = ContinuousClock.now + .seconds(30)
        while !collector.now.events.contains(where: matches), .now < end { readOnce() }
    }

    func restart(from offset: Int64) { shared.restart(0, offset) }

    func heed() { _ = delivery.heed() }

    /// Whether it still waits for what comes before `end`, in a log that is being closed.
    func waits(for end: Int64) -> Bool {
        shared.drain(to: [end], by: .now + .seconds(86_400))
        return delivery.heed()
    }

    func beginClose() { _ = shared.beginClose() }

    func close() {
        beginClose()
        producer.close(within: .seconds(10))
        reader.close()
        cluster.close()
    }
}

extension KafkaOutcome {
    fileprivate var isStored: Bool { if case .stored = self { true } else { false } }
}

/// What this log wrote is delivered when it is acknowledged, where all before it was delivered.
@Suite(.timeLimit(.minutes(2))) struct AcknowledgedTests {
    @Test func theNextOnesAreDeliveredOnce() async throws {
        let bench = try await Bench([[10], [11], [12], [13]])
        // The one at offset 0 may be somebody else's.
        try await bench.acknowledge(1...2, of: bench.cluster)
        bench.deliver()
        #expect(bench.values == [])
        try await bench.acknowledge(0...2, of: bench.cluster)
        bench.deliver()
        #expect(bench.values == [[10], [11], [12]])
        bench.read(4)
        #expect(bench.values == [[10], [11], [12], [13]])
        try await bench.acknowledge(0...3, of: bench.cluster)
        bench.deliver()
        #expect(bench.values.count == 4)
        #expect(bench.collector.now.events == [] && bench.collector.now.violations == [])
        bench.close()
    }

    /// The handler would have to compare it first, and does not any more when the log is being closed.
    @Test func whatWasStoredIsNotWaitedForWithoutContact() async throws {
        let bench = try await Bench([[10]])
        #expect(bench.waits(for: 1))
        bench.close()
        let away = try await Bench([[10]], isAway: true)
        #expect(!away.waits(for: 1))
        away.close()
        // A question to a leader is not answered any more either.
        let asking = try await Bench([[10]])
        asking.cluster.slow(milliseconds: 60_000)
        asking.restart(from: -1)
        #expect(!asking.waits(for: 1))
        asking.close()
    }

    /// What the handler left out for it would be a gap.
    @Test func aRestartIsHeededWhileTheLogIsBeingClosed() async throws {
        let bench = try await Bench([[10], [11]])
        bench.read(2)
        bench.beginClose()
        bench.restart(from: 1)
        #expect(bench.waits(for: 2))
        bench.read(3)
        #expect(bench.values == [[10], [11], [11]])
        #expect(!bench.waits(for: 2))
        bench.close()
    }

    /// The handler would have to compare.
    @Test func nothingIsWaitedForAfterADoubtWhileTheLogIsBeingClosed() async throws {
        let bench = try await Bench([[10], [11], [12]])
        try await bench.acknowledge(0...1, of: bench.cluster)
        bench.deliver()
        #expect(bench.waits(for: 3))
        bench.beginClose()
        try bench.skip(to: 2)
        bench.read { $0 == .contactRegained }
        #expect(!bench.waits(for: 3))
        bench.close()
    }

    /// An answer that was under way when contact was lost says nothing.
    @Test func aLateAnswerIsNoContact() async throws {
        let bench = try await Bench([[10]], from: -1)
        await bench.waitForAnswers()
        bench.cluster.stop()
        let isLoss: (LogEvent) -> Bool = { if case .contactLost = $0 { true } else { false } }
        bench.read(until: isLoss)
        bench.heed()
        #expect(bench.collector.now.events.last.map(isLoss) == true, "\(bench.collector.now.events)")
        bench.close()
    }

    /// The log has nothing at its offset any more, and another record behind it.
    @Test func nothingIsDeliveredBehindWhatIsGone() async throws {
        let bench = try await Bench([[10], [11], [12]])
        try await bench.acknowledge(0...1, of: bench.cluster)
        bench.deliver()
        try bench.skip(to: 2)
        bench.read { $0 == .contactRegained }
        #expect(bench.values == [[10], [11]])
        #expect(bench.collector.now.events == [.contactRegained])
        bench.close()
    }

    /// So the newest that was delivered is one that the handler can compare with the log.
    @Test func nothingIsDeliveredBehindWhatWasNotReadYet() async throws {
        let bench = try await Bench([[10], [11], [12], [13]])
        try await bench.acknowledge(0...1, of: bench.cluster)
        bench.deliver()
        try await bench.acknowledge(2...2, of: bench.cluster)
        bench.deliver()
        #expect(bench.values == [[10], [11]])
        bench.read(4)
        #expect(bench.values == [[10], [11], [12], [13]])
        bench.close()
    }

    /// The log lost the record after it had acknowledged it, and has another in its place, or the same of another time.
    @Test(arguments: [[99], [11]] as [[UInt8]])
    func anotherRecordAtItsOffsetIsNoticed(_ value: [UInt8]) async throws {
        let bench = try await Bench([[10], [11], [12]])
        let before = try await Bench([[10], value])
        try await bench.acknowledge(0...0, of: bench.cluster)
        try await bench.acknowledge(1...1, of: before.cluster)
        bench.deliver()
        bench.read(3)
        // It makes the handler compare what it has with what is there.
        #expect(bench.collector.now.events == [.contactRegained])
        #expect(bench.values == [[10], value, [12]])
        bench.close()
        before.close()
    }

    /// Whoever asked for another offset gets nothing more of before.
    @Test func aRestartCountsFromWhenItIsAskedFor() async throws {
        let bench = try await Bench([[10], [11], [12]])
        bench.restart(from: 0)
        try await bench.acknowledge(0...1, of: bench.cluster)
        bench.deliver()
        #expect(bench.values == [])
        bench.readOnce()
        #expect(bench.values == [])
        bench.heed()
        bench.read(3)
        #expect(bench.values == [[10], [11], [12]])
        #expect(bench.collector.now.events == [])
        bench.close()
    }
}

extension RealKafka {
    @Suite(.enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"), .timeLimit(.minutes(5)))
    struct RealAcknowledgedTests {
        /// The broker keeps fetches for longer than the test waits.
        @Test func nothingIsReadBeforeItIsDelivered() async throws {
            var place = try await realPlace(.current, partitions: 3)
            place.properties = [
                "fetch.min.bytes": "100000000", "fetch.wait.max.ms": "300000", "socket.timeout.ms": "300000",
            ]
            let log = try await KafkaLog.open(place)
            let collector = RecordCollector(channels: 4)
            try log.start(from: [0, 0, 0, 0], handler: collector)
            for number in 0..<4 {
                log.append(LogRecord(key: [1], value: [UInt8(number)]), to: number, tag: .none)
                try await collector.wait(forRecords: number + 1)
            }
            await log.close()
            // As they are in the log: with its time.
            place.properties = [:]
            let other = try await KafkaLog.open(place)
            let read = RecordCollector(channels: 4)
            try other.start(from: [0, 0, 0, 0], handler: read)
            try await read.wait(forRecords: 4)
            await other.close()
            #expect(read.now.records == collector.now.records)
            #expect(collector.now.events == [] && collector.now.violations == [])
        }
    }
}
