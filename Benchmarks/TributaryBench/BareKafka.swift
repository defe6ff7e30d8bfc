// librdkafka without an event store: what it costs to produce records and to read them back in the same process.

import CRdKafka
import Kafka

/// A record as the library takes it.
struct BareRecord: Sendable {
    var key: [UInt8]
    var value: [UInt8]
    var partition: Int
}

/// A producer and a reader of all partitions of one topic, with the settings that the store's have. Delivery reports
/// are left out: what was read back is stored. One thread produces and one receives, which may be the same.
final class BareKafka: @unchecked Sendable {
    private let producer: OpaquePointer
    private let producerTopic: OpaquePointer
    private let reader: OpaquePointer
    private let readerTopic: OpaquePointer
    private let queue: OpaquePointer
    private let partitions: Int
    private let wait: Int32 = 30_000
    private var batch = [UnsafeMutablePointer<rd_kafka_message_t>?](repeating: nil, count: 1_000)

    init(servers: String, topic: String, partitions: Int, maxMessageBytes: Int) throws {
        let kafka = try KafkaConfiguration(servers: servers, clientID: "tributary-bench")
        producer = try Self.client(kafka, RD_KAFKA_PRODUCER, .producer(maxMessageBytes: maxMessageBytes))
        reader = try Self.client(kafka, RD_KAFKA_CONSUMER, .reader)
        guard let producerTopic = rd_kafka_topic_new(producer, topic, nil),
            let readerTopic = rd_kafka_topic_new(reader, topic, nil), let queue = rd_kafka_queue_new(reader)
        else { throw PeerError(description: "librdkafka has no handle for the topic \(topic)") }
        self.producerTopic = producerTopic
        self.readerTopic = readerTopic
        self.queue = queue
        self.partitions = partitions
        for partition in 0..<partitions {
            guard rd_kafka_consume_start_queue(readerTopic, Int32(partition), 0, queue) == 0 else {
                throw Self.error(rd_kafka_last_error())
            }
        }
    }

    private static func client(
        _ kafka: KafkaConfiguration, _ type: rd_kafka_type_t, _ role: ClientRole
    ) throws -> OpaquePointer {
        guard let conf = rd_kafka_conf_new() else { throw PeerError(description: "no memory for a configuration") }
        var text = [CChar](repeating: 0, count: 512)
        // Nobody serves its log.
        for (name, value) in kafka.settings(for: role) where name != "log.queue" {
            guard rd_kafka_conf_set(conf, name, value, &text, text.count) != RD_KAFKA_CONF_OK else { continue }
            rd_kafka_conf_destroy(conf)
            throw PeerError(description: "librdkafka refuses \(name)=\(value)")
        }
        guard let client = rd_kafka_new(type, conf, &text, text.count) else {
            rd_kafka_conf_destroy(conf)
            throw PeerError(description: "librdkafka makes no client")
        }
        return client
    }

    private static func error(_ code: rd_kafka_resp_err_t) -> PeerError {
        PeerError(description: "librdkafka: \(String(cString: rd_kafka_err2str(code)))")
    }

    /// Hands a record to the library; waits where that is full.
    func produce(_ record: borrowing BareRecord) throws {
        while true {
            let result = record.value.withUnsafeBytes { value in
                record.key.withUnsafeBytes { key in
                    rd_kafka_produce(
                        producerTopic, Int32(record.partition), RD_KAFKA_MSG_F_COPY,
                        UnsafeMutableRawPointer(mutating: value.baseAddress), value.count, key.baseAddress, key.count,
                        nil)
                }
            }
            if result == 0 { return }
            let code = rd_kafka_last_error()
            guard code == RD_KAFKA_RESP_ERR__QUEUE_FULL else { throw Self.error(code) }
            rd_kafka_poll(producer, 1)
        }
    }

    /// Waits for so many records; the first is waited for, what is there besides is taken at once.
    func receive(_ count: Int) throws {
        var left = count
        while left > 0 {
            guard let first = rd_kafka_consume_queue(queue, wait) else {
                throw PeerError(description: "no record was read back within \(wait) ms")
            }
            left -= try take(first)
            while left > 0 {
                let taken = rd_kafka_consume_batch_queue(queue, 0, &batch, batch.count)
                guard taken > 0 else { break }
                for message in batch[..<taken] { if let message { left -= try take(message) } }
            }
        }
    }

    private func take(_ message: UnsafeMutablePointer<rd_kafka_message_t>) throws -> Int {
        defer { rd_kafka_message_destroy(message) }
        switch message.pointee.err {
        case RD_KAFKA_RESP_ERR_NO_ERROR: return 1
        case RD_KAFKA_RESP_ERR__PARTITION_EOF: return 0
        default: throw Self.error(message.pointee.err)
        }
    }

    /// Deletes topics, in which all that was measured is.
    func delete(_ topics: [String]) throws {
        var list = topics.map { rd_kafka_DeleteTopic_new($0) }
        let answers = rd_kafka_queue_new(producer)
        rd_kafka_DeleteTopics(producer, &list, list.count, nil, answers)
        defer {
            rd_kafka_DeleteTopic_destroy_array(&list, list.count)
            rd_kafka_queue_destroy(answers)
        }
        guard let event = rd_kafka_queue_poll(answers, wait) else { throw Self.error(RD_KAFKA_RESP_ERR__TIMED_OUT) }
        defer { rd_kafka_event_destroy(event) }
        guard rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw Self.error(rd_kafka_event_error(event))
        }
        var count = 0
        let results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count)
        for index in 0..<count {
            let code = rd_kafka_topic_result_error(results?[index])
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw Self.error(code) }
        }
    }

    func close() {
        for partition in 0..<partitions { rd_kafka_consume_stop(readerTopic, Int32(partition)) }
        rd_kafka_topic_destroy(readerTopic)
        rd_kafka_topic_destroy(producerTopic)
        rd_kafka_queue_destroy(queue)
        rd_kafka_destroy_flags(reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
        rd_kafka_destroy(producer)
    }
}
