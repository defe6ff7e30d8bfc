import EventLog
import Foundation
import KafkaBrokers
import Testing
import Tributary
import TributaryKafka

/// Kafka goes away and comes back: what was applied is read, what cannot be written says so, and nothing is lost.
@Suite(.serialized) struct AbsenceTests {
    @Test func imitated() async throws {
        let cluster = MockCluster()
        cluster.createStore("shop", partitions: 2)
        var location = KafkaLocation(
            cluster.servers, store: "shop", properties: ["fetch.wait.max.ms": "5", "max.in.flight": "1"])
        location.allowsUnverifiedTopics = true
        try await goAndComeBack(location) {
            cluster.stop()
        } comeBack: {
            cluster.start()
        }
        cluster.close()
    }

    @Test(.enabled(if: RealBroker.canStart, "no real Kafka can be started"))
    func real() async throws {
        let servers = try await onOwnThread(named: "start-kafka") { try RealBroker.own.start() }
        var location = KafkaLocation(servers, store: "away-\(UUID().uuidString.lowercased())")
        location.patience = .seconds(60)
        location.replication = 1
        try await location.createTopics(partitions: 2)
        try await goAndComeBack(location) {
            try RealBroker.own.stop()
        } comeBack: {
            try RealBroker.own.startAgain()
        }
    }

    private func goAndComeBack(
        _ location: KafkaLocation, goAway: @escaping @Sendable () throws -> Void,
        comeBack: @escaping @Sendable () throws -> Void
    ) async throws {
        let store = try await EventStore.open(.kafka(location))
        let streams = try (0..<4).map { try StreamName("away-\($0)") }
        for stream in streams { try await store.append(event("before"), to: stream, expecting: .noStream) }
        try await onOwnThread(named: "broker") { try goAway() }
        for stream in streams { #expect(try await read(stream, store) == ["before"]) }

        // One of each kind, to each partition; whoever fails is settled by the same call later.
        let during = streams.map { ($0, event("during")) }
        let errors = await withTaskGroup(of: (any Error)?.self) { group in
            for (number, (stream, event)) in during.enumerated() {
                group.addTask {
                    do {
                        try await store.append(
                            event, to: stream, expecting: number % 2 == 0 ? .version(0) : .any, deadline: .seconds(2))
                        return nil
                    } catch { return error }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(errors.count == 4)
        for error in errors {
            switch error as? AppendError {
            case .outcomeUnknown(let ids): #expect(during.contains { [$0.1.id] == ids })
            case .notWritten(let why): #expect(!why.isEmpty)
            default: Issue.record("\(String(describing: error))")
            }
        }
        for stream in streams { #expect(try await read(stream, store) == ["before"]) }
        #expect(try await store.statistics().partitions.allSatisfy { $0.halted == nil })

        try await onOwnThread(named: "broker") { try comeBack() }
        for (number, (stream, event)) in during.enumerated() {
            let done = try await store.append(
                event, to: stream, expecting: number % 2 == 0 ? .version(0) : .any, deadline: .seconds(60))
            #expect(done.versions == 1...1)
            #expect(try await read(stream, store) == ["before", "during"])
            try await store.append(self.event("after"), to: stream, expecting: .version(1), deadline: .seconds(60))
        }
        await store.close()
        let again = try await EventStore.open(.kafka(location), creating: .never)
        for stream in streams { #expect(try await read(stream, again) == ["before", "during", "after"]) }
        await again.close()
    }

    private func event(_ data: String) -> NewEvent { NewEvent(type: "Tested", data: Array(data.utf8), id: UUID()) }

    private func read(_ stream: StreamName, _ store: EventStore) async throws -> [String] {
        var data: [String] = []
        for try await event in store.read(stream) { data.append(String(decoding: event.data, as: UTF8.self)) }
        return data
    }
}
