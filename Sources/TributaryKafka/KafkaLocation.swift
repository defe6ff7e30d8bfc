// A store on Kafka.

import EventLog
import KafkaEventLog
public import Tributary

extension EventStore.Location {
    /// A store on Kafka, in the topic `<store>.events` and, where it has several partitions, `<store>.order`.
    ///
    /// ```swift
    /// let store = try await EventStore.open(.kafka(KafkaLocation("localhost:9092", store: "shop")))
    /// ```
    /// `EventStore.create` makes the topics, as `KafkaLocation.createTopics` does, and the store in them; `open` never
    /// makes a topic, but makes empty ones a store. Any number of processes may have the store open at once, each with
    /// a directory of its own. Where no broker answers, a node that was open before opens all the same: what it has
    /// applied can be read, and the rest follows when a broker is back.
    public static func kafka(_ location: KafkaLocation) -> Self {
        .log(directory: location.index, named: location.store) {
            try await location.createAll()
        } open: { creating, partitions, sink in
            var place = location.place
            place.writesAfterRestart = true
            place.log = { level, facility, text in
                sink(LogLine(LogLine.Level(syslog: level), text, label: "kafka", metadata: ["facility": facility]))
            }
            let log = try await KafkaLog.open(place, knownPartitions: partitions)
            do {
                if !log.description.isAway { try await check(log, creating) }
            } catch {
                await log.close()
                throw error
            }
            return LocatedLog(log: log, notes: log.openingNotes)
        }
    }

    /// A store on Kafka, with the properties that most need.
    ///
    /// ```swift
    /// let store = try await EventStore.open(
    ///     .kafka("localhost:9092", store: "shop", index: "./index", properties: ["security.protocol": "ssl"]))
    /// ```
    /// - Parameters:
    ///   - servers: HOST:PORT, several with commas.
    ///   - store: the store's name, by which its topics are called: 1 to 242 of the characters a-z A-Z 0-9 . _ -
    ///   - index: this node's directory; nil: in memory.
    ///   - properties: of librdkafka, by the names in its CONFIGURATION.md.
    public static func kafka(
        _ servers: String, store: String = "tributary", index: String? = nil, properties: [String: String] = [:]
    ) -> Self {
        .kafka(KafkaLocation(servers, store: store, index: index, properties: properties))
    }
}

/// An empty topic is made a store, where that is allowed.
private func check(_ log: KafkaLog, _ creating: EventStore.Creation) async throws {
    guard try await log.bounds(of: 0).upperBound == 0 else { return }
    if creating == .never {
        throw LogError(.notAStore, "\(log.description.name) has an empty topic: nothing was ever written to it")
    }
    if let refusal = log.description.writeRefusal { throw LogError(.unavailable, refusal) }
}

extension LogLine.Level {
    init(syslog level: Int) {
        self =
            switch level {
            case ...3: .error
            case 4: .warning
            case 5, 6: .info
            default: .debug
            }
    }
}

/// Where a store on Kafka is, and how to reach it.
public struct KafkaLocation: Sendable {
    /// HOST:PORT, several with commas.
    public var servers: String
    /// The store's name, by which its topics are called: 1 to 242 of the characters a-z A-Z 0-9 . _ -
    public var store: String
    /// This node's directory: its copy of the records and its index; made where it is absent. nil: in memory, and made
    /// anew at each opening.
    public var index: String?
    /// Properties of librdkafka, by the names in its CONFIGURATION.md: TLS, SASL and so on.
    public var properties: [String: String]
    /// Needed where a property switches the check of the servers' certificates or names off: anybody on the way could
    /// then read and change everything.
    public var acceptsUnverifiedServers = false
    /// Writes also where the topics' settings cannot be read. What can be read must be right all the same.
    public var allowsUnverifiedTopics = false
    /// Opens what the node in `index` has applied without asking Kafka: to read and export it where Kafka is gone, or
    /// where the topic is refused. Nothing is written.
    public var isOffline = false
    /// Copies of each record that the topics must have, and with which they are made; nil: as the cluster has it.
    public var replication: Int?
    /// The longest that opening, closing and questions wait for brokers; more than nothing.
    public var patience: Duration = .seconds(10)
    /// How often the client library counts for `EventStore.metrics`: its queues, bytes, brokers and round trips. Zero,
    /// the default: never.
    public var statisticsInterval: Duration = .zero

    public init(
        _ servers: String, store: String = "tributary", index: String? = nil, properties: [String: String] = [:]
    ) {
        self.servers = servers
        self.store = store
        self.index = index
        self.properties = properties
    }

    /// The topic of the store's events.
    public var eventsTopic: String { place.eventsTopic }

    /// The topic of the order of a store with several partitions; with one there is none.
    public var orderTopic: String { place.orderTopic }

    var place: KafkaPlace {
        var place = KafkaPlace(servers: servers, store: store, properties: properties)
        place.acceptsUnverifiedServers = acceptsUnverifiedServers
        place.allowsUnverifiedTopics = allowsUnverifiedTopics
        place.isOffline = isOffline
        place.replication = replication
        place.patience = patience
        place.statisticsInterval = statisticsInterval
        return place
    }

    /// Makes the store's topics with the settings that a store needs: that of the events and, for several partitions,
    /// that of their order. Where only the second is missing, as after a crash in between, it makes that.
    ///
    /// - Parameter partitions: 1 or more, fixed for the store's life; nil: 12, or as many as the events' topic has.
    /// - Returns: the topics that it made, by name, with their partitions.
    /// - Throws: `StoreError`: `alreadyExists` where nothing is missing, or the events' topic is not as it should be;
    ///   `unavailable`, `noPermission`.
    @discardableResult
    public func createTopics(partitions: Int? = nil) async throws -> [String: Int] {
        try await translated { try await KafkaTopics.create(place, partitions: partitions, replication: replication) }
    }

    /// The same; and no store may be there already.
    fileprivate func createAll() async throws {
        if try await createTopics()[eventsTopic] != nil { return }
        let log = try await KafkaLog.open(place)
        let end: Int64
        do {
            end = try await log.bounds(of: 0).upperBound
        } catch {
            await log.close()
            throw error
        }
        await log.close()
        if end != 0 {
            throw LogError(
                .alreadyExists,
                "there is a store in the topic \(eventsTopic) already; its topic \(orderTopic) was missing and was made"
            )
        }
    }

    /// What of the store's topics a store cannot live with, a line each with the command that mends it; empty: all is
    /// well.
    ///
    /// - Throws: `StoreError`: `notAStore` where a topic is missing, `unavailable`, `noPermission`.
    public func checkTopics() async throws -> [String] {
        try await describeTopics().flatMap(\.problems)
    }

    /// What the store's topics are, that of the events first, and how they differ from what a store needs.
    ///
    /// ```swift
    /// for topic in try await location.describeTopics() { print(topic.topic, topic.partitions, topic.mismatches) }
    /// ```
    /// - Throws: as `checkTopics`.
    public func describeTopics() async throws -> [KafkaTopicReport] {
        try await translated { try await KafkaTopics.check(place).map { KafkaTopicReport($0) } }
    }

    /// What is wrong with the location by itself: a name that no store has, a property that does not exist, is not for
    /// the user to set, or has a bad value. nil: nothing. It asks no broker, and shows no secret.
    public var problem: String? { place.problem }
}
