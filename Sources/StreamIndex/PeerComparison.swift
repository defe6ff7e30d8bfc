// This index against another node's, by digests. Reads the other one's files only.

import Envelope
import KeyValue
import Segments

/// What the comparison of one partition found.
public struct ComparedPartition: Sendable {
    public var partition: Int
    /// The newest offset applied here; −1: none.
    public var offset: Int64
    /// The newest offset that the peer's files show; −1: none.
    public var peerOffset: Int64
    /// Digests at equal offsets.
    public var compared: Int
    public var lastCompared: Int64?
    /// The first offset of a digest that differs.
    public var firstDifference: Int64?
}

extension IndexedLog {
    /// Compares the digests that this index and another one of the store hold of the same offsets.
    ///
    /// - Parameter directory: the other index's own files; a process may have it open.
    /// - Throws: `notOurs` where no index lies there, `mismatch` where it is of another store.
    public func comparePeer(_ directory: String) async throws -> [ComparedPartition] {
        try await longJob { [store] in
            try inWordsOfTheIndex {
                let peer = try PeerIndex(directory, of: store)
                defer { peer.store.close(flushing: false) }
                return try (0..<store.identity.partitions).map { try peer.compare($0, with: store) }
            }
        }
    }
}

private struct PeerIndex {
    let store: KeyValueStore

    init(_ directory: String, of mine: IndexStore) throws {
        guard try Files.kind(of: directory) == .directory else {
            throw IndexError(.notOurs, "\(directory) is no index: name the directory of another node of this store")
        }
        do {
            store = try KeyValueStore(.readOnly(directory))
        } catch {
            throw IndexError(.notOurs, "\(directory) holds no index that can be read: \(error)")
        }
        let meta = IndexKey.make(KeyPrefix.meta)
        do {
            let theirs = try store.get(meta)
            if theirs == nil {
                throw IndexError(
                    .notOurs,
                    "\(directory) has nothing on the disk yet: a node brings its index there now and then, and when it is "
                        + "closed")
            }
            guard theirs == (try mine.keyValue.get(meta)) else {
                throw IndexError(.mismatch, "\(directory) is the index of another store, or of another layout")
            }
        } catch {
            store.close(flushing: false)
            throw error
        }
    }

    func compare(_ partition: Int, with mine: IndexStore) throws -> ComparedPartition {
        let here = try mine.partitionState(partition)
        let there = try state(partition)
        var found = ComparedPartition(
            partition: partition, offset: here.nextOffset - 1, peerOffset: there.nextOffset - 1, compared: 0)
        // What one has noted of its newest offset the other has only where it stands there too.
        let end = min(here.nextOffset, there.nextOffset)
        let first = IndexLimits.digestEvery - 1
        for offset in stride(from: first, to: end, by: Int(IndexLimits.digestEvery)) {
            let key = IndexKey.place(KeyPrefix.digest, partition, offset)
            found.note(try mine.keyValue.get(key), try store.get(key), at: offset)
        }
        if here.nextOffset == there.nextOffset, end > 0, end % IndexLimits.digestEvery != 0 {
            found.note(here.digest, there.digest, at: end - 1)
        }
        return found
    }

    private func state(_ partition: Int) throws -> PartitionState {
        guard let found = try store.withValue(of: IndexKey.partition(partition), { PartitionState($0) }) else {
            return PartitionState()
        }
        guard let found else { throw IndexError(.damaged, "the peer's state of partition \(partition) cannot be read") }
        return found
    }
}

extension ComparedPartition {
    fileprivate mutating func note<T: Equatable>(_ mine: T, _ theirs: T, at offset: Int64) {
        compared += 1
        lastCompared = offset
        if mine != theirs { firstDifference = firstDifference ?? offset }
    }
}
