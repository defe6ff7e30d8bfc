import Testing
import Tributary

/// A read shows what was there when it began, whatever is appended while it goes on.
@Suite struct ReadBoundTests {
    private static let count: Int64 = 1_500

    @Test(arguments: TestPlace.allCases, [ReadDirection.forward, .backward])
    func aStreamEndsWhereItEndedAtTheBeginning(_ place: TestPlace, _ direction: ReadDirection) async throws {
        try await place.withStore { store in
            let stream = try StreamName("Growing-1")
            try await fill(store, stream)
            let versions = try await numbersWhileGrowing(
                store.read(stream, direction: direction), { $0.version }, store, stream)
            #expect(versions == expected(0..<Self.count, direction))
            let now = try await store.read(stream, direction: direction).collected()
            #expect(Int64(now.count) > Self.count)
        }
    }

    @Test(arguments: TestPlace.allCases, [ReadDirection.forward, .backward])
    func theWholeStoreEndsWhereItEndedAtTheBeginning(_ place: TestPlace, _ direction: ReadDirection) async throws {
        for filter in [EventFilter.all, .category("Growing"), .types("Tested")] {
            try await place.withStore { store in
                let stream = try StreamName("Growing-1")
                try await fill(store, stream)
                let positions = try await numbersWhileGrowing(
                    store.readAll(direction: direction, where: filter), { $0.position?.value }, store, stream)
                // The store's own creation event has position 0, and neither a category nor this type.
                let first: Int64 = filter == .all ? 0 : 1
                #expect(positions == expected(first..<Self.count + 1, direction))
                let now = try await store.readAll(
                    direction: direction, where: filter, consistency: .linearizable
                ).collected()
                #expect(Int64(now.count) > Self.count + 1 - first)
            }
        }
    }

    private func fill(_ store: EventStore, _ stream: StreamName) async throws {
        for _ in 0..<Self.count / 100 {
            try await store.append((0..<100).map { _ in event() }, to: stream, acknowledge: .ordered)
        }
    }

    private func expected(_ range: Range<Int64>, _ direction: ReadDirection) -> [Int64] {
        direction == .forward ? Array(range) : range.reversed()
    }

    /// Iterates, and appends after the first event and now and then behind it.
    private func numbersWhileGrowing(
        _ sequence: EventSequence, _ number: (RecordedEvent) -> Int64?, _ store: EventStore, _ stream: StreamName
    ) async throws -> [Int64] {
        var numbers: [Int64] = []
        for try await shown in sequence {
            numbers.append(try #require(number(shown)))
            if numbers.count % 300 == 1 {
                try await store.append((0..<50).map { _ in event() }, to: stream)
            }
            try #require(numbers.count <= 10 * Int(Self.count), "it never ends")
        }
        return numbers
    }
}
