// The library's handles, one type for each kind: to Swift they are all the same pointer, and a mix-up would crash.

import CRdKafka

/// A client. `rd_kafka_t` is made for many threads.
struct ClientHandle: @unchecked Sendable {
    let pointer: OpaquePointer
}

/// A topic of one client, used by any thread until it is destroyed.
struct TopicHandle: @unchecked Sendable {
    let pointer: OpaquePointer
}

/// A queue of events, under a lock of its own.
struct QueueHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Makes a thread that waits on the queue look around.
    func wake() { rd_kafka_queue_yield(pointer) }
}

/// An event, for one thread, destroyed with its owner.
struct Event: ~Copyable {
    let pointer: OpaquePointer

    /// Waits for the next event of a queue; nil when none came or somebody called `wake`.
    init?(of queue: QueueHandle, within wait: Duration) {
        guard let pointer = rd_kafka_queue_poll(queue.pointer, wait.milliseconds32) else { return nil }
        self.pointer = pointer
    }

    deinit { rd_kafka_event_destroy(pointer) }

    var type: rd_kafka_event_type_t { rd_kafka_event_type(pointer) }

    var error: KafkaError? {
        let code = rd_kafka_event_error(pointer)
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        return KafkaError(code, rd_kafka_event_error_string(pointer).map { String(cString: $0) })
    }

    /// The partition of one of these topics that an error is about, and the offset where it tells one.
    func place(among topics: [String]) -> (TopicPartition, offset: Int64)? {
        guard let place = rd_kafka_event_topic_partition(pointer) else { return nil }
        defer { rd_kafka_topic_partition_destroy(place) }
        guard let topic = topics.firstIndex(of: String(cString: place.pointee.topic)) else { return nil }
        return (TopicPartition(topic: topic, Int(place.pointee.partition)), place.pointee.offset)
    }
}

/// Lends bytes to C: null for nil, and a pointer that is not null for empty ones, which is how the library tells them.
func withBytes<R>(_ bytes: [UInt8]?, _ body: (UnsafeMutableRawPointer?, Int) -> R) -> R {
    guard let bytes else { return body(nil, 0) }
    if bytes.isEmpty {
        var nothing: UInt8 = 0
        return withUnsafeMutableBytes(of: &nothing) { body($0.baseAddress, 0) }
    }
    return bytes.withUnsafeBytes { body(UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count) }
}
