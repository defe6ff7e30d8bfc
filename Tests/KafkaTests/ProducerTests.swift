import CRdKafka
import Kafka
import KafkaBrokers
import Testing

@Test func stored() async throws {
    let cluster = MockCluster()
    cluster.create("t", partitions: 2)
    var kafka = try KafkaConfiguration(servers: cluster.servers, clientID: "test", properties: ["debug":"broker,topic,generic"])
    kafka.log = { print($0.facility, $0.message) }
    let producer = try KafkaProducer(kafka, topics: ["t"], maxMessageBytes: 1 << 20)
    #expect(await producer.send(KafkaRecord(key: nil, value: [1], partition: 1)) == .stored(offset: 0))
    print("CLOSE")
    let t = ContinuousClock.now
    producer.close(within: .seconds(5))
    print("CLOSED", ContinuousClock.now - t)
    cluster.close()
}
