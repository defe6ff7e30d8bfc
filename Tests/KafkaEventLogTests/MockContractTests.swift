import EventLog
import Foundation
import KafkaBrokers
import KafkaEventLog
import LogContract
import Testing

private func mock(partitions: Int, brokers: Int32) -> LogUnderTest {
    LogUnderTest(
        name: "imitated Kafka, \(partitions) of \(brokers)", channels: partitions > 1 ? partitions + 1 : 1,
        isReopenable: true,
        takesSeveral: true
    ) {
        let cluster = MockCluster(brokers: brokers)
        let place = mockPlace(cluster, partitions: partitions)
        return LogPlace {
            try await KafkaLog.open(place)
        } remove: {
            cluster.close()
        }
    }
}

/// A store on an imitated cluster, with its topics.
func mockPlace(_ cluster: MockCluster, partitions: Int, replication: Int32 = 1) -> KafkaPlace {
    // The imitation answers a fetch that waits only when its time is over. And it takes a batch also where the one
    // before it failed, which a broker does not: the library believes then that both were stored.
    var place = KafkaPlace(
        servers: cluster.servers, store: "shop", properties: ["fetch.wait.max.ms": "5", "max.in.flight": "1"])
    place.allowsUnverifiedTopics = true
    if ProcessInfo.processInfo.environment["TRIBUTARY_KAFKA_LOG"] != nil {
        place.log = { print("kafka \($0): \($1): \($2)") }
    }
    cluster.createStore(place.store, partitions: partitions, replication: replication)
    return place
}

@Test(arguments: [mock(partitions: 1, brokers: 1), mock(partitions: 4, brokers: 3)], ContractCheck.all)
func contract(_ log: LogUnderTest, _ check: ContractCheck) async throws {
    try await check.run(log)
}
