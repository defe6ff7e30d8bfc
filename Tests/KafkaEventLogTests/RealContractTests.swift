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
    try await KafkaTopic.create(place, partitions: partitions, replication: 1)
    return place
}

private func real(_ broker: RealBroker, partitions: Int) -> LogUnderTest {
    LogUnderTest(
        name: "Kafka \(broker.version), \(partitions) partitions", channels: partitions, isReopenable: true,
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
            let report = try await KafkaTopic.check(place)
            #expect(report.partitions == 3)
            #expect(report.replication == 1)
            #expect(report.mismatches == [])
            await expectError(.alreadyExists) { try await KafkaTopic.create(place, partitions: 3) }
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
