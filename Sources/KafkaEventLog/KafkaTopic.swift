// The topic of a store: how it is made, and whether it is as a store needs it.

public import EventLog
import Kafka

/// The events' topic of a store.
public enum KafkaTopic {
    /// A setting of the topic that a store cannot live with.
    public struct Mismatch: Sendable, Equatable, CustomStringConvertible {
        public var setting: String
        public var found: String
        public var wanted: String
        /// The command that mends it; nil: nothing does.
        public var mend: String?

        public var description: String {
            "\(setting) is \(found) and must be \(wanted)" + (mend.map { "; mend it with: \($0)" } ?? "")
        }
    }

    /// What a topic is.
    public struct Report: Sendable, Equatable {
        public var topic: String
        public var partitions: Int
        /// The fewest copies of any partition.
        public var replication: Int
        /// nil: the broker does not let them be read; `unread` says why.
        public var settings: [String: String]?
        public var unread: String?
        public var mismatches: [Mismatch]
        /// False: no broker was asked yet.
        var isSeen = true

        static func unseen(_ topic: String, partitions: Int) -> Report {
            Report(topic: topic, partitions: partitions, replication: 0, mismatches: [], isSeen: false)
        }
    }

    /// Settings with which the topic is made, and which every open compares.
    static let settings = [
        ("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1"),
        ("message.timestamp.type", "LogAppendTime"), ("max.message.bytes", "\(KafkaLogLimits.topicMessageBytes)"),
    ]

    /// Makes the topic `<store>.events` as a store needs it.
    ///
    /// - Parameters:
    ///   - partitions: 1 or more, fixed for the store's life.
    ///   - replication: copies of each record, of which all but one have to acknowledge it; nil: the cluster's default.
    /// - Throws: `LogError`; `alreadyExists` where there is one.
    public static func create(
        _ place: KafkaPlace, partitions: Int = 12, replication: Int? = nil
    ) async throws(LogError) {
        precondition(partitions > 0, "a topic has at least one partition")
        var settings = Dictionary(uniqueKeysWithValues: settings)
        if let replication, replication > 1 { settings["min.insync.replicas"] = "\(inSync(replication))" }
        try await place.ask { [settings] inquiry throws(KafkaError) in
            try inquiry.createTopic(partitions: partitions, replication: replication, settings: settings)
        }
    }

    /// What the topic is, and what of it a store cannot live with.
    ///
    /// - Throws: `LogError`; `notAStore` where there is no such topic.
    public static func check(_ place: KafkaPlace) async throws(LogError) -> Report {
        let found = try await place.ask { inquiry throws(KafkaError) in try report(inquiry, place) }
        guard let found else {
            throw LogError(
                .notAStore,
                "there is no topic \(place.topic) at \(place.servers); `tributary topics create --kafka "
                    + "\(place.servers) --store \(place.store)` makes it")
        }
        return found
    }

    /// nil where there is no such topic. Blocks.
    static func report(_ inquiry: KafkaInquiry, _ place: KafkaPlace) throws(KafkaError) -> Report? {
        guard let partitions = try inquiry.partitions(), !partitions.isEmpty else { return nil }
        var report = Report(
            topic: place.topic, partitions: partitions.count, replication: partitions.map(\.replicas).min() ?? 0,
            mismatches: [])
        do throws(KafkaError) {
            report.settings = try inquiry.topicSettings()
        } catch {
            switch error.kind {
            case .notAuthorized, .unsupported: report.unread = error.description
            case .timedOut where place.allowsUnverifiedTopics: report.unread = error.description
            default: throw error
            }
        }
        report.mismatches = mismatches(report, place)
        return report
    }

    static func mismatches(_ report: Report, _ place: KafkaPlace) -> [Mismatch] {
        var found: [Mismatch] = []
        if let wanted = place.replication, report.replication < wanted {
            found.append(
                Mismatch(
                    setting: "the replication factor", found: "\(report.replication)", wanted: "\(wanted) or more",
                    mend: "kafka-reassign-partitions.sh --bootstrap-server \(place.servers) --execute "
                        + "--reassignment-json-file PLAN.json, with \(wanted) replicas for each partition of "
                        + place.topic))
        }
        for (name, wanted) in settings {
            guard let value = report.settings?[name], !fits(name, value, wanted) else { continue }
            found.append(
                Mismatch(
                    setting: name, found: value, wanted: name == "max.message.bytes" ? "\(wanted) or more" : wanted,
                    mend: mend(name, wanted, place)))
        }
        // More in-sync copies than there are copies would take no record at all.
        let inSync = inSync(place.replication ?? 1)
        if report.replication > inSync, let value = report.settings?["min.insync.replicas"],
            (Int(value) ?? 0) < inSync
        {
            found.append(
                Mismatch(
                    setting: "min.insync.replicas", found: value, wanted: "\(inSync) or more",
                    mend: mend("min.insync.replicas", "\(inSync)", place)))
        }
        return found
    }

    /// Of so many copies, how many have to acknowledge a record: one may fail.
    private static func inSync(_ replication: Int) -> Int { max(1, replication - 1) }

    private static func mend(_ name: String, _ value: String, _ place: KafkaPlace) -> String {
        "kafka-configs.sh --bootstrap-server \(place.servers) --alter --entity-type topics "
            + "--entity-name \(place.topic) --add-config \(name)=\(value)"
    }

    private static func fits(_ name: String, _ value: String, _ wanted: String) -> Bool {
        name == "max.message.bytes" ? (Int(value) ?? 0) >= KafkaLogLimits.topicMessageBytes : value == wanted
    }
}
