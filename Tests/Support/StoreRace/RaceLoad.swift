// The load of one node: tasks that append to few streams, which other nodes append to at the same time.

import EventLog
import Foundation
import Synchronization
public import Tributary

/// What a load does.
public struct RaceShape: Codable, Sendable {
    /// The same for all nodes of a race: from it come the appends that several of them make.
    public var seed: UInt64
    public var tasks = 4
    /// The share of appends that expect nothing, besides those that several nodes make.
    public var unconditional = 0.25
    /// How many of the tasks have their appends acknowledged when they are ordered.
    public var orderedTasks = 0
    /// Most appends of one task.
    public var appends = 1_000
    public var streams = 4
    /// Of each call, before it is made again.
    public var deadlineMilliseconds = 30_000
    /// Whether appends are made again after they were answered, and the same one by several nodes.
    public var repeats = true

    public init(seed: UInt64) { self.seed = seed }
}

/// Appends with exact expectations, with *no stream*, with none; repeats with the same ids; whatever has no certain
/// answer is made again until it has one.
public final class RaceLoad: Sendable {
    /// How often an append is made again before that is wrong.
    private static let tries = 60

    private let store: EventStore
    private let node: Int
    private let shape: RaceShape
    private let say: @Sendable (Step) -> Void
    private let calls: Atomic<Int>
    private let isStopped = Atomic(false)

    /// - Parameters:
    ///   - firstCall: the number of the first call.
    ///   - say: gets every step at once, from any thread.
    public init(
        _ store: EventStore, node: Int, shape: RaceShape, firstCall: Int = 0, say: @escaping @Sendable (Step) -> Void
    ) {
        self.store = store
        self.node = node
        self.shape = shape
        self.say = say
        calls = Atomic(firstCall)
    }

    /// No new appends; `run` returns when those under way have their answers.
    public func stop() { isStopped.store(true, ordering: .relaxed) }

    /// - Parameter open: what an earlier life of the node has had no answer to.
    public func run(settling open: [Intent] = []) async {
        for intent in open {
            var known: [String: Int64] = [:]
            await settle(intent, .accepted, &known)
        }
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<shape.tasks {
                group.addTask { [self] in await run(task) }
            }
        }
    }

    private func run(_ task: Int) async {
        let life = UInt64(calls.load(ordering: .relaxed))
        var random = SeededGenerator(seed: shape.seed &+ UInt64(node + 1) << 40 &+ UInt64(task + 1) << 32 &+ life)
        var known: [String: Int64] = [:]
        for number in 0..<shape.appends where !isStopped.load(ordering: .relaxed) {
            let intent = next(number, task, known, &random)
            let acknowledge: Acknowledgement = task < shape.orderedTasks ? .ordered : .accepted
            await settle(intent, acknowledge, &known)
            if shape.repeats, random.chance(0.1) { await settle(intent, acknowledge, &known) }
            if random.chance(0.1) { await look(intent, known) }
        }
    }

    private func next(_ number: Int, _ task: Int, _ known: [String: Int64], _ random: inout SeededGenerator) -> Intent {
        if shape.repeats, task == 0, number % 5 == 0 {
            // Every node makes this one.
            var shared = SeededGenerator(seed: shape.seed &+ UInt64(number) << 16)
            let ids = (0..<Int.random(in: 1...3, using: &shared)).map { _ in uuid(&shared) }
            return Intent(ids: ids, stream: stream(&shared), expected: .any)
        }
        let count = random.chance(0.8) ? 1 : Int.random(in: 2...5, using: &random)
        let ids = (0..<count).map { _ in uuid(&random) }
        // Every node tries to be the first there.
        if number % 7 == 3 {
            return Intent(ids: ids, stream: "New-\(shape.seed)-\(task)-\(number)", expected: .noStream)
        }
        let stream = stream(&random)
        if random.chance(shape.unconditional) { return Intent(ids: ids, stream: stream, expected: .any) }
        return Intent(ids: ids, stream: stream, expected: known[stream].map { .version($0) } ?? .noStream)
    }

    private func stream(_ random: inout SeededGenerator) -> String {
        "Race-\(Int.random(in: 0..<shape.streams, using: &random))"
    }

    private func uuid(_ random: inout SeededGenerator) -> UUID {
        let (high, low) = (random.next(), random.next())
        func byte(_ number: UInt64, _ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: number >> (UInt64(index) * 8)) }
        return UUID(
            uuid: (
                byte(high, 0), byte(high, 1), byte(high, 2), byte(high, 3), byte(high, 4), byte(high, 5),
                byte(high, 6), byte(high, 7), byte(low, 0), byte(low, 1), byte(low, 2), byte(low, 3), byte(low, 4),
                byte(low, 5), byte(low, 6), byte(low, 7)
            ))
    }

    // MARK: - One append

    /// Makes the append until its answer is certain.
    private func settle(
        _ intent: Intent, _ acknowledge: Acknowledgement, _ known: inout [String: Int64]
    ) async {
        for _ in 0..<Self.tries {
            let call = calls.add(1, ordering: .relaxed).newValue
            say(Step(node: node, call: call, intent: intent, what: .begins))
            let (what, position) = await outcome(of: intent, acknowledge)
            say(Step(node: node, call: call, intent: intent, what: what, position: position))
            switch what {
            case .accepted(_, let last, _): known[intent.stream] = max(known[intent.stream] ?? -1, last)
            case .conflict(let actual): known[intent.stream] = actual >= 0 ? actual : nil
            case .unknown, .notWritten: continue
            case .begins, .notStored, .wrong: break
            }
            return
        }
        say(Step(node: node, call: 0, intent: intent, what: .wrong("no answer in \(Self.tries) calls")))
    }

    private func outcome(of intent: Intent, _ acknowledge: Acknowledgement) async -> (Step.What, Int64?) {
        do {
            let done = try await store.append(
                intent.newEvents, to: try StreamName(intent.stream), expecting: intent.expected.version,
                acknowledge: acknowledge, deadline: .milliseconds(shape.deadlineMilliseconds))
            if let positions = done.positions,
                positions.upperBound.value - positions.lowerBound.value != Int64(done.versions.count) - 1
            {
                return (.wrong("\(done.versions) has the positions \(positions)"), nil)
            }
            let what = Step.What.accepted(
                first: done.versions.lowerBound, last: done.versions.upperBound, isRepeat: done.isRepeat)
            return (what, done.positions?.lowerBound.value)
        } catch AppendError.conflict(let conflict) {
            return (.conflict(actual: conflict.actual), nil)
        } catch AppendError.notStored(.cancelled) {
            return (.notStored, nil)
        } catch AppendError.notWritten {
            return (.notWritten, nil)
        } catch AppendError.outcomeUnknown(let ids) {
            return (ids == intent.ids ? .unknown : .wrong("outcomeUnknown names \(ids)"), nil)
        } catch {
            return (.wrong("\(error)"), nil)
        }
    }

    /// What the node was told, it reads, brokers or not.
    private func look(_ intent: Intent, _ known: [String: Int64]) async {
        do {
            let from = max(0, (known[intent.stream] ?? -1) - 20)
            var next = from
            for try await event in store.read(try StreamName(intent.stream), from: from) {
                guard event.version == next else { throw Seen("version \(event.version) after \(next - 1)") }
                next += 1
            }
            if let known = known[intent.stream], next <= known { throw Seen("nothing after \(next - 1) of \(known)") }
        } catch {
            say(Step(node: node, call: 0, intent: intent, what: .wrong("a read of \(intent.stream): \(error)")))
        }
    }

    private struct Seen: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }
}
