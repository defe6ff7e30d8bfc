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

    /// - Parameter values: the records that are in the topic.
    init(_ values: [[UInt8]]) async throws {
        let (cluster, collector) = (MockCluster(), RecordCollector(channels: 1))
        let place = mockPlace(cluster, partitions: 1)
        let kafka = try place.configuration()
        let description = LogDescription(
            name: "a test", partitions: 1, isOnlyWriter: false, maxRecordBytes: 1 << 20)
        let shared = SharedState(description)
        let reader = try KafkaReader(kafka, topics: [place.eventsTopic])
        let producer = try KafkaProducer(kafka, topics: [place.eventsTopic], maxMessageBytes: 1 << 20)
        for value in values {
            let outcome = await producer.send(KafkaRecord(key: [1], value: value, partition: 0))
            try #require(outcome.isStored, "\(outcome)")
        }
        _ = shared.start(collector) { WorkerThread(name: "test-nothing") {} }
        let leaders = Leaders(
            kafka: kafka, place: place, description: description, shared: shared, wake: {})
        delivery = Delivery(
            description, reader: reader, producer: producer, shared: shared, leaders: leaders, handler: collector,
            offsets: [0])
        (self.cluster, self.collector, self.shared) = (cluster, collector, shared)
        (self.reader, self.producer) = (reader, producer)
        delivery.begin(writesAfterRestart: false)
    }

    var values: [[UInt8]?] { collector.now.records[0].map(\.record.value) }

    /// Says that these records of a cluster were written here and acknowledged.
    func acknowledge(_ offsets: ClosedRange<Int64>, of cluster: MockCluster) throws {
        let kafka = try KafkaConfiguration(servers: cluster.servers, clientID: "test")
        let other = try KafkaReader(kafka, topics: ["shop.events"])
        defer { other.close() }
        try other.begin(TopicPartition(0), at: offsets.lowerBound)
        var next = offsets.lowerBound
        while next <= offsets.upperBound {
            other.read(within: .seconds(10)) { reading in
                switch reading {
                case .record(let message):
                    shared.acknowledged(message)
                    next = message.offset + 1
                default: break
                }
                return next <= offsets.upperBound
            }
        }
        delivery.deliverAcknowledged()
    }

    func read(until isEnough: (RecordCollector.Contents) -> Bool) {
        let end = ContinuousClock.now + .seconds(30)
        while !isEnough(collector.now), .now < end {
            reader.whenReady(within: .seconds(1)) { all in delivery.read(all) }
        }
    }

    func close() {
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
        try bench.acknowledge(1...2, of: bench.cluster)
        #expect(bench.values == [])
        try bench.acknowledge(0...1, of: bench.cluster)
        #expect(bench.values == [[10], [11]])
        try bench.acknowledge(0...2, of: bench.cluster)
        #expect(bench.values == [[10], [11], [12]])
        bench.read { $0.records[0].count == 4 }
        #expect(bench.values == [[10], [11], [12], [13]])
        #expect(bench.collector.now.events == [] && bench.collector.now.violations == [])
        try bench.acknowledge(0...3, of: bench.cluster)
        #expect(bench.values.count == 4)
        bench.close()
    }

    /// The log lost the record after it had acknowledged it, and has another in its place.
    @Test func anotherRecordAtItsOffsetIsNoticed() async throws {
        let bench = try await Bench([[10], [11], [12]])
        let before = try await Bench([[10], [99]])
        try bench.acknowledge(0...0, of: bench.cluster)
        try bench.acknowledge(1...1, of: before.cluster)
        #expect(bench.values == [[10], [99]])
        bench.read { $0.records[0].count == 3 }
        // It makes the handler compare what it has with what is there.
        #expect(bench.collector.now.events == [.contactRegained])
        #expect(bench.values == [[10], [99], [12]])
        bench.close()
        before.close()
    }

    /// What is kept for the comparison has a limit; more waits for the reader.
    @Test func onlySoManyAreAheadOfTheReader() async throws {
        let most = KafkaLogLimits.acknowledgedRecords
        let bench = try await Bench((0..<most + 9).map { [UInt8($0)] })
        for offset in 0..<Int64(most + 9) { try bench.acknowledge(offset...offset, of: bench.cluster) }
        #expect(bench.values.count == most)
        bench.read { $0.records[0].count == most + 9 }
        #expect(bench.values == (0..<most + 9).map { [UInt8($0)] })
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
            for number in 0..<50 {
                log.append(LogRecord(key: [1], value: [UInt8(number)]), to: number % 4, tag: .none)
                try await collector.wait(forRecords: number + 1)
            }
            await log.close()
            // As they are in the log: with its time.
            place.properties = [:]
            let other = try await KafkaLog.open(place)
            let read = RecordCollector(channels: 4)
            try other.start(from: [0, 0, 0, 0], handler: read)
            try await read.wait(forRecords: 50)
            await other.close()
            #expect(read.now.records == collector.now.records)
            #expect(collector.now.events == [] && collector.now.violations == [])
        }
    }
}
