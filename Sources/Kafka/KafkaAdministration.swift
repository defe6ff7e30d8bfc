// Making topics and reading their settings.

import CRdKafka

extension KafkaInquiry {
    /// Makes a topic and waits until brokers know it and every partition has a leader.
    ///
    /// - Parameters:
    ///   - name: need not be one of this client's topics.
    ///   - partitions: 1 or more.
    ///   - replication: copies of each record; nil: the cluster's default.
    ///   - settings: of the topic, as Kafka names them.
    /// - Throws: `KafkaError`; of kind `alreadyExists` where there is one.
    public func createTopic(
        _ name: String, partitions: Int, replication: Int?, settings: [String: String]
    ) throws(KafkaError) {
        var text = [CChar](repeating: 0, count: 512)
        guard
            let topic = rd_kafka_NewTopic_new(
                name, Int32(clamping: partitions), Int32(clamping: replication ?? -1), &text, text.count)
        else { throw KafkaError(.configuration, string(text)) }
        defer { rd_kafka_NewTopic_destroy(topic) }
        for (name, value) in settings { rd_kafka_NewTopic_set_config(topic, name, value) }
        // The request itself would wait until its time is over where brokers let nobody in.
        _ = try brokers()
        let event = try ask(RD_KAFKA_ADMIN_OP_CREATETOPICS, within: patience) { client, options, queue in
            var topics: [OpaquePointer?] = [topic]
            rd_kafka_CreateTopics(client, &topics, 1, options, queue)
        }
        guard let result = rd_kafka_event_CreateTopics_result(event.pointer) else { throw Self.noAnswer }
        var count = 0
        guard let topics = rd_kafka_CreateTopics_result_topics(result, &count), count > 0 else { throw Self.noAnswer }
        let code = rd_kafka_topic_result_error(topics[0])
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return try waitForLeaders(of: name, partitions) }
        throw configuration.explained(
            KafkaError(code, rd_kafka_topic_result_error_string(topics[0]).map { String(cString: $0) }))
    }

    private func waitForLeaders(of name: String, _ count: Int) throws(KafkaError) {
        while true {
            let known = try partitions(of: name) ?? []
            if known.count == count, known.allSatisfy({ $0.leader >= 0 }) { return }
            guard patience > .zero else { throw KafkaError(.timedOut, "the topic was made and has no leaders yet") }
            _ = troubles(within: KafkaLimits.askPause)
        }
    }

    /// The settings of topics, asked at once, with those that they have by default; such that the broker hides are
    /// missing. The names need not be of this client's topics.
    public func settings(
        ofTopics names: [String]
    ) throws(KafkaError) -> [String: Result<[String: String], KafkaError>] {
        var resources = names.map { rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, $0) }
        defer { for resource in resources where resource != nil { rd_kafka_ConfigResource_destroy(resource) } }
        guard !resources.contains(nil) else { throw Self.noAnswer }
        let event = try askController { wait throws(KafkaError) in
            try ask(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, within: wait) { client, options, queue in
                rd_kafka_DescribeConfigs(client, &resources, resources.count, options, queue)
            }
        }
        guard let result = rd_kafka_event_DescribeConfigs_result(event.pointer) else { throw Self.noAnswer }
        var count = 0
        guard let all = rd_kafka_DescribeConfigs_result_resources(result, &count) else { throw Self.noAnswer }
        var settings: [String: Result<[String: String], KafkaError>] = [:]
        for index in 0..<count {
            guard let resource = all[index], let name = rd_kafka_ConfigResource_name(resource) else { continue }
            settings[String(cString: name)] = answer(resource)
        }
        guard names.allSatisfy({ settings[$0] != nil }) else { throw Self.noAnswer }
        return settings
    }

    /// As `settings(ofTopics:)`, of topics that not every broker may have heard of yet: where one does not know them it
    /// asks again.
    ///
    /// - Parameter wait: how long, at most until the questions' patience is over; an unknown topic is then a failure.
    /// - Throws: what `settings(ofTopics:)` throws.
    public func settings(
        ofTopics names: [String], knownWithin wait: Duration
    ) throws(KafkaError) -> [String: Result<[String: String], KafkaError>] {
        let end = ContinuousClock.now + min(wait, patience)
        while true {
            let found = try settings(ofTopics: names)
            let isUnknown = found.values.contains {
                if case .failure(let error) = $0 { error.kind == .unknownTopic } else { false }
            }
            if !isUnknown || ContinuousClock.now >= end { return found }
            _ = troubles(within: KafkaLimits.askPause)
        }
    }

    /// Asks again where no answer comes. To clients the controller is any broker that was alive a moment ago, and each
    /// answer about brokers names another: it may be one that stands still, or that has just gone.
    private func askController(_ ask: (Duration) throws(KafkaError) -> Event) throws(KafkaError) -> Event {
        var slice = KafkaLimits.controllerSlice
        while true {
            // The same answer names the controller.
            let brokers = try brokers()
            let controller = rd_kafka_controllerid(handle.pointer, KafkaLimits.controllerWait.milliseconds32)
            // The request would wait for one until its time is over.
            guard brokers.contains(controller) else {
                throw KafkaError(.timedOut, "the cluster has no controller now")
            }
            do throws(KafkaError) {
                return try ask(min(patience, slice))
            } catch {
                guard error.kind == .timedOut || error.kind == .unreachable, patience > .zero else { throw error }
                if error.kind == .timedOut { slice *= 2 }
                _ = troubles(within: KafkaLimits.askPause)
            }
        }
    }

    private func answer(_ resource: OpaquePointer) -> Result<[String: String], KafkaError> {
        let code = rd_kafka_ConfigResource_error(resource)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let text = rd_kafka_ConfigResource_error_string(resource).map { String(cString: $0) }
            return .failure(configuration.explained(KafkaError(code, text)))
        }
        var count = 0
        guard let entries = rd_kafka_ConfigResource_configs(resource, &count) else { return .success([:]) }
        var settings: [String: String] = [:]
        for index in 0..<count {
            guard let entry = entries[index], let name = rd_kafka_ConfigEntry_name(entry),
                let value = rd_kafka_ConfigEntry_value(entry)
            else { continue }
            settings[String(cString: name)] = String(cString: value)
        }
        return .success(settings)
    }

    private static let noAnswer = KafkaError(.other, "the broker's answer was empty")

    /// Sends a request and waits for its answer on a queue of its own.
    private func ask(
        _ operation: rd_kafka_admin_op_t, within wait: Duration,
        _ send: (OpaquePointer, OpaquePointer?, OpaquePointer) -> Void
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
        rd_kafka_AdminOptions_set_request_timeout(options, max(1, wait.milliseconds32), &text, text.count)
        send(client, options, queue)
        guard let event = try answer(on: QueueHandle(pointer: queue), within: wait + .seconds(1)) else {
            throw KafkaError(.timedOut, "no broker answered")
        }
        if let error = event.error {
            let refusal = troubles().first { $0.kind == .authentication }
            throw configuration.explained(refusal ?? error)
        }
        return event
    }

    /// Looks now and then whether the question was given up.
    private func answer(on queue: QueueHandle, within wait: Duration) throws(KafkaError) -> Event? {
        let end = ContinuousClock.now + wait
        while true {
            let left = max(.zero, ContinuousClock.now.duration(to: end))
            if let event = Event(of: queue, within: min(left, KafkaLimits.askSlice)) { return event }
            if isCancelled() { throw KafkaError(.cancelled, "the question was given up") }
            if left <= .zero { return nil }
        }
    }

    private func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
