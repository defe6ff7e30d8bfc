import Foundation
import Testing
import Tributary

/// Tasks race for versions; the history of their calls must agree with the log.
@Suite(.serialized) struct RaceTests {
    @Test(arguments: RacePlace.allCases) func oneWinsEachVersion(_ place: RacePlace) async throws {
        try await race(place, seed: raceSeed(for: "races, \(place)"))
    }

    /// Repeats the same with new seeds for as long as asked.
    @Test(.enabled(if: soakSeconds != nil, "set TRIBUTARY_SOAK_SECONDS to race for as many seconds"))
    func soakRaces() async throws {
        let end = ContinuousClock.now + .seconds(soakSeconds ?? 0)
        repeat {
            for place in RacePlace.allCases { try await race(place, seed: raceSeed(for: "soak of races, \(place)")) }
        } while .now < end
    }

    private func race(_ place: RacePlace, seed: UInt64) async throws {
        try await place.withStores(seed: seed) { stores in
            let problems = try await Race(place, stores, seed: seed).run(tasks: 12, calls: place.hasFaults ? 40 : 120)
            #expect(problems.isEmpty, "seed \(seed): \(problems.count): \(problems.prefix(4))")
        }
    }

    /// The referee sees what must not be.
    @Test func theRefereeCanFail() async throws {
        try await RacePlace.memory.withStores(seed: 1) { stores in
            let stream = try StreamName("S")
            var calls: [Call] = []
            for number in 0..<3 {
                let event = NewEvent(type: "Raced", data: [1])
                let expected: ExpectedVersion = number == 0 ? .noStream : .version(Int64(number - 1))
                let result = try await stores[0].append(event, to: stream, expecting: expected)
                calls.append(
                    Call(
                        node: 0, task: 0, stream: "S", ids: [event.id], expected: expected,
                        began: UInt64(number * 10), ended: UInt64(number * 10 + 5), what: .accepted(result)))
            }
            calls.append(
                Call(
                    node: 0, task: 1, stream: "S", ids: [], expected: .any, began: 26, ended: 30, what: .read(2)))
            let ids = calls.flatMap(\.ids)
            let positions: [Int64?] = [1, 2, 3]
            func count(_ calls: [Call], _ ids: [UUID], _ positions: [Int64?]) -> Int {
                Referee.problems(of: calls, ids: ids, positions: positions, isReadEverywhere: true).count
            }
            #expect(count(calls, ids, positions) == 0)
            #expect(count(calls, ids, [1, 2, 4]) > 0)
            #expect(count(calls, ids + [ids[0]], positions + [4]) > 0)
            #expect(count(calls, ids + [UUID()], positions + [4]) > 0)
            #expect(count(calls, Array(ids.reversed()), positions) > 0)
            #expect(count(Array(calls.dropFirst()), ids, positions) > 0)
            var late = calls
            (late[0].began, late[0].ended) = (40, 45)
            #expect(count(late, ids, positions) > 0)
            var blind = calls
            blind[3].what = .read(1)
            #expect(count(blind, ids, positions) > 0)
            var refused = calls
            refused[1].what = .refused
            #expect(count(refused, ids, positions) > 0)
            var twice = calls
            twice[2].expected = .version(0)
            #expect(count(twice, ids, positions) > 0)
        }
    }
}

/// The seed in TRIBUTARY_SEED, else a random one; printed, so that a failure can be repeated as far as timing allows.
private func raceSeed(for test: String) -> UInt64 {
    let given = ProcessInfo.processInfo.environment["TRIBUTARY_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 0..<1_000_000_000)
    print("\(test): TRIBUTARY_SEED=\(seed)")
    return seed
}

private let soakSeconds = ProcessInfo.processInfo.environment["TRIBUTARY_SOAK_SECONDS"].flatMap { Int($0) }

extension AsyncSequence {
    func collected() async throws -> [Element] {
        var all: [Element] = []
        for try await element in self { all.append(element) }
        return all
    }
}
