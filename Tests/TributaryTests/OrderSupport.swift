import EventLog
import Foundation
import GlobalOrder
import Synchronization
import Testing

@testable import StreamIndex
@testable import Tributary

/// Nodes of one store in memory, each with its own index.
struct OrderNodes {
    let records: InMemoryRecords
    var faults = FaultInjectingLog.Faults.none
    /// Where nodes with a name keep their directories.
    var path = ""
    var rules = OrderRules()
    /// After which an order record of which the log says nothing no longer counts.
    var reportTime = Duration.seconds(60)
    /// After which a node asks whether the records exist that the order speaks of.
    var rangeDelay = Duration.milliseconds(20)
    var timing = ProposerTiming(takeOverDelay: 20_000_000, flightTime: 200_000_000, pauseAfterFailure: 1_000_000)

    init(partitions: Int = 4) {
        records = InMemoryRecords(partitions: partitions)
    }

    /// - Parameters:
    ///   - node: nil: with everything in memory.
    ///   - seed: of the faults.
    ///   - distort: what the node makes of ranges that it proposes.
    func open(
        _ node: String? = nil, seed: UInt64 = 0,
        log wrap: @escaping @Sendable (any RecordLog) -> any RecordLog = { $0 },
        told: NodeWorld.Told = NodeWorld.Told(), distort: (@Sendable (OrderRange) -> OrderRange)? = nil
    ) async throws -> EventStore {
        let (rules, timing, reportTime, rangeDelay) = (rules, timing, reportTime, rangeDelay)
        var options = StoreOptions { line in told.lines.withLock { $0.append(line.message) } }
        options.adjustSource = { source in
            source.orderTiming = timing
            source.distortOrder = distort
            source.comparesEvery = .milliseconds(20)
            source.rangeDelay = rangeDelay
            source.orderRules = rules
            source.orderReportTime = reportTime
        }
        return try await EventStore.open(location(node, seed, wrap), options: options)
    }

    func location(
        _ node: String?, _ seed: UInt64 = 0, _ wrap: @escaping @Sendable (any RecordLog) -> any RecordLog = { $0 }
    ) -> EventStore.Location {
        let (records, faults, path) = (records, faults, path)
        return .log(
            directory: node.map { path + "/" + $0 }, named: "test",
            copyAs: { CopyPlace($0, segmentBytes: 16 << 10, checkpointBytes: 8 << 10) }, create: {},
            open: { _, _, _ in
                let log = InMemoryLog(records)
                let faulty: any RecordLog =
                    faults == .none ? log : FaultInjectingLog(log, faults: faults, seed: seed)
                return LocatedLog(log: wrap(faulty), notes: [])
            })
    }
}

/// A stream of a partition.
func stream(in partition: Int, of store: EventStore, _ prefix: String = "P") throws -> StreamName {
    for number in 0... {
        let name = try StreamName("\(prefix)-\(number)")
        if store.index.partition(ofStream: name.utf8) == partition { return name }
    }
    preconditionFailure("some name is in each partition")
}

func eventLine(_ event: RecordedEvent) -> String {
    "\(event.position.map { "\($0)" } ?? "-") \(event.stream) \(event.version) \(event.id)"
}

/// Position, stream and version of every event, as the store orders them.
func order(_ store: EventStore, direction: ReadDirection = .forward) async throws -> [String] {
    try await store.readAll(direction: direction).collected().map(eventLine)
}

/// All ranges that have positions.
func placedRanges(_ store: EventStore) throws -> [PlacedRange] {
    let index = store.index.store
    var placed: [PlacedRange] = []
    let tail = PlacedTail(index, from: 0)
    while let range = tail.next() { placed.append(range) }
    if let failure = tail.failure { throw failure }
    return placed.reversed()
}

/// Waits until all that the stores have applied is ordered.
func settle(_ stores: EventStore...) async throws { try await settle(stores) }

func settle(_ stores: [EventStore]) async throws {
    for store in stores {
        for partition in 0..<store.index.partitions {
            // The log may lose a barrier.
            var isReached = false
            while !isReached {
                do {
                    try await store.index.waitForBarrier(in: partition, deadline: .seconds(1))
                    isReached = true
                } catch let error as IndexError where error.code == .deadline {}
            }
        }
        try await store.index.waitUntilAppliedIsOrdered(deadline: .seconds(30))
    }
}

/// Positions are dense, per-stream order is kept, each event of the streams is there once.
func check(_ store: EventStore) async throws {
    let all = try await store.readAll().collected()
    #expect(all.map { $0.position?.value } == (0..<Int64(all.count)).map(Optional.some))
    let statistics = try await store.statistics()
    #expect(statistics.events == Int64(all.count))
    var versions: [String: Int64] = [:]
    for event in all {
        #expect(event.version == versions["\(event.stream)", default: -1] + 1)
        versions["\(event.stream)"] = event.version
    }
    #expect(try await order(store, direction: .backward) == order(store).reversed())
    for stream in try await store.streams() {
        for try await event in store.read(stream.stream) {
            let position = try #require(event.position)
            let found = try await store.readAll(from: position, limit: 1).collected()
            #expect(found.map(eventLine) == [eventLine(event)])
        }
    }
    #expect(try await store.verify().problems == [])
}

/// Reads everything again and again, up to an error.
final class ReadUntilError {
    let store: EventStore
    private(set) var lines: [String] = []
    private(set) var error: (any Error)?

    init(_ store: EventStore) {
        self.store = store
    }

    func run(until isOver: ((any Error)?) -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(30)
        repeat {
            lines = []
            error = nil
            do {
                for try await event in store.readAll() { lines.append(eventLine(event)) }
            } catch {
                self.error = error
            }
        } while !isOver(error) && .now < end
    }
}

/// Returns once so many wait for positions.
func waitForWaiters(_ count: Int, at store: EventStore) async throws {
    let waits = try #require(store.index.orderer).waits
    while waits.waiting < count { await Task.yield() }
}

/// A log whose delivery of single channels can hang.
final class HangingLog: RecordLog {
    private struct State {
        /// Where what was not delivered begins.
        var hung: [Int: Int64?] = [:]
        /// Whether a restart ends it.
        var isEndedByRestart = false
        /// Takes what is appended to it, and says nothing of it any more.
        var swallowing: Int?
        var swallowed: [LogTag] = []
        var handler: (any LogHandler)?
    }

    private let inner: any RecordLog
    private let state = Monitor(State())

    init(_ inner: any RecordLog) {
        self.inner = inner
    }

    /// Delivers nothing more of a channel.
    func hang(_ channel: Int, untilRestart: Bool = false) {
        state.withLock {
            $0.hung[channel] = .some(nil)
            $0.isEndedByRestart = untilRestart
        }
    }

    /// From now on takes what is appended to the channel, and stores nothing; nil: to none.
    func swallow(_ channel: Int?) { state.withLock { $0.swallowing = channel } }

    var swallowed: [LogTag] { state.read { $0.swallowed } }

    func waitUntilSwallowed(_ count: Int) async throws {
        try await onOwnThread(named: "hanging-wait") { [state] in
            state.wait { $0.swallowed.count >= count ? () : nil }
        }
    }

    func tell(_ event: LogEvent) {
        let handler = state.read { $0.handler }
        handler?.handle(event)
    }

    func goOn(_ channel: Int) {
        let first = state.withLock { $0.hung.removeValue(forKey: channel) ?? nil }
        if let first { inner.restart(channel: channel, from: first) }
    }

    /// Returns when something of the channel was held back.
    func waitUntilMissing(_ channel: Int) async throws {
        try await onOwnThread(named: "hanging-wait") { [state] in
            state.wait { ($0.hung[channel] ?? nil) == nil ? nil : () }
        }
    }

    private final class Filter: LogHandler {
        let log: HangingLog
        let handler: any LogHandler

        init(_ log: HangingLog, _ handler: any LogHandler) {
            self.log = log
            self.handler = handler
        }

        func handle(_ run: borrowing RecordRun) {
            let all = run.entries
            let entries = log.state.withLock { state in
                all.filter { entry in
                    guard let first = state.hung[entry.channel] else { return true }
                    state.hung[entry.channel] = .some(first ?? entry.offset)
                    return false
                }
            }
            if !entries.isEmpty { handler.handle(RecordRun(bytes: run.bytes, entries: entries)) }
        }

        func handle(_ event: LogEvent) { handler.handle(event) }
    }

    var description: LogDescription { inner.description }

    func append(_ record: LogRecord, to channel: Int, tag: LogTag) {
        let isSwallowed = state.withLock { state in
            guard state.swallowing == channel else { return false }
            state.swallowed.append(tag)
            return true
        }
        if !isSwallowed { inner.append(record, to: channel, tag: tag) }
    }

    func withdraw(_ tag: LogTag) -> Bool { inner.withdraw(tag) }

    func start(from offsets: [Int64], handler: any LogHandler) throws {
        let filter = Filter(self, handler)
        state.withLock { $0.handler = filter }
        try inner.start(from: offsets, handler: filter)
    }

    func restart(channel: Int, from offset: Int64) {
        state.withLock { if $0.isEndedByRestart { $0.hung[channel] = nil } }
        inner.restart(channel: channel, from: offset)
    }

    func bounds(of channel: Int) async throws(LogError) -> Range<Int64> { try await inner.bounds(of: channel) }

    func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord? {
        try await inner.record(at: offset, in: channel)
    }

    func close() async {
        await inner.close()
        state.withLock { $0.handler = nil }
    }
}
