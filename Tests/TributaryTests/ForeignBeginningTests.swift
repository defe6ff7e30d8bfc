import EventLog
import StreamIndex
import Testing

@testable import Tributary

/// Anybody may have written into a channel before the store's own first record: that is foreign, and the store goes on.
@Suite(.timeLimit(.minutes(1))) struct ForeignBeginningTests {
    private final class Silent: LogHandler {
        func handle(_ run: borrowing RecordRun) {}
        func handle(_ event: LogEvent) {}
    }

    @Test func whatStandsBeforeTheIdentityIsForeign() async throws {
        let records = InMemoryRecords(partitions: 3)
        let stranger = InMemoryLog(records)
        let handler = Silent()
        try stranger.start(from: [0, 0, 0, 0], handler: handler)
        for channel in 1...3 { stranger.append(LogRecord(key: [1], value: [2, 3]), to: channel, tag: .none) }
        await stranger.close()
        let location = EventStore.Location.log(
            named: "test", create: {}, open: { _, _, _ in LocatedLog(log: InMemoryLog(records), notes: []) })
        for _ in 0..<2 {
            let store = try await EventStore.open(location)
            for number in 0..<12 {
                let done = try await store.append(
                    NewEvent(type: "Tested", data: [1]), to: try StreamName("S-\(number)"), acknowledge: .ordered)
                #expect(done.positions != nil)
            }
            #expect(try await store.verify().problems == [])
            await store.close()
        }
    }
}
