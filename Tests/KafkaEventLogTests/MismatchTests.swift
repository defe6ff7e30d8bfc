import Testing

@testable import KafkaEventLog

/// What of a topic's settings a store cannot live with, without a broker.
@Suite struct MismatchTests {
    private func found(replication: Int, wanted: Int?, inSync: String) -> [KafkaTopics.Mismatch] {
        var place = KafkaPlace(servers: "h:1", store: "shop")
        place.replication = wanted
        var settings = Dictionary(uniqueKeysWithValues: KafkaTopics.settings)
        settings["min.insync.replicas"] = inSync
        let report = KafkaTopics.Report(
            topic: place.eventsTopic, partitions: 1, replication: replication, settings: settings, mismatches: [])
        return KafkaTopics.mismatches(report, place)
    }

    @Test func allIsWell() {
        #expect(found(replication: 1, wanted: nil, inSync: "1") == [])
        #expect(found(replication: 3, wanted: nil, inSync: "1") == [])
        #expect(found(replication: 3, wanted: 3, inSync: "2") == [])
        #expect(found(replication: 5, wanted: 3, inSync: "3") == [])
    }

    /// One broker's failure must neither lose a record nor stop all writing.
    @Test func tooFewHaveToAcknowledge() {
        let mismatch = KafkaTopics.Mismatch(
            setting: "min.insync.replicas", found: "1", wanted: "2 or more",
            mend: "kafka-configs.sh --bootstrap-server h:1 --alter --entity-type topics --entity-name shop.events "
                + "--add-config min.insync.replicas=2")
        #expect(found(replication: 3, wanted: 3, inSync: "1") == [mismatch])
    }

    /// As long as there are too few copies, more of them in sync would stop all writing.
    @Test func copiesComeFirst() {
        #expect(found(replication: 2, wanted: 3, inSync: "1").map(\.setting) == ["the replication factor"])
        #expect(found(replication: 1, wanted: 3, inSync: "1").map(\.setting) == ["the replication factor"])
    }
}
