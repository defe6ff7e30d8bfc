// A record log on a store's topics of Kafka.
//
// Threads: "kafka-producer" serves the producer, "kafka-log" reads; one of them at a time calls the handler. A question
// to a leader, a probe after the loss of contact and closing have a thread each for as long as they last.

public import EventLog
import Kafka
import Synchronization

/// A `RecordLog` on the topic `<store>.events`, each partition of which is a channel, and, where it has several, on
/// `<store>.order`, which is the last channel.
///
/// ```swift
/// let log = try await KafkaLog.open(KafkaPlace(servers: "localhost:9092", store: "shop"))
/// ```
/// Between `contactLost` and `contactRegained` nothing is delivered, and what is appended can be
/// withdrawn. Where `openingNotes` say that a topic is not as a store needs it, nothing is written.
public final class KafkaLog: RecordLog {
    public let description: LogDescription
    /// What opening has to say to people.
    public let openingNotes: [String]
    private let place: KafkaPlace
    private let kafka: KafkaConfiguration
    private let producer: KafkaProducer
    private let reader: KafkaReader
    private let shared: SharedState
    private let delivery: SharedDelivery
    private let questions: Questions
    private let statistics: LatestStatistics

    // MARK: - Opening

    /// Opens the log; the topics have to exist.
    ///
    /// - Parameter knownPartitions: how many the events' topic has, where that is known: then the log is also opened
    ///   where no broker answers, and looks at the topics when one does.
    /// - Throws: `LogError`: `notAStore` where a topic is missing, `unavailable` where no broker answers,
    ///   `noPermission`.
    public static func open(
        _ place: KafkaPlace, knownPartitions: Int? = nil
    ) async throws(LogError) -> KafkaLog {
        var kafka = try place.configuration()
        let statistics = LatestStatistics()
        kafka.statistics = { statistics.note($0) }
        let reports = try await reports(of: place, knownPartitions)
        do {
            return try await onOwnThread(named: "kafka-open") { [kafka] in
                try KafkaLog(place, kafka, reports, statistics)
            }
        } catch {
            throw LogError(error, servers: place.servers)
        }
    }

    private static func reports(
        of place: KafkaPlace, _ knownPartitions: Int?
    ) async throws(LogError) -> [KafkaTopics.Report] {
        do throws(LogError) {
            guard place.isOffline else { return try await KafkaTopics.check(place, knownPartitions: knownPartitions) }
            throw LogError(
                .unavailable, "nothing of the store \(place.store) was applied here: it cannot be opened offline")
        } catch {
            guard let knownPartitions, error.code == .unavailable else { throw error }
            return [.unseen(place.eventsTopic, partitions: knownPartitions)]
        }
    }

    private init(
        _ place: KafkaPlace, _ kafka: KafkaConfiguration, _ reports: [KafkaTopics.Report],
        _ statistics: LatestStatistics
    ) throws(KafkaError) {
        let events = reports[0]
        let topicBytes =
            reports.compactMap { $0.settings?["max.message.bytes"].flatMap { Int($0) } }.min()
            ?? KafkaLogLimits.topicMessageBytes
        description = LogDescription(
            name: "kafka \(place.servers) store \(place.store)", partitions: events.partitions,
            hasOrderChannel: events.partitions > 1, isOnlyWriter: false,
            maxRecordBytes: max(0, min(topicBytes, KafkaLogLimits.topicMessageBytes) - KafkaLogLimits.batchOverhead),
            writeRefusal: place.isOffline
                ? "the store was opened offline: nothing is written"
                : events.isSeen ? Self.refusal(reports, place) : nil,
            isAway: !events.isSeen)
        self.place = place
        self.kafka = kafka
        openingNotes =
            events.isSeen
            ? Self.notes(description.writeRefusal)
            : place.isOffline
                ? []
                : ["no broker answers at \(place.servers): what this node has applied can be read, and appends wait"]
        if events.isSeen { for line in Self.remarks(reports) { place.log(6, "OPEN", line) } }
        let topics = place.topics(partitions: events.partitions)
        let shared = SharedState(description)
        let delivery = SharedDelivery()
        self.delivery = delivery
        // Elsewhere an acknowledgement need not tell the time that is read back: librdkafka's imitation tells 1234.
        let isTimed = reports.allSatisfy { $0.settings?["message.timestamp.type"] == "LogAppendTime" }
        self.shared = shared
        questions = Questions(kafka, topics: topics, patience: place.patience) { shared.isClosed }
        self.statistics = statistics
        let reader = try KafkaReader(kafka, topics: topics)
        self.reader = reader
        do {
            producer = try KafkaProducer(kafka, topics: topics, maxMessageBytes: topicBytes) { reports in
                let news = shared.reported(reports)
                if news.areForThread || news.areAcknowledged && !delivery.deliverAcknowledged() { reader.wake() }
            } onStored: {
                if isTimed, $0.hasLogTime { shared.acknowledged($0) }
            }
        } catch {
            reader.close()
            throw error
        }
        if description.isAway { producer.hold(true) }
    }

    static func refusal(_ reports: [KafkaTopics.Report], _ place: KafkaPlace) -> String? {
        let refusals = reports.compactMap { $0.refusal(place) }
        return refusals.isEmpty ? nil : refusals.joined(separator: "; ")
    }

    private static func notes(_ refusal: String?) -> [String] {
        (refusal.map { [$0] } ?? []) + (KafkaLibrary.warning.map { [$0] } ?? [])
    }

    /// What is worth a line in a log and no warning each time.
    private static func remarks(_ reports: [KafkaTopics.Report]) -> [String] {
        var remarks: [String] = []
        for report in reports where report.replication == 1 {
            remarks.append("the topic \(report.topic) has one copy: a broker's crash can lose what was acknowledged")
        }
        if !KafkaLibrary.missing.isEmpty {
            remarks.append("librdkafka \(KafkaLibrary.version): " + KafkaLibrary.missing.joined(separator: "; "))
        }
        return remarks
    }

    // MARK: - Writing

    public func append(_ record: LogRecord, to channel: Int, tag: LogTag) {
        precondition(channel >= 0 && channel < description.channels, "no such channel")
        if record.byteCount > description.maxRecordBytes { return reject(tag, .tooLarge) }
        if let refusal = description.writeRefusal { return reject(tag, .failed(refusal)) }
        let place = description.place(of: channel)
        let sent = producer.send(
            KafkaRecord(
                key: record.key, value: record.value, topic: place.topic, partition: place.partition,
                mayGather: record.mayGather),
            tag: tag.number)
        if !sent { reject(tag, .failed("the log is closed; open it again")) }
    }

    private func reject(_ tag: LogTag, _ reason: NotStoredReason) {
        guard tag != .none else { return }
        switch shared.add([TagReport(tag: tag, outcome: .notStored(reason))]) {
        case .delivering: reader.wake()
        case .ended(let handler): WorkerThread.report(shared, to: handler)
        case .notStarted: break
        }
    }

    public func withdraw(_ tag: LogTag) -> Bool {
        producer.withdraw(tag.number)
    }

    // MARK: - Delivery

    public func start(from offsets: [Int64], handler: any LogHandler) throws {
        precondition(offsets.count == description.channels, "one offset for each channel")
        let (reader, producer, shared, place, kafka) = (reader, producer, shared, place, kafka)
        let (description, delivery) = (description, delivery)
        let isStarted = shared.start(handler) {
            WorkerThread(name: "kafka-log") {
                delivery.run(reader, writesAfterRestart: place.writesAfterRestart) {
                    Delivery(
                        description, reader: reader, producer: producer, shared: shared,
                        leaders: Leaders(
                            kafka: kafka, place: place, description: description, shared: shared,
                            wake: { reader.wake() }),
                        handler: handler, offsets: offsets)
                }
            }
        }
        if !isStarted { throw LogError(.closed, "the log on Kafka is closed") }
    }

    public func restart(channel: Int, from offset: Int64) {
        precondition(channel >= 0 && channel < description.channels, "no such channel")
        shared.restart(channel, offset)
        reader.wake()
    }

    // MARK: - Questions

    public func bounds(of channel: Int) async throws(LogError) -> Range<Int64> {
        precondition(channel >= 0 && channel < description.channels, "no such channel")
        let place = description.place(of: channel)
        return try await ask { inquiry throws(KafkaError) in try inquiry.bounds(of: place) }
    }

    public func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord? {
        precondition(channel >= 0 && channel < description.channels, "no such channel")
        let place = description.place(of: channel)
        let found: KafkaStoredRecord?
        do {
            found = try await ask { inquiry throws(KafkaError) in try inquiry.record(at: offset, in: place) }
        } catch  where error.code == .damaged {
            throw LogError(.damaged, Delivery.damage(offset, description.name(of: channel), error.message))
        }
        return found.map {
            StoredRecord(
                offset: $0.offset, appendTime: $0.timestamp, record: LogRecord(key: $0.key, value: $0.value))
        }
    }

    private func ask<R: Sendable>(
        _ body: @escaping @Sendable (KafkaInquiry) throws(KafkaError) -> R
    ) async throws(LogError) -> R {
        try shared.beginQuestion()
        defer { shared.endQuestion() }
        let questions = questions
        do {
            return try await onOwnThread(named: "kafka-ask") { try questions.ask(body) }
        } catch {
            throw LogError(error, servers: place.servers)
        }
    }

    public var figures: [LogFigure] {
        let (waiting, inFlight) = producer.outstanding
        return [
            LogFigure(
                "kafka_waiting_records", "Records that Kafka's client library does not have yet", Double(waiting)),
            LogFigure(
                "kafka_unacknowledged_records", "Records that Kafka's client library has and that are not acknowledged",
                Double(inFlight)),
        ] + statistics.figures
    }

    // MARK: - Closing

    public func close() async {
        try? await onOwnThread(named: "kafka-close") { [self] in closeNow() }
    }

    private func closeNow() {
        guard shared.beginClose() else { return shared.waitForEnd() }
        let end = ContinuousClock.now + place.patience
        producer.close(within: place.patience)
        shared.drain(to: ends(by: end), by: end)
        reader.wake()
        shared.waitForQuiet()
        questions.close()
        reader.close()
        shared.endClose()
    }

    /// Where delivery ends: behind the last record that this log stored. Others may go on writing.
    private func ends(by deadline: ContinuousClock.Instant) -> [Int64] {
        var (ends, unknown) = shared.storedEnds
        for channel in unknown {
            // A broker acknowledged without an offset; what is there now includes it.
            let left = max(.zero, ContinuousClock.now.duration(to: deadline))
            let topics = place.topics(partitions: description.partitions)
            guard let inquiry = try? KafkaInquiry(kafka, topics: topics, within: left) else { continue }
            if let bounds = try? inquiry.bounds(of: description.place(of: channel)) {
                ends[channel] = bounds.upperBound
            }
            inquiry.close()
        }
        return ends
    }
}
