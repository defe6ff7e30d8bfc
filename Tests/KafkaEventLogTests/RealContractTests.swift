import EventLog
import Foundation
import KafkaBrokers
import KafkaEventLog
import LogContract
import Testing

/// A new store on a real broker.
func realPlace(_ broker: RealBroker, partitions: Int) async throws -> KafkaPlace {
    let servers = try await onOwnThread(named: "start-kafka") { try broker.start() }
    var place = KafkaPlace(servers: servers, store: "test-\(UUID().uuidString.lowercased())")
    // The machine may have other things to do.
    place.patience = .seconds(60)
    try await KafkaTopics.create(place, partitions: partitions, replication: 1)
    return place
}

private func real(_ broker: RealBroker, partitions: Int) -> LogUnderTest {
    LogUnderTest(
        name: "Kafka \(broker.version), \(partitions) partitions", channels: partitions > 1 ? partitions + 1 : 1,
        isReopenable: true,
        takesSeveral: true
    ) {
        let place = try await realPlace(broker, partitions: partitions)
        return LogPlace { try await KafkaLog.open(place) }
    }
}

/// One after the other: brokers, clients and other tests share the machine.
@Suite(.serialized) enum RealKafka {}

extension RealKafka {
    @Suite(.enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"))
    struct RealContractTests {
        @Test(
            arguments: [
                real(.current, partitions: 1), real(.current, partitions: 4), real(.older, partitions: 3),
            ], ContractCheck.all)
        func contract(_ log: LogUnderTest, _ check: ContractCheck) async throws {
            try await check.run(log)
        }

        @Test(arguments: [RealBroker.current, RealBroker.older])
        func topicIsMadeAndChecked(_ broker: RealBroker) async throws {
            let place = try await realPlace(broker, partitions: 3)
            let reports = try await KafkaTopics.check(place)
            #expect(reports.map(\.topic) == [place.eventsTopic, place.orderTopic])
            #expect(reports.map(\.partitions) == [3, 1])
            #expect(reports.allSatisfy { $0.replication == 1 && $0.mismatches == [] && $0.settings != nil })
            // A store of one partition has the one topic.
            #expect(try await KafkaTopics.check(try await realPlace(broker, partitions: 1)).count == 1)
            await expectError(.alreadyExists) { try await KafkaTopics.create(place, partitions: 3) }
            var missing = place
            missing.store += "-no"
            await expectError(.notAStore) { [missing] in try await KafkaLog.open(missing).close() }
        }
    }
}

@discardableResult
func expectError(_ code: LogError.Code, _ body: () async throws -> Void) async -> LogError? {
    do {
        try await body()
        Issue.record("no error")
        return nil
    } catch {
        #expect((error as? LogError)?.code == code, "\(error)")
        return error as? LogError
    }
}
