// What a client is made with. Every property of librdkafka passes through, but for those that this module owns.

import CRdKafka

/// How to reach a Kafka cluster.
///
/// ```swift
/// let kafka = try KafkaConfiguration(
///     servers: "broker1:9093,broker2:9093", clientID: "tributary-shop",
///     properties: ["security.protocol": "ssl", "ssl.ca.location": "/etc/kafka/ca.pem"])
/// ```
/// Properties are those of librdkafka's CONFIGURATION.md: TLS, mutual TLS, SASL PLAIN, SCRAM, OAUTHBEARER work as it
/// says there.
public struct KafkaConfiguration: Sendable {
    public let servers: String
    public let clientID: String
    let properties: [String: String]
    /// Gets the clients' log lines, from any of this module's threads; secrets are blotted out.
    public var log: @Sendable (KafkaLogLine) -> Void = { _ in }
    /// How often a client counts; zero: never, which is the default.
    public var statisticsInterval: Duration = .zero
    public var statistics: @Sendable (KafkaStatistics) -> Void = { _ in }

    /// - Parameters:
    ///   - servers: HOST:PORT, several with commas.
    ///   - clientID: what brokers see in their logs and quotas.
    ///   - properties: of librdkafka, by their names.
    ///   - acceptsUnverifiedServers: needed where a property switches the check of the server's certificate or of its
    ///     name off: anybody on the way could then read and change everything.
    /// - Throws: `KafkaError` of kind `configuration` for a property that is not for the user to set.
    public init(
        servers: String, clientID: String, properties: [String: String] = [:], acceptsUnverifiedServers: Bool = false
    ) throws(KafkaError) {
        guard servers.contains(where: { $0 != "," && $0 != " " }) else {
            throw KafkaError(.configuration, "no Kafka server was named; give HOST:PORT, several with commas")
        }
        for (name, value) in properties.sorted(by: { $0.key < $1.key }) {
            if let reason = Self.owned[name] {
                throw KafkaError(.configuration, "the property \(name) is not for you to set: \(reason)")
            }
            guard !acceptsUnverifiedServers, Self.switchesChecksOff(name, value) else { continue }
            throw KafkaError(
                .configuration,
                "\(name)=\(value) switches the check of the server off, and anybody on the way could read and change "
                    + "everything; set ssl.ca.location to the authority's certificate, or accept "
                    + "unverified servers explicitly (--allow-unverified-servers)")
        }
        self.servers = servers
        self.clientID = clientID
        self.properties = properties
    }

    private static func switchesChecksOff(_ name: String, _ value: String) -> Bool {
        switch name {
        case "enable.ssl.certificate.verification": !["true", "t", "1"].contains(value.lowercased())
        case "ssl.endpoint.identification.algorithm": value.lowercased() != "https"
        default: false
        }
    }

    /// What the user may not set, and why.
    static let owned: [String: String] = {
        let group = "the store reads by offsets of its own, without a consumer group"
        let outcome = "every record must be acknowledged by all in-sync replicas, once and in order"
        let deadline =
            "a message that times out in the library may be written, and others twice; the append's deadline counts"
        let limits = "the store limits what is in flight itself"
        let detection = "it is how a lost, damaged or replaced log is noticed"
        let events = "the store takes all events from one queue"
        return [
            "bootstrap.servers": "the servers are given by themselves", "metadata.broker.list": "as bootstrap.servers",
            "client.id": "it carries the store's name",
            "group.id": group, "group.instance.id": group, "enable.auto.commit": group, "auto.commit.enable": group,
            "enable.auto.offset.store": group, "offset.store.method": group, "group.protocol": group,
            "enable.idempotence": outcome, "acks": outcome, "request.required.acks": outcome,
            "transactional.id": "offsets are dense only without transactions",
            "enable.gapless.guarantee": outcome,
            "message.timeout.ms": deadline, "delivery.timeout.ms": deadline,
            "message.max.bytes": "it follows from the topic's limit",
            "queue.buffering.max.messages": limits, "queue.buffering.max.kbytes": limits,
            "auto.offset.reset": detection, "check.crcs": detection, "enable.partition.eof": detection,
            "isolation.level": detection,
            "allow.auto.create.topics": "a topic made by accident has the wrong settings",
            "partitioner": "the store chooses the partition", "delivery.report.only.error": events,
            "log.queue": events, "statistics.interval.ms": "the store asks for statistics itself",
            "test.mock.num.brokers": "it replaces the cluster by an imitation",
        ]
    }()

    /// Values that may not be shown.
    var secrets: [String] {
        properties.filter { Self.isSecret($0.key) && $0.value.count >= 3 }.map(\.value)
    }

    static func isSecret(_ name: String) -> Bool {
        ["password", "secret", "key.pem", "token", "oauthbearer.config", "jaas"].contains { name.contains($0) }
    }

    /// Text with the secrets blotted out.
    func cleared(_ text: String) -> String {
        secrets.reduce(text) { text, secret in
            text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "***")
        }
    }

    private var mechanism: String { properties["sasl.mechanism"] ?? properties["sasl.mechanisms"] ?? "" }

    var usesOAuth: Bool { mechanism.uppercased() == "OAUTHBEARER" }

    /// An error with what is known about it, and without secrets.
    func explained(_ error: KafkaError) -> KafkaError {
        var error = error
        error.message = cleared(error.message)
        if error.kind == .authentication, mechanism.uppercased().hasPrefix("SCRAM"),
            KafkaLibrary.number < KafkaLibrary.scramForKafka4
        {
            error.message +=
                "; librdkafka \(KafkaLibrary.version) cannot use SCRAM with Kafka 4, also with the right password: "
                + "use 2.6.1 or newer, or PLAIN over TLS, or mutual TLS"
        }
        // With TLS 1.3 the broker only closes the connection.
        if error.kind == .unreachable, properties["security.protocol"]?.lowercased() == "ssl", !hasCertificate {
            error.message +=
                "; if the broker asks for a client's certificate, set ssl.certificate.location and "
                + "ssl.key.location"
        }
        return error
    }

    private var hasCertificate: Bool {
        properties.keys.contains { $0.hasPrefix("ssl.certificate") || $0.hasPrefix("ssl.keystore") }
    }
}

/// A line of the client library's log.
public struct KafkaLogLine: Sendable, Equatable {
    /// As syslog's: 0 emergency … 3 error, 4 warning, 5 notice, 6 info, 7 debug.
    public var level: Int
    /// The library's word for what it is about, as FAIL.
    public var facility: String
    public var message: String

    public init(level: Int, facility: String, message: String) {
        self.level = level
        self.facility = facility
        self.message = message
    }
}

/// What a client is for, and with it its defaults.
package enum ClientRole: Sendable {
    /// - Parameter maxMessageBytes: the topics' limit.
    case producer(maxMessageBytes: Int)
    case reader
    /// Questions, then gone.
    case inquiry

    var isLasting: Bool { if case .inquiry = self { false } else { true } }

    var type: rd_kafka_type_t {
        if case .producer = self { RD_KAFKA_PRODUCER } else { RD_KAFKA_CONSUMER }
    }
}

extension KafkaConfiguration {
    /// The settings that a user may override, then the user's, then those that are ours alone.
    package func settings(for role: ClientRole) -> [(String, String)] {
        let common = [
            // A paused broker accepts connections for ever; only this bounds the stall.
            ("socket.timeout.ms", "5000"),
            // Seconds are saved after a broker's restart.
            ("reconnect.backoff.max.ms", "1000"),
        ]
        let user = properties.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let own = [
            ("bootstrap.servers", servers), ("client.id", clientID), ("client.software.name", "tributary"),
            ("log.queue", "true"),
            ("statistics.interval.ms", "\((role.isLasting ? statisticsInterval : .zero).milliseconds32)"),
        ]
        return common + defaults(for: role) + user + own + required(for: role)
    }

    private func defaults(for role: ClientRole) -> [(String, String)] {
        switch role {
        case .producer:
            return [
                // Waiting for more records delays a lone one by as much; under load batches form by themselves.
                ("linger.ms", "0"),
                // The topic's limit is on the batch.
                ("batch.size", "\(KafkaLimits.batchBytes)"),
                // A new producer asks any broker for its id, also when one is stuck.
                ("enable.sparse.connections", "false"),
            ]
        case .reader:
            // A new leader is found sooner.
            let backoff = [("fetch.error.backoff.ms", "50")]
            // A full queue stops fetching for a second in old versions, so it should not become full.
            if KafkaLibrary.number < 0x02_02_00 {
                return backoff + [("queued.min.messages", "1000000"), ("queued.max.messages.kbytes", "131072")]
            }
            return backoff + [
                ("fetch.queue.backoff.ms", "10"), ("queued.min.messages", "20000"),
                ("queued.max.messages.kbytes", "16384"),
            ]
        case .inquiry:
            // Log lines wait on the same queue and count: with a small number they would stop fetching for a second.
            return [
                ("queued.min.messages", "1000"), ("fetch.error.backoff.ms", "50"),
                // The broker answers "there is none" only when this time is over.
                ("fetch.wait.max.ms", "10"),
            ]
        }
    }

    private func required(for role: ClientRole) -> [(String, String)] {
        switch role {
        case .producer(let maxMessageBytes):
            return [
                ("enable.idempotence", "true"), ("acks", "all"),
                // Expiry duplicates other records; the deadline of an append is kept elsewhere.
                ("message.timeout.ms", "300000"),
                // The library takes no other limits; what is above the topic's the broker refuses.
                ("message.max.bytes", "\(min(max(maxMessageBytes, 1_000), 1_000_000_000))"),
                // Above the admission of the producer.
                ("queue.buffering.max.messages", "\(KafkaLimits.inFlightRecords * 2)"),
                ("queue.buffering.max.kbytes", "\(KafkaLimits.inFlightBytes / 1_024 * 2)"),
            ]
        case .reader, .inquiry:
            return [
                ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"),
                ("allow.auto.create.topics", "false"),
                // A lost log is an error, never a jump.
                ("auto.offset.reset", "error"),
                // A flipped byte is otherwise delivered silently.
                ("check.crcs", "true"),
                // Only the end's offset shows a hole at the tail.
                ("enable.partition.eof", "true"),
            ]
        }
    }
}
