// Questions to the partitions' leaders, with a client of their own: on a reader's connection a question would wait
// behind the fetch that waits for records, and a fresh client has no stale idea of who leads.

import CRdKafka
import Synchronization

/// A record by itself.
public struct KafkaStoredRecord: Sendable, Equatable {
    public var offset: Int64
    public var timestamp: Int64
    public var key: [UInt8]?
    public var value: [UInt8]?
}

/// Asks about a few topics and their partitions, one question at a time. All calls block.
public final class KafkaInquiry: Sendable {
    private let client: KafkaClient
    private let deadline: Mutex<ContinuousClock.Instant>
    let isCancelled: @Sendable () -> Bool

    /// - Parameters:
    ///   - topics: one or more, by which partitions are named in questions.
    ///   - patience: for all questions together.
    ///   - isCancelled: asked now and then; true ends a question with an error of kind `cancelled`.
    public init(
        _ configuration: KafkaConfiguration, topics: [String], within patience: Duration,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(KafkaError) {
        client = try KafkaClient(configuration, .inquiry, topics: topics)
        self.isCancelled = isCancelled
        deadline = Mutex(.now + patience)
    }

    /// Gives the next questions, all together, so much time.
    public func allow(_ patience: Duration) {
        deadline.withLock { $0 = .now + patience }
    }

    /// The first offset that is there, and the one that the next record gets.
    public func bounds(of place: TopicPartition) throws(KafkaError) -> Range<Int64> {
        while true {
            // In this order: the first may grow meanwhile.
            let low = try offset(at: Int64(RD_KAFKA_OFFSET_BEGINNING), of: place)
            let high = try offset(at: Int64(RD_KAFKA_OFFSET_END), of: place)
            if high >= low { return low..<high }
            // One was said by a leader that was one no more.
            _ = troubles(within: KafkaLimits.askPause)
        }
    }

    /// What `RD_KAFKA_OFFSET_BEGINNING` or `_END`, which brokers take for a time, stands for. The library's own question
    /// for both, `rd_kafka_query_watermark_offsets`, waits before 2.3 for as long as a leader stands still.
    private func offset(at end: Int64, of place: TopicPartition) throws(KafkaError) -> Int64 {
        guard let list = rd_kafka_topic_partition_list_new(1) else {
            throw KafkaError(.other, "no memory for a question")
        }
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, client.names[place.topic], Int32(clamping: place.partition))
        var last = KafkaError(.timedOut, "no broker answered")
        var length = KafkaLimits.askSlice
        while let slice = slice(of: length) {
            list.pointee.elems[0].offset = end
            var code = rd_kafka_offsets_for_times(client.handle.pointer, list, slice.milliseconds32)
            let answer = list.pointee.elems[0]
            if code == RD_KAFKA_RESP_ERR_NO_ERROR { code = answer.err }
            if code == RD_KAFKA_RESP_ERR_NO_ERROR, answer.offset >= 0 { return answer.offset }
            last = try heard(code, last)
            learnLeaders(of: place.topic)
            // A late answer is lost, and the next may take as long.
            length = min(length * 2, KafkaLimits.longestAskSlice)
        }
        throw try ended(last)
    }

    /// Has the client ask a broker that answers who leads: one that stands still is no leader any more after a while,
    /// and by itself the client goes on with whom it knows until its connection fails.
    private func learnLeaders(of topic: Int) {
        guard let slice = slice else { return }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        rd_kafka_metadata(client.handle.pointer, 0, client.topics[topic].pointer, &metadata, slice.milliseconds32)
        if let metadata { rd_kafka_metadata_destroy(metadata) }
    }

    /// The record at an offset; nil where there is none.
    public func record(at offset: Int64, in place: TopicPartition) throws(KafkaError) -> KafkaStoredRecord? {
        guard offset >= 0 else { return nil }
        let reader = KafkaReader(client: client)
        defer { reader.endAll() }
        try reader.begin(place, at: offset)
        var last = KafkaError(.timedOut, "the record did not come")
        while let slice = slice {
            var found: KafkaStoredRecord?
            var isOver = false
            var trouble: KafkaError?
            reader.read(within: slice) { reading in
                switch reading {
                case .record(let message):
                    isOver = true
                    if message.offset == offset { found = Self.copy(message) }
                case .end: isOver = true
                case .trouble(_, let error): trouble = error
                }
                return !isOver
            }
            if isOver { return found }
            last = trouble ?? last
            switch trouble?.kind {
            case .damaged, .authentication, .notAuthorized: throw last
            case .outOfRange:
                guard try bounds(of: place).contains(offset) else { return nil }
                // It was said by a leader that was one no more.
                try reader.begin(place, at: offset)
            default: learnLeaders(of: place.topic)
            }
        }
        throw try ended(last)
    }

    private static func copy(_ message: borrowing KafkaMessage) -> KafkaStoredRecord {
        var bytes: [UInt8] = []
        let key = message.appendKey(to: &bytes).map { _ in bytes }
        bytes = []
        let value = message.appendValue(to: &bytes).map { _ in bytes }
        return KafkaStoredRecord(offset: message.offset, timestamp: message.timestamp, key: key, value: value)
    }

    /// The brokers' view of a topic, which need not be one of this client's; nil where there is no such topic.
    public func partitions(of name: String) throws(KafkaError) -> [KafkaPartition]? {
        guard let topic = rd_kafka_topic_new(client.handle.pointer, name, nil) else {
            throw KafkaError(.configuration, "\(name) cannot be the name of a topic")
        }
        defer { rd_kafka_topic_destroy(topic) }
        return try metadata(of: topic) { metadata throws(KafkaError) in
            guard metadata.topic_cnt > 0, let topic = metadata.topics?.pointee else { return .some(nil) }
            switch topic.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                return (0..<Int(topic.partition_cnt)).map { KafkaPartition(topic.partitions[$0]) }
                    .sorted { $0.number < $1.number }
            case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC: return .some(nil)
            case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED: throw KafkaError(topic.err)
            // Being made, or between two leaders.
            default: return nil
            }
        }
    }

    /// As `partitions(of:)`, of a topic that not every broker may have heard of yet: where one knows of none it asks
    /// again.
    public func partitions(of name: String, knownWithin wait: Duration) throws(KafkaError) -> [KafkaPartition]? {
        let end = ContinuousClock.now + min(wait, patience)
        while true {
            let known = try partitions(of: name)
            if known != nil || ContinuousClock.now >= end { return known }
            _ = troubles(within: KafkaLimits.askPause)
        }
    }

    /// The ids of the cluster's brokers.
    func brokers() throws(KafkaError) -> [Int32] {
        try metadata(of: client.topics[0].pointer) { metadata in
            (0..<Int(metadata.broker_cnt)).map { metadata.brokers[$0].id }
        }
    }

    /// Asks until `body` takes the answer, nil being none.
    private func metadata<R>(
        of topic: OpaquePointer, _ body: (rd_kafka_metadata) throws(KafkaError) -> R?
    ) throws(KafkaError) -> R {
        var last = KafkaError(.timedOut, "no broker answered")
        var length = KafkaLimits.askSlice
        while let slice = slice(of: length) {
            var metadata: UnsafePointer<rd_kafka_metadata>?
            let code = rd_kafka_metadata(client.handle.pointer, 0, topic, &metadata, slice.milliseconds32)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else {
                last = try heard(code, last)
                // A late answer is lost, and the next may take as long.
                length = min(length * 2, KafkaLimits.longestAskSlice)
                continue
            }
            defer { rd_kafka_metadata_destroy(metadata) }
            if let result = try body(metadata.pointee) { return result }
            _ = troubles(within: KafkaLimits.askPause)
        }
        throw try ended(last)
    }

    /// nil: the time is over.
    private var slice: Duration? { slice(of: KafkaLimits.askSlice) }

    private func slice(of length: Duration) -> Duration? {
        if isCancelled() { return nil }
        let left = patience
        return left <= .zero ? nil : min(left, length)
    }

    /// What a refused question means. The client's events may know more, as a password that is wrong.
    private func heard(_ code: rd_kafka_resp_err_t, _ last: KafkaError) throws(KafkaError) -> KafkaError {
        var error = client.configuration.explained(KafkaError(code))
        if error.kind == .notAuthorized || error.kind == .unsupported { throw error }
        // Where it was refused at once, not to ask in a hurry.
        let troubles = troubles(within: KafkaLimits.askPause)
        if let refusal = troubles.first(where: { $0.kind == .authentication }) { throw refusal }
        if [.timedOut, .other, .unreachable].contains(error.kind) {
            // A connection's own words say more than that nobody was reached.
            let words = troubles.last { $0.kind == .unreachable && $0.name != "_ALL_BROKERS_DOWN" }
            error = words ?? (last.kind == .timedOut ? error : last)
        }
        return error
    }

    /// What the client has to say meanwhile.
    func troubles(within wait: Duration = .zero) -> [KafkaError] {
        var troubles: [KafkaError] = []
        KafkaReader(client: client).read(within: wait) { reading in
            switch reading {
            case .trouble(_, let error): troubles.append(error)
            default: break
            }
            return true
        }
        return troubles
    }

    private func ended(_ last: KafkaError) throws(KafkaError) -> KafkaError {
        if isCancelled() { throw KafkaError(.cancelled, "the question was given up") }
        return last
    }

    /// Ends the client.
    public func close() {
        client.destroy()
    }

    var handle: ClientHandle { client.handle }
    var configuration: KafkaConfiguration { client.configuration }
    var patience: Duration { max(.zero, ContinuousClock.now.duration(to: deadline.withLock { $0 })) }
}

public struct KafkaPartition: Sendable, Equatable {
    public var number: Int
    /// The broker's id; -1 where there is no leader now.
    public var leader: Int
    public var replicas: Int
    public var inSyncReplicas: Int

    init(_ metadata: rd_kafka_metadata_partition) {
        number = Int(metadata.id)
        leader = Int(metadata.leader)
        replicas = Int(metadata.replica_cnt)
        inSyncReplicas = Int(metadata.isr_cnt)
    }
}
