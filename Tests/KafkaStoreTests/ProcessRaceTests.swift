import EventLog
import Foundation
import Kafka
import KafkaBrokers
import StoreRace
import Testing
import TributaryKafka

/// Processes on real brokers. One after the other: each has the machine.
@Suite(.serialized) struct ProcessRaceTests {
    @Test(.enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"), arguments: [3, 4])
    func oneWinsEachVersion(_ partitions: Int) async throws {
        var shape = RaceShape(seed: raceSeed(for: "three processes, \(partitions) partitions"))
        shape.appends = 80
        shape.orderedTasks = 1
        let race = try await ProcessRace(on: .current, partitions: partitions, shape: shape)
        let verdict = try await race.finish(isStopped: false)
        #expect(verdict.problems.isEmpty, "seed \(shape.seed): \(verdict.problems.prefix(4))")
        #expect(verdict.referee.accepted > 300)
        #expect(verdict.referee.conflicts > 0)
        #expect(verdict.referee.repeats > 0)
        #expect(verdict.referee.ordered > 0)
        #expect(verdict.referee.unknown == 0)
    }

    @Test(.enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"))
    func oneIsKilledAgainAndAgain() async throws {
        var shape = RaceShape(seed: raceSeed(for: "kills of a node"))
        shape.appends = 1_000_000
        let race = try await ProcessRace(on: .current, partitions: 3, shape: shape)
        for round in 0..<6 {
            try await race.writers[round % 2].waitForProgress(20)
            try await race.kill(round % 2)
        }
        try await race.waitForProgress(20)
        let verdict = try await race.finish()
        #expect(verdict.problems.isEmpty, "seed \(shape.seed): \(verdict.problems.prefix(4))")
        #expect(verdict.referee.accepted > 100)
    }

    /// Whoever proposes to the order may be killed at any time: the others go on ordering, and an append that was told
    /// its position comes before whatever began later, on any node and in any partition.
    @Test(.enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"))
    func orderedWhileOneIsKilledAgainAndAgain() async throws {
        var shape = RaceShape(seed: raceSeed(for: "kills under ordered load"))
        shape.appends = 1_000_000
        shape.tasks = 12
        shape.orderedTasks = 10
        shape.streams = 60
        shape.unconditional = 0.8
        let race = try await ProcessRace(on: .current, partitions: 4, shape: shape)
        try await race.waitForOrdered(100)
        let end = ContinuousClock.now + .seconds(chaosSeconds ?? 0)
        var kills: [(node: Int, at: UInt64)] = []
        repeat {
            let node = kills.count % 3
            kills.append((node, monotonicNanoseconds()))
            // A process says how many it is only now and then.
            try await race.waitForOrdered(Self.orderedInAnInterval / 2 + 50, killing: node)
        } while kills.count < 4 || .now < end
        let last = monotonicNanoseconds()
        let verdict = try await race.finish()
        #expect(verdict.problems.isEmpty, "seed \(shape.seed): \(verdict.problems.prefix(4))")
        let ends = kills.dropFirst().map(\.at) + [last]
        let intervals = zip(kills, ends).map { kill, end in
            OrderedInterval(verdict.steps, of: Set(0..<3).subtracting([kill.node]), in: kill.at...end)
        }
        for interval in intervals { #expect(interval.count >= Self.orderedInAnInterval) }
        print(
            "ordered by the survivors from one kill to the next: "
                + intervals.map { "\($0.count) in \($0.length), longest gap \($0.longestGap)" }
                .joined(separator: "; "))
    }

    /// Ordered appends of the survivors from one kill to the next, at least.
    private static let orderedInAnInterval = 1_000

    /// A leader is killed, another stands still: nothing acknowledged is lost, nothing is there twice, and it goes on.
    @Test(.enabled(if: RealBroker.canStart, "no real Kafka can be started"))
    func leadersDieAndStandStill() async throws {
        var shape = RaceShape(seed: raceSeed(for: "three brokers"))
        shape.appends = 1_000_000
        shape.tasks = 3
        shape.orderedTasks = 1
        shape.deadlineMilliseconds = 2_000
        let race = try await ProcessRace(on: .three, partitions: 4, shape: shape)
        try await race.waitForProgress(50)
        let killed = try await leader(of: 0, race)
        try await act(.kill, on: killed, of: .three)
        try await race.waitForProgress(50)
        try await act(.restart, on: killed, of: .three)
        try await race.waitForProgress(50)
        let paused = try await leader(of: 1, race)
        try await act(.pause, on: paused, of: .three)
        try await race.waitForProgress(50)
        try await act(.resume, on: paused, of: .three)
        try await race.waitForProgress(50)
        let verdict = try await race.finish()
        #expect(verdict.problems.isEmpty, "seed \(shape.seed): \(verdict.problems.prefix(4))")
        // Else the faults were none.
        #expect(verdict.referee.unknown + verdict.referee.notWritten > 0)
    }

    /// All of it, at random, for as long as asked.
    @Test(
        .enabled(if: chaosSeconds != nil, "set TRIBUTARY_CHAOS_SECONDS to break brokers and processes for as long"),
        .enabled(if: RealBroker.canStart, "no real Kafka can be started"))
    func chaos() async throws {
        var shape = RaceShape(seed: raceSeed(for: "chaos"))
        shape.appends = 1_000_000
        shape.orderedTasks = 2
        shape.deadlineMilliseconds = 3_000
        var random = SeededGenerator(seed: shape.seed)
        let end = ContinuousClock.now + .seconds(chaosSeconds ?? 0)
        var faults: [String: Int] = [:]
        repeat {
            let race = try await ProcessRace(on: .three, partitions: 4, shape: shape)
            for _ in 0..<6 where ContinuousClock.now < end {
                let broker = Int.random(in: 1...3, using: &random)
                let deeds: [(RealBroker.Deed, RealBroker.Deed)] = [
                    (.kill, .restart), (.pause, .resume), (.term, .restart),
                ]
                let (deed, undo) = deeds.randomElement(using: &random) ?? (.kill, .restart)
                try await act(deed, on: broker, of: .three)
                if random.chance(0.5) { try await race.kill(Int.random(in: 0..<3, using: &random)) }
                try await race.waitForProgress(Int.random(in: 1...50, using: &random))
                try await act(undo, on: broker, of: .three)
                try await race.waitForProgress(50)
                faults[deed.rawValue, default: 0] += 1
            }
            let verdict = try await race.finish()
            #expect(verdict.problems.isEmpty, "seed \(shape.seed): \(verdict.problems.prefix(4))")
            print("chaos so far: \(faults.sorted { $0.key < $1.key })")
            shape.seed &+= 1
        } while .now < end
    }

    private func leader(of partition: Int, _ race: ProcessRace) async throws -> Int {
        let kafka = try KafkaConfiguration(servers: race.location.servers, clientID: "test")
        let topic = race.location.store + ".events"
        return try await onOwnThread(named: "leader") {
            let inquiry = try KafkaInquiry(kafka, topics: [topic], within: .seconds(30))
            defer { inquiry.close() }
            return try inquiry.partitions(of: topic)?.first { $0.number == partition }?.leader ?? 1
        }
    }
}

private let chaosSeconds = ProcessInfo.processInfo.environment["TRIBUTARY_CHAOS_SECONDS"].flatMap { Int($0) }
