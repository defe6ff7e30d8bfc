// Compares the positions that nodes were told with the order that is in the store at the end.

public import Foundation
public import Tributary

/// An event as it was read by position.
public struct PlacedEvent: Sendable, Equatable {
    public var position: Int64
    public var stream: String
    public var version: Int64
    public var id: UUID
}

/// The whole order of a store in two numbers, to be compared between nodes.
public struct OrderDigest: Codable, Sendable, Equatable {
    public var events: Int
    public var digest: UInt64

    /// FNV-1a: Swift's own hashes differ from process to process.
    public init(_ order: [PlacedEvent]) {
        events = order.count
        digest = 14_695_981_039_346_656_037
        for event in order {
            for byte in "\(event.position) \(event.stream) \(event.version) \(event.id)\n".utf8 {
                digest = (digest ^ UInt64(byte)) &* 1_099_511_628_211
            }
        }
    }
}

extension EventStore {
    /// All events by position, once everything that was accepted anywhere has one.
    public func placed() async throws -> [PlacedEvent] {
        var order: [PlacedEvent] = []
        for try await event in readAll(consistency: .linearizable) {
            order.append(
                PlacedEvent(
                    position: event.position?.value ?? -1, stream: "\(event.stream)", version: event.version,
                    id: event.id))
        }
        return order
    }
}

extension RaceReferee {
    /// What is wrong with a store whose streams and whose order read so.
    ///
    /// - Parameter events: of all streams of the race.
    public func problems(of order: [PlacedEvent], and events: [String: [RacedEvent]]) -> [String] {
        var problems: [String] = []
        var next: [String: Int64] = [:]
        var positions: [UUID: Int64] = [:]
        for (index, event) in order.enumerated() {
            if event.position != Int64(index) { problems.append("position \(event.position) stands at \(index)") }
            if event.version != next[event.stream] ?? 0 {
                problems.append("\(event.stream): \(event.version) at position \(event.position) is not the next one")
            }
            next[event.stream] = event.version + 1
            if positions.updateValue(event.position, forKey: event.id) != nil {
                problems.append("\(event.id) has two positions")
            }
        }
        for (stream, events) in events {
            if next[stream] ?? 0 != Int64(events.count) {
                problems.append("\(stream) has \(events.count) events, \(next[stream] ?? 0) by position")
            }
            for event in events where positions[event.id] == nil { problems.append("\(event.id) has no position") }
        }
        // The first is the store's own.
        let count = events.values.reduce(1) { $0 + $1.count }
        if order.count != count { problems.append("\(order.count) events by position, \(count) in streams") }
        return problems + told(positions) + realTime(positions)
    }

    /// Whether those who were told positions were told the right ones.
    private func told(_ positions: [UUID: Int64]) -> [String] {
        var problems: [String] = []
        for (intent, calls) in calls {
            let first = positions[intent.ids[0]]
            if let first {
                for (index, id) in intent.ids.enumerated() where positions[id] != first + Int64(index) {
                    problems.append("\(intent): event \(index) is not at position \(first + Int64(index))")
                }
            }
            for call in calls where call.position != nil && call.position != first {
                problems.append(
                    "\(intent): node \(call.node) was told position \(call.position ?? -1), it is at \(first ?? -1)")
            }
        }
        return problems
    }

    /// If one append was told its position before another began, its position is the lower one, whichever nodes and
    /// partitions they are of.
    private func realTime(_ positions: [UUID: Int64]) -> [String] {
        var problems: [String] = []
        let appends = calls.compactMap { intent, calls in
            positions[intent.ids[0]].map { (intent: intent, position: $0, calls: calls) }
        }
        // From the end: no append may have begun after one with a higher position was told.
        var earliest = UInt64.max
        for append in appends.sorted(by: { $0.position > $1.position }) {
            let began = append.calls.map(\.began).min() ?? 0
            if began > earliest {
                problems.append("\(append.intent) at position \(append.position) came after a later one")
            }
            earliest = min(earliest, append.calls.filter { $0.position != nil }.map(\.ended).min() ?? .max)
        }
        return problems
    }
}

/// Ordered acknowledgements of some nodes in a stretch of time.
public struct OrderedInterval: Sendable {
    public var count: Int
    /// The longest time between two of them, its begin and its end among them.
    public var longestGap: Duration
    public var length: Duration

    /// - Parameter nodes: whose.
    public init(_ steps: [Step], of nodes: Set<Int>, in interval: ClosedRange<UInt64>) {
        let times = steps.filter { $0.position != nil && nodes.contains($0.node) && interval.contains($0.at) }
            .map(\.at).sorted()
        count = times.count
        let points = [interval.lowerBound] + times + [interval.upperBound]
        let gap = zip(points, points.dropFirst()).map { $1 - $0 }.max() ?? 0
        longestGap = .nanoseconds(Int64(gap))
        length = .nanoseconds(Int64(interval.upperBound - interval.lowerBound))
    }
}
