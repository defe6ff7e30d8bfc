import Foundation
import KillLoad
import Tributary

/// An event as it was read.
struct SeenEvent: Sendable, Equatable {
    var stream: String
    var version: Int64
    var position: Int64
    var id: UUID
    var data: String

    init(_ event: RecordedEvent) {
        stream = "\(event.stream)"
        version = event.version
        position = event.position?.value ?? -1
        id = event.id
        data = String(decoding: event.data, as: UTF8.self)
    }
}

/// All that the killed processes said.
struct Told {
    var intents: [UUID: Intent] = [:]
    var acknowledged: [UUID: AcknowledgedAppend] = [:]
    var refused: Set<UUID> = []
    var failures: [String] = []

    mutating func take(_ line: Line) {
        switch line {
        case .phase: break
        case .intent(let intent): intents[intent.id] = intent
        case .acknowledged(let done): acknowledged[done.id] = done
        case .refused(let id): refused.insert(id)
        case .failed(let why): failures.append(why)
        }
    }

    /// What is wrong with the events that were read, in the order of their positions.
    func problems(_ events: [SeenEvent]) -> [String] {
        var problems = failures
        var next: [String: Int64] = [:]
        var appends: [UUID: [SeenEvent]] = [:]
        for (index, event) in events.enumerated() {
            if event.position != Int64(index) { problems.append("position \(event.position) stands at \(index)") }
            if event.version != next[event.stream] ?? 0 {
                problems.append("\(event.stream) goes on at \(event.version) after \((next[event.stream] ?? 0) - 1)")
            }
            next[event.stream] = event.version + 1
            if event.stream != "$store" { appends[Intent.eventID(event.id, 0), default: []].append(event) }
        }
        for (id, events) in appends { problems += wholeness(id, events) }
        for (id, done) in acknowledged {
            guard let found = appends[id] else {
                problems.append("the acknowledged append \(id) is not there")
                continue
            }
            if found[0].version != done.firstVersion || found[0].position != done.firstPosition
                || found.last?.version != done.lastVersion
            {
                problems.append("\(id) was told \(done.firstVersion) at \(done.firstPosition), found \(found[0])")
            }
        }
        for id in refused where appends[id] != nil { problems.append("the refused append \(id) is there") }
        return problems
    }

    /// An append is there whole, once, in one piece, as it was made.
    private func wholeness(_ id: UUID, _ events: [SeenEvent]) -> [String] {
        guard let intent = intents[id] else { return ["nobody appended \(id)"] }
        let expected = intent.newEvents()
        guard events.count == intent.count else { return ["\(id): \(events.count) of \(intent.count) events"] }
        for (index, event) in events.enumerated() {
            let isInPlace =
                event.version == events[0].version + Int64(index)
                && event.position == events[0].position + Int64(index) && event.stream == intent.stream
            let isSame = event.id == expected[index].id && Array(event.data.utf8) == expected[index].data
            if !isInPlace || !isSame { return ["\(id): event \(index) is \(event)"] }
        }
        return []
    }
}
