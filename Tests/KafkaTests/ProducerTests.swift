import CRdKafka
import Kafka
import KafkaBrokers
import Testing

@Test func stored() async throws {
    let cluster = MockCluster()
    cluster.create("t", partitions: 2)
    let kafka = try KafkaConfiguration(servers: cluster.servers, clientID: "test")
    let producer = try KafkaProducer(kafka, topics: ["t"], maxMessageBytes: 1 << 20)
    #expect(await producer.send(KafkaRecord(key: nil, value: [1], partition: 1)) == .stored(offset: 0))
    producer.close(within: .seconds(5))
    cluster.close()
}
