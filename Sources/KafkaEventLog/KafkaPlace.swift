import EventLog
import Kafka

/// Where a store on Kafka is, and how to reach it.
public struct KafkaPlace: Sendable {
    /// HOST:PORT, several with commas.
    public var servers: String
    /// The store's name: its topics are called by it, `<store>.events` and `<store>.order`.
    public var store: String
    /// Properties of librdkafka, as for TLS and SASL.
    public var properties: [String: String]
    /// Needed where a property switches the check of the servers' certificates or names off.
    public var acceptsUnverifiedServers = false
    /// Writes also where the topics' settings cannot be read; those that can be read must be right all the same.
    public var allowsUnverifiedTopics = false
    /// Nothing is asked, delivered or written.
    public var isOffline = false
    /// Copies of each record that the topics must have; nil: any.
    public var replication: Int?
    /// After a loss of contact nothing is written before a channel was delivered again by `restart`: whoever calls that
    /// has looked whether the log is still the same.
    public var writesAfterRestart = false
    /// The longest that opening, closing and single questions wait for brokers.
    public var patience = KafkaLogLimits.patience
    /// Gets what the client library has to say: a level as syslog's (3 error … 7 debug), its word for what it is about,
    /// as FAIL, and text.
    public var log: @Sendable (Int, String, String) -> Void = { _, _, _ in }
    /// How often the clients count for `KafkaLog.figures`; zero: never.
    public var statisticsInterval: Duration = .zero

    public init(servers: String, store: String, properties: [String: String] = [:]) {
        self.servers = servers
        self.store = store
        self.properties = properties
    }

    public var eventsTopic: String { store + ".events" }

    /// Only a store of several partitions has it.
    public var orderTopic: String { store + ".order" }

    /// Of a store of so many partitions, as `LogDescription.place` counts them.
    func topics(partitions: Int) -> [String] {
        partitions > 1 ? [eventsTopic, orderTopic] : [eventsTopic]
    }

    /// What is wrong with the place by itself, without asking a broker; nil: nothing.
    public var problem: String? {
        do throws(LogError) {
            let kafka = try configuration()
            do throws(KafkaError) {
                try kafka.check()
                return nil
            } catch {
                return error.message
            }
        } catch {
            return error.message
        }
    }

    func configuration() throws(LogError) -> KafkaConfiguration {
        let allowed = store.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard allowed, !["", ".", ".."].contains(store), eventsTopic.utf8.count <= KafkaLogLimits.topicName else {
            throw LogError(
                .notAStore, "\"\(store)\" cannot name a store on Kafka: 1 to 242 of the characters a-z A-Z 0-9 . _ -")
        }
        if let problem = Self.problem(inServers: servers) { throw LogError(.unavailable, problem) }
        do {
            var kafka = try KafkaConfiguration(
                servers: servers, clientID: "tributary-\(store)", properties: properties,
                acceptsUnverifiedServers: acceptsUnverifiedServers)
            let log = log
            kafka.log = { log($0.level, $0.facility, $0.message) }
            kafka.statisticsInterval = statisticsInterval
            return kafka
        } catch {
            throw LogError(.unavailable, error.message)
        }
    }

    /// The client library takes any number for a port.
    private static func problem(inServers servers: String) -> String? {
        for server in servers.split(separator: ",") {
            let parts = server.split(separator: ":", omittingEmptySubsequences: false)
            // In brackets an address of version 6 has colons of its own.
            let isPortNamed = parts.count > 1 && !server.hasSuffix("]")
            let port = parts.last.flatMap { Int($0) } ?? 0
            if server.hasPrefix(":") || isPortNamed && !(1...65_535).contains(port) {
                return "\"\(server)\" is no address of a broker: HOST:PORT, with a port of 1 to 65535"
            }
        }
        return nil
    }

    /// Asks something on a thread of its own.
    func ask<R: Sendable>(
        _ body: @escaping @Sendable (KafkaInquiry) throws(KafkaError) -> R
    ) async throws(LogError) -> R {
        let kafka = try configuration()
        let (topic, patience) = (eventsTopic, patience)
        do {
            return try await onOwnThread(named: "kafka-ask") {
                let inquiry = try KafkaInquiry(kafka, topics: [topic], within: patience)
                defer { inquiry.close() }
                return try body(inquiry)
            }
        } catch {
            throw LogError(error, servers: servers)
        }
    }
}

extension LogDescription {
    /// Which partition of which of the store's topics a channel is: of the events' topic, or the one of the order's.
    func place(of channel: Int) -> TopicPartition {
        channel == orderChannel ? TopicPartition(topic: 1, 0) : TopicPartition(channel)
    }

    /// nil: none of the store's, as of partitions that were added.
    func channel(of place: TopicPartition) -> Int? {
        if place.topic == 0 { return place.partition < partitions ? place.partition : nil }
        return place.partition == 0 ? orderChannel : nil
    }
}

extension LogError {
    init(_ error: any Error, servers: String = "") {
        guard let error = error as? KafkaError else {
            self.init(.unavailable, "\(error)")
            return
        }
        switch error.kind {
        case .notAuthorized, .authentication: self.init(.noPermission, "Kafka refuses: \(error)")
        case .alreadyExists: self.init(.alreadyExists, error.description)
        case .unreachable, .timedOut:
            self.init(
                .unavailable, "no Kafka broker answers at \(servers): \(error); check the address and the brokers")
        case .damaged: self.init(.damaged, error.description)
        case .closed, .cancelled: self.init(.closed, "the log on Kafka is closed")
        default: self.init(.unavailable, "Kafka: \(error)")
        }
    }
}
