import Foundation
import Tributary

/// Compares what the calls were told with what is in the stores at the end.
struct Referee {
    private let calls: [Call]
    private let stores: [EventStore]
    private let place: RacePlace

    init(_ calls: [Call], _ stores: [EventStore], _ place: RacePlace) {
        self.calls = calls
        self.stores = stores
        self.place = place
    }

    func problems() async throws -> [String] {
        var problems = try await sameEverywhere()
        for name in Race.streams {
            let events = try await stores[0].read(try StreamName(name)).collected()
            let own = calls.filter { $0.stream == name }
            problems += Self.problems(
                of: own, ids: events.map(\.id), positions: events.map { $0.position?.value },
                isReadEverywhere: !place.hasFaults)
        }
        return problems
    }

    /// Every node has the same at the same offset. All of the log is applied first: a barrier does that, where it is
    /// not lost.
    private func sameEverywhere() async throws -> [String] {
        var problems: [String] = []
        while true {
            var states: [[String]] = []
            for store in stores {
                let partitions = try await store.statistics().partitions
                problems += partitions.compactMap(\.halted)
                states.append(
                    partitions.map { "\($0.appliedOffset) \($0.digest) \($0.decisions.sorted { $0.key < $1.key })" })
            }
            let offsets = states.map { $0.map { $0.prefix { $0 != " " } } }
            guard offsets.allSatisfy({ $0 == offsets[0] }) else {
                // A copy that a log held back came in between.
                await Task.yield()
                continue
            }
            if !states.allSatisfy({ $0 == states[0] }) { problems.append("the nodes differ: \(states)") }
            break
        }
        for store in stores {
            problems += try await store.verify().problems
        }
        return problems
    }

    /// What is wrong with the calls on one stream, whose events have these ids.
    static func problems(of calls: [Call], ids: [UUID], positions: [Int64?], isReadEverywhere: Bool) -> [String] {
        var problems: [String] = []
        if Set(ids).count != ids.count { problems.append("an event is there twice") }
        var places: [UUID: Int64] = [:]
        for (version, id) in ids.enumerated() { places[id] = Int64(version) }
        var accounted = 0
        var winners: [Int64: Int] = [:]
        for call in calls {
            switch call.what {
            case .accepted(let result):
                accounted += call.ids.count
                let first = result.versions.lowerBound
                let isThere = call.ids.indices.allSatisfy { places[call.ids[$0]] == first + Int64($0) }
                if !isThere || result.versions.count != call.ids.count {
                    problems.append("\(call) is not where it was told")
                }
                if let told = result.positions, told.lowerBound.value != positions[Int(first)] {
                    problems.append("\(call) is at another position")
                }
                if case .version(let expected) = call.expected {
                    if expected != first - 1 { problems.append("\(call) was let in at \(first)") }
                    winners[expected, default: 0] += 1
                }
                if call.expected == .noStream, first != 0 { problems.append("\(call) was let in at \(first)") }
            case .refused:
                if call.ids.contains(where: { places[$0] != nil }) { problems.append("\(call) is there all the same") }
            case .read: break
            }
        }
        if accounted != ids.count { problems.append("\(ids.count) events, \(accounted) were accepted") }
        for (version, count) in winners where count > 1 { problems.append("\(count) won at \(version)") }
        return problems + realTime(calls, isReadEverywhere: isReadEverywhere)
    }

    /// If A returned before B began, then A's version is the lower one, and a read B sees it.
    private static func realTime(_ calls: [Call], isReadEverywhere: Bool) -> [String] {
        var problems: [String] = []
        // The highest version that was acknowledged, on one node and on any, up to an instant.
        var events: [(at: UInt64, begins: Bool, call: Call)] = []
        for call in calls {
            events.append((call.began, true, call))
            events.append((call.ended, false, call))
        }
        events.sort { $0.at < $1.at }
        var highest: Int64 = -1
        var highestOn: [Int: Int64] = [:]
        var least: [UInt64: Int64] = [:]
        for event in events {
            let call = event.call
            if event.begins {
                let isRead = if case .read = call.what { true } else { false }
                let isLocal = isRead && !isReadEverywhere
                least[call.began] = isLocal ? highestOn[call.node] ?? -1 : highest
                continue
            }
            let bound = least[call.began] ?? -1
            switch call.what {
            case .accepted(let result):
                if result.versions.lowerBound <= bound { problems.append("\(call) came before \(bound)") }
                highest = max(highest, result.versions.upperBound)
                highestOn[call.node] = max(highestOn[call.node] ?? -1, result.versions.upperBound)
            case .read(let seen):
                if seen < bound { problems.append("\(call) does not see \(bound)") }
                // Who reads it later sees at least that much.
                highestOn[call.node] = max(highestOn[call.node] ?? -1, seen)
                if isReadEverywhere { highest = max(highest, seen) }
            case .refused: break
            }
        }
        return problems
    }
}
