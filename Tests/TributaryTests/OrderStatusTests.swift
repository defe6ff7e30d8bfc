import EventLog
import Foundation
import GlobalOrder
import Testing

@testable import StreamIndex
@testable import Tributary

/// What users can see of the global order, and do about it.
@Suite struct OrderStatusTests {
    /// Nodes of one store of four partitions, which share a log in memory.
    private struct Nodes {
        let records = InMemoryRecords(partitions: 4)
        /// Makes the next range that this is asked for false.
        let isWrong = Monitor(false)

        func open() async throws -> EventStore {
            let (records, isWrong) = (records, isWrong)
            let location = EventStore.Location.log(
                named: "test", create: {},
                open: { _, _, _ in LocatedLog(log: InMemoryLog(records), notes: []) })
            var options = StoreOptions()
            options.adjustSource = { source in
                source.orderTiming = ProposerTiming(
                    takeOverDelay: 20_000_000, flightTime: 200_000_000, pauseAfterFailure: 1_000_000)
                source.distortOrder = { range in
                    guard range.content.empty.isEmpty, isWrong.read({ $0 }) else { return range }
                    isWrong.withLock { $0 = false }
                    var range = range
                    range.content.events += 1
                    return range
                }
            }
            return try await EventStore.open(location, options: options)
        }
    }

    private func append(_ count: Int, to store: EventStore) async throws {
        for number in 0..<count {
            try await store.append(
                [event(), event()], to: try StreamName("S-\(number)"), acknowledge: .ordered)
        }
    }

    @Test func onePartitionOrdersItself() async throws {
        for place in [TestPlace.memory, .directory] {
            try await place.withStore { store in
                try await append(3, to: store)
                let order = try await store.orderStatus()
                #expect(order.head == 7 && order.lag == 0 && order.isOrderOfOnePartition)
                #expect(order.partitions.count == 1 && order.partitions[0].lag == 0 && order.node == nil)
                #expect(order.partitions[0].nextOffset == order.partitions[0].appliedOffset + 1)
                try await store.waitUntilOrdered(deadline: .milliseconds(1))
                #expect(try await store.orderRecords().collected().isEmpty)
                await #expect(throws: OrderVoidError.self) { try await store.voidOrder(record: 0, partition: 0) }
                #expect(try await store.statistics().order == order)
            }
        }
    }

    @Test func whatIsOrderedAndByWhom() async throws {
        let nodes = Nodes()
        let (one, other) = (try await nodes.open(), try await nodes.open())
        try await append(40, to: one)
        try await other.waitUntilOrdered()
        let order = try await one.orderStatus()
        #expect(order.head == 81 && order.lag == 0 && !order.isOrderOfOnePartition && order.fault == nil)
        #expect(order.partitions.map(\.partition) == [0, 1, 2, 3])
        let node = try #require(order.node)
        #expect(UUID(uuidString: node)?.uuidString.lowercased() == node)
        let elsewhere = try await other.orderStatus()
        #expect(elsewhere.node != node)
        for (here, there) in zip(order.partitions, elsewhere.partitions) {
            #expect(here.lag == 0 && here.proposer != nil && here.proposer == there.proposer)
            #expect(here.isProposedHere == (here.proposer == node))
            #expect(here.isProposedHere != there.isProposedHere)
        }
        let ranges = try await one.orderRecords().collected().flatMap { entry -> [OrderLogEntry.Range] in
            if case .order(let ranges) = entry.content { ranges } else { [] }
        }
        let placed = ranges.filter { $0.state != .ignored }
        #expect(order.validRanges == Int64(placed.count))
        #expect(order.ignoredRanges == Int64(ranges.count - placed.count))
        #expect(try await one.statistics().order?.head == 81)
        #expect(try await one.verify().order?.head == 81)
        await other.close()
        await one.close()
    }

    /// Ranges follow each other in positions; each record shows the positions that reads show.
    @Test func rawRecordsShowTheirPositions() async throws {
        let nodes = Nodes()
        let store = try await nodes.open()
        var random = seededRandom()
        try await load(store, 150, &random)
        try await store.waitUntilOrdered()
        var next: GlobalPosition = 1
        var offset: Int64 = 0
        for try await entry in store.orderRecords() {
            #expect(entry.offset == offset)
            offset += 1
            #expect((entry.author == nil) == (entry.content == .identity))
            guard case .order(let ranges) = entry.content else { continue }
            #expect(try await store.orderRecord(at: entry.offset)?.content == entry.content)
            for range in ranges {
                #expect(range.state == .placed(next) && range.own == range.claimed)
                next = GlobalPosition(next.value + range.claimed.events)
            }
        }
        #expect(try await store.orderStatus().head == next)
        #expect(try await store.orderStatus().records == offset)
        #expect(try await store.orderRecords(from: offset - 1).collected().count == 1)
        #expect(try await store.orderRecord(at: offset) == nil)
        var shown: [Int64: UUID] = [:]
        for partition in 0..<4 {
            for try await entry in store.logRecords(partition: partition) {
                guard let positions = entry.positions else {
                    #expect(entry.decision != "accepted")
                    continue
                }
                let count = positions.upperBound.value - positions.lowerBound.value + 1
                #expect(count == Int64(max(1, entry.eventCount)))
                for (position, id) in zip(positions.lowerBound.value..., entry.ids) {
                    #expect(shown.updateValue(try #require(UUID(uuidString: id)), forKey: position) == nil)
                }
            }
        }
        let all = try await store.readAll().collected()
        #expect(all.map(\.id) == (0..<Int64(all.count)).map { shown[$0] })
        await store.close()
    }

    @Test func aFalseRecordIsShownAndDeclaredVoid() async throws {
        let nodes = Nodes()
        let store = try await nodes.open()
        try await append(10, to: store)
        nodes.isWrong.withLock { $0 = true }
        let token = try await store.append(event(), to: try StreamName("S-1")).token
        let stopped = await #expect(throws: IndexError.self) {
            try await store.index.waitUntilOrdered(
                token.offset, in: Int(token.partition), until: .now + .seconds(3_600))
        }
        #expect(stopped?.code == .disputed)
        let order = try await store.orderStatus()
        let fault = try #require(order.fault)
        #expect(order.head == 21 && fault.position == 21 && order.lag == 1)
        #expect(fault.proposer == order.node && fault.message.contains("record \(fault.record)"))
        #expect(fault.claimed?.events == 2 && fault.own?.events == 1)
        #expect(try await store.statistics().order?.fault == fault)
        #expect(await store.metrics().openMetricsText.contains("tributary_order_stopped 1\n"))
        do {
            try await store.waitUntilOrdered()
            Issue.record("positions have stopped")
        } catch {
            #expect((error as? StoreError)?.code == .disputed)
        }
        // What names nothing that is placed is refused.
        for (record, partition) in [
            (fault.record, (fault.partition + 1) % 4), (0, 0), (fault.record + 1_000, fault.partition), (-1, 0),
            (fault.record, 4), (fault.record, -1), (.max, 0),
        ] {
            do {
                try await store.voidOrder(record: record, partition: partition)
                Issue.record("\(record), \(partition) was declared void")
            } catch OrderVoidError.nothingPlaced {}
        }
        #expect(try await store.voidOrder(record: fault.record, partition: fault.partition) == 21)
        // It is there when the call returns.
        let entry = try #require(try await store.orderRecord(at: fault.record))
        guard case .order(let ranges) = entry.content else { throw CancellationError() }
        #expect(ranges.allSatisfy { ($0.state == .void) == ($0.partition == fault.partition) })
        do {
            try await store.voidOrder(record: fault.record, partition: fault.partition)
            Issue.record("it is void already")
        } catch OrderVoidError.nothingPlaced(let why) {
            #expect(why.contains("already"))
        }
        try await store.waitUntilOrdered()
        #expect(try await store.orderStatus().fault == nil)
        #expect(try await store.orderStatus().head == 22)
        #expect(try await store.lastEvent(of: try StreamName("S-1"))?.position == 21)
        let voids = try await store.orderRecords().collected().map(\.content).filter { content in
            content == .void(record: fault.record, partition: fault.partition, tookEffect: true)
        }
        #expect(voids.count == 1)
        #expect(await store.metrics().openMetricsText.contains("tributary_order_stopped 0\n"))
        await store.close()
    }
}
