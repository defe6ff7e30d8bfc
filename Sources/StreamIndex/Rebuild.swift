// The index made anew from the segments, and the comparison of one with the other. Blocking: for threads of their own.

import AppendRule
import Envelope
import EventLog
import KeyValue
import Segments

/// What a rebuild made.
public struct RebuiltIndex: Sendable {
    public var records: Int64
    public var events: Int64
    /// One for each partition.
    public var digests: [UInt64]
}

/// What a comparison found.
public struct IndexComparison: Sendable {
    public var entries: Int64 = 0
    /// Empty where all agrees; at most `IndexLimits.listedProblems`.
    public var problems: [String] = []
}

public enum IndexRebuild {
    /// Makes an index in `directory` (nil: in memory) from all records of the segments.
    ///
    /// - Parameters:
    ///   - progress: records done, records there are.
    public static func run(
        from opened: OpenedLog, directory: String?, progress: (Int64, Int64) -> Void
    ) throws -> RebuiltIndex {
        guard let segments = opened.segments else {
            throw IndexError(.unavailable, "a store in memory has no index to rebuild")
        }
        let store = try inWordsOfTheIndex {
            try build(
                from: segments, directory: directory, identity(in: segments),
                hasOrder: opened.log.description.hasOrderChannel, upTo: nil, progress: progress)
        }
        defer { store.keyValue.close() }
        let partitions = try (0..<store.identity.partitions).map { try store.partitionState($0) }
        return RebuiltIndex(
            records: partitions.reduce(0) { $0 + $1.nextOffset },
            events: partitions.reduce(0) { $0 + $1.nextSequence }, digests: partitions.map(\.digest))
    }

    /// Makes a node's index anew: from its copy of the records as far as that is whole, then from the log. What is
    /// behind the first damage is deleted. Closes the log.
    public static func run(onNode source: IndexSource) async throws -> RebuiltIndex {
        guard let node = source.opened.copy?.node else {
            throw IndexError(.unavailable, "a store in memory has no index to rebuild")
        }
        let identity: Identity
        if let known = node.identity {
            identity = known
        } else {
            identity = try await StoreCreation.identity(of: source.opened.log)
            try node.belong(to: identity)
        }
        try await onOwnThread(named: "index-rebuild") {
            try NodeCopy.inWordsOfTheCopy {
                try NodeCopy.cut(node.log, identity, source.say)
                try NodeDirectory.dropIndex(node.index)
            }
        }
        let index = try await IndexedLog.open(source)
        let summaries: [PartitionSummary]
        do {
            summaries = try await index.partitionSummaries()
        } catch {
            await index.close()
            throw error
        }
        await index.close()
        return RebuiltIndex(
            records: summaries.reduce(0) { $0 + $1.appliedOffset + 1 }, events: summaries.reduce(0) { $0 + $1.events },
            digests: summaries.map(\.digest))
    }

    static func build(
        from segments: SegmentReader, directory: String?, _ identity: Identity, hasOrder: Bool, upTo ends: [Int64]?,
        progress: (Int64, Int64) throws -> Void
    ) throws -> IndexStore {
        let keyValue = try IndexFiles.open(directory: directory, identity)
        let store = IndexStore(
            keyValue: keyValue, segments: segments, identity: identity, isCopy: false, hasOrder: hasOrder)
        do {
            let applier = try Applier(store)
            let total = segments.frameCount
            var done: Int64 = 0
            var entries: [RunEntry] = []
            try segments.scan(from: 0) { run in
                entries.removeAll(keepingCapacity: true)
                for frame in run.frames where ends.map({ frame.offset < $0[frame.channel] }) ?? true {
                    entries.append(RunEntry(frame))
                }
                _ = try applier.apply(run.bytes.span, entries, reports: false)
                try applier.commit(run.bytes.span)
                done += Int64(run.frames.count)
                try progress(done, total)
                return true
            }
            return store
        } catch {
            keyValue.close()
            throw error
        }
    }

    /// The identity that the first record of partition 0 gives.
    private static func identity(in segments: SegmentReader) throws -> Identity {
        var found: Identity?
        try segments.scan(from: 0) { run in
            for frame in run.frames where frame.channel == 0 && frame.offset == 0 {
                let parsed = RecordEnvelope.parse(
                    bytes: run.bytes.span, key: frame.key, value: frame.value, channel: 0, partitions: 1, store: nil)
                if case .store(let identity, _) = parsed { found = identity }
                return false
            }
            return true
        }
        guard let found else {
            throw IndexError(.notOurs, "the log does not begin with a store's creation record: it is not a store")
        }
        return found
    }
}

extension RunEntry {
    init(_ frame: SegmentFrame) {
        self.init(
            channel: frame.channel, offset: frame.offset, appendTime: frame.appendTime, key: frame.key,
            value: frame.value,
            place: FramePlace(
                file: frame.place.file, position: frame.place.position, length: frame.place.length))
    }
}

extension IndexedLog {
    /// Makes the index anew beside this one and compares them, key by key: digests, offsets, every entry.
    ///
    /// - Parameters:
    ///   - directory: where the other one may be made; nil: in memory.
    ///   - clear: deletes that directory, before and after.
    public func compare(
        directory: String?, clear: @escaping @Sendable () throws -> Void,
        progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> IndexComparison {
        try await compareOnOwnThread { [store, ownSegments, handler] check in
            try clear()
            defer { try? clear() }
            // What the walk sees stays as it is now, whatever is appended meanwhile.
            let mine = try handler.betweenRuns { KeyIterator(store.keyValue, from: [], to: []) }
            var ends: [Int64] = []
            for partition in 0..<store.channels {
                mine.seek(IndexKey.partition(partition))
                let isThere = mine.isValid && mine.key == IndexKey.partition(partition)
                ends.append(isThere ? mine.withValue { PartitionState($0) }?.nextOffset ?? 0 : 0)
            }
            var comparison = IndexComparison()
            let other: IndexStore
            do {
                other = try store.inItsWords {
                    try ownSegments?.sync()
                    return try IndexRebuild.build(
                        from: store.segments, directory: directory, store.identity, hasOrder: store.order != nil,
                        upTo: ends
                    ) { done, total in
                        try check()
                        progress(done, total)
                    }
                }
            } catch let error as IndexError where error.code == .damaged {
                comparison.problems.append(error.message)
                return comparison
            }
            defer { other.keyValue.close() }
            try inWordsOfTheIndex { try comparison.checkOrder(of: other, known: store.order?.contents.fault) }
            comparison.run(mine, KeyIterator(other.keyValue, from: [], to: []))
            try store.check(mine)
            return comparison
        }
    }
}

extension IndexComparison {
    /// Walks both at once; a key is of one, of the other, or of both and then with one value.
    fileprivate mutating func run(_ mine: KeyIterator, _ other: KeyIterator) {
        mine.seekToFirst()
        other.seekToFirst()
        while mine.isValid || other.isValid, problems.count < IndexLimits.listedProblems {
            // How far the order was compared follows from the rest, and may be behind it.
            if let walk = [mine, other].first(where: { $0.isValid && $0.key.first == KeyPrefix.checked }) {
                walk.next()
                continue
            }
            entries += 1
            guard mine.isValid else {
                problems.append("the index lacks \(Self.name(other.key))")
                other.next()
                continue
            }
            guard other.isValid else {
                problems.append("the log does not account for \(Self.name(mine.key))")
                mine.next()
                continue
            }
            let (left, right) = (mine.key, other.key)
            if left == right {
                if mine.value != other.value { problems.append("\(Self.name(left)) differs from what the log gives") }
                mine.next()
                other.next()
            } else if left.lexicographicallyPrecedes(right) {
                problems.append("the log does not account for \(Self.name(left))")
                mine.next()
            } else {
                problems.append("the index lacks \(Self.name(right))")
                other.next()
            }
        }
    }

    /// A key for people.
    private static func name(_ key: [UInt8]) -> String {
        let what =
            switch key.first {
            case KeyPrefix.meta: "the identity"
            case KeyPrefix.partition: "the state of a partition"
            case KeyPrefix.stream: "the state of stream"
            case KeyPrefix.version: "the place of a record"
            case KeyPrefix.appendID: "an append id"
            case KeyPrefix.killed: "a killed attempt"
            case KeyPrefix.sequence: "a block of places"
            case KeyPrefix.category: "a block of category"
            case KeyPrefix.eventType: "a block of event type"
            case KeyPrefix.time: "a time"
            case KeyPrefix.digest: "a digest"
            case KeyPrefix.noEvent: "a decision"
            case KeyPrefix.order: "the state of the order"
            case KeyPrefix.placed, KeyPrefix.placedSequence: "a placed range"
            case KeyPrefix.orderRecord: "the place of an order record"
            case KeyPrefix.voided: "a void"
            case KeyPrefix.checked: "how far the order was compared"
            default: "an unknown entry"
            }
        let rest = key.dropFirst()
        let isText = rest.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        let text =
            isText
            ? String(decoding: rest, as: UTF8.self)
            : rest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(what) (\(text))"
    }
}
