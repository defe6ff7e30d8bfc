import EventLog
import Foundation
import StreamIndex
import Synchronization
import Testing
import Tributary

@Suite struct TimeTests {
    /// A clock that goes forward, stands still, and now and then back.
    @Test func findsThePositionOfATime() async throws {
        let clock = Mutex((random: seededRandom(), now: Int64(1_000_000)))
        let records = InMemoryRecords(partitions: 1) {
            clock.withLock { clock in
                clock.now += Int64([0, 0, 1, 5, -7, 40].randomElement(using: &clock.random)!)
                return clock.now
            }
        }
        let location = EventStore.Location {
        } open: { _, _ in
            OpenedLog(log: InMemoryLog(records, isShared: false), segments: nil, indexDirectory: nil)
        }
        let store = try await EventStore.open(location)
        for number in 0..<900 {
            try await store.append((0...(number % 3)).map { _ in event() }, to: try StreamName("S-\(number % 9)"))
        }
        var latest: Int64 = 0
        let times = try await store.readAll().collected().map { event in
            latest = max(latest, event.createdMilliseconds)
            return latest
        }
        for time in stride(from: times[0] - 3, through: times[times.count - 1] + 3, by: 13) {
            let found = try await store.position(at: Date(timeIntervalSince1970: Double(time) / 1_000))
            #expect(found?.value == times.firstIndex { $0 >= time }.map(Int64.init), "time \(time)")
        }
        #expect(try await store.position(at: .distantPast)?.value == 0)
        #expect(try await store.position(at: .distantFuture) == nil)
        await store.close()
    }
}
