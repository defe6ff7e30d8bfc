// librdkafka's own imitation of a cluster, in this process. It keeps records in memory, knows no admin requests, and
// does not drop the copies of idempotent producers.

public import CRdKafka
import Glibc
import Synchronization

/// A cluster of imitated brokers, numbered from 1.
public final class MockCluster: @unchecked Sendable {
    /// Requests that can be made to fail.
    public enum Request: Int16, Sendable {
        case produce = 0
        case fetch = 1
        case listOffsets = 2
        case metadata = 3
        case initProducerID = 22
    }

    private let client: OpaquePointer
    private let cluster: OpaquePointer
    public let servers: String
    private let brokers: Int32
    private let isClosed = Atomic(false)

    public init(brokers: Int32 = 1) {
        var text = [CChar](repeating: 0, count: 512)
        let conf = rd_kafka_conf_new()
        // It has no cluster of its own, which is no news.
        rd_kafka_conf_set(conf, "log_level", "0", &text, text.count)
        client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, &text, text.count)!
        self.brokers = brokers
        cluster = rd_kafka_mock_cluster_new(client, brokers)
        servers = String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
    }

    public func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    deinit { close() }

    /// Makes a topic.
    public func create(_ topic: String, partitions: Int, replication: Int32 = 1) {
        rd_kafka_mock_topic_create(cluster, topic, Int32(partitions), replication)
    }

    /// Makes the topics of a store: that of its events and, for several partitions, that of their order.
    public func createStore(_ store: String, partitions: Int, replication: Int32 = 1) {
        create(store + ".events", partitions: partitions, replication: replication)
        if partitions > 1 { create(store + ".order", partitions: 1, replication: replication) }
    }

    /// - Parameter broker: nil: all.
    public func stop(_ broker: Int32? = nil) { rd_kafka_mock_broker_set_down(cluster, broker ?? -1) }

    public func start(_ broker: Int32? = nil) { rd_kafka_mock_broker_set_up(cluster, broker ?? -1) }

    /// - Parameter broker: -1: nobody leads.
    public func lead(_ topic: String, _ partition: Int, by broker: Int32) {
        rd_kafka_mock_partition_set_leader(cluster, topic, Int32(partition), broker)
    }

    public func slow(_ broker: Int32? = nil, milliseconds: Int32) {
        rd_kafka_mock_broker_set_rtt(cluster, broker ?? -1, milliseconds)
    }

    /// The next request of this kind to each broker is answered late, though it is obeyed at once.
    public func delay(_ request: Request, milliseconds: Int32) {
        for broker in 1...brokers { tributary_mock_delay(cluster, broker, request.rawValue, milliseconds) }
    }

    /// The next requests of this kind fail so, in order; `_TRANSPORT` closes the connection.
    public func fail(_ request: Request, _ errors: [rd_kafka_resp_err_t]) {
        rd_kafka_mock_push_request_errors_array(cluster, request.rawValue, errors.count, errors)
    }

    public func clearFailures(_ request: Request) { rd_kafka_mock_clear_request_errors(cluster, request.rawValue) }
}

extension rd_kafka_resp_err_t {
    public static let transport = RD_KAFKA_RESP_ERR__TRANSPORT
    public static let notLeader = RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
    public static let requestTimedOut = RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
    public static let outOfRange = RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE
    public static let notAuthorized = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
    public static let tooLarge = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
}
