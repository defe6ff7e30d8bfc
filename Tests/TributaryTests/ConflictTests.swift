import Foundation
import Testing
import Tributary

/// What a conflict tells of the newer events: at most 100, and 256 KiB.
@Suite struct ConflictTests {
    @Test(arguments: TestPlace.allCases)
    func anEventOverTheBytesIsNotGiven(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let conflict = try await conflict(in: store, over: [sized(256 << 10, "Large"), event("Small")])
            #expect(conflict.newerEvents.isEmpty)
            #expect(conflict.hasMore)
            #expect(conflict.actual == 2)
        }
    }

    @Test(arguments: TestPlace.allCases)
    func anEventOfAllTheBytesIsGiven(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let conflict = try await conflict(in: store, over: [sized((256 << 10) - 5, "Large")])
            #expect(conflict.newerEvents.map(\.type) == ["Large"])
            #expect(conflict.hasMore == false)
        }
    }

    /// Of one append and of several, which the index reads as one record and as many.
    @Test(arguments: TestPlace.allCases, [1, 5])
    func thoseThatFitTheBytesAreGiven(_ place: TestPlace, _ perAppend: Int) async throws {
        try await place.withStore { store in
            let newer = (1...5).map { sized(100 << 10, "N\($0)") }
            let conflict = try await conflict(in: store, over: newer, perAppend: perAppend)
            #expect(conflict.newerEvents.map(\.type) == ["N1", "N2"])
            #expect(conflict.newerEvents.map(\.version) == [1, 2])
            #expect(conflict.newerEvents.map(\.data) == newer[..<2].map(\.data))
            #expect(conflict.hasMore)
            #expect(conflict.actual == 5)
        }
    }

    @Test(arguments: TestPlace.allCases, [99, 100, 101, 250])
    func atMostAHundredAreGiven(_ place: TestPlace, _ count: Int) async throws {
        try await place.withStore { store in
            for perAppend in [7, count] {
                let newer = (1...count).map { event("N\($0)") }
                let conflict = try await conflict(in: store, over: newer, perAppend: perAppend)
                #expect(conflict.newerEvents.map(\.type) == (1...min(count, 100)).map { "N\($0)" })
                #expect(conflict.hasMore == (count > 100))
                #expect(conflict.actual == Int64(count))
            }
        }
    }

    private func sized(_ bytes: Int, _ type: String) -> NewEvent {
        NewEvent(type: type, data: [UInt8](repeating: 7, count: bytes), contentType: .octetStream)
    }

    /// Of an append to a new stream that expects its first event to be the last, and is late by `newer`.
    private func conflict(
        in store: EventStore, over newer: [NewEvent], perAppend: Int = 1
    ) async throws -> Conflict {
        let stream = try StreamName("Contested-\(UUID().uuidString)")
        try await store.append(event("Known"), to: stream, expecting: .noStream)
        for start in stride(from: 0, to: newer.count, by: perAppend) {
            try await store.append(Array(newer[start..<min(start + perAppend, newer.count)]), to: stream)
        }
        do {
            let result = try await store.append(event(), to: stream, expecting: .version(0))
            throw StoreError(.internal, "accepted: \(result)")
        } catch AppendError.conflict(let conflict) {
            return conflict
        }
    }
}
