import EventLog
import Foundation
import Testing
import Tributary

@Suite struct ReadTests {
    @Test(arguments: TestPlace.allCases)
    func readsBothWaysFromAnywhere(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let stream = try StreamName("Long-1")
            var random = seededRandom()
            var count = 0
            while count < 1_500 {
                let size = Int.random(in: 1...9, using: &random)
                try await store.append((0..<size).map { event("N\(count + $0)") }, to: stream)
                count += size
            }
            let last = Int64(count - 1)
            for from in [0, 1, 5, 700, last - 1, last, last + 1, last + 100] as [Int64] {
                for limit in [1, 3, 600, .max] {
                    let forward = try await store.read(stream, from: from, limit: limit).collected()
                    let wanted = from > last ? [] : Array((from...last).prefix(limit))
                    #expect(forward.map(\.version) == wanted)
                    #expect(forward.map(\.type) == wanted.map { "N\($0)" })
                    let backward = try await store.read(stream, from: from, direction: .backward, limit: limit)
                        .collected()
                    #expect(backward.map(\.version) == Array((0...min(from, last)).reversed().prefix(limit)))
                }
            }
            #expect(try await store.read(stream, direction: .backward).collected().count == count)
            await #expect(throws: ReadError.self) { try await store.read(stream, from: -1).collected() }
            await #expect(throws: ReadError.self) { try await store.read(stream, limit: 0).collected() }
        }
    }

    @Test(arguments: TestPlace.allCases)
    func readsAllByPositionCategoryAndType(_ place: TestPlace) async throws {
        try await place.withStore { store in
            var model: [(stream: String, type: String)] = [("$store", "$store-created")]
            var random = seededRandom()
            while model.count < 2_000 {
                let order = "Order-\(Int.random(in: 0..<20, using: &random))"
                let name = [order, "Cart-1", "plain", "-x"].randomElement(using: &random)!
                let types = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                    "T\(Int.random(in: 0..<4, using: &random))"
                }
                let done = try await store.append(
                    types.map { event($0) }, to: try StreamName(name), acknowledge: .ordered)
                #expect(done.positions?.lowerBound.value == Int64(model.count))
                model += types.map { (name, $0) }
            }
            func expected(_ filter: EventFilter) -> [Int64] {
                model.indices.filter { index in
                    let category =
                        model[index].stream.hasPrefix("-") ? nil : model[index].stream.split(separator: "-").first
                    let isIn =
                        filter.category == nil
                        || model[index].stream.contains("-") && category.map(String.init) == filter.category
                    return isIn && (filter.types.isEmpty || filter.types.contains(model[index].type))
                }.map(Int64.init)
            }
            let filters = [
                EventFilter.all, .category("Order"), .category("Cart"), .category("plain"), .category("None"),
                .types("T1"),
                .types("T1", "T3"), EventFilter(category: "Order", types: ["T0", "T2"]), .types("$store-created"),
            ]
            for filter in filters {
                let wanted = expected(filter)
                let forward = try await store.readAll(where: filter).collected()
                #expect(forward.map { $0.position!.value } == wanted)
                #expect(forward.map(\.type) == wanted.map { model[Int($0)].type })
                #expect(forward.map { $0.stream.description } == wanted.map { model[Int($0)].stream })
                let backward = try await store.readAll(direction: .backward, where: filter).collected()
                #expect(backward.map { $0.position!.value } == wanted.reversed())
                for from in [0, 1, 255, 256, 257, 1_000, Int64(model.count) + 5] {
                    let some = try await store.readAll(from: GlobalPosition(from), limit: 7, where: filter).collected()
                    #expect(some.map { $0.position!.value } == Array(wanted.filter { $0 >= from }.prefix(7)))
                    let back = try await store.readAll(
                        from: GlobalPosition(from), direction: .backward, limit: 7, where: filter
                    ).collected()
                    #expect(back.map { $0.position!.value } == Array(wanted.filter { $0 <= from }.reversed().prefix(7)))
                }
            }
        }
    }

    @Test(arguments: TestPlace.allCases)
    func filtersThatNoEventCanHaveAreRefused(_ place: TestPlace) async throws {
        try await place.withStore { store in
            for number in 0..<600 { try await store.append(event("T"), to: try StreamName("Order-\(number)")) }
            let bad = [
                EventFilter.category("Order\0"), .category(""), .category(String(repeating: "c", count: 1_025)),
                .types("T\0"), .types("T", ""), .types(String(repeating: "t", count: 257)),
            ]
            for filter in bad {
                for direction in [ReadDirection.forward, .backward] {
                    await #expect(throws: ReadError.self) {
                        try await store.readAll(direction: direction, where: filter).collected()
                    }
                }
            }
            #expect(try await store.position(at: Date(timeIntervalSince1970: .nan)) == nil)
        }
    }

    @Test(arguments: TestPlace.allCases)
    func listsStreams(_ place: TestPlace) async throws {
        try await place.withStore { store in
            for number in 0..<30 {
                let stream = try StreamName("S-\(number)")
                for _ in 0...(number % 5) { try await store.append(event(), to: stream) }
            }
            try await store.append(event(), to: try StreamName("other"))
            let names = (0..<30).map { "S-\($0)" }.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
            #expect(try await store.streams(prefix: "S-").map { $0.stream.description } == names)
            #expect(try await store.streams().map { $0.stream.description } == names + ["other"])
            var paged: [String] = []
            var after: StreamName?
            while true {
                let page = try await store.streams(prefix: "S-", after: after, limit: 7)
                paged += page.map { $0.stream.description }
                guard let last = page.last else { break }
                after = last.stream
            }
            #expect(paged == names)
            let largest = try await store.streams(limit: 6, sortedBy: .events)
            #expect(largest.map(\.eventCount) == [5, 5, 5, 5, 5, 5])
            #expect(try await store.streams(prefix: "$").map { $0.stream.description } == ["$store"])
            let infos = try await store.info(of: [try StreamName("S-4"), try StreamName("none")])
            #expect(infos.map(\.eventCount) == [5, 0])
            #expect(infos.map(\.state) == [.live, .missing])
        }
    }

    @Test(arguments: TestPlace.allCases)
    func waitsForTokensAndBarriers(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let stream = try StreamName("Some-1")
            let done = try await store.append(event(), to: stream)
            let token = try #require(ReadToken(done.token.description))
            #expect(token == done.token)
            #expect(try await store.read(stream, consistency: .atLeast(token)).collected().count == 1)
            #expect(try await store.read(stream, consistency: .linearizable).collected().count == 1)
            try await place.withStore { other in
                await #expect(throws: ReadError.self) {
                    try await other.read(stream, consistency: .atLeast(token)).collected()
                }
            }
        }
    }
}
