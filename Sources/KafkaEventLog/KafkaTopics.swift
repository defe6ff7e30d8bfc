// The topics of a store: how they are made, and whether they are as a store needs them.

public import EventLog
import Kafka

/// The topics of a store: that of the events and, where it has several partitions, that of their order.
public enum KafkaTopics {
    /// A setting of a topic that a store cannot live with.
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
        /// 0: there is no such topic.
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

        /// Why nothing may be written to a store with this topic; nil: nothing is wrong.
        func refusal(_ place: KafkaPlace) -> String? {
            if partitions == 0 { return KafkaTopics.absence(topic, place) }
            if !mismatches.isEmpty {
                let all = mismatches.map(\.description).joined(separator: "; ")
                return "nothing is written to the topic \(topic): \(all)"
            }
            guard settings == nil, !place.allowsUnverifiedTopics else { return nil }
            return "nothing is written to the topic \(topic): its settings cannot be read (\(unread ?? "")); "
                + "allow DescribeConfigs on it, or say --allow-unverified-topics"
        }
    }

    /// Settings with which the topics are made, and which every open compares.
    static let settings = [
        ("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1"),
        ("message.timestamp.type", "LogAppendTime"), ("max.message.bytes", "\(KafkaLogLimits.topicMessageBytes)"),
    ]

    // MARK: - Making them

    /// Makes the topic `<store>.events` and, for several partitions, `<store>.order`, as a store needs them. Where the
    /// first stands and is right, and the second is missing, it makes the second.
    ///
    /// - Parameters:
    ///   - partitions: 1 or more, fixed for the store's life; nil: as the events' topic has them, or 12.
    ///   - replication: copies of each record, of which all but one have to acknowledge it; nil: the cluster's default.
    /// - Returns: the topics that it made, by name, with their partitions.
    /// - Throws: `LogError`; `alreadyExists` where there is nothing to make, or what stands is not right.
    @discardableResult
    public static func create(
        _ place: KafkaPlace, partitions: Int? = nil, replication: Int? = nil
    ) async throws(LogError) -> [String: Int] {
        precondition(partitions ?? 1 > 0, "a topic has at least one partition")
        return try await place.ask { inquiry throws(KafkaError) -> [String: Int] in
            let count = partitions ?? KafkaLogLimits.partitions
            do throws(KafkaError) {
                try make(place.eventsTopic, partitions: count, replication, inquiry)
            } catch {
                guard error.kind == .alreadyExists,
                    let events = try half(inquiry, place, wanted: partitions)
                else { throw error }
                try make(place.orderTopic, partitions: 1, replication ?? events.replication, inquiry)
                return [place.orderTopic: 1]
            }
            guard count > 1 else { return [place.eventsTopic: count] }
            try make(place.orderTopic, partitions: 1, replication, inquiry)
            return [place.eventsTopic: count, place.orderTopic: 1]
        }
    }

    private static func make(
        _ topic: String, partitions: Int, _ replication: Int?, _ inquiry: KafkaInquiry
    ) throws(KafkaError) {
        var settings = Dictionary(uniqueKeysWithValues: settings)
        if let replication, replication > 1 { settings["min.insync.replicas"] = "\(inSync(replication))" }
        try inquiry.createTopic(topic, partitions: partitions, replication: replication, settings: settings)
    }

    /// The events' topic of a store of which only the order's is missing; nil: it is whole.
    private static func half(
        _ inquiry: KafkaInquiry, _ place: KafkaPlace, wanted: Int?
    ) throws(KafkaError) -> Report? {
        let reports = try self.reports(inquiry, place)
        guard reports.count > 1, reports[1].partitions == 0 else { return nil }
        let events = reports[0]
        if let wanted, wanted != events.partitions {
            throw KafkaError(
                .alreadyExists,
                "the topic \(events.topic) has \(events.partitions) partitions, not \(wanted); without a number the topic "
                    + "\(place.orderTopic), which is missing, is made for it")
        }
        if let refusal = events.refusal(place) {
            throw KafkaError(.alreadyExists, "\(refusal); then make the topic \(place.orderTopic), which is missing")
        }
        return events
    }

    // MARK: - Looking at them

    /// What the topics are, that of the events first, and what of them a store cannot live with.
    ///
    /// - Parameter knownPartitions: of the store, where they are known: a topic with others is told by itself, not by
    ///   the lack of another.
    /// - Throws: `LogError`; `notAStore` where one is missing.
    public static func check(_ place: KafkaPlace, knownPartitions: Int? = nil) async throws(LogError) -> [Report] {
        let reports = try await place.ask { inquiry throws(KafkaError) -> [Report] in try self.reports(inquiry, place) }
        let isOther = knownPartitions.map { reports[0].partitions > 0 && $0 != reports[0].partitions } ?? false
        for report in reports where report.partitions == 0 && !isOther {
            throw LogError(.notAStore, absence(report.topic, place))
        }
        return reports
    }

    private static func absence(_ topic: String, _ place: KafkaPlace) -> String {
        let isOrder = topic == place.orderTopic
        return "there is no topic \(topic)"
            + (isOrder ? ", which holds the order of a store of several partitions," : "")
            + " at \(place.servers); `tributary topics create --kafka \(place.servers) --store \(place.store)` makes it"
            + (isOrder
                ? "; where the store had an order, restore that topic instead: in a new one events are ordered from the first "
                    + "on, and get other positions; where partitions were added to a store of one, restore the topic "
                    + place.eventsTopic : "")
    }

    /// One for each topic, missing ones included. Blocks.
    static func reports(_ inquiry: KafkaInquiry, _ place: KafkaPlace) throws(KafkaError) -> [Report] {
        var reports = [try report(place.eventsTopic, inquiry)]
        // A store of one partition has no other, and may have no permission to ask for it.
        if reports[0].partitions > 1 {
            reports.append(try report(place.orderTopic, inquiry, knownWithin: KafkaLogLimits.topicNews))
        }
        let answers = try settings(of: reports.filter { $0.partitions > 0 }.map(\.topic), inquiry, place)
        for index in reports.indices where reports[index].partitions > 0 {
            switch answers[reports[index].topic] {
            case .success(let settings): reports[index].settings = settings
            case .failure(let error) where isAccepted(error, place): reports[index].unread = error.description
            case .failure(let error): throw error
            case nil: break
            }
            reports[index].mismatches = mismatches(reports[index], place)
        }
        return reports
    }

    private static func report(
        _ topic: String, _ inquiry: KafkaInquiry, knownWithin wait: Duration = .zero
    ) throws(KafkaError) -> Report {
        let partitions = try inquiry.partitions(of: topic, knownWithin: wait) ?? []
        return Report(
            topic: topic, partitions: partitions.count, replication: partitions.map(\.replicas).min() ?? 0,
            mismatches: [])
    }

    private static func settings(
        of topics: [String], _ inquiry: KafkaInquiry, _ place: KafkaPlace
    ) throws(KafkaError) -> [String: Result<[String: String], KafkaError>] {
        if topics.isEmpty { return [:] }
        do throws(KafkaError) {
            return try inquiry.settings(ofTopics: topics, knownWithin: KafkaLogLimits.topicNews)
        } catch {
            guard isAccepted(error, place) else { throw error }
            return Dictionary(uniqueKeysWithValues: topics.map { ($0, .failure(error)) })
        }
    }

    /// Whether a store may be opened, if only to read, where settings cannot be read for this reason.
    private static func isAccepted(_ error: KafkaError, _ place: KafkaPlace) -> Bool {
        switch error.kind {
        case .notAuthorized, .unsupported: true
        case .timedOut: place.allowsUnverifiedTopics
        default: false
        }
    }

    static func mismatches(_ report: Report, _ place: KafkaPlace) -> [Mismatch] {
        var found: [Mismatch] = []
        if report.topic == place.orderTopic, report.partitions != 1 {
            found.append(
                Mismatch(
                    setting: "the number of partitions", found: "\(report.partitions)", wanted: "1",
                    mend:
                        "kafka-topics.sh --bootstrap-server \(place.servers) --delete --topic \(report.topic), and then "
                        + "tributary topics create --kafka \(place.servers) --store \(place.store), where the topic has "
                        + "never held an order; where partitions were added to it, restore it from a backup"))
        }
        if let wanted = place.replication, report.replication < wanted {
            found.append(
                Mismatch(
                    setting: "the replication factor", found: "\(report.replication)", wanted: "\(wanted) or more",
                    mend: "kafka-reassign-partitions.sh --bootstrap-server \(place.servers) --execute "
                        + "--reassignment-json-file PLAN.json, with \(wanted) replicas for each partition of "
                        + report.topic))
        }
        for (name, wanted) in settings {
            guard let value = report.settings?[name], !fits(name, value, wanted) else { continue }
            found.append(
                Mismatch(
                    setting: name, found: value, wanted: name == "max.message.bytes" ? "\(wanted) or more" : wanted,
                    mend: mend(name, wanted, of: report.topic, place)))
        }
        // More in-sync copies than there are copies would take no record at all.
        let inSync = inSync(place.replication ?? 1)
        if report.replication > inSync, let value = report.settings?["min.insync.replicas"],
            (Int(value) ?? 0) < inSync
        {
            found.append(
                Mismatch(
                    setting: "min.insync.replicas", found: value, wanted: "\(inSync) or more",
                    mend: mend("min.insync.replicas", "\(inSync)", of: report.topic, place)))
        }
        return found
    }

    /// Of so many copies, how many have to acknowledge a record: one may fail.
    private static func inSync(_ replication: Int) -> Int { max(1, replication - 1) }

    private static func mend(_ name: String, _ value: String, of topic: String, _ place: KafkaPlace) -> String {
        "kafka-configs.sh --bootstrap-server \(place.servers) --alter --entity-type topics "
            + "--entity-name \(topic) --add-config \(name)=\(value)"
    }

    private static func fits(_ name: String, _ value: String, _ wanted: String) -> Bool {
        name == "max.message.bytes" ? (Int(value) ?? 0) >= KafkaLogLimits.topicMessageBytes : value == wanted
    }
}
