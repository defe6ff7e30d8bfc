// Reads partitions of a few topics from offsets that the caller keeps, without a consumer group.
//
// It uses the library's simple consumer: each partition is begun and ended by itself, no group name and no coordinator
// are needed, and beginning again at another offset is not a seek, which old versions get wrong.

import CRdKafka
import Synchronization

/// A partition of one of the topics that a client was given, counted from 0.
public struct TopicPartition: Sendable, Hashable {
    public var topic: Int
    public var partition: Int

    public init(topic: Int = 0, _ partition: Int) {
        self.topic = topic
        self.partition = partition
    }
}

/// A record as the library has it, lent for the length of a call.
public struct KafkaMessage: ~Copyable {
    private let raw: UnsafePointer<rd_kafka_message_t>

    init(_ raw: UnsafePointer<rd_kafka_message_t>) {
        self.raw = raw
    }

    public var place: TopicPartition {
        // The library numbers a client's topics; see KafkaClient.
        let topic = raw.pointee.rkt.map { Int(bitPattern: rd_kafka_topic_opaque($0)) - 1 } ?? 0
        return TopicPartition(topic: max(0, topic), Int(raw.pointee.partition))
    }

    public var offset: Int64 { raw.pointee.offset }

    /// Milliseconds since 1970: the log's or the writer's, as the topic is set; -1 where there is none.
    public var timestamp: Int64 {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        return rd_kafka_message_timestamp(raw, &type)
    }

    /// Whether the log gave the time. Of what was sent it is also false where the acknowledgement told no offset, though
    /// the library counts on from that.
    public var hasLogTime: Bool {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        _ = rd_kafka_message_timestamp(raw, &type)
        return type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME
    }

    /// Bytes of key and value.
    public var byteCount: Int { raw.pointee.key_len + raw.pointee.len }

    /// A copy; nil for a null key.
    public var key: [UInt8]? { Self.bytes(raw.pointee.key, raw.pointee.key_len) }

    /// A copy; nil for a null value.
    public var value: [UInt8]? { Self.bytes(raw.pointee.payload, raw.pointee.len) }

    private static func bytes(_ part: UnsafeMutableRawPointer?, _ count: Int) -> [UInt8]? {
        part.map { [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) }
    }

    /// Whether key and value are these, byte for byte; nil and empty differ.
    public func isSame(key: [UInt8]?, value: [UInt8]?) -> Bool {
        Self.isSame(raw.pointee.key, raw.pointee.key_len, key)
            && Self.isSame(raw.pointee.payload, raw.pointee.len, value)
    }

    private static func isSame(_ part: UnsafeMutableRawPointer?, _ count: Int, _ bytes: [UInt8]?) -> Bool {
        guard let part, let bytes else { return part == nil && bytes == nil }
        return bytes.elementsEqual(UnsafeRawBufferPointer(start: part, count: count))
    }

    /// Copies the key to the end of `bytes` and says where it is; nil for a null key.
    public func appendKey(to bytes: inout [UInt8]) -> Range<Int>? {
        Self.append(raw.pointee.key, raw.pointee.key_len, to: &bytes)
    }

    /// Copies the value to the end of `bytes` and says where it is; nil for a null value.
    public func appendValue(to bytes: inout [UInt8]) -> Range<Int>? {
        Self.append(raw.pointee.payload, raw.pointee.len, to: &bytes)
    }

    private static func append(_ part: UnsafeMutableRawPointer?, _ count: Int, to bytes: inout [UInt8]) -> Range<Int>? {
        guard let part else { return nil }
        let start = bytes.count
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: part, count: count))
        return start..<bytes.count
    }
}

/// What a reader has to say.
public enum KafkaReading: ~Copyable {
    case record(KafkaMessage)
    /// All up to `offset` was delivered; told again each time that the end is reached.
    case end(TopicPartition, offset: Int64)
    /// The partition delivers nothing until it is begun again, or tries again by itself; nil: it is about a connection
    /// or the client.
    case trouble(TopicPartition?, KafkaError)
}

/// A reader of partitions of a few topics.
///
/// ```swift
/// let reader = try KafkaReader(kafka, topics: ["shop.events", "shop.order"])
/// try reader.begin(TopicPartition(topic: 1, 0), at: 1_000)
/// reader.read(within: .milliseconds(100)) { reading in
///     switch reading {
///     case .record(let message): last = message.offset
///     default: break
///     }
///     return true
/// }
/// ```
/// One thread, the caller's, calls `begin`, `end` and `read`; `wake` comes from any.
public final class KafkaReader: Sendable {
    private let client: KafkaClient
    private let active = Mutex<Set<TopicPartition>>([])
    /// Also held while `wake` touches the client, which may come from anywhere, also after `close`.
    private let isClosed = Mutex(false)

    public init(_ configuration: KafkaConfiguration, topics: [String]) throws(KafkaError) {
        client = try KafkaClient(configuration, .reader, topics: topics)
    }

    init(client: KafkaClient) {
        self.client = client
    }

    /// Delivers the partition from `offset` on, also where it was being delivered from elsewhere: nothing of before
    /// comes any more.
    ///
    /// - Parameter offset: 0 or more.
    public func begin(_ place: TopicPartition, at offset: Int64) throws(KafkaError) {
        precondition(offset >= 0, "offsets count from 0")
        precondition(client.topics.indices.contains(place.topic), "no such topic")
        end(place)
        let code = rd_kafka_consume_start_queue(
            client.topics[place.topic].pointer, Int32(clamping: place.partition), offset, client.queue.pointer)
        guard code == 0 else { throw KafkaError(rd_kafka_last_error()) }
        active.withLock { _ = $0.insert(place) }
    }

    /// Delivers nothing more of the partition.
    public func end(_ place: TopicPartition) {
        guard active.withLock({ $0.remove(place) }) != nil else { return }
        // It also makes what is queued of it outdated.
        rd_kafka_consume_stop(client.topics[place.topic].pointer, Int32(clamping: place.partition))
    }

    public func endAll() {
        for place in active.withLock({ $0 }) { end(place) }
    }

    /// Waits for the first thing to say and lends it and what else is there, until `body` returns false.
    public func read(within wait: Duration, _ body: (borrowing KafkaReading) -> Bool) {
        guard let first = Event(of: client.queue, within: wait) else { return }
        lendAll(from: first, body)
    }

    /// Waits for the first thing to say, and then calls `body` once, also where nothing came, with what lends that and
    /// what else is there: for who takes a lock only after the wait.
    ///
    /// - Parameters:
    ///   - wait: up to 24 hours.
    ///   - body: gets a function to call at most once, which lends until what it is given returns false.
    public func whenReady(
        within wait: Duration, _ body: (_ read: ((borrowing KafkaReading) -> Bool) -> Void) -> Void
    ) {
        guard let first = Event(of: client.queue, within: wait) else { return body { _ in } }
        body { lendAll(from: first, $0) }
    }

    private func lendAll(from first: borrowing Event, _ body: (borrowing KafkaReading) -> Bool) {
        guard lend(first, body) else { return }
        // The rest is taken without waiting.
        while let event = Event(of: client.queue, within: .zero) {
            guard lend(event, body) else { return }
        }
    }

    private func lend(_ event: borrowing Event, _ body: (borrowing KafkaReading) -> Bool) -> Bool {
        if event.type == RD_KAFKA_EVENT_FETCH {
            while let message = rd_kafka_event_message_next(event.pointer) {
                let code = message.pointee.err
                guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                    let (place, offset) = (KafkaMessage(message).place, message.pointee.offset)
                    if !lend(KafkaError(code), code, place, offset, body) { return false }
                    continue
                }
                // One event carries one message, so nothing is lost by leaving here.
                if !body(.record(KafkaMessage(message))) { return false }
            }
            return true
        }
        if client.isHousekeeping(event) { return true }
        guard let error = event.error else {
            client.say(5, "EVENT", "an event of unknown type \(event.type) was dropped")
            return true
        }
        guard let (place, offset) = event.place(among: client.names) else {
            return body(.trouble(nil, client.configuration.explained(error)))
        }
        return lend(error, rd_kafka_event_error(event.pointer), place, offset, body)
    }

    private func lend(
        _ error: KafkaError, _ code: rd_kafka_resp_err_t, _ place: TopicPartition, _ offset: Int64,
        _ body: (borrowing KafkaReading) -> Bool
    ) -> Bool {
        if code == RD_KAFKA_RESP_ERR__PARTITION_EOF { return body(.end(place, offset: offset)) }
        return body(.trouble(place, client.configuration.explained(error)))
    }

    /// Makes a `read` that waits return.
    public func wake() {
        isClosed.withLock { if !$0 { client.queue.wake() } }
    }

    /// Ends the client; no other call but `wake` may be under way or follow. Blocks.
    public func close() {
        let wasClosed = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        if wasClosed { return }
        endAll()
        client.destroy()
    }
}
