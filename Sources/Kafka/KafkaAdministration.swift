// Making topics and reading their settings.

import CRdKafka

extension KafkaInquiry {
    /// Makes the topic and waits until brokers know it and every partition has a leader.
    ///
    /// - Parameters:
    ///   - partitions: 1 or more.
    ///   - replication: copies of each record; nil: the cluster's default.
    ///   - settings: of the topic, as Kafka names them.
    /// - Throws: `KafkaError`; of kind `alreadyExists` where there is one.
    public func createTopic(partitions: Int, replication: Int?, settings: [String: String]) throws(KafkaError) {
        var text = [CChar](repeating: 0, count: 512)
        guard
            let topic = rd_kafka_NewTopic_new(
                name, Int32(clamping: partitions), Int32(clamping: replication ?? -1), &text, text.count)
        else { throw KafkaError(.configuration, string(text)) }
        defer { rd_kafka_NewTopic_destroy(topic) }
        for (name, value) in settings { rd_kafka_NewTopic_set_config(topic, name, value) }
        // The request itself would wait until its time is over where brokers let nobody in.
        _ = try brokers()
        let event = try ask(RD_KAFKA_ADMIN_OP_CREATETOPICS) { client, options, queue in
            var topics: [OpaquePointer?] = [topic]
            rd_kafka_CreateTopics(client, &topics, 1, options, queue)
        }
        guard let result = rd_kafka_event_CreateTopics_result(event.pointer) else { throw Self.noAnswer }
        var count = 0
        guard let topics = rd_kafka_CreateTopics_result_topics(result, &count), count > 0 else { throw Self.noAnswer }
        let code = rd_kafka_topic_result_error(topics[0])
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return try waitForLeaders(partitions) }
        throw configuration.explained(
            KafkaError(code, rd_kafka_topic_result_error_string(topics[0]).map { String(cString: $0) }))
    }

    private func waitForLeaders(_ count: Int) throws(KafkaError) {
        while true {
            let known = try self.partitions() ?? []
            if known.count == count, known.allSatisfy({ $0.leader >= 0 }) { return }
            guard patience > .zero else { throw KafkaError(.timedOut, "the topic was made and has no leaders yet") }
            _ = troubles(within: KafkaLimits.askPause)
        }
    }

    /// The topic's settings with those that it has by default; such that the broker hides are missing.
    public func topicSettings() throws(KafkaError) -> [String: String] {
        // The request would wait for one until its time is over.
        let controller = rd_kafka_controllerid(handle.pointer, KafkaLimits.controllerWait.milliseconds32)
        guard controller >= 0, try brokers().contains(controller) else {
            throw KafkaError(.timedOut, "the cluster has no controller now")
        }
        guard let resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name) else { throw Self.noAnswer }
        defer { rd_kafka_ConfigResource_destroy(resource) }
        let event = try ask(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS) { client, options, queue in
            var resources: [OpaquePointer?] = [resource]
            rd_kafka_DescribeConfigs(client, &resources, 1, options, queue)
        }
        guard let result = rd_kafka_event_DescribeConfigs_result(event.pointer) else { throw Self.noAnswer }
        var count = 0
        guard let all = rd_kafka_DescribeConfigs_result_resources(result, &count), count > 0, let first = all[0] else {
            throw Self.noAnswer
        }
        let code = rd_kafka_ConfigResource_error(first)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let text = rd_kafka_ConfigResource_error_string(first).map { String(cString: $0) }
            throw configuration.explained(KafkaError(code, text))
        }
        guard let entries = rd_kafka_ConfigResource_configs(first, &count) else { return [:] }
        var settings: [String: String] = [:]
        for index in 0..<count {
            guard let entry = entries[index], let name = rd_kafka_ConfigEntry_name(entry),
                let value = rd_kafka_ConfigEntry_value(entry)
            else { continue }
            settings[String(cString: name)] = String(cString: value)
        }
        return settings
    }

    private static let noAnswer = KafkaError(.other, "the broker's answer was empty")

    /// Sends a request and waits for its answer on a queue of its own.
    private func ask(
        _ operation: rd_kafka_admin_op_t, _ send: (OpaquePointer, OpaquePointer?, OpaquePointer) -> Void
    ) throws(KafkaError) -> Event {
        let client = handle.pointer
        guard let queue = rd_kafka_queue_new(client), let options = rd_kafka_AdminOptions_new(client, operation) else {
            throw KafkaError(.other, "no memory for a request")
        }
        defer {
            rd_kafka_AdminOptions_destroy(options)
            rd_kafka_queue_destroy(queue)
        }
        var text = [CChar](repeating: 0, count: 512)
        let wait = max(1, patience.milliseconds32)
        rd_kafka_AdminOptions_set_request_timeout(options, wait, &text, text.count)
        send(client, options, queue)
        let event = Event(of: QueueHandle(pointer: queue), within: patience + .seconds(1))
        guard let event else { throw KafkaError(.timedOut, "no broker answered") }
        if let error = event.error {
            let refusal = troubles().first { $0.kind == .authentication }
            throw configuration.explained(refusal ?? error)
        }
        return event
    }

    private func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
