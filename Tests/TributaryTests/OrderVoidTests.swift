import EventLog
import Foundation
import GlobalOrder
import Synchronization
import Testing

@testable import StreamIndex
@testable import Tributary

/// False order records, and the voids that pass them.
@Suite(.timeLimit(.minutes(2))) struct OrderVoidTests {
    /// A node that proposes false ranges when it is told to, one of them each time.
    private final class Liar: Sendable {
        let next = Mutex<Wrong?>(nil)

        func distort(_ range: OrderRange) -> OrderRange {
            guard range.content.empty.isEmpty else { return range }
            return next.withLock { wrong in
                defer { wrong = nil }
                return wrong?.distorted(range) ?? range
            }
        }
    }

    /// Returns when the store has a fault.
    private func fault(of store: EventStore) async throws -> OrderSummary.Fault {
        while true {
            if let fault = store.index.orderSummary?.fault { return fault }
            try await store.index.waitForBarrier(in: 0, deadline: .seconds(30))
        }
    }

    /// One bug after the other, each found by all nodes and declared void by any: all agree again, one that is built
    /// anew and one that is opened afresh too.
    @Test func afterEachVoidAllAgree() async throws {
        var random = seededRandom()
        try await withTemporaryDirectory { path in
            var nodes = OrderNodes()
            nodes.path = path
            let liar = Liar()
            let bad = try await nodes.open(distort: { liar.distort($0) })
            for number in 0..<8 {
                try await bad.append(event(), to: try StreamName("S-\(number)"), acknowledge: .ordered)
            }
            // Any of them may be the one that orders: whoever it is lies.
            let good = try await nodes.open("a", distort: { liar.distort($0) })
            let other = try await nodes.open(distort: { liar.distort($0) })
            let all = [bad, good, other]
            var before: [String] = []
            for round in 0..<6 {
                let wrong = Wrong.allCases[round % 3]
                liar.next.withLock { $0 = wrong }
                while liar.next.withLock({ $0 != nil }) {
                    try await bad.append(event(), to: try StreamName("S-\(Int.random(in: 0..<8, using: &random))"))
                }
                var faults: [OrderSummary.Fault] = []
                for store in all { faults.append(try await fault(of: store)) }
                #expect(Set(faults.map(\.message)).count == 1 || wrong == .beyondEnd)
                let ids = all.map { $0.index.orderSummary?.node }
                #expect(ids.contains(faults[0].proposer) && Set(faults.map(\.proposer)).count == 1)
                let range = faults[0]
                #expect(faults.allSatisfy { $0.orderOffset == range.orderOffset && $0.partition == range.partition })
                // One takes effect, and the other finds that it is so.
                let (one, other) = (all[round % 3], all[Int.random(in: 0..<3, using: &random)])
                async let first: Void = one.index.voidOrder(
                    orderOffset: range.orderOffset, partition: range.partition, deadline: .seconds(60))
                async let second: Void = other.index.voidOrder(
                    orderOffset: range.orderOffset, partition: range.partition, deadline: .seconds(60))
                _ = try await (first, second)
                try await settle(all)
                let now = try await order(good)
                for store in [bad, other] { #expect(try await order(store) == now) }
                let kept = before.prefix(Int(range.position))
                #expect(Array(now.prefix(kept.count)) == Array(kept))
                before = now
                #expect(good.index.orderSummary?.fault == nil)
            }
            try await check(good)
            for store in all { await store.close() }
            _ = try await EventStore.rebuildIndex(nodes.location("a"))
            for node in ["a", nil] {
                let store = try await nodes.open(node)
                try await settle(store)
                #expect(try await Array(order(store).prefix(before.count)) == before)
                #expect(try await store.verify().problems == [])
                await store.close()
            }
        }
    }

    /// What does not exist when it is ordered stops positions, also over a restart, until it comes to be: then its
    /// content decides, as on a node that asked later.
    @Test func aRangeBeyondTheEndIsJudgedByWhatComes() async throws {
        try await withTemporaryDirectory { path in
            var nodes = OrderNodes()
            nodes.path = path
            let liar = Liar()
            let bad = try await nodes.open(distort: { liar.distort($0) })
            let name = try stream(in: 1, of: bad)
            try await bad.append(event(), to: name, acknowledge: .ordered)
            var good = try await nodes.open("a")
            liar.next.withLock { $0 = .beyondEnd }
            while liar.next.withLock({ $0 != nil }) { try await bad.append(event(), to: name) }
            let message = try await fault(of: good).message
            #expect(message.contains("records that the partition does not have"))
            // One that has just been opened is asked.
            nodes.rangeDelay = .seconds(3_600)
            let late = try await nodes.open()
            #expect(try await late.orderStatus().fault?.message == message)
            await late.close()
            nodes.rangeDelay = .milliseconds(20)
            await good.close()
            good = try await nodes.open("a")
            let fault = try #require(good.index.orderSummary?.fault)
            #expect(fault.message == message)
            for _ in 0..<5 { try await bad.append(event(), to: name) }
            try await settle(good, bad)
            #expect(good.index.orderSummary?.fault == nil)
            try await check(good)
            let fresh = try await nodes.open(nil)
            try await settle(fresh, good)
            #expect(try await order(fresh) == order(good))
            for store in [fresh, good, bad] { await store.close() }
        }
    }

    @Test func whoWritesAVoidHearsWhatBecameOfIt() async throws {
        var nodes = OrderNodes()
        nodes.faults = FaultInjectingLog.Faults(delayed: 0.01)
        let box = Mutex<FaultInjectingLog?>(nil)
        let store = try await nodes.open(log: { log in
            box.withLock { $0 = log as? FaultInjectingLog }
            return log
        })
        let log = try #require(box.withLock { $0 })
        try await store.append(event(), to: try stream(in: 1, of: store), acknowledge: .ordered)
        let range = try #require(placedRanges(store).first { $0.partition == 1 })
        func code(_ offset: Int64, _ partition: Int, _ deadline: Duration = .seconds(60)) async -> IndexError.Code? {
            do {
                try await store.index.voidOrder(orderOffset: offset, partition: partition, deadline: deadline)
                return nil
            } catch {
                return (error as? IndexError)?.code
            }
        }
        #expect(await code(9_999, 1) == .mismatch)
        #expect(await code(0, 1) == .mismatch)
        #expect(await code(-1, 1) == .mismatch)
        #expect(await code(range.orderOffset, 4) == .mismatch)
        #expect(await code(range.orderOffset, 1) == nil)
        // Once more is as good.
        #expect(await code(range.orderOffset, 1) == nil)
        log.stop()
        // What the log still has in hand is taken back.
        #expect(await code(range.orderOffset, 1, .milliseconds(50)) == .unavailable)
        log.resume()
        try await settle(store)
        await store.close()
        #expect(await code(range.orderOffset, 1) == .closed)
    }

    /// Reads while ranges are taken back and ordered anew: what they show is of one order, or they say that it changed.
    @Test func readsAcrossVoidsAreOfOneOrder() async throws {
        var random = seededRandom()
        let store = try await OrderNodes().open()
        try await load(store, 600, &random)
        try await settle(store)
        let name = try stream(in: 1, of: store)
        try await store.append(event(), to: name)
        try await settle(store)
        let isOver = Monitor(false)
        let readers = (0..<2).map { number in
            Task {
                var changed = 0
                while !isOver.read({ $0 }) {
                    do {
                        let direction: ReadDirection = number == 0 ? .forward : .backward
                        let all = try await store.readAll(direction: direction).collected()
                        #expect(Set(all.map { "\($0.stream) \($0.version)" }).count == all.count)
                        let positions = all.compactMap { $0.position?.value }
                        #expect(positions.count == all.count && Set(positions).count == all.count)
                        _ = try await store.lastEvent(of: name)
                    } catch ReadError.store(let error) where error.code == .disputed {
                        changed += 1
                    }
                }
                return changed
            }
        }
        for _ in 0..<30 {
            let range = try #require(placedRanges(store).randomElement(using: &random))
            try await store.index.voidOrder(
                orderOffset: range.orderOffset, partition: range.partition, deadline: .seconds(60))
            try await settle(store)
        }
        isOver.withLock { $0 = true }
        for reader in readers { _ = try await reader.value }
        try await check(store)
        await store.close()
    }

    /// A node goes by one id for as long as its directory is there; every node of its own.
    @Test func aNodeKeepsItsID() async throws {
        try await withTemporaryDirectory { path in
            var nodes = OrderNodes()
            nodes.path = path
            var ids: [String?] = []
            for node in ["a", "a", "b"] {
                let store = try await nodes.open(node)
                try await store.append(event(), to: try StreamName("S-1"), acknowledge: .ordered)
                let summary = try #require(store.index.orderSummary)
                ids.append(summary.node)
                #expect(summary.partitions.contains { $0.newestProposer != nil })
                #expect(summary.validRanges > 0 && summary.nextPosition == summary.nextOrderedPosition)
                await store.close()
            }
            #expect(ids[0] == ids[1] && ids[1] != ids[2])
            try FileManager.default.removeItem(atPath: path + "/a/id")
            let store = try await nodes.open("a")
            #expect(store.index.orderSummary?.node != ids[0])
            await store.close()
        }
    }
}
