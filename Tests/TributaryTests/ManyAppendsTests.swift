import Foundation
import Synchronization
import Testing
import Tributary

@Suite struct ManyAppendsTests {
    /// Cancelled anywhere, what is stored of a stream is a beginning of the input.
    @Test(arguments: TestPlace.allCases)
    func cancellingLeavesNoHole(_ place: TestPlace) async throws {
        for round in 0..<10 {
            try await place.withStore { store in
                let stream = try StreamName("A-1")
                let appends = (0..<4_000).map { NewAppend(event("N\($0)"), to: stream) }
                let task = Task {
                    var results = 0
                    for try await result in store.append(contentsOf: appends, maxInFlight: 500) {
                        _ = try result.result.get()
                        results += 1
                        if results == round * 37 + 1 { unsafe withUnsafeCurrentTask { unsafe $0?.cancel() } }
                    }
                    return results
                }
                let result = await task.result
                #expect(throws: CancellationError.self) { try result.get() }
                // Waits for what is still on its way in this stream.
                try await store.append(event("last"), to: stream, expecting: .streamExists)
                let types = try await store.read(stream).collected().map(\.type)
                #expect(types.count > round * 37)
                // One more may have been about to be handed in.
                #expect(types.filter { $0 != "last" } == (0..<types.count - 1).map { "N\($0)" })
            }
        }
    }

    /// Counts what is taken from it, and never ends.
    private struct Endless: AsyncSequence, Sendable {
        final class Count: Sendable {
            let taken = Atomic<Int>(0)
        }

        let count = Count()
        let stream: StreamName

        struct AsyncIterator: AsyncIteratorProtocol {
            let count: Count
            let stream: StreamName

            mutating func next() async -> NewAppend? {
                count.taken.add(1, ordering: .relaxed)
                return NewAppend(event(), to: stream)
            }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(count: count, stream: stream) }
    }

    @Test func whoLeavesTakesNothingMore() async throws {
        let store = try await EventStore.open(.inMemory())
        let input = Endless(stream: try StreamName("A-1"))
        var results = 0
        for try await _ in store.append(contentsOf: input, maxInFlight: 3) {
            results += 1
            // What is taken and has no result yet, and one that waits for room.
            #expect(input.count.taken.load(ordering: .relaxed) <= results + 3 + 1)
            if results == 50 { break }
        }
        await store.close()
        #expect(input.count.taken.load(ordering: .relaxed) <= 50 + 3 + 2)
    }

    private struct Broken: Error {}

    @Test func anInputThatFailsIsHeardOfAfterItsResults() async throws {
        let store = try await EventStore.open(.inMemory())
        let stream = try StreamName("A-1")
        let input = AsyncThrowingStream<NewAppend, any Error> { continuation in
            for _ in 0..<5 { continuation.yield(NewAppend(event(), to: stream)) }
            continuation.finish(throwing: Broken())
        }
        var results = 0
        await #expect(throws: Broken.self) {
            for try await result in store.append(contentsOf: input) {
                _ = try result.result.get()
                results += 1
            }
        }
        #expect(results == 5)
        await store.close()
    }
}
