// Streams by name or by size, and figures.

import AppendRule
import Envelope
import KeyValue

/// What is known of a partition.
public struct PartitionSummary: Sendable, Equatable {
    public var partition: Int
    /// The offset of the newest record applied; −1: none.
    public var appliedOffset: Int64
    public var digest: UInt64
    public var events: Int64
    public var streams: Int64
    /// Records by what became of them: every outcome has its place, named.
    public var decisions: [(name: String, count: Int64)]

    public static func == (one: PartitionSummary, other: PartitionSummary) -> Bool {
        one.partition == other.partition && one.appliedOffset == other.appliedOffset && one.digest == other.digest
            && one.events == other.events && one.streams == other.streams
            && one.decisions.elementsEqual(other.decisions) { $0 == $1 }
    }
}

extension IndexStore {
    /// Streams whose names begin with `prefix`, by name, behind `after`; those that begin with `$` only where the
    /// prefix does. Streams that never had an event are not listed.
    func streams(prefix: [UInt8], after: [UInt8]?, limit: Int) throws(IndexError) -> [StreamSummary] {
        var found: [StreamSummary] = []
        try walkStreams(prefix, after) { summary in
            found.append(summary)
            return found.count < limit
        }
        return found
    }

    /// The streams with most events, then by name.
    func largestStreams(prefix: [UInt8], limit: Int) throws(IndexError) -> [StreamSummary] {
        var found: [StreamSummary] = []
        func cut() {
            found.sort { one, other in
                one.current != other.current
                    ? one.current > other.current : one.stream.lexicographicallyPrecedes(other.stream)
            }
            found.removeLast(max(0, found.count - limit))
        }
        try walkStreams(prefix, nil) { summary in
            found.append(summary)
            if (found.count - IndexLimits.listingSlack) / 2 >= limit { cut() }
            return true
        }
        cut()
        return found
    }

    private func walkStreams(
        _ prefix: [UInt8], _ after: [UInt8]?, _ body: (StreamSummary) -> Bool
    ) throws(IndexError) {
        let dollar = UInt8(ascii: "$")
        let showsSystem = prefix.first == dollar
        let start = IndexKey.name(KeyPrefix.stream, prefix)
        let walk = KeyIterator(keyValue, prefix: start)
        let first = after.map { IndexKey.name(KeyPrefix.stream, $0) }
        walk.seek(first.map { $0.lexicographicallyPrecedes(start) ? start : $0 } ?? start)
        while walk.isValid {
            let name = Array(walk.key.dropFirst())
            guard let state = walk.withValue({ StreamState($0) }) else {
                throw IndexError.damaged("the state of a stream cannot be read")
            }
            if !showsSystem, name.first == dollar {
                walk.seek(IndexKey.name(KeyPrefix.stream, [dollar + 1]))
                continue
            }
            if state.facts.current >= 0, name != after {
                let summary = StreamSummary(
                    stream: name, current: state.facts.current, firstReadable: state.facts.firstReadable,
                    isSoftDeleted: state.facts.isSoftDeleted, isTombstoned: state.facts.isTombstoned)
                guard body(summary) else { break }
            }
            walk.next()
        }
        try check(walk)
    }

    func partitionSummary(_ partition: Int) throws(IndexError) -> PartitionSummary {
        let state = try partitionState(partition)
        return PartitionSummary(
            partition: partition, appliedOffset: state.nextOffset - 1, digest: state.digest,
            events: state.nextSequence, streams: state.streams,
            decisions: PartitionState.Outcome.allCases.map { ("\($0)", state.counts[$0.rawValue]) })
    }
}

extension IndexedLog {
    public func streams(prefix: [UInt8], after: [UInt8]?, limit: Int) async throws -> [StreamSummary] {
        try await longJob { [store] in try store.streams(prefix: prefix, after: after, limit: limit) }
    }

    public func largestStreams(prefix: [UInt8], limit: Int) async throws -> [StreamSummary] {
        try await longJob { [store] in try store.largestStreams(prefix: prefix, limit: limit) }
    }

    public func partitionSummaries() async throws -> [PartitionSummary] {
        try await job { [store] in
            try (0..<store.identity.partitions).map { try store.partitionSummary($0) }
        }
    }

    /// Bytes of the index's own files, about.
    public func indexBytes() async throws -> Int64 {
        try await job { [store] in store.keyValue.fileBytes }
    }
}
