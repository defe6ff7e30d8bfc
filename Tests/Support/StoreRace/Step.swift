// What a node says of its appends: one step when a call begins, one when it ends. Processes write them as JSON lines.

public import Foundation
public import Tributary

/// What an append expects.
public enum Expected: Codable, Sendable, Hashable {
    case any
    case noStream
    case version(Int64)

    public var version: ExpectedVersion {
        switch self {
        case .any: .any
        case .noStream: .noStream
        case .version(let version): .version(version)
        }
    }
}

/// One append, whoever makes it, and however often.
public struct Intent: Codable, Sendable, Hashable {
    public var ids: [UUID]
    public var stream: String
    public var expected: Expected

    public init(ids: [UUID], stream: String, expected: Expected) {
        self.ids = ids
        self.stream = stream
        self.expected = expected
    }

    /// What the event with this number holds, so that one that was changed or mixed up is seen.
    public func data(_ index: Int) -> [UInt8] {
        let pad = String(repeating: "x", count: Int(ids[0].uuid.0) * (index % 3))
        return Array("\(ids[0].uuidString) \(index) of \(ids.count) \(pad)".utf8)
    }

    public var newEvents: [NewEvent] {
        ids.indices.map {
            NewEvent(type: "Raced", data: data($0), contentType: .octetStream, id: ids[$0])
        }
    }
}

/// One line of a history.
public struct Step: Codable, Sendable {
    public enum What: Codable, Sendable, Hashable {
        /// The node is about to make the call that its number names.
        case begins
        case accepted(first: Int64, last: Int64, isRepeat: Bool)
        case conflict(actual: Int64)
        /// Nothing was stored and nothing of this attempt will be.
        case notStored
        case notWritten
        case unknown
        /// What should not happen: an error that no append may have, a read that misses what the node was told.
        case wrong(String)
    }

    public var node: Int
    /// Counts the node's calls; a node that was killed counts on.
    public var call: Int
    /// Nanoseconds of the machine's monotonic clock, the same for all of its processes.
    public var at: UInt64
    public var intent: Intent
    public var what: What
    /// Of the first event, where the append was acknowledged when it was ordered.
    public var position: Int64?

    public init(node: Int, call: Int, intent: Intent, what: What, position: Int64? = nil) {
        self.node = node
        self.call = call
        at = monotonicNanoseconds()
        self.intent = intent
        self.what = what
        self.position = position
    }

    public var line: Data {
        get throws { try JSONEncoder().encode(self) + Data("\n".utf8) }
    }

    /// The steps of a file; a last line that a kill cut off is left out.
    public static func read(_ path: String) throws -> [Step] {
        guard let data = FileManager.default.contents(atPath: path) else { return [] }
        var lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        lines.removeLast()
        let decoder = JSONDecoder()
        return try lines.filter { !$0.isEmpty }.map { try decoder.decode(Step.self, from: $0) }
    }
}

/// Of a clock that all processes of the machine share.
public func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// How far a node is: what `StoreStatistics` says of each partition.
public struct NodeState: Codable, Sendable, Equatable {
    public struct Partition: Codable, Sendable, Equatable {
        public var offset: Int64
        public var digest: UInt64
        public var decisions: [String: Int64]
        public var halted: String?
    }

    public var store: String
    public var events: Int64
    public var partitions: [Partition]

    public init(_ statistics: StoreStatistics) {
        store = statistics.store
        events = statistics.events
        partitions = statistics.partitions.map {
            Partition(offset: $0.appliedOffset, digest: $0.digest, decisions: $0.decisions, halted: $0.halted)
        }
    }

    /// Of all partitions.
    public func decided(_ name: String) -> Int64 { partitions.reduce(0) { $0 + ($1.decisions[name] ?? 0) } }
}
