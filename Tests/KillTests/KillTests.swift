import EventLog
import Foundation
import KillLoad
import Testing
import Tributary

/// Processes are killed while they write; the store is whole each time. One after the other: each has the machine.
@Suite(.serialized) struct KillTests {
    @Test func acknowledgedAppendsSurvive() async throws {
        let seed = killSeed(for: "kills")
        var kills = 0
        for directory in 0..<6 {
            var rounds = KillRounds(seed: seed &+ UInt64(directory))
            kills += try await rounds.run(rounds: 10)
        }
        print("killed \(kills) times")
        #expect(kills >= 50)
    }

    /// Repeats the same with new seeds for as long as asked.
    @Test(.enabled(if: soakSeconds != nil, "set TRIBUTARY_SOAK_SECONDS to kill for as many seconds"))
    func soakKills() async throws {
        let end = ContinuousClock.now + .seconds(soakSeconds ?? 0)
        var kills = 0
        repeat {
            var rounds = KillRounds(seed: killSeed(for: "soak of kills"))
            kills += try await rounds.run(rounds: 40)
            print("killed \(kills) times")
        } while .now < end
    }

    @Test func aKilledRebuildOrVerifyChangesNothing() async throws {
        let seed = killSeed(for: "kills of rebuilds")
        var random = SeededGenerator(seed: seed)
        try await withTemporaryDirectory { path in
            let directory = path + "/store"
            let location = EventStore.Location.directory(directory, segmentBytes: 32 << 10)
            let written = try await Victim.run(
                "write", directory, seed: seed, appends: 60, segmentBytes: 32 << 10,
                until: .phase("never", microseconds: 0))
            var told = Told()
            for line in written.lines { told.take(line) }
            #expect(told.acknowledged.count > 200)
            for round in 0..<8 {
                let mode = round % 2 == 0 ? "rebuild" : "verify"
                _ = try await Victim.run(
                    mode, directory, seed: seed, segmentBytes: 32 << 10,
                    until: .phase(
                        mode == "verify" ? "open" : "opening", microseconds: Int.random(in: 0...60_000, using: &random))
                )
                let store = try await EventStore.open(location, creating: .never)
                #expect(told.problems(try await store.readAll().collected().map(SeenEvent.init)) == [])
                #expect(try await store.verify().problems == [])
                await store.close()
            }
            let digest = try await EventStore.rebuildIndex(location).digests
            #expect(digest.count == 1)
        }
    }

    /// The checker sees what must not be.
    @Test func theCheckerCanFail() async throws {
        try await withTemporaryDirectory { path in
            let end = try await Victim.run(
                "write", path + "/store", seed: 5, tasks: 4, appends: 20, segmentBytes: 32 << 10,
                until: .phase("never", microseconds: 0))
            #expect(!end.wasKilled)
            var told = Told()
            for line in end.lines { told.take(line) }
            let store = try await EventStore.open(.directory(path + "/store"), creating: .never)
            let events = try await store.readAll().collected().map(SeenEvent.init)
            await store.close()
            #expect(told.problems(events) == [])
            let one = try #require(told.acknowledged.values.first { $0.lastVersion > $0.firstVersion })
            let place = try #require(events.firstIndex { $0.id == one.id })

            var lost = told
            lost.acknowledged[UUID()] = one
            #expect(!lost.problems(events).isEmpty)
            var moved = told
            moved.acknowledged[one.id]?.firstVersion += 1
            #expect(!moved.problems(events).isEmpty)
            var stranger = told
            stranger.intents[one.id] = nil
            #expect(!stranger.problems(events).isEmpty)
            var refused = told
            refused.refused.insert(one.id)
            #expect(!refused.problems(events).isEmpty)
            var half = events
            half.remove(at: place + 1)
            #expect(!told.problems(half).isEmpty)
            var twice = events
            twice.append(events[place])
            #expect(!told.problems(twice).isEmpty)
            var swapped = events
            swapped.swapAt(place, place + 1)
            #expect(!told.problems(swapped).isEmpty)
            var changed = events
            changed[place].data += "!"
            #expect(!told.problems(changed).isEmpty)
        }
    }
}

/// Rounds of killing over one directory that grows.
private struct KillRounds {
    private let seed: UInt64
    private var random: SeededGenerator
    private var told = Told()
    private let segmentBytes: Int

    init(seed: UInt64) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        segmentBytes = [4 << 10, 16 << 10, 64 << 10].randomElement(using: &random) ?? 4 << 10
    }

    /// - Returns: how often a process was killed.
    mutating func run(rounds: Int) async throws -> Int {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("kills-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var kills = 0
        for round in 0..<rounds {
            let end = try await Victim.run(
                "write", path, seed: seed &+ UInt64(round) << 16, appends: 30, segmentBytes: segmentBytes,
                until: moment(round))
            for line in end.lines { told.take(line) }
            if end.wasKilled { kills += 1 }
            let problems = try await check(path, round)
            #expect(problems.isEmpty, "seed \(seed), round \(round): \(problems.prefix(5))")
            if !problems.isEmpty { break }
        }
        return kills
    }

    /// Creation first, then writing for the most part, opening and closing now and then.
    private mutating func moment(_ round: Int) -> KillMoment {
        let some = Int.random(in: 0...20_000, using: &random)
        if round == 0 { return .phase("opening", microseconds: some) }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return .phase("opening", microseconds: some)
        case 1: return .phase("closing", microseconds: some / 4)
        default: return .acknowledgements(Int.random(in: 1...150, using: &random))
        }
    }

    private mutating func check(_ path: String, _ round: Int) async throws -> [String] {
        let location = EventStore.Location.directory(path, segmentBytes: segmentBytes)
        let store: EventStore
        do {
            store = try await EventStore.open(location, creating: .never)
        } catch let error as StoreError where error.code == .unfinishedCreation || error.code == .notAStore {
            guard told.acknowledged.isEmpty else { return ["the store is gone: \(error)"] }
            try await EventStore.create(location)
            return try await check(path, round)
        }
        var problems = told.problems(try await store.readAll().collected().map(SeenEvent.init))
        problems += try await streamProblems(store)
        problems += try await repeatSome(store)
        problems += told.problems(try await store.readAll().collected().map(SeenEvent.init))
        let report = try await store.verify()
        problems += report.problems
        await store.close()
        if round % 4 == 3 {
            let rebuilt = try await EventStore.rebuildIndex(location)
            if rebuilt.digests != report.partitions.map(\.digest) { problems.append("a clean rebuild differs") }
        }
        return problems
    }

    /// The streams read as all of them together.
    private func streamProblems(_ store: EventStore) async throws -> [String] {
        var problems: [String] = []
        var all: [String: [SeenEvent]] = [:]
        for try await event in store.readAll() { all["\(event.stream)", default: []].append(SeenEvent(event)) }
        for (stream, events) in all where stream.hasPrefix("Shared") {
            let read = try await store.read(try StreamName(stream)).collected().map(SeenEvent.init)
            if read != events { problems.append("\(stream) reads as \(read.count) events of \(events.count)") }
        }
        return problems
    }

    /// Repeats appends of which the process was told nothing, and some of which it was: each is there once afterwards.
    private mutating func repeatSome(_ store: EventStore) async throws -> [String] {
        var problems: [String] = []
        let open = told.intents.values.filter {
            told.acknowledged[$0.id] == nil && !told.refused.contains($0.id)
        }.sorted { $0.id.uuidString < $1.id.uuidString }
        let done = told.intents.values.filter { told.acknowledged[$0.id] != nil }
            .sorted { $0.id.uuidString < $1.id.uuidString }.prefix(5)
        for intent in open + done {
            do {
                let result = try await store.append(
                    intent.newEvents(), to: try StreamName(intent.stream), expecting: intent.expected)
                let now = AcknowledgedAppend(intent.id, result)
                if let before = told.acknowledged[intent.id] {
                    if now.firstVersion != before.firstVersion || now.firstPosition != before.firstPosition
                        || !now.isRepeat
                    {
                        problems.append("\(intent) was told \(before), then \(now)")
                    }
                } else {
                    told.acknowledged[intent.id] = now
                }
            } catch AppendError.conflict {
                if told.acknowledged[intent.id] != nil { problems.append("\(intent) was accepted, now conflicts") }
                told.refused.insert(intent.id)
            }
        }
        return problems
    }
}
