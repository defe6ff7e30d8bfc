import Foundation
import Testing
import Tributary

@Suite struct AppendTests {
    @Test(arguments: TestPlace.allCases)
    func appendsAndReadsBack(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let order = try StreamName("Order-42")
            let placed = NewEvent(
                type: "OrderPlaced", data: Array(#"{"item":"tea"}"#.utf8), metadata: [], schemaVersion: 3,
                correlationID: "c", causationID: "")
            let done = try await store.append(placed, to: order, expecting: .noStream)
            #expect(done.versions == 0...0)
            #expect(done.isRepeat == false)
            #expect(done.positions == (place.ordersAtOnce ? 1...1 : nil))
            let more = try await store.append([event(), event()], to: order, expecting: .version(0))
            #expect(more.versions == 1...2)

            let events = try await store.read(order).collected()
            #expect(events.map(\.version) == [0, 1, 2])
            let first = events[0]
            #expect(first.id == placed.id)
            #expect(first.stream == order)
            #expect(first.type == "OrderPlaced")
            #expect(first.data == placed.data)
            #expect(first.metadata == [])
            #expect(first.schemaVersion == 3)
            #expect(first.correlationID == "c")
            #expect(first.causationID == "")
            #expect(events[1].metadata == nil)
            #expect(events[1].correlationID == nil)
            #expect(try await store.lastEvent(of: order)?.version == 2)
        }
    }

    @Test(arguments: TestPlace.allCases)
    func refusesWhatIsNotExpected(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let order = try StreamName("Order-1")
            for version in 0..<3 {
                try await store.append(
                    event("Number\(version)"), to: order,
                    expecting: version == 0 ? .noStream : .version(Int64(version - 1)))
            }
            for expected in [ExpectedVersion.noStream, .version(0), .version(1), .version(3), .version(100)] {
                let conflict = try await conflict { try await store.append(event(), to: order, expecting: expected) }
                #expect(conflict.actual == 2)
                #expect(conflict.expected == expected)
                #expect(conflict.hasMore == false)
                let newer: [String] =
                    switch expected {
                    case .version(let version):
                        (0..<3).map { "Number\($0)" }.filter { $0.last!.wholeNumberValue! > version }
                    default: ["Number0", "Number1", "Number2"]
                    }
                #expect(conflict.newerEvents.map(\.type) == newer)
            }
            let missing = try StreamName("Order-2")
            let none = try await conflict { try await store.append(event(), to: missing, expecting: .streamExists) }
            #expect(none.actual == -1)
            #expect(try await store.info(of: missing).state == .missing)
            try await store.append(event(), to: missing, expecting: .any)
            try await store.append(event(), to: missing, expecting: .streamExists)
            #expect(try await store.read(order).collected().count == 3)
            #expect(try await store.read(missing).collected().count == 2)
        }
    }

    private func conflict(_ body: () async throws -> AppendResult) async throws -> Conflict {
        do {
            let result = try await body()
            throw StoreError(.internal, "accepted: \(result)")
        } catch AppendError.conflict(let conflict) {
            return conflict
        }
    }

    @Test(arguments: TestPlace.allCases)
    func aRepeatGetsTheFirstAnswer(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let order = try StreamName("Order-7")
            try await store.append(event(), to: order)
            for expected in [ExpectedVersion.any, .streamExists, .version(2)] {
                let events = [event(), event()]
                let expected =
                    expected == .version(2) ? ExpectedVersion.version(try await current(store, order)) : expected
                let first = try await store.append(events, to: order, expecting: expected)
                try await store.append(event(), to: order)
                let again = try await store.append(events, to: order, expecting: expected)
                #expect(again.isRepeat)
                #expect(again.versions == first.versions)
                // Of several partitions they come later.
                #expect(first.positions == nil || again.positions == first.positions)
                #expect(again.token == first.token)
            }
            let id = UUID()
            try await store.append(event(id: id), to: order)
            await #expect(throws: AppendError.self) {
                try await store.append([event(id: id), event()], to: order)
            }
        }
    }

    private func current(_ store: EventStore, _ stream: StreamName) async throws -> Int64 {
        try #require(try await store.info(of: stream).currentVersion)
    }

    @Test(arguments: TestPlace.allCases)
    func manyInFlightKeepTheirOrder(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let streams = try (0..<7).map { try StreamName("Many-\($0)") }
            let appends = (0..<3_000).map { NewAppend(event("N\($0)"), to: streams[$0 % 7]) }
            var index = 0
            for try await result in store.append(contentsOf: appends, maxInFlight: 100) {
                #expect(result.index == index)
                #expect(try result.result.get().versions.lowerBound == Int64(index / 7))
                index += 1
            }
            #expect(index == 3_000)
            for (number, stream) in streams.enumerated() {
                let types = try await store.read(stream).collected().map(\.type)
                #expect(types == stride(from: number, to: 3_000, by: 7).map { "N\($0)" })
            }
        }
    }

    @Test(arguments: TestPlace.allCases)
    func aRefusedAppendDoesNotEndTheSequence(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let stream = try StreamName("Some-1")
            let appends = [
                NewAppend(event(), to: stream, expecting: .noStream),
                NewAppend(event(), to: stream, expecting: .noStream),
                NewAppend([], to: stream),
                NewAppend(event(), to: stream, expecting: .version(0)),
            ]
            let results = try await store.append(contentsOf: appends).collected()
            #expect(results.map(\.index) == [0, 1, 2, 3])
            #expect((try? results[0].result.get())?.versions == 0...0)
            #expect((try? results[3].result.get())?.versions == 1...1)
            guard case .failure(.conflict) = results[1].result, case .failure(.invalid) = results[2].result else {
                Issue.record("\(results)")
                return
            }
        }
    }

    @Test(arguments: TestPlace.allCases)
    func badInputIsRefusedWithItsReason(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let stream = try StreamName("Some-1")
            func code(_ events: [NewEvent], _ expected: ExpectedVersion = .any, to name: StreamName? = nil) async throws
                -> InvalidInput.Code?
            {
                do {
                    try await store.append(events, to: name ?? stream, expecting: expected)
                    return nil
                } catch AppendError.invalid(let problem) {
                    return problem.code
                }
            }
            var bad = event()
            bad.schemaVersion = 0
            #expect(try await code([bad]) == .schemaVersion)
            #expect(try await code([event("")]) == .eventType)
            #expect(try await code([event(String(repeating: "x", count: 257))]) == .eventType)
            #expect(try await code([event("a\u{7f}")]) == .eventType)
            #expect(
                try await code([NewEvent(type: "A", data: [], contentType: ContentType(rawValue: ""))]) == .contentType)
            #expect(
                try await code([event(), NewEvent(type: "A", data: [], contentType: ContentType(rawValue: "\n"))])
                    == .contentType)
            // Equal as text, of different length in bytes.
            let (short, long) = (String(repeating: "\u{e9}", count: 60), String(repeating: "e\u{301}", count: 60))
            #expect(short == long)
            #expect(
                try await code(
                    [short, long].map { NewEvent(type: "A", data: [], contentType: ContentType(rawValue: $0)) })
                    == .contentType)
            #expect(
                try await code([NewEvent(type: "A", data: [], correlationID: String(repeating: "c", count: 129))])
                    == .correlationID)
            #expect(try await code([NewEvent(type: "A", data: [], causationID: "\n")]) == .causationID)
            #expect(try await code([]) == .noEvents)
            let twice = event()
            #expect(try await code([twice, event(), twice]) == .repeatedID)
            #expect(try await code([twice] + (0..<100).map { _ in event() } + [twice]) == .repeatedID)
            #expect(try await code((0..<1_001).map { _ in event() }) == .tooManyEvents)
            #expect(try await code([NewEvent(type: "A", data: Array(repeating: 0, count: 1 << 20))]) == .appendTooLarge)
            #expect(try await code([event()], .version(-1)) == .expectedVersion)
            #expect(try await code([event()], .version(.max)) == .expectedVersion)
            #expect(try await code([event()], to: try StreamName("$store")) == .streamName)
            #expect(try await code((0..<1_000).map { _ in event() }) == nil)
            #expect(
                try await code([NewEvent(type: "A", data: Array(repeating: 0, count: (1 << 20) - 100))]) == nil)
            #expect(try await store.info(of: stream).eventCount == 1_001)
        }
        #expect(throws: InvalidInput.self) { try StreamName("") }
        #expect(throws: InvalidInput.self) { try StreamName(String(repeating: "n", count: 1_025)) }
        #expect(throws: InvalidInput.self) { try StreamName("a\u{85}") }
        #expect(throws: InvalidInput.self) { try StreamName(utf8: [0xC3]) }
    }
}
