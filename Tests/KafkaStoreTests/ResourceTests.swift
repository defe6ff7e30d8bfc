import Foundation
import KafkaBrokers
import Testing
import Tributary
import TributaryKafka

/// In a process of its own: stores that are opened and closed leave no memory and no threads behind.
@Test func openedAndClosedStoresLeaveNothing() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
        for round in 0..<12 { try await openAndClose(round) }
        let (memory, threads) = (bytesInUse(), threadCount())
        for round in 0..<15 { try await openAndClose(round) }
        let growth = bytesInUse() - memory
        print("15 rounds: \(growth >> 10) KiB more, \(threads) threads became \(threadCount())")
        #expect(growth < 1 << 20)
        #expect(threadCount() < threads + 15)
        #expect(kafkaThreads() == [])
    }
    print(String(decoding: result?.standardOutputContent ?? [], as: UTF8.self))
}

private func openAndClose(_ round: Int) async throws {
    let cluster = MockCluster()
    cluster.createStore("shop", partitions: 2)
    var location = KafkaLocation(
        cluster.servers, store: "shop", properties: ["fetch.wait.max.ms": "5", "max.in.flight": "1"])
    location.allowsUnverifiedTopics = true
    // Every third is closed without brokers.
    location.patience = round % 3 == 2 ? .milliseconds(300) : .seconds(30)
    let store = try await EventStore.open(.kafka(location))
    for number in 0..<15 {
        let event = NewEvent(type: "Tested", data: Array(repeating: 1, count: 2_000), id: UUID())
        try await store.append(event, to: try StreamName("open-\(number % 7)"))
    }
    if round % 3 == 2 {
        cluster.stop()
        let stream = try StreamName("open-0")
        await #expect(throws: AppendError.self) {
            try await store.append(NewEvent(type: "Tested", data: []), to: stream, deadline: .milliseconds(200))
        }
    }
    await store.close()
    cluster.close()
}
