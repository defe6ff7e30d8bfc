import Foundation
import KafkaBrokers
import Testing
import Tributary
import TributaryKafka

/// A store on an imitated cluster; it takes a batch also where the one before it failed, so one is sent at a time.
private func location(_ cluster: MockCluster, partitions: Int) -> KafkaLocation {
    cluster.createStore("shop", partitions: partitions)
    var location = KafkaLocation(
        cluster.servers, store: "shop", properties: ["fetch.wait.max.ms": "5", "max.in.flight": "1"])
    location.allowsUnverifiedTopics = true
    return location
}

private func event(_ data: String) -> NewEvent {
    NewEvent(type: "Tested", data: Array(data.utf8), id: nil)
}

/// What stands at which position.
private func positions(_ store: EventStore) async throws -> [String] {
    var lines: [String] = []
    for try await event in store.readAll(consistency: .linearizable) {
        lines.append("\(event.position?.value ?? -1) \(event.stream) \(event.version)")
    }
    return lines
}

@Test(arguments: [1, 3])
func appendReadConflictReopen(_ partitions: Int) async throws {
    let cluster = MockCluster()
    let kafka = location(cluster, partitions: partitions)
    let store = try await EventStore.open(.kafka(kafka))
    for number in 0..<5 as Range<Int64> {
        let stream = try StreamName("order-\(number)")
        let first = try await store.append(event("a"), to: stream, expecting: .noStream)
        #expect(first.versions.upperBound == 0)
        let second = try await store.append(event("b"), to: stream, expecting: .version(0), acknowledge: .ordered)
        // The store's own record is the first.
        #expect(second.positions?.lowerBound.value == 2 * number + 2)
        await #expect(throws: (any Error).self) {
            _ = try await store.append(event("c"), to: stream, expecting: .version(0))
        }
    }
    let order = try await positions(store)
    #expect(order.count == 11)
    await store.close()
    let again = try await EventStore.open(.kafka(kafka), creating: .never)
    for number in 0..<5 {
        var data: [String] = []
        for try await event in again.read(try StreamName("order-\(number)")) {
            data.append(String(decoding: event.data, as: UTF8.self))
        }
        #expect(data == ["a", "b"])
    }
    #expect(try await positions(again) == order)
    await again.close()
    cluster.close()
}

/// Two nodes on one store: one winner for each version.
@Test func twoNodesRace() async throws {
    let cluster = MockCluster()
    let kafka = location(cluster, partitions: 2)
    let nodes = [try await EventStore.open(.kafka(kafka)), try await EventStore.open(.kafka(kafka))]
    let stream = try StreamName("order-1")
    _ = try await nodes[0].append(event("first"), to: stream, expecting: .noStream)
    let wins = await withTaskGroup(of: Int.self) { group in
        for (number, node) in nodes.enumerated() {
            group.addTask {
                var wins = 0
                for version in 0..<50 as Range<Int64> {
                    let done = try? await node.append(event("\(number)"), to: stream, expecting: .version(version))
                    if done != nil { wins += 1 }
                }
                return wins
            }
        }
        return await group.reduce(0, +)
    }
    var versions: [Int64] = []
    for try await event in nodes[0].read(stream) { versions.append(event.version) }
    #expect(versions == versions.indices.map { Int64($0) })
    #expect(versions.count == wins + 1)
    for node in nodes { await node.close() }
    cluster.close()
}

@Test func emptyTopicIsNoStoreUnlessItMayBeMadeOne() async throws {
    let cluster = MockCluster()
    let kafka = location(cluster, partitions: 1)
    await #expect { _ = try await EventStore.open(.kafka(kafka), creating: .never) } throws: {
        ($0 as? StoreError)?.code == .notAStore
    }
    cluster.close()
}

@Test(.enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"))
func createdOnARealBroker() async throws {
    let servers = try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try RealBroker.current.start() }) }.start()
    }
    var kafka = KafkaLocation(servers, store: "test-\(UUID().uuidString.lowercased())")
    kafka.replication = 1
    try await EventStore.create(.kafka(kafka))
    #expect(try await kafka.checkTopics() == [])
    let store = try await EventStore.open(.kafka(kafka))
    let stream = try StreamName("order-1")
    _ = try await store.append(event("a"), to: stream, expecting: .noStream)
    await store.close()
    let again = try await EventStore.open(.kafka(kafka), creating: .never)
    #expect(try await again.append(event("b"), to: stream, expecting: .version(0)).versions.upperBound == 1)
    await again.close()
}
