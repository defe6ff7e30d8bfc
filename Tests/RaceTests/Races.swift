import EventLog
import Foundation
import StreamIndex
import Synchronization
import Testing
import Tributary

/// What races run on.
enum RacePlace: String, CaseIterable, CustomTestStringConvertible {
    case memory
    case memoryOfFour
    case directory
    /// Three stores on one log in memory.
    case nodes
    case nodesOfFour
    /// The same, and each node's log has its faults.
    case nodesWithFaults
    case nodesOfFourWithFaults

    var testDescription: String { rawValue }

    var nodes: Int {
        switch self {
        case .memory, .memoryOfFour, .directory: 1
        case .nodes, .nodesOfFour, .nodesWithFaults, .nodesOfFourWithFaults: 3
        }
    }

    var hasFaults: Bool { self == .nodesWithFaults || self == .nodesOfFourWithFaults }

    var partitions: Int {
        switch self {
        case .memoryOfFour, .nodesOfFour, .nodesOfFourWithFaults: 4
        case .memory, .directory, .nodes, .nodesWithFaults: 1
        }
    }

    /// Opens the nodes, runs `body`, closes them.
    func withStores<R>(seed: UInt64, _ body: ([EventStore]) async throws -> R) async throws -> R {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("races-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let records = InMemoryRecords(partitions: partitions)
        var stores: [EventStore] = []
        for node in 0..<nodes {
            let location: EventStore.Location =
                switch self {
                case .memory, .memoryOfFour: .inMemory(partitions: partitions)
                case .directory: .directory(path, segmentBytes: 64 << 10)
                case .nodes, .nodesOfFour, .nodesWithFaults, .nodesOfFourWithFaults:
                    shared(records, seed: seed &+ UInt64(node))
                }
            stores.append(try await EventStore.open(location))
        }
        let result = try await body(stores)
        for store in stores { await store.close() }
        return result
    }

    private func shared(_ records: InMemoryRecords, seed: UInt64) -> EventStore.Location {
        let hasFaults = hasFaults
        return EventStore.Location {
        } open: { _, _ in
            var log: any RecordLog = InMemoryLog(records)
            if hasFaults {
                let faults = FaultInjectingLog.Faults(
                    failed: 0.05, lost: 0.05, unknown: 0.05, delayed: 0.3, duplicated: 0.05, duplicatedLater: 0.05)
                log = FaultInjectingLog(log, faults: faults, seed: seed)
            }
            return OpenedLog(log: log, segments: nil, indexDirectory: nil)
        }
    }
}

/// One append or read, from when it was begun to when it returned.
struct Call: Sendable {
    enum What: Sendable {
        case accepted(AppendResult)
        case refused
        /// The highest version that a read saw; −1: none.
        case read(Int64)
    }

    var node: Int
    var task: Int
    var stream: String
    var ids: [UUID]
    var expected: ExpectedVersion
    var began: UInt64
    var ended: UInt64
    var what: What
}

/// Tasks on several nodes that append to few streams with exact expectations, and read.
final class Race: Sendable {
    private let stores: [EventStore]
    private let place: RacePlace
    private let seed: UInt64
    private let clock = Atomic<UInt64>(0)
    private let calls = Mutex<[Call]>([])
    private let errors = Mutex<[String]>([])

    init(_ place: RacePlace, _ stores: [EventStore], seed: UInt64) {
        self.place = place
        self.stores = stores
        self.seed = seed
    }

    static let streams = (0..<4).map { "Race-\($0)" }

    /// - Returns: what must not be.
    func run(tasks: Int, calls count: Int) async throws -> [String] {
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<tasks {
                group.addTask { [self] in await run(task, count) }
            }
        }
        let problems = errors.withLock { $0 }
        return problems + (try await Referee(calls.withLock { $0 }, stores, place).problems())
    }

    private func tick() -> UInt64 { clock.add(1, ordering: .sequentiallyConsistent).newValue }

    private func run(_ task: Int, _ count: Int) async {
        var random = SeededGenerator(seed: seed &+ UInt64(task + 1) << 20)
        let node = task % stores.count
        var known: [String: Int64] = [:]
        for _ in 0..<count {
            let stream = Self.streams.randomElement(using: &random) ?? ""
            do {
                if random.chance(0.25) {
                    try await read(task, node, stream, &random)
                } else {
                    try await append(task, node, stream, &known, &random)
                }
            } catch {
                errors.withLock { $0.append("task \(task): \(error)") }
                return
            }
        }
    }

    private func append(
        _ task: Int, _ node: Int, _ name: String, _ known: inout [String: Int64], _ random: inout SeededGenerator
    ) async throws {
        let stream = try StreamName(name)
        let isFree = random.chance(0.15)
        let count = random.chance(0.8) ? 1 : Int.random(in: 2...5, using: &random)
        let ids = (0..<count).map { _ in UUID() }
        let events = ids.map { NewEvent(type: "Raced", data: Array("\(task)".utf8), id: $0) }
        let expected: ExpectedVersion = isFree ? .any : known[name].map { .version($0) } ?? .noStream
        let began = tick()
        var what = Call.What.refused
        do {
            // An outcome that is unknown, or a call that was too late, is settled by the same call again.
            while true {
                do {
                    let result = try await stores[node].append(
                        events, to: stream, expecting: expected, deadline: .seconds(60))
                    what = .accepted(result)
                    known[name] = max(known[name] ?? -1, result.versions.upperBound)
                    break
                } catch AppendError.outcomeUnknown {
                    continue
                } catch AppendError.notWritten {
                    continue
                }
            }
        } catch AppendError.conflict(let conflict) {
            let isTrue = conflict.expected == expected && conflict.stream == stream
            let newer = conflict.newerEvents.map(\.version)
            let first = (known[name] ?? -1) + 1
            let count = min(100, conflict.actual - first + 1)
            if !isTrue || newer != Array(first..<first + count) || conflict.hasMore != (count == 100) {
                errors.withLock { $0.append("task \(task): a conflict that expected \(expected) says \(conflict)") }
            }
            known[name] = conflict.actual >= 0 ? conflict.actual : nil
        }
        let call = Call(
            node: node, task: task, stream: name, ids: ids, expected: expected, began: began, ended: tick(), what: what)
        calls.withLock { $0.append(call) }
    }

    private func read(
        _ task: Int, _ node: Int, _ name: String, _ random: inout SeededGenerator
    ) async throws {
        // With faults a barrier may be lost, and its reader waits in vain.
        let isLinearizable = place.nodes > 1 && !place.hasFaults
        let began = tick()
        var versions: [Int64] = []
        let stream = try StreamName(name)
        for try await event in stores[node].read(stream, consistency: isLinearizable ? .linearizable : .local) {
            versions.append(event.version)
        }
        let ended = tick()
        if versions != Array(0..<Int64(versions.count)) {
            errors.withLock { $0.append("task \(task) read \(name) as \(versions)") }
        }
        let call = Call(
            node: node, task: task, stream: name, ids: [], expected: .any, began: began, ended: ended,
            what: .read(Int64(versions.count) - 1))
        calls.withLock { $0.append(call) }
    }
}
