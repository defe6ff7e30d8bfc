import Testing
import Tributary

@Suite struct LifeTests {
    @Test(arguments: TestPlace.allCases)
    func runEndsWithTheStore(_ place: TestPlace) async throws {
        try await place.withStore { store in
            async let running: Void = store.run()
            try await store.append(event(), to: try StreamName("A-1"))
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { await store.close() } }
            }
            try await running
            await #expect(throws: ReadError.self) { try await store.read(try StreamName("A-1")).collected() }
        }
    }

    @Test func cancellingRunClosesTheStore() async throws {
        let store = try await EventStore.open(.inMemory())
        let running = Task { try await store.run() }
        running.cancel()
        try await running.value
        await #expect(throws: AppendError.self) { try await store.append(event(), to: try StreamName("A-1")) }
        await store.close()
    }

    @Test(arguments: TestPlace.allCases)
    func aCancelledCallerGetsAnAnswer(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let stream = try StreamName("A-1")
            let calls = (0..<200).map { _ in Task { try await store.append(event(), to: stream) } }
            for call in calls.enumerated() where call.offset % 2 == 0 { call.element.cancel() }
            var accepted = 0
            var open = 0
            for call in calls {
                do {
                    _ = try await call.value
                    accepted += 1
                } catch is CancellationError {
                } catch AppendError.outcomeUnknown {
                    open += 1
                }
            }
            #expect(accepted >= 100)
            // What was said to be unknown is settled by then: a later call of the stream waits for it.
            try await store.append(event(), to: stream, expecting: .streamExists)
            let count = try await store.read(stream).collected().count
            #expect((accepted + 1...accepted + 1 + open).contains(count))
        }
    }
}
