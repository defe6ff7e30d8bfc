// What the clients of a log counted last.

import EventLog
import Kafka
import Synchronization

/// The newest statistics of the producer and of the reader; a replaced client leaves nothing behind.
final class LatestStatistics: Sendable {
    private let latest = Mutex<[String: KafkaStatistics]>([:])

    func note(_ statistics: KafkaStatistics) {
        // "tributary-shop#producer-1"
        let name = statistics.client.split(separator: "#").last ?? ""
        let client = name.hasPrefix("producer") ? "producer" : "reader"
        latest.withLock { $0[client] = statistics }
    }

    /// Empty where nothing was asked to count.
    var figures: [LogFigure] {
        latest.withLock { $0 }.sorted { $0.key < $1.key }.flatMap { Self.figures($0, $1) }
    }

    private static func figures(_ client: String, _ statistics: KafkaStatistics) -> [LogFigure] {
        func gauge(
            _ name: String, _ help: String, unit: String? = nil, _ value: Double, _ labels: [String: String] = [:]
        ) -> LogFigure {
            LogFigure(name, help, unit: unit, labels: labels.merging(["client": client]) { $1 }, value)
        }
        func counter(_ name: String, _ help: String, unit: String? = nil, _ value: Int) -> LogFigure {
            LogFigure(name, help, unit: unit, isCounter: true, labels: ["client": client], Double(value))
        }
        return [
            gauge("kafka_waiting_events", "Events of a Kafka client not served yet", Double(statistics.waitingEvents)),
            gauge("kafka_queued_records", "Records in a Kafka client's queues", Double(statistics.queuedRecords)),
            gauge(
                "kafka_queued_bytes", "Bytes of records in a Kafka client's queues", unit: "bytes",
                Double(statistics.queuedBytes)),
            counter("kafka_sent_records", "Records sent to Kafka", statistics.sentRecords),
            counter("kafka_sent_bytes", "Bytes of records sent to Kafka", unit: "bytes", statistics.sentBytes),
            counter("kafka_received_records", "Records received from Kafka", statistics.receivedRecords),
            counter(
                "kafka_received_bytes", "Bytes of records received from Kafka", unit: "bytes",
                statistics.receivedBytes),
            gauge("kafka_brokers", "Brokers by state", Double(statistics.brokersUp), ["state": "up"]),
            gauge("kafka_brokers", "Brokers by state", Double(statistics.brokersDown), ["state": "down"]),
            gauge(
                "kafka_round_trip_seconds", "The slowest broker's mean round trip", unit: "seconds",
                Double(statistics.roundTripMicroseconds) / 1_000_000),
        ]
    }
}
