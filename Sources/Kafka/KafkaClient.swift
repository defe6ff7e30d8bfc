// One client of the library: made from a configuration, its log lines and statistics passed on, destroyed in order.

import CRdKafka

/// A client with its topic handles and the queue on which all its events arrive. Whoever owns it has one thread that
/// serves the queue, and calls `destroy` once at the end, when no other call is under way.
struct KafkaClient: Sendable {
    let handle: ClientHandle
    let queue: QueueHandle
    let topics: [TopicHandle]
    /// Of the topics, as they are numbered.
    let names: [String]
    let configuration: KafkaConfiguration

    init(_ configuration: KafkaConfiguration, _ role: ClientRole, topics names: [String]) throws(KafkaError) {
        let conf = try Self.conf(configuration, role)
        var text = [CChar](repeating: 0, count: 512)
        guard let client = rd_kafka_new(role.type, conf, &text, text.count) else {
            // The configuration is only taken on success.
            rd_kafka_conf_destroy(conf)
            throw KafkaError(.configuration, configuration.cleared(Self.string(text)))
        }
        handle = ClientHandle(pointer: client)
        self.configuration = configuration
        self.names = names
        guard let queue = rd_kafka_queue_new(client), let main = rd_kafka_queue_get_main(client) else {
            rd_kafka_destroy(client)
            throw KafkaError(.other, "the Kafka client could not be made")
        }
        // Everything on one queue: one thread serves it.
        rd_kafka_queue_forward(main, queue)
        rd_kafka_queue_destroy(main)
        rd_kafka_set_log_queue(client, queue)
        self.queue = QueueHandle(pointer: queue)
        if configuration.usesOAuth, let error = rd_kafka_sasl_background_callbacks_enable(client) {
            rd_kafka_error_destroy(error)
        }
        var handles: [TopicHandle] = []
        for (index, name) in names.enumerated() {
            guard let topic = Self.topic(client, name, index) else {
                for handle in handles { rd_kafka_topic_destroy(handle.pointer) }
                rd_kafka_queue_destroy(queue)
                rd_kafka_destroy(client)
                throw KafkaError(.configuration, "\(name) cannot be the name of a topic")
            }
            handles.append(topic)
        }
        topics = handles
    }

    static func conf(_ configuration: KafkaConfiguration, _ role: ClientRole) throws(KafkaError) -> OpaquePointer {
        guard let conf = rd_kafka_conf_new() else { throw KafkaError(.other, "no memory for a configuration") }
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in configuration.settings(for: role) {
            guard rd_kafka_conf_set(conf, name, value, &text, text.count) != RD_KAFKA_CONF_OK else { continue }
            rd_kafka_conf_destroy(conf)
            // The library repeats the value.
            let said = KafkaConfiguration.isSecret(name) ? "the value is not accepted" : string(text)
            throw KafkaError(.configuration, "the Kafka property \(name): \(configuration.cleared(said))")
        }
        rd_kafka_conf_set_events(
            conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_STATS)
        // Its tokens are renewed by the library's own thread.
        if configuration.usesOAuth { rd_kafka_conf_enable_sasl_queue(conf, 1) }
        return conf
    }

    private static func topic(_ client: OpaquePointer, _ name: String, _ index: Int) -> TopicHandle? {
        guard let conf = rd_kafka_default_topic_conf_dup(client) else { return nil }
        // A report finds its topic by this.
        rd_kafka_topic_conf_set_opaque(conf, UnsafeMutableRawPointer(bitPattern: index + 1))
        return rd_kafka_topic_new(client, name, conf).map { TopicHandle(pointer: $0) }
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Passes log lines and statistics on; false: the event is something else.
    func isHousekeeping(_ event: borrowing Event) -> Bool {
        switch event.type {
        case RD_KAFKA_EVENT_LOG:
            var facility: UnsafePointer<CChar>?
            var message: UnsafePointer<CChar>?
            var level: Int32 = 6
            guard rd_kafka_event_log(event.pointer, &facility, &message, &level) == 0 else { return true }
            let word = facility.map { String(cString: $0) } ?? ""
            let text = message.map { String(cString: $0) } ?? ""
            // Every client gets all properties: those that are not for it are no news.
            if word != "CONFWARN" || !text.contains("will be ignored by this") { say(Int(level), word, text) }
            return true
        case RD_KAFKA_EVENT_STATS:
            let json = rd_kafka_event_stats(event.pointer).map { String(cString: $0) } ?? ""
            if let statistics = KafkaStatistics(json: json) { configuration.statistics(statistics) }
            return true
        default:
            return false
        }
    }

    /// The cause, once the client is of no more use.
    var fatalError: KafkaError? {
        var text = [CChar](repeating: 0, count: 512)
        let code = rd_kafka_fatal_error(handle.pointer, &text, text.count)
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        var error = KafkaError(code, Self.string(text))
        // Another client fares no better without permission.
        if error.kind != .notAuthorized { error.kind = .fatal }
        return error
    }

    /// Gives everything back to the library, which ends its threads, on a thread of its own: it has had deadlocks here.
    func destroy(patience: Duration = KafkaLimits.destroyPatience) {
        for topic in topics { rd_kafka_topic_destroy(topic.pointer) }
        rd_kafka_queue_destroy(queue.pointer)
        let handle = handle
        let thread = KafkaThread(name: "kafka-destroy") {
            // There is no group to leave.
            rd_kafka_destroy_flags(handle.pointer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
        }
        if patience > .zero, !thread.join(within: patience) {
            say(4, "DESTROY", "the client library has not ended a client after \(patience)")
        }
    }

    func say(_ level: Int, _ facility: String, _ message: String) {
        configuration.log(KafkaLogLine(level: level, facility: facility, message: configuration.cleared(message)))
    }
}
