import EventLog
import Foundation
import GlobalOrder
import Synchronization
import Testing

@testable import StreamIndex
@testable import Tributary

/// The global order of several partitions, on nodes of one log in memory.
@Suite struct OrderTests {
    @Test func aStoreOfItsOwnOrdersItself() async throws {
        let store = try await EventStore.open(.inMemory(partitions: 4))
        var random = seededRandom()
        for number in 0..<20 {
            let done = try await store.append(
                [event(), event()], to: try StreamName("S-\(number)"), acknowledge: .ordered)
            #expect(done.positions == GlobalPosition(Int64(number * 2 + 1))...GlobalPosition(Int64(number * 2 + 2)))
        }
        #expect(try await store.append(event(), to: try StreamName("S-1")).positions == nil)
        try await load(store, 200, &random)
        try await settle(store)
        try await check(store)
        await store.close()
    }

    @Test func nodesAgreeAndAnOrderedAppendComesBeforeALaterOne() async throws {
        var random = seededRandom()
        var nodes = OrderNodes()
        nodes.faults = FaultInjectingLog.Faults(
            failed: 0.05, lost: 0.02, unknown: 0.05, delayed: 0.3, duplicated: 0.1, duplicatedLater: 0.1)
        let stores = [
            try await nodes.open(seed: random.next()), try await nodes.open(seed: random.next()),
            try await nodes.open(seed: random.next()),
        ]
        var last: Int64 = 0
        for number in 0..<60 {
            try await load(stores[number % 3], 2, &random)
            let done = try await stores[Int.random(in: 0..<3, using: &random)].append(
                event(), to: try StreamName("O-\(number)"), acknowledge: .ordered)
            let position = try #require(done.positions).lowerBound.value
            #expect(position > last)
            last = position
        }
        try await settle(stores[0], stores[1], stores[2])
        let first = try await order(stores[0])
        #expect(first.count > 120)
        for store in stores.dropFirst() { #expect(try await order(store) == first) }
        try await check(stores[0])
        for store in stores { await store.close() }
        // Built anew from the log.
        let late = try await nodes.open()
        try await settle(late)
        #expect(try await Array(order(late).prefix(first.count)) == first)
        await late.close()
    }

    @Test func filtersAndTimesWorkOverPartitions() async throws {
        let store = try await EventStore.open(.inMemory(partitions: 4))
        var random = seededRandom()
        for number in 0..<300 {
            let category = number % 50 == 7 ? "Rare" : "Often"
            try await store.append(
                (0..<Int.random(in: 1...3, using: &random)).map { _ in
                    event("T\(Int.random(in: 0..<5, using: &random))")
                }, to: try StreamName("\(category)-\(number % 40)"))
        }
        try await settle(store)
        let all = try await store.readAll().collected()
        let filters = [
            EventFilter.category("Rare"), .category("Often"), .category("None"), .types("T1"), .types("T2", "T3"),
            .types("$store-created"), EventFilter(category: "Rare", types: ["T1", "T4"]),
        ]
        for filter in filters {
            let expected = all.filter { event in
                (filter.category == nil || event.stream.category == filter.category)
                    && (filter.types.isEmpty || filter.types.contains(event.type))
            }.map(eventLine)
            #expect(try await store.readAll(where: filter).collected().map(eventLine) == expected)
            #expect(
                try await store.readAll(direction: .backward, where: filter).collected().map(eventLine)
                    == expected.reversed())
            let middle = GlobalPosition(Int64(all.count / 2))
            #expect(
                try await store.readAll(from: middle, where: filter).collected().map(eventLine)
                    == expected.filter { Int64($0.prefix { $0 != " " })! >= middle.value })
        }
        #expect(try await store.position(at: Date(timeIntervalSince1970: 0)) == 0)
        #expect(try await store.position(at: Date() + 60) == nil)
        await store.close()
    }

    @Test func atLeastATokenWaitsForItsPosition() async throws {
        let nodes = OrderNodes()
        let (one, other) = (try await nodes.open(), try await nodes.open())
        for number in 0..<30 {
            let done = try await one.append(event(), to: try StreamName("S-\(number)"))
            let read = try await other.readAll(consistency: .atLeast(done.token)).collected()
            #expect(read.contains { $0.stream == done.stream })
        }
        await one.close()
        await other.close()
    }

    /// A node that proposes one false range: all stop there, go on with streams, and agree after a void.
    @Test(arguments: Wrong.allCases) func aFalseRecordStopsPositionsUntilItIsVoid(_ wrong: Wrong) async throws {
        let nodes = OrderNodes()
        let isWrong = Monitor(false)
        // Either may be the one that orders.
        let distort: @Sendable (OrderRange) -> OrderRange = { range in
            guard range.content.empty.isEmpty else { return range }
            return isWrong.withLock { isWrong in
                defer { isWrong = false }
                return isWrong ? wrong.distorted(range) : range
            }
        }
        let bad = try await nodes.open(distort: distort)
        for number in 0..<10 {
            try await bad.append(event(), to: try StreamName("S-\(number)"), acknowledge: .ordered)
        }
        let good = try await nodes.open(distort: distort)
        try await settle(good)
        let before = try await order(good)
        isWrong.withLock { $0 = true }
        let accepted = try await bad.append(
            event(), to: try StreamName("S-3"), acknowledge: .ordered, deadline: .seconds(1))
        #expect(accepted.positions == nil)
        for store in [good, bad] {
            let read = ReadUntilError(store)
            try await read.run { $0 != nil }
            #expect(read.lines == before)
            guard case .store(let error) = read.error as? ReadError else {
                Issue.record("\(String(describing: read.error))")
                continue
            }
            #expect(error.code == .disputed)
            await #expect(throws: ReadError.self) {
                try await store.readAll(direction: .backward, limit: 1).collected()
            }
            await #expect(throws: ReadError.self) {
                try await store.readAll(consistency: .atLeast(accepted.token)).collected()
            }
            // Streams and appends go on.
            try await store.append(event(), to: try StreamName("S-4"))
            #expect(try await store.lastEvent(of: try StreamName("S-4"))?.position == nil)
            #expect(try await store.read(try StreamName("S-3")).collected().last?.position == nil)
        }
        let summary = try #require(good.index.orderSummary)
        let record = try #require(summary.fault)
        #expect(bad.index.orderSummary?.fault == summary.fault)
        #expect(try await good.verify().problems.count == 1)
        try await good.index.voidOrder(
            orderOffset: record.orderOffset, partition: record.partition, deadline: .seconds(30))
        try await settle(good, bad)
        #expect(try await order(good) == order(bad))
        #expect(try await Array(order(good).prefix(before.count)) == before)
        try await check(good)
        await bad.close()
        await good.close()
        let late = try await nodes.open()
        try await settle(late)
        try await check(late)
        await late.close()
    }

    /// The node that wrote all order records is gone: another one goes on.
    @Test func aClosedProposerIsReplaced() async throws {
        let nodes = OrderNodes()
        let one = try await nodes.open()
        for number in 0..<20 {
            try await one.append(event(), to: try StreamName("S-\(number)"), acknowledge: .ordered)
        }
        let other = try await nodes.open()
        await one.close()
        for number in 0..<20 {
            let done = try await other.append(event(), to: try StreamName("S-\(number)"), acknowledge: .ordered)
            #expect(done.positions != nil)
        }
        try await check(other)
        await other.close()
    }

    /// What a node keeps on disk: opened again, killed, and built anew it has the same order, also after a void.
    @Test func aNodesDirectoryKeepsTheOrder() async throws {
        try await withTemporaryDirectory { path in
            var random = seededRandom()
            let world = NodeWorld(path, partitions: 4)
            var store = try await world.open("a")
            try await load(store, 150, &random)
            try await settle(store)
            // What agrees can be declared void too: it is ordered again.
            let range = try #require(placedRanges(store).filter { $0.orderOffset > 1 }.randomElement(using: &random))
            try await store.index.voidOrder(
                orderOffset: range.orderOffset, partition: range.partition, deadline: .seconds(30))
            try await load(store, 50, &random)
            try await settle(store)
            let expected = try await order(store)
            try await check(store)
            try world.copy("a", "killed")
            await store.close()
            for node in ["a", "killed", "new"] {
                store = try await world.open(node)
                #expect(try await Array(order(store).prefix(expected.count)) == expected)
                #expect(try await store.verify().problems == [])
                await store.close()
            }
            _ = try await EventStore.rebuildIndex(world.location("a"))
            store = try await world.open("a")
            #expect(try await Array(order(store).prefix(expected.count)) == expected)
            await store.close()
        }
    }
}
