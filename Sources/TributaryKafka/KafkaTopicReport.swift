import KafkaEventLog

/// What a topic of a store is, and what of it a store cannot live with.
public struct KafkaTopicReport: Sendable, Equatable {
    /// A setting that a store cannot live with.
    public struct Mismatch: Sendable, Equatable {
        /// As Kafka names it, or "the replication factor", or "the number of partitions".
        public let setting: String
        public let found: String
        public let wanted: String
        /// The command that mends it; nil: nothing does.
        public let mend: String?
    }

    /// The topic's name.
    public let topic: String
    public let partitions: Int
    /// The fewest copies of any partition.
    public let replication: Int
    public let mismatches: [Mismatch]
    /// Why the topic's settings cannot be read; nil: they can.
    public let unreadable: String?

    /// A line each for people: what is wrong, and what mends it. Empty: all is well.
    public var problems: [String] {
        mismatches.map { mismatch in
            "\(topic): \(mismatch.setting) is \(mismatch.found) and must be \(mismatch.wanted)"
                + (mismatch.mend.map { "; mend it with: \($0)" } ?? "")
        } + (unreadable.map { ["\(topic): its settings cannot be read: \($0); allow DescribeConfigs on it"] } ?? [])
    }

    init(_ report: KafkaTopics.Report) {
        topic = report.topic
        partitions = report.partitions
        replication = report.replication
        mismatches = report.mismatches.map {
            Mismatch(setting: $0.setting, found: $0.found, wanted: $0.wanted, mend: $0.mend)
        }
        unreadable = report.settings == nil ? report.unread ?? "the broker did not say why" : nil
    }
}
