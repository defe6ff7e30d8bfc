import EventLog
import Foundation
import GlobalOrder
import Synchronization
import Testing

@testable import StreamIndex
@testable import Tributary

/// Recorded histories of several nodes, with faults and restarts, against what the order promises.
@Suite(.timeLimit(.minutes(3))) struct OrderHistoryTests {
    @Test func promisesHoldOverNodesAndRestarts() async throws {
        var random = seededRandom()
        for partitions in [2, 4, 12] {
            let violations = try await OrderRace(seed: random.next(), partitions: partitions)
                .run(appends: 50, restarts: 4)
            #expect(violations == [], "\(partitions) partitions")
        }
    }

    /// Negative control: ranges that do not begin at the next unordered offset are taken too.
    @Test(arguments: [true, false]) func withoutTheRuleOfTheFirstOffsetPromisesBreak(compares: Bool) async throws {
        var random = seededRandom()
        var rules = OrderRules()
        rules.judgesFirstOffset = false
        rules.compares = compares
        let violations: [String]
        do {
            violations = try await OrderRace(seed: random.next(), rules: rules).run(appends: 40, restarts: 0)
        } catch  where Self.saysDamaged(error) {
            // A node may find first that positions have no events.
            violations = ["\(error)"]
        }
        #expect(violations != [])
    }

    private static func saysDamaged(_ error: any Error) -> Bool {
        switch error {
        case AppendError.store(let error), ReadError.store(let error): error.code == .damaged
        case let error as StoreError: error.code == .damaged
        default: false
        }
    }

    /// Negative control: nobody looks whether what a node proposes is so.
    @Test func withoutTheComparisonPromisesBreak() async throws {
        var random = seededRandom()
        var rules = OrderRules()
        rules.compares = false
        let violations = try await OrderRace(seed: random.next(), rules: rules, lies: true)
            .run(appends: 40, restarts: 0)
        #expect(violations != [])
    }
}

/// Three nodes with directories on one log with faults; all append, read, and are restarted.
///
/// With `lies` all of them propose what is not so now and then.
private final class OrderRace: Sendable {
    private struct Append {
        var began: Int
        var ended: Int
        var positions: ClosedRange<Int64>
        var ids: [UUID]
    }

    private struct State {
        var violations: [String] = []
        var appends: [Append] = []
        /// What anybody was shown.
        var shown: [Int64: String] = [:]
        var time = 0
        /// The directories that the nodes have by now.
        var names = ["n0", "n1", "n2"]
    }

    private let seed: UInt64
    private let partitions: Int
    private let rules: OrderRules
    private let lies: Bool
    private let state = Mutex(State())

    init(seed: UInt64, partitions: Int = 4, rules: OrderRules = OrderRules(), lies: Bool = false) {
        self.seed = seed
        self.partitions = partitions
        self.rules = rules
        self.lies = lies
    }

    private func now() -> Int {
        state.withLock { state in
            state.time += 1
            return state.time
        }
    }

    private func violated(_ what: String) {
        state.withLock { $0.violations.append(what) }
    }

    /// Whether the rules are whole: then nothing may fail, and everything is waited for.
    private var isWhole: Bool { rules.judgesFirstOffset && rules.compares }

    func run(appends: Int, restarts: Int) async throws -> [String] {
        try await withTemporaryDirectory { path in
            var nodes = OrderNodes(partitions: partitions)
            nodes.path = path
            nodes.rules = rules
            nodes.faults = FaultInjectingLog.Faults(
                failed: 0.03, lost: 0.02, unknown: 0.04, delayed: 0.3, duplicated: 0.05, duplicatedLater: 0.05)
            var random = SeededGenerator(seed: seed)
            let seeds = (0..<3).map { _ in random.next() }
            let workers = (0..<3).map { number in
                Task { [nodes] in
                    try await self.work(number, nodes, SeededGenerator(seed: seeds[number]), appends, restarts)
                }
            }
            var stores: [EventStore] = []
            for worker in workers { stores.append(try await worker.value) }
            do {
                try await compare(stores)
            } catch {
                violated("\(error)")
            }
            for store in stores { await store.close() }
            if isWhole { try await compareAfterwards(nodes) }
            return state.withLock { $0.violations }
        }
    }

    /// A node's life: appends one after the other, each acknowledged as ordered, restarts and kills between them.
    private func work(
        _ number: Int, _ nodes: OrderNodes, _ start: SeededGenerator, _ appends: Int, _ restarts: Int
    ) async throws -> EventStore {
        var random = start
        let liar: @Sendable (OrderRange) -> OrderRange = { [self] in lies ? distort($0) : $0 }
        var directory = "n\(number)"
        func open() async throws -> EventStore {
            try await nodes.open(directory, seed: random.next(), distort: liar)
        }
        var store = try await open()
        let every = restarts == 0 ? Int.max : max(1, appends / (restarts + 1))
        for step in 1...appends {
            // A negative control has done its work.
            if !isWhole, state.withLock({ !$0.violations.isEmpty }) { break }
            await append(store, &random)
            if random.next() % (isWhole ? 8 : 2) == 0 { await read(store) }
            guard step % every == 0 else { continue }
            // Appends of its own are under way: what becomes of them is not asked.
            let (name, last) = (try StreamName("S-\(step % 12)"), store)
            let left = Task { _ = try? await last.append(event(), to: name, deadline: .seconds(5)) }
            if Bool.random(using: &random) {
                // As after a kill: what the directory held at a moment in between.
                try NodeWorld(nodes.path).copy(directory, directory + "k")
                directory += "k"
            }
            await store.close()
            await left.value
            store = try await open()
            state.withLock { [directory] in $0.names[number] = directory }
        }
        return store
    }

    /// Every third is wrong.
    private func distort(_ range: OrderRange) -> OrderRange {
        guard range.content.empty.isEmpty, now() % 3 == 0 else { return range }
        return Wrong.events.distorted(range)
    }

    private func append(_ store: EventStore, _ random: inout SeededGenerator) async {
        let events = (0...Int.random(in: 0..<3, using: &random)).map { _ in event(id: UUID()) }
        let began = now()
        do {
            let done = try await store.append(
                events, to: try StreamName("S-\(Int.random(in: 0..<12, using: &random))"), acknowledge: .ordered,
                deadline: isWhole ? .seconds(60) : .milliseconds(300))
            guard let positions = done.positions else {
                if isWhole { violated("an append has no positions after a minute") }
                return
            }
            let ended = now()
            state.withLock {
                $0.appends.append(
                    Append(
                        began: began, ended: ended,
                        positions: positions.lowerBound.value...positions.upperBound.value, ids: events.map(\.id)))
            }
        } catch {
            if isWhole { violated("append: \(error)") }
        }
    }

    private func read(_ store: EventStore) async {
        do {
            let all = try await store.readAll().collected()
            state.withLock { state in
                for event in all {
                    let line = eventLine(event)
                    let position = event.position?.value ?? -1
                    if let other = state.shown.updateValue(line, forKey: position), other != line {
                        state.violations.append("\(line), and earlier \(other)")
                    }
                }
            }
        } catch {
            violated("read: \(error)")
        }
    }

    private func compare(_ stores: [EventStore]) async throws {
        if isWhole {
            try await settle(stores)
        } else {
            for store in stores { try? await store.index.waitUntilAppliedIsOrdered(deadline: .seconds(2)) }
        }
        for store in stores { await read(store) }
        let lists = try await withAll(stores)
        let shortest = lists.map(\.count).min() ?? 0
        if isWhole, Set(lists.map(\.count)).count != 1 { violated("nodes show \(lists.map(\.count)) events") }
        for list in lists where list.prefix(shortest).map(eventLine) != lists[0].prefix(shortest).map(eventLine) {
            violated("two nodes show different orders")
        }
        let all = lists[0]
        if all.map({ $0.position?.value }) != (0..<Int64(all.count)).map(Optional.some) {
            violated("positions are not dense")
        }
        if Set(all.map(\.id)).count != all.count { violated("an event is shown twice") }
        let statistics = try await stores[0].statistics()
        if statistics.events != Int64(all.count) { violated("\(all.count) of \(statistics.events) events are shown") }
        var versions: [String: Int64] = [:]
        for event in all {
            let before = versions.updateValue(event.version, forKey: "\(event.stream)") ?? -1
            if event.version != before + 1 { violated("\(eventLine(event)) follows version \(before)") }
        }
        checkAppends(all)
        let problems = try await stores[0].verify().problems
        for problem in problems { violated(problem) }
    }

    private func withAll(_ stores: [EventStore]) async throws -> [[RecordedEvent]] {
        var lists: [[RecordedEvent]] = []
        for store in stores { lists.append(try await store.readAll().collected()) }
        return lists
    }

    /// If A returned before B began, A comes first; and what was returned is what is shown.
    private func checkAppends(_ all: [RecordedEvent]) {
        let appends = state.withLock { $0.appends }
        if isWhole, appends.count < 100 { violated("only \(appends.count) appends were ordered") }
        for append in appends {
            let shown = append.positions.map { all.indices.contains(Int($0)) ? all[Int($0)].id : nil }
            if shown != append.ids.map(Optional.some) { violated("\(append.positions) shows other events") }
        }
        let byEnd = appends.sorted { $0.ended < $1.ended }
        var next = 0
        var highest: Int64 = 0
        for append in appends.sorted(by: { $0.began < $1.began }) {
            while next < byEnd.count, byEnd[next].ended < append.began {
                highest = max(highest, byEnd[next].positions.upperBound)
                next += 1
            }
            if append.positions.lowerBound <= highest {
                violated("\(append.positions) began after \(highest) was returned")
            }
        }
    }

    /// A node built anew, one that was restarted, and one that is opened afresh show the same.
    private func compareAfterwards(_ nodes: OrderNodes) async throws {
        var nodes = nodes
        nodes.faults = .none
        let known = state.withLock { $0.names }
        _ = try await EventStore.rebuildIndex(nodes.location(known[1]))
        let names: [String?] = [known[0], known[1], "new", nil]
        for name in names {
            let store = try await nodes.open(name)
            try await settle(store)
            await read(store)
            for problem in try await store.verify().problems { violated("\(name ?? "in memory"): \(problem)") }
            await store.close()
        }
    }
}
