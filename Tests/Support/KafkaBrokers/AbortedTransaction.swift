import CRdKafka

/// Writes a record in a transaction and aborts it, which leaves a hole in a partition's offsets. Blocks for seconds.
///
/// - Returns: false where a step failed.
public func abortTransaction(servers: String, topic: String, partition: Int32) -> Bool {
    var text = [CChar](repeating: 0, count: 512)
    let conf = rd_kafka_conf_new()
    rd_kafka_conf_set(conf, "bootstrap.servers", servers, &text, text.count)
    rd_kafka_conf_set(conf, "transactional.id", "tributary-test-\(UInt64.random(in: 0 ... .max))", &text, text.count)
    guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, &text, text.count) else { return false }
    defer { rd_kafka_destroy(client) }
    let handle = rd_kafka_topic_new(client, topic, nil)
    defer { rd_kafka_topic_destroy(handle) }
    guard rd_kafka_init_transactions(client, 30_000) == nil, rd_kafka_begin_transaction(client) == nil else {
        return false
    }
    var byte: UInt8 = 1
    guard rd_kafka_produce(handle, partition, RD_KAFKA_MSG_F_COPY, &byte, 1, nil, 0, nil) == 0,
        rd_kafka_flush(client, 30_000) == RD_KAFKA_RESP_ERR_NO_ERROR
    else { return false }
    return rd_kafka_abort_transaction(client, 30_000) == nil
}
