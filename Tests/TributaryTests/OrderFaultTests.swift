import AppendRule
import Envelope
import EventLog
import Foundation
import GlobalOrder
import Synchronization
import Testing

@testable import StreamIndex
@testable import Tributary

/// Nodes that hang, stop and lie, and what becomes of the order.
@Suite(.timeLimit(.minutes(2))) struct OrderFaultTests {
    /// Opens nodes, the first of which hangs where it is told to.
    private func hanging(
        _ nodes: OrderNodes, told: NodeWorld.Told = NodeWorld.Told()
    ) async throws -> (EventStore, HangingLog) {
        let box = Mutex<HangingLog?>(nil)
        let store = try await nodes.open(
            log: { inner in
                let log = HangingLog(inner)
                box.withLock { $0 = log }
                return log
            }, told: told)
        return (store, try #require(box.withLock { $0 }))
    }

    @Test(arguments: [true, false]) func aPartitionThatHangsOnOneNodeIsOrderedByTheOthers(isProposer: Bool) async throws
    {
        let nodes = OrderNodes()
        let (one, log) = try await hanging(nodes)
        let other = try await nodes.open()
        let proposing = isProposer ? one : other
        for number in 0..<12 {
            try await proposing.append(event(), to: try StreamName("S-\(number)"), acknowledge: .ordered)
        }
        try await settle(one, other)
        let slow = 2
        log.hang(slow)
        // A watch would have it read again.
        let hung = try stream(in: slow, of: other)
        for _ in 0..<10 {
            #expect(try await other.append(event(), to: hung, acknowledge: .ordered).positions != nil)
            for partition in [0, 1, 3] {
                let name = try stream(in: partition, of: other)
                #expect(try await other.append(event(), to: name, acknowledge: .ordered).positions != nil)
            }
        }
        // The node that hangs goes on with the rest, and shows positions up to what it has.
        #expect(try await one.append(event(), to: try stream(in: 0, of: one)).versions.lowerBound == 10)
        let shown = try await order(one)
        log.goOn(slow)
        try await settle(one, other)
        let all = try await order(other)
        #expect(Array(all.prefix(shown.count)) == shown)
        #expect(try await order(one) == all)
        try await check(one)
        await one.close()
        await other.close()
    }

    @Test func aFastPartitionDoesNotStarveASlowOne() async throws {
        let nodes = OrderNodes()
        let (one, other) = (try await nodes.open(), try await nodes.open())
        let fast = try stream(in: 1, of: one)
        let slow = try stream(in: 3, of: one)
        try await one.append(event(), to: fast, acknowledge: .ordered)
        let isOver = Atomic<Bool>(false)
        let load = Task {
            let endless = AsyncStream<NewAppend>(unfolding: {
                isOver.load(ordering: .acquiring) ? nil : NewAppend([event()], to: fast)
            })
            var count = 0
            for try await _ in one.append(contentsOf: endless, maxInFlight: 500) { count += 1 }
            return count
        }
        for number in 0..<15 {
            let done = try await (number % 2 == 0 ? one : other).append(event(), to: slow, acknowledge: .ordered)
            #expect(done.positions != nil)
        }
        isOver.store(true, ordering: .releasing)
        #expect(try await load.value > 15)
        try await settle(one, other)
        #expect(try await order(one) == order(other))
        await one.close()
        await other.close()
    }

    /// The node that orders everything is cut off from the log: the others go on; when it is back all agree.
    @Test func aStalledProposerIsReplaced() async throws {
        var nodes = OrderNodes()
        nodes.faults = FaultInjectingLog.Faults(delayed: 0.1)
        let box = Mutex<FaultInjectingLog?>(nil)
        let one = try await nodes.open(log: { log in
            box.withLock { $0 = log as? FaultInjectingLog }
            return log
        })
        let log = try #require(box.withLock { $0 })
        let other = try await nodes.open()
        for number in 0..<12 {
            try await one.append(event(), to: try StreamName("S-\(number)"), acknowledge: .ordered)
        }
        for round in 0..<3 {
            log.stop()
            for number in 0..<12 {
                let done = try await other.append(event(), to: try StreamName("S-\(number)"), acknowledge: .ordered)
                #expect(done.positions != nil, "round \(round)")
            }
            log.resume()
            try await settle(one, other)
        }
        #expect(try await order(one) == order(other))
        try await check(one)
        await one.close()
        await other.close()
    }

    /// A watch finds a reader that stands still, and has it read on.
    @Test func aReaderThatStandsStillIsWoken() async throws {
        let nodes = OrderNodes()
        let told = NodeWorld.Told()
        let box = Mutex<HangingLog?>(nil)
        let one = try await nodes.open(
            log: { inner in
                let log = HangingLog(inner)
                box.withLock { $0 = log }
                return log
            }, told: told)
        let log = try #require(box.withLock { $0 })
        for channel in [2, 4] {
            log.hang(channel, untilRestart: true)
            let done = try await one.append(event(), to: try stream(in: 2, of: one), acknowledge: .ordered)
            #expect(done.positions != nil)
        }
        let lines = told.lines.withLock { $0 }
        #expect(lines.contains { $0.contains("partition 2 stands at offset 1 though its log ends at 2") }, "\(lines)")
        #expect(lines.contains { $0.contains("the order topic stands at") }, "\(lines)")
        await one.close()
    }

    /// Whoever waits for positions hears of the fault when it arises, not at the deadline.
    @Test func aFaultEndsWaitsAtOnce() async throws {
        let nodes = OrderNodes()
        let isWrong = Atomic<Bool>(false)
        let isHeld = Monitor(false)
        let bad = try await nodes.open(distort: { range in
            isHeld.wait { $0 ? nil : () }
            guard isWrong.load(ordering: .acquiring), range.content.empty.isEmpty else { return range }
            return Wrong.events.distorted(range)
        })
        let done = try await bad.append(event(), to: try StreamName("S-1"), acknowledge: .ordered)
        #expect(done.positions != nil)
        isHeld.withLock { $0 = true }
        isWrong.store(true, ordering: .releasing)
        let next = try await bad.append(event(), to: try StreamName("S-1"))
        let partition = Int(next.token.partition)
        let waiting = Task {
            try await bad.index.waitUntilOrdered(next.token.offset, in: partition, until: .now + .seconds(3_600))
        }
        let patient = Task {
            try await bad.index.waitUntilOrdered(
                next.token.offset, in: partition, until: .now + .seconds(3_600), despiteFault: true)
        }
        try await waitForWaiters(2, at: bad)
        isHeld.withLock { $0 = false }
        let error = await #expect(throws: IndexError.self) { try await waiting.value }
        #expect(error?.code == .disputed)
        let fault = try #require(bad.index.orderSummary?.fault)
        #expect(fault.claimed?.events == (fault.own?.events ?? 0) + 1)
        #expect(fault.proposer == bad.index.orderSummary?.node)
        isWrong.store(false, ordering: .releasing)
        try await bad.index.voidOrder(
            orderOffset: fault.orderOffset, partition: fault.partition, deadline: .seconds(3_600))
        try await patient.value
        try await check(bad)
        await bad.close()
    }

    /// Without the order channel nothing is ordered: who waits for it hears that at once, and appends go on.
    @Test func aHaltedOrderChannelEndsWaits() async throws {
        let (store, log) = try await hanging(OrderNodes())
        let done = try await store.append(event(), to: try StreamName("S-1"), acknowledge: .ordered)
        #expect(done.positions != nil)
        log.hang(4)
        let waiting = Task {
            try await store.append(
                event(), to: try StreamName("S-2"), acknowledge: .ordered, deadline: .seconds(3_600))
        }
        try await log.waitUntilMissing(4)
        try await waitForWaiters(1, at: store)
        log.tell(.damaged(channel: 4, "a test"))
        #expect(try await waiting.value.positions == nil)
        let token = try await store.append(event(), to: try StreamName("S-3")).token
        let error = await #expect(throws: IndexError.self) {
            try await store.index.waitUntilOrdered(
                token.offset, in: Int(token.partition), until: .now + .seconds(3_600))
        }
        #expect(error == IndexError(.halted, "the order topic is halted: a test"))
        await store.close()
    }

    /// Nor is anything ordered once the whole log has failed.
    @Test func aFailedLogEndsWaits() async throws {
        let (store, log) = try await hanging(OrderNodes())
        #expect(try await store.append(event(), to: try StreamName("S-1"), acknowledge: .ordered).positions != nil)
        log.swallow(4)
        let token = try await store.append(event(), to: try StreamName("S-2")).token
        let waiting = Task {
            try await store.index.waitUntilOrdered(
                token.offset, in: Int(token.partition), until: .now + .seconds(3_600), despiteFault: true)
        }
        try await waitForWaiters(1, at: store)
        log.tell(.failed("a test"))
        let error = await #expect(throws: IndexError.self) { try await waiting.value }
        #expect(error == IndexError(.unavailable, "a test"))
        await store.close()
    }

    /// A partition is halted on this node before records that the order speaks of: nothing after them has a position.
    @Test func aHaltedPartitionEndsWaitsForWhatComesAfterIt() async throws {
        let nodes = OrderNodes()
        let (one, log) = try await hanging(nodes)
        let other = try await nodes.open()
        let (name, free) = (try stream(in: 2, of: one), try stream(in: 1, of: one))
        #expect(try await one.append(event(), to: name, acknowledge: .ordered).positions != nil)
        log.hang(2)
        #expect(try await other.append(event(), to: name, acknowledge: .ordered).positions != nil)
        let token = try await other.append(event(), to: free, acknowledge: .ordered).token
        try await one.index.wait(for: token.offset, in: 1, deadline: .seconds(3_600))
        let waiting = Task {
            try await one.index.waitUntilOrdered(token.offset, in: 1, until: .now + .seconds(3_600))
        }
        try await waitForWaiters(1, at: one)
        log.tell(.damaged(channel: 2, "a test"))
        let error = await #expect(throws: IndexError.self) { try await waiting.value }
        #expect(error == IndexError(.halted, "partition 2 is halted: a test"))
        await one.close()
        await other.close()
    }

    /// What the order channel does not take is not heaped up: a few records are on the way, and no more.
    @Test func ordersWaitWhileNothingIsTaken() async throws {
        var nodes = OrderNodes()
        nodes.timing = ProposerTiming(takeOverDelay: 1_000_000, flightTime: 1_000_000, pauseAfterFailure: 1_000_000)
        let (store, log) = try await hanging(nodes)
        #expect(try await store.append(event(), to: try StreamName("S"), acknowledge: .ordered).positions != nil)
        log.swallow(4)
        for number in 0..<400 { try await store.append(event(), to: try StreamName("S-\(number)")) }
        #expect((1...IndexLimits.unsettledOrderRecords).contains(log.swallowed.count))
        log.swallow(nil)
        let reports = log.swallowed.map { TagReport(tag: $0, outcome: .notStored(.temporary("a test"))) }
        log.tell(.tags(reports))
        try await settle(store)
        try await check(store)
        await store.close()
    }

    /// What the log says of order records can be lost: then they stop counting after a while.
    @Test func ordersGoOnAfterReportsThatNeverCame() async throws {
        var nodes = OrderNodes()
        nodes.timing = ProposerTiming(takeOverDelay: 1_000_000, flightTime: 1_000_000, pauseAfterFailure: 1_000_000)
        nodes.reportTime = .milliseconds(50)
        let (store, log) = try await hanging(nodes)
        #expect(try await store.append(event(), to: try StreamName("S"), acknowledge: .ordered).positions != nil)
        log.swallow(4)
        try await store.append(event(), to: try StreamName("S"))
        try await log.waitUntilSwallowed(IndexLimits.unsettledOrderRecords)
        log.swallow(nil)
        try await settle(store)
        try await check(store)
        await store.close()
    }

    /// Why order records are refused is told, and not again with each.
    @Test func aRefusedOrderRecordIsTold() async throws {
        let told = NodeWorld.Told()
        let (store, log) = try await hanging(OrderNodes(), told: told)
        #expect(try await store.append(event(), to: try StreamName("S"), acknowledge: .ordered).positions != nil)
        log.swallow(4)
        try await store.append(event(), to: try StreamName("S"))
        let reasons: [NotStoredReason] = [.temporary("no"), .failed("one"), .failed("one"), .tooLarge, .tooLarge]
        for (number, reason) in reasons.enumerated() {
            try await log.waitUntilSwallowed(number + 1)
            log.tell(.tags([TagReport(tag: log.swallowed[number], outcome: .notStored(reason))]))
        }
        let lines = told.lines.withLock { $0 }.filter { $0.contains("refused an order record") }
        #expect(lines.count == 2 && lines[0].hasSuffix(": one") && lines[1].hasSuffix(": it is too large"), "\(lines)")
        log.swallow(nil)
        log.tell(.tags(log.swallowed.map { TagReport(tag: $0, outcome: .notStored(.temporary("a test"))) }))
        try await settle(store)
        await store.close()
    }

    /// Nobody has ordered anything yet, and much of it brings no event: records stay within their bounds.
    @Test func aLargeBacklogIsOrderedInBoundedRecords() async throws {
        let nodes = OrderNodes(partitions: 2)
        let first = try await nodes.open()
        let name = try stream(in: 1, of: first)
        #expect(try await first.append(event(), to: name, acknowledge: .ordered).positions != nil)
        let store = first.index.identity.store
        await first.close()
        let log = InMemoryLog(nodes.records)
        let barrier = RecordEnvelope.encodeBarrier(
            id: RecordID(high: 1, low: 1), partition: 1, writeID: 1, store: store)
        for _ in 0..<OrderLimits.offsetsInRecord + 1_000 {
            log.append(LogRecord(key: [], value: barrier), to: 1, tag: .none)
        }
        let orders = nodes.records.count(of: 2)
        let late = try await nodes.open()
        #expect(try await late.append(event(), to: name, acknowledge: .ordered).positions != nil)
        for offset in orders..<nodes.records.count(of: 2) {
            let record = try #require(try await log.record(at: offset, in: 2)).record
            #expect(record.byteCount <= EnvelopeLimits.orderRecordBytes)
        }
        let ranges = try placedRanges(late).filter { $0.partition == 1 }
        #expect(ranges.allSatisfy { $0.lastOffset - $0.firstOffset < OrderLimits.offsetsInRange })
        #expect(ranges.count > 3 && ranges.last?.lastOffset == nodes.records.count(of: 1) - 1)
        await late.close()
        await log.close()
    }

    /// A repeat of an append acknowledged as accepted has the positions that the first one has by now.
    @Test func anAcceptedRepeatHasItsPositions() async throws {
        let store = try await OrderNodes().open()
        let event = event(id: UUID())
        let first = try await store.append(event, to: try StreamName("S-1"))
        #expect(first.positions == nil)
        try await settle(store)
        let again = try await store.append(event, to: try StreamName("S-1"))
        #expect(again.isRepeat && again.positions != nil)
        #expect(try await store.readAll(from: again.positions?.lowerBound).collected().first?.id == event.id)
        await store.close()
    }
}

/// What a node with a bug proposes.
enum Wrong: CaseIterable {
    case events, empty, beyondEnd

    func distorted(_ range: OrderRange) -> OrderRange {
        var range = range
        switch self {
        case .events: range.content.events += 1
        case .empty:
            range.content.empty.append(range.last)
            if range.first == range.last { range.content.events = 0 } else { range.content.events += 1 }
        case .beyondEnd:
            range.last += 5
            range.content.events += 5
        }
        return range
    }
}
