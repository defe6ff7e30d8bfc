import StreamIndex

/// What `EventStore.verify(peer:)` found.
public struct PeerReport: Sendable {
    /// One partition, as far as both have applied it.
    public struct Partition: Sendable {
        /// Its number, from 0.
        public let partition: Int
        /// The offset of the newest record applied here; −1 where there is none.
        public let offset: Int64
        /// The offset of the newest record that the peer's files show; −1 where there is none.
        public let peerOffset: Int64
        /// Digests that were compared, each of all records up to one offset.
        public let compared: Int
        /// The greatest offset of a digest that was compared; nil: none was.
        public let lastCompared: Int64?
        /// The smallest offset of a digest that differs; nil: none does. The replicas part at or before it.
        public let firstDifference: Int64?

        init(_ found: ComparedPartition) {
            partition = found.partition
            offset = found.offset
            peerOffset = found.peerOffset
            compared = found.compared
            lastCompared = found.lastCompared
            firstDifference = found.firstDifference
        }
    }

    /// All partitions, by number.
    public let partitions: [Partition]

    /// Whether no digest differs. Where nothing could be compared that says nothing: see `compared`.
    public var agrees: Bool { partitions.allSatisfy { $0.firstDifference == nil } }
}

extension EventStore {
    /// Compares this store's index with another node's, by the digests of equal offsets: of every 4,096th, and of the
    /// newest where both have applied as much. Two replicas that were given the same records and decided the same have
    /// the same digests.
    ///
    /// ```swift
    /// let report = try await store.verify(peer: "/srv/node-2")
    /// ```
    /// - Parameter directory: the other node's directory, or a copy of it. A process may have it open; then what that
    ///   had flushed is compared.
    /// - Throws: `StoreError`: `notAStore` where there is no index, `indexMismatch` where it is of another store.
    public func verify(peer directory: String) async throws -> PeerReport {
        try await translated {
            PeerReport(partitions: try await index.comparePeer(directory + "/index").map { PeerReport.Partition($0) })
        }
    }
}
