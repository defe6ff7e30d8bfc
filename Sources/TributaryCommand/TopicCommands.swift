import JSONLines
import Tributary
import TributaryKafka

/// More than any cluster takes; brokers have limits of their own.
let maximumPartitions: Int64 = 100_000
let maximumReplication: Int64 = 1_000

func runTopicsCreate(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let location = try arguments.topics(of: context.kafka(for: "topics create"))
    let partitions = try arguments.partitions
    let made: [String: Int]
    do {
        made = try await location.createTopics(partitions: partitions)
    } catch let error as StoreError where error.code == .alreadyExists {
        throw Failure(.refused, "\(error.message): see tributary topics check")
    }
    context.sayWhatStood(location, made)
    for (topic, partitions) in made.sorted(by: { $0.key < $1.key }) {
        context.output.json.beginObject()
        context.output.json.field("topic", topic)
        context.output.json.field("partitions", partitions)
        context.output.json.endObject()
        try context.output.endLine()
    }
    await context.warnOfOneCopy(location)
    return .done
}

func runTopicsCheck(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let location = try arguments.topics(of: context.kafka(for: "topics check"))
    let reports = try await location.describeTopics()
    for report in reports { try context.output.topic(report) }
    try context.output.flush()
    let problems = reports.flatMap(\.problems)
    for problem in problems { StandardError.line(problem) }
    return problems.isEmpty ? .done : .refused
}

/// Topics where there are none, and the store in them.
func createOnKafka(_ arguments: Arguments, _ context: Context) async throws {
    let location = try arguments.topics(of: context.kafka(for: "create"))
    var made: [String: Int] = [:]
    do {
        made = try await location.createTopics(partitions: arguments.partitions)
    } catch let error as StoreError where error.code == .alreadyExists {
        // They stand.
    }
    context.sayWhatStood(location, made)
    if made[location.eventsTopic] == nil {
        do {
            try await context.withStore { _ in }
            throw Failure(.refused, "there is a store in the topic \(location.eventsTopic) already")
        } catch let error as StoreError where error.code == .notAStore {
            // It is empty.
        }
    }
    try await context.withStore(creating: .ifMissing) { _ in }
    await context.warnOfOneCopy(location)
}

extension Arguments {
    fileprivate var partitions: Int? {
        get throws(Failure) {
            try number(.partitions, minimum: 1, maximum: maximumPartitions).map { Int($0) }
        }
    }

    /// The location with the copies that are wanted.
    fileprivate func topics(of location: KafkaLocation) throws(Failure) -> KafkaLocation {
        var location = location
        // The two options of this name have different words in the help.
        let option: Option = has(.replication) ? .replication : .replicationWanted
        location.replication = try number(option, minimum: 1, maximum: maximumReplication).map { Int($0) }
        return location
    }
}

extension Context {
    /// Where a store was half made.
    fileprivate func sayWhatStood(_ location: KafkaLocation, _ made: [String: Int]) {
        guard made == [location.orderTopic: 1] else { return }
        StandardError.line(
            "the topic \(location.eventsTopic) stands; \(location.orderTopic) was missing and was made for it: what is "
                + "stored is ordered from the first event on")
    }

    /// What a store in one copy can lose, said once, when it is made.
    fileprivate func warnOfOneCopy(_ location: KafkaLocation) async {
        guard let reports = try? await location.describeTopics() else { return }
        for report in reports where report.replication == 1 {
            StandardError.line(
                "\(report.topic) has one copy: a crash of its broker can lose what was acknowledged; for more than "
                    + "tests use --replication 3")
        }
    }
}

extension Output {
    fileprivate func topic(_ report: KafkaTopicReport) throws {
        json.beginObject()
        json.field("topic", report.topic)
        json.field("partitions", report.partitions)
        json.field("replication", report.replication)
        json.beginArray("mismatches")
        for mismatch in report.mismatches {
            json.beginObject()
            json.field("setting", mismatch.setting)
            json.field("found", mismatch.found)
            json.field("wanted", mismatch.wanted)
            json.field("mend", mismatch.mend)
            json.endObject()
        }
        json.endArray()
        json.field("unreadable", report.unreadable)
        json.endObject()
        try endLine()
    }
}
