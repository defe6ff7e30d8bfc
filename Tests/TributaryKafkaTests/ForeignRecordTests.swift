import AppendRule
import Envelope
import EventLog
import Foundation
import KafkaBrokers
import KafkaEventLog
import Testing

@testable import StreamIndex
@testable import Tributary
@testable import TributaryKafka

/// Records in the topic that are not this build's, and what a store on Kafka says of itself.
@Suite(.timeLimit(.minutes(2))) struct ForeignRecordTests {
    private let stream: StreamName

    init() throws { stream = try StreamName("order-1") }

    private func location(_ cluster: MockCluster, partitions: Int = 1) -> KafkaLocation {
        cluster.createStore("shop", partitions: partitions)
        var location = KafkaLocation(
            cluster.servers, store: "shop", properties: ["fetch.wait.max.ms": "5", "max.in.flight": "1"])
        location.allowsUnverifiedTopics = true
        return location
    }

    private func event(_ data: String) -> NewEvent { NewEvent(type: "Tested", data: Array(data.utf8), id: nil) }

    /// Writes as another program would.
    private func write(_ records: [LogRecord], _ kafka: KafkaLocation) async throws {
        let log = try await KafkaLog.open(kafka.place)
        for record in records { log.append(record, to: 0, tag: .none) }
        await log.close()
    }

    @Test func foreignRecordsAreCountedAndSkipped() async throws {
        let cluster = MockCluster()
        let kafka = location(cluster)
        let store = try await EventStore.open(.kafka(kafka))
        let before = try await store.append(event("a"), to: stream)
        try await write(
            [
                LogRecord(key: nil, value: nil), LogRecord(key: [1], value: []),
                LogRecord(key: [1], value: Array(repeating: 0x41, count: 500)),
            ], kafka)
        let after = try await store.append(event("b"), to: stream, expecting: .version(0))
        #expect(after.token != before.token)
        let partition = try await store.statistics().partitions[0]
        #expect(partition.decisions["foreign"].map { $0 >= 3 } == true)
        #expect(partition.halted == nil)
        await store.close()
        cluster.close()
    }

    @Test func aRecordOfANewerFormatHaltsItsPartition() async throws {
        let cluster = MockCluster()
        let kafka = location(cluster)
        let store = try await EventStore.open(.kafka(kafka))
        try await store.append(event("a"), to: stream)
        let header = RecordHeader(
            kind: .append, writeID: 8, eventCount: 1, ids: [RecordID(high: 0x0197_0000_0000_7000, low: 1 << 63 | 8)])
        let content = EventContent(
            type: [65], schemaVersion: 1, contentType: [65], correlationID: nil, causationID: nil, data: [],
            metadata: nil)
        var value = RecordEnvelope.encode(
            header, events: [content], key: stream.utf8, store: store.index.identity.store)
        value[4] = 2
        RecordEnvelope.restamp(&value, key: stream.utf8, attempt: 0, writeID: 8)
        let offset = try await store.statistics().partitions[0].appliedOffset + 1
        try await write([LogRecord(key: stream.utf8, value: value)], kafka)
        // Whoever comes meanwhile is not left waiting, and whoever comes later is told at once.
        await #expect(throws: AppendError.self) {
            while true { try await store.append(event("b"), to: stream, deadline: .seconds(3_600)) }
        }
        let halted = try #require(try await store.statistics().partitions[0].halted)
        #expect(halted.contains("format version 2") && halted.contains("offset"))
        await store.close()
        let again = try await EventStore.open(.kafka(kafka), creating: .never)
        #expect(try await again.statistics().partitions[0].halted == halted)
        var data: [String] = []
        for try await event in again.read(stream) { data.append(String(decoding: event.data, as: UTF8.self)) }
        #expect(data.first == "a" && offset > 0)
        await again.close()
        cluster.close()
    }

    @Test func theLibrarysLinesAndFiguresArePassedOn() async throws {
        let cluster = MockCluster()
        var kafka = location(cluster, partitions: 2)
        kafka.statisticsInterval = .milliseconds(20)
        let (lines, sink) = AsyncStream.makeStream(of: LogLine.self)
        let store = try await EventStore.open(.kafka(kafka), options: StoreOptions(log: { sink.yield($0) }))
        try await store.append(event("a"), to: stream)
        var text = ""
        // Both clients have counted since.
        while !text.contains("tributary_kafka_received_records_total{client=\"reader\"}")
            || !text.contains("tributary_kafka_sent_records_total{client=\"producer\"} ")
        {
            await Task.yield()
            text = await store.metrics().openMetricsText
        }
        #expect(text.contains("# TYPE tributary_kafka_brokers gauge\n"))
        #expect(text.contains("tributary_kafka_brokers{client=\"producer\",state=\"up\"} "))
        #expect(text.contains("# UNIT tributary_kafka_round_trip_seconds seconds\n"))
        #expect(text.contains("tributary_kafka_waiting_records 0\n"))
        cluster.stop()
        for await line in lines where line.label == "kafka" && line.metadata["facility"] == "FAIL" {
            #expect(!line.message.isEmpty)
            break
        }
        cluster.start()
        await store.close()
        cluster.close()
    }

    @Test func nothingIsCountedUnlessAskedFor() async throws {
        let cluster = MockCluster()
        let store = try await EventStore.open(.kafka(location(cluster)))
        try await store.append(event("a"), to: stream)
        let text = await store.metrics().openMetricsText
        #expect(text.contains("tributary_kafka_unacknowledged_records"))
        #expect(!text.contains("client="))
        await store.close()
        cluster.close()
    }
}
