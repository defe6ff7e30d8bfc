import EventLog
import Testing

@testable import KafkaEventLog

@Suite struct LeadersTests {
    /// A channel whose leader does not answer is asked for by one thread, however often contact comes and goes.
    @Test func oneThreadAsksForAChannel() async throws {
        let place = KafkaPlace(servers: "127.0.0.1:1", store: "shop")
        let description = LogDescription(
            name: "a test", partitions: 2, hasOrderChannel: true, isOnlyWriter: false, maxRecordBytes: 1)
        let shared = SharedState(description)
        let leaders = Leaders(
            kafka: try place.configuration(), place: place, description: description, shared: shared, wake: {})
        for offset in 0..<5 {
            leaders.askBounds(of: 2, for: Int64(offset))
            leaders.askBounds(of: 0, for: 7)
        }
        #expect(shared.probes == 2)
        // The newest question is answered, once.
        #expect(!shared.answer(2, 3, 0..<9))
        #expect(shared.answer(2, 4, 0..<9))
        #expect(!shared.answer(2, 4, 0..<9))
        #expect(shared.takeInbox().answers.count == 1)
        #expect(shared.wanted(2) == nil && shared.wanted(0) == 7)
        _ = shared.beginClose()
        try await onOwnThread(named: "leaders-close") { shared.waitForQuiet() }
        #expect(shared.probes == 0)
    }
}
