// Compares what all nodes were told with what is in the store at the end.

public import Foundation
public import Tributary

/// An event as it was read.
public struct RacedEvent: Sendable, Equatable {
    public var version: Int64
    public var id: UUID
    public var data: [UInt8]

    public init(_ event: RecordedEvent) {
        version = event.version
        id = event.id
        data = Array(event.data)
    }
}

public struct RaceReferee {
    /// One call of one node.
    struct Call {
        var node: Int
        var began: UInt64
        /// The far future where the node was killed and did not come back.
        var ended: UInt64 = .max
        var what: Step.What?
        /// Where it was told one.
        var position: Int64?

        var mayBeStored: Bool {
            switch what {
            case nil, .accepted, .unknown, .begins, .wrong: true
            case .conflict, .notStored, .notWritten: false
            }
        }
    }

    private(set) var calls: [Intent: [Call]] = [:]
    private var problems: [String] = []
    /// How many calls ended so.
    public private(set) var accepted = 0
    public private(set) var repeats = 0
    public private(set) var conflicts = 0
    public private(set) var unknown = 0
    public private(set) var notWritten = 0
    /// Those of the accepted ones and the repeats that were told a position.
    public private(set) var ordered = 0

    public init(_ steps: [Step]) {
        var open: [Int: [Int: (intent: Intent, index: Int)]] = [:]
        for step in steps {
            if step.what == .begins {
                // A node makes one call of an append at a time: one that is open then was cut off with its process.
                for index in (calls[step.intent] ?? []).indices
                where calls[step.intent]?[index].node == step.node && calls[step.intent]?[index].ended == .max {
                    calls[step.intent]?[index].ended = step.at
                }
                open[step.node, default: [:]][step.call] = (step.intent, calls[step.intent, default: []].count)
                calls[step.intent, default: []].append(Call(node: step.node, began: step.at))
                continue
            }
            count(step.what)
            if step.position != nil { ordered += 1 }
            if case .wrong(let why) = step.what { problems.append("node \(step.node), \(step.intent): \(why)") }
            guard let place = open[step.node]?.removeValue(forKey: step.call) else { continue }
            calls[place.intent]?[place.index].ended = step.at
            calls[place.intent]?[place.index].what = step.what
            calls[place.intent]?[place.index].position = step.position
        }
    }

    private mutating func count(_ what: Step.What) {
        switch what {
        case .accepted(_, _, let isRepeat): if isRepeat { repeats += 1 } else { accepted += 1 }
        case .conflict: conflicts += 1
        case .unknown: unknown += 1
        case .notWritten: notWritten += 1
        case .begins, .notStored, .wrong: break
        }
    }

    /// Calls without an answer, by node: of one that was killed.
    public static func open(_ steps: [Step]) -> [Intent] {
        var open: [Int: Intent] = [:]
        for step in steps {
            if step.what == .begins { open[step.call] = step.intent } else { open[step.call] = nil }
        }
        return open.sorted { $0.key < $1.key }.map(\.value)
    }

    public var streams: Set<String> { Set(calls.keys.map(\.stream)) }

    public var summary: String {
        "\(accepted) accepted, \(repeats) repeats, \(ordered) of them when ordered, \(conflicts) conflicts, \(unknown) unknown, \(notWritten) not written"
    }

    // MARK: - Judgement

    /// What is wrong with a store that reads so.
    ///
    /// - Parameter events: of all streams.
    public func problems(of events: [String: [RacedEvent]]) -> [String] {
        var problems = problems
        var places: [UUID: (stream: String, version: Int64)] = [:]
        for (stream, events) in events {
            for (index, event) in events.enumerated() {
                if event.version != Int64(index) { problems.append("\(stream): \(event.version) stands at \(index)") }
                if places.updateValue((stream, event.version), forKey: event.id) != nil {
                    problems.append("\(event.id) is there twice")
                }
            }
        }
        var accounted = 0
        var stored: [(intent: Intent, first: Int64)] = []
        for (intent, calls) in calls {
            let first = places[intent.ids[0]].flatMap { $0.stream == intent.stream ? $0.version : nil }
            if let first {
                stored.append((intent, first))
                accounted += intent.ids.count
                problems += Self.wholeness(intent, first, events[intent.stream] ?? [])
            } else if intent.ids.contains(where: { places[$0] != nil }) {
                problems.append("\(intent) is there in part, or elsewhere")
            }
            problems += Self.answers(intent, calls, first)
        }
        if accounted != places.count { problems.append("\(places.count) events, \(accounted) were appended") }
        return problems + realTime(stored)
    }

    private static func wholeness(_ intent: Intent, _ first: Int64, _ events: [RacedEvent]) -> [String] {
        var problems: [String] = []
        for (index, id) in intent.ids.enumerated() {
            let place = Int(first) + index
            guard events.indices.contains(place), events[place].id == id, events[place].data == intent.data(index)
            else { return ["\(intent): event \(index) is not at \(place)"] }
        }
        switch intent.expected {
        case .any: break
        case .noStream: if first != 0 { problems.append("\(intent) was let in at \(first)") }
        case .version(let expected): if expected != first - 1 { problems.append("\(intent) was let in at \(first)") }
        }
        return problems
    }

    /// Whether what the calls of one append were told agrees with where it is; `first` is nil where it is not there.
    private static func answers(_ intent: Intent, _ calls: [Call], _ first: Int64?) -> [String] {
        var problems: [String] = []
        var told: UInt64?
        for call in calls {
            switch call.what {
            case .accepted(let from, let to, let isRepeat):
                if from != first || to != from + Int64(intent.ids.count) - 1 {
                    problems.append("\(intent): node \(call.node) was told \(from), it is at \(first ?? -1)")
                }
                if !isRepeat, calls.contains(where: { $0.isAccepted && $0.ended < call.began }) {
                    problems.append("\(intent): node \(call.node) repeated it and was told that it is new")
                }
                told = min(told ?? .max, call.ended)
            case .conflict(let actual):
                let isTrue =
                    switch intent.expected {
                    case .any: false
                    case .noStream: actual >= 0
                    case .version(let version): actual != version
                    }
                if !isTrue { problems.append("\(intent): node \(call.node) was told of a conflict with \(actual)") }
            case nil, .begins, .notStored, .notWritten, .unknown, .wrong: break
            }
        }
        for call in calls where call.isRefused {
            if calls.contains(where: { $0.isAccepted && $0.ended < call.began }) {
                problems.append("\(intent): node \(call.node) was refused what had been accepted")
            }
            // A call that was under way then, or came later, may have stored it.
            if first != nil, !calls.contains(where: { $0.mayBeStored && $0.ended > call.began }) {
                problems.append("\(intent): refused, and there all the same")
            }
        }
        if first != nil, !calls.contains(where: \.mayBeStored) {
            problems.append("\(intent): nobody was told that it may be there")
        }
        return problems
    }

    /// If one append was answered before another began, its version is the lower one.
    private func realTime(_ stored: [(intent: Intent, first: Int64)]) -> [String] {
        var problems: [String] = []
        for (stream, appends) in Dictionary(grouping: stored, by: \.intent.stream) {
            // From the end: no append may have begun after a later one of the stream was answered.
            var earliest = UInt64.max
            for (intent, first) in appends.sorted(by: { $0.first > $1.first }) {
                let own = calls[intent] ?? []
                let began = own.map(\.began).min() ?? 0
                if began > earliest { problems.append("\(stream): \(intent) at \(first) came after a later one") }
                earliest = min(earliest, own.filter(\.isAccepted).map(\.ended).min() ?? .max)
            }
        }
        return problems
    }
}

extension RaceReferee.Call {
    fileprivate var isAccepted: Bool { if case .accepted = what { true } else { false } }

    fileprivate var isRefused: Bool {
        switch what {
        case .conflict, .notStored: true
        case nil, .begins, .accepted, .notWritten, .unknown, .wrong: false
        }
    }
}

// MARK: - Reading a store

extension EventStore {
    /// All events of these streams.
    public func raced(_ streams: Set<String>) async throws -> [String: [RacedEvent]] {
        var all: [String: [RacedEvent]] = [:]
        for name in streams {
            var events: [RacedEvent] = []
            for try await event in read(try StreamName(name)) { events.append(RacedEvent(event)) }
            all[name] = events
        }
        return all
    }
}
