import StreamIndex

/// One record of the order channel, with what became of it: see `EventStore.orderRecords(from:)`.
public struct OrderLogEntry: Sendable {
    /// Consecutive records of a partition that a node put into the global order.
    public struct Range: Sendable, Equatable {
        /// The partition, from 0.
        public let partition: Int
        /// The first offset of that partition.
        public let firstOffset: Int64
        /// The last one, inclusive.
        public let lastOffset: Int64
        /// What the record says of these offsets.
        public let claimed: OrderedContent
        /// What this node decided of them; nil: it has not applied all of them, or the range has no place.
        public let own: OrderedContent?
        /// What became of it.
        public let state: State
    }

    /// What became of a range.
    public enum State: Sendable, Equatable {
        /// It has its place: its events have the positions from this one on.
        case placed(GlobalPosition)
        /// It did not begin at its partition's next unordered offset: another node was first, which is harmless.
        case ignored
        /// A void took it.
        case void
    }

    /// What the record is.
    public enum Content: Sendable, Equatable {
        /// Ranges, each judged by itself.
        case order([Range])
        /// Declares void what the order record `record` says of `partition`; `tookEffect` is false where nothing of
        /// that was placed.
        case void(record: Int64, partition: Int, tookEffect: Bool)
        /// The channel's identity.
        case identity
        /// It does not read as an order record of this store, for this reason; it is ignored.
        case foreign(String)
    }

    /// Its place in the order channel, from 0, without gaps.
    public let offset: Int64
    /// The log's append time, in milliseconds since 1970.
    public let createdMilliseconds: Int64
    /// The record's key as it is in the log; nil for a null key.
    public let key: [UInt8]?
    /// The record's value as it is in the log; nil for a null value.
    public let value: [UInt8]?
    /// The node that wrote an order or void record, a lower-case UUID; nil for others.
    public let author: String?
    /// What the record is.
    public let content: Content
}

/// What came of consecutive records of a partition: as an order record says, or as this node decided.
public struct OrderedContent: Sendable, Equatable {
    /// Events accepted in them: 0 or more.
    public let events: Int64
    /// The offsets that brought no event, rising.
    public let emptyOffsets: [Int64]
}

/// Records of the order channel, read page by page.
public struct OrderLogSequence: AsyncSequence, Sendable {
    let store: EventStore
    let offset: Int64

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let store: EventStore
        private var offset: Int64
        private var page = OrderRecordPage(nextFrame: 0)
        private var place = 0

        init(_ sequence: OrderLogSequence) {
            store = sequence.store
            offset = sequence.offset
        }

        /// The next record; nil after the last that was applied.
        ///
        /// - Throws: `StoreError`, `CancellationError`.
        public mutating func next() async throws -> OrderLogEntry? {
            if place == page.records.count {
                let (index, offset, frame) = (store.index, offset, page.nextFrame)
                page = try await translated { try await index.orderRecords(from: offset, frame: frame) }
                place = 0
                guard let last = page.records.last else { return nil }
                self.offset = last.offset + 1
            }
            defer { place += 1 }
            return OrderLogEntry(page.records[place])
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}

extension EventStore {
    /// The raw records of the order channel, in their order, with what became of each; none in a store of one
    /// partition, whose order is the partition's.
    ///
    /// - Parameter offset: the first to show, 0 or more.
    public func orderRecords(from offset: Int64 = 0) -> OrderLogSequence {
        OrderLogSequence(store: self, offset: offset)
    }

    /// One order record with what became of its ranges; nil: there is no order record at this offset, or this node has
    /// not applied it.
    ///
    /// - Throws: `StoreError`.
    public func orderRecord(at offset: Int64) async throws -> OrderLogEntry? {
        guard offset >= 0 else { return nil }
        return try await translated { try await index.orderRecord(at: offset).map { OrderLogEntry($0) } }
    }
}

extension OrderLogEntry {
    init(_ record: ExplainedOrderRecord) {
        offset = record.offset
        createdMilliseconds = record.appendTime
        key = record.key
        value = record.value
        author = record.author
        content =
            switch record.what {
            case .order(let ranges): .order(ranges.map { Range($0) })
            case .void(let record, let partition, let tookEffect):
                .void(record: record, partition: partition, tookEffect: tookEffect)
            case .identity: .identity
            case .foreign(let reason): .foreign(reason)
            }
    }
}

extension OrderLogEntry.Range {
    init(_ range: ExplainedRange) {
        partition = range.partition
        firstOffset = range.firstOffset
        lastOffset = range.lastOffset
        claimed = OrderedContent(events: range.events, emptyOffsets: range.empty)
        own =
            if let events = range.ownEvents, let empty = range.ownEmpty {
                OrderedContent(events: events, emptyOffsets: empty)
            } else {
                nil
            }
        state =
            if let position = range.firstPosition {
                .placed(GlobalPosition(position))
            } else {
                range.isVoid ? .void : .ignored
            }
    }
}
