// The raw records of the order channel with what became of them, and the positions of raw events: for people who look
// into a store.

import Envelope
import GlobalOrder
import KeyValue
import Segments

/// One range of an order record as the rule judged it.
public struct ExplainedRange: Sendable, Equatable {
    public var partition: Int
    public var firstOffset: Int64
    /// Inclusive.
    public var lastOffset: Int64
    /// As the record says.
    public var events: Int64
    public var empty: [Int64]
    /// Of its first event, or where it stands without one; nil: it was ignored, or is void.
    public var firstPosition: Int64?
    public var isVoid: Bool
    /// What this node decided of the offsets; nil: the range is not placed, or not all of it is applied.
    public var ownEvents: Int64?
    public var ownEmpty: [Int64]?
}

/// One record of the order channel.
public struct ExplainedOrderRecord: Sendable {
    public enum What: Sendable, Equatable {
        case order([ExplainedRange])
        /// `tookEffect`: whether what it names is void by it or by an earlier one.
        case void(orderOffset: Int64, partition: Int, tookEffect: Bool)
        case identity
        /// Why it says nothing.
        case foreign(String)
    }

    public var offset: Int64
    /// Milliseconds since 1970.
    public var appendTime: Int64
    public var key: [UInt8]?
    public var value: [UInt8]?
    /// The id of the node that wrote it, of order and void records.
    public var author: String?
    public var what: What
}

/// A page of them, and where the next one is looked for.
public struct OrderRecordPage: Sendable {
    public var records: [ExplainedOrderRecord] = []
    /// How many records of the segments lie before those that were not looked at.
    public var nextFrame: Int64

    public init(nextFrame: Int64) {
        self.nextFrame = nextFrame
    }
}

extension IndexedLog {
    /// A page of the order channel's records from `offset` on, as far as they are applied; none where there is no such
    /// channel.
    ///
    /// - Parameter frame: of the page before; 0 for the first.
    public func orderRecords(from offset: Int64, frame: Int64) async throws -> OrderRecordPage {
        guard store.order != nil else { return OrderRecordPage(nextFrame: frame) }
        return try await longJob { [store, ownSegments] in
            try store.inItsWords {
                try ownSegments?.sync()
                return try store.orderRecords(from: offset, frame)
            }
        }
    }

    /// What became of an order record's ranges, each beside what this node decided; nil: there is no such record.
    public func orderRecord(at offset: Int64) async throws -> ExplainedOrderRecord? {
        guard store.order != nil, EnvelopeLimits.orderOffset.contains(offset) else { return nil }
        return try await longJob { [store] in
            try store.inItsWords {
                let walk = store.orderRecordWalk(offset..<offset + 1)
                guard let place = try store.orderRecordPlace(at: walk)?.place else { return nil }
                var page: [UInt8] = []
                let frame = try store.frames([place], into: &page)[0]
                return try store.explainOrder(frame, page)
            }
        }
    }

    /// The positions of the first events of records, in the order of `records`; nil for those that brought none, and
    /// while they have none.
    public func positions(of records: [ExplainedRecord]) async throws -> [Int64?] {
        guard store.identity.partitions == 1 || store.order != nil else { return records.map { _ in nil } }
        return try await longJob { [store] in
            while true {
                let before = store.order?.contents
                var lookup = PositionLookup(store, confirmed: before?.confirmed ?? .max)
                let found = try records.map { record -> Int64? in
                    guard let sequence = try store.firstSequence(of: record) else { return nil }
                    return before == nil ? sequence : try lookup.position(of: sequence, in: record.partition)
                }
                if store.order?.contents.voids == before?.voids { return found }
            }
        }
    }
}

extension IndexStore {
    /// Brings a walk over placed ranges to the first of the order records from `orderOffset` on.
    func seek(_ walk: KeyIterator, toPlacedFrom orderOffset: Int64) throws(IndexError) {
        func isBefore(_ position: Int64) throws(IndexError) -> Bool {
            walk.seek(PlacedEntry.key(position, OrderPlace(orderOffset: 0, index: 0)))
            return try placed(at: walk).map { $0.range.orderOffset < orderOffset } ?? false
        }
        guard try isBefore(0) else { return }
        // Order offsets rise with positions: the last position at which an earlier record's range begins or follows.
        var known: Int64 = 0
        var beyond = try orderState().0.nextPosition + 1
        while beyond - known > 1 {
            let middle = known + (beyond - known) / 2
            if try isBefore(middle) { known = middle } else { beyond = middle }
        }
        walk.seek(PlacedEntry.key(known, OrderPlace(orderOffset: 0, index: 0)))
        guard let first = try placed(at: walk)?.range.firstPosition else { return }
        walk.seek(PlacedEntry.key(first, OrderPlace(orderOffset: orderOffset, index: 0)))
    }

    /// The placed ranges of one order record, in their order.
    func placed(ofRecord orderOffset: Int64) throws(IndexError) -> [PlacedEntry] {
        let walk = placedWalk()
        try seek(walk, toPlacedFrom: orderOffset)
        var found: [PlacedEntry] = []
        while let entry = try placed(at: walk), entry.range.orderOffset == orderOffset {
            found.append(entry)
            walk.next()
        }
        return found
    }

    fileprivate func orderRecords(from offset: Int64, _ frame: Int64) throws -> OrderRecordPage {
        var bytes = 0
        let channel = identity.partitions
        let end = try partitionState(channel).nextOffset
        var page = OrderRecordPage(nextFrame: frame)
        guard offset < end else { return page }
        try segments.scan(from: frame) { run in
            for (index, frame) in run.frames.enumerated() where frame.channel == channel && frame.offset >= offset {
                guard frame.offset < end else { return false }
                page.records.append(try explainOrder(frame, run.bytes))
                page.nextFrame = run.firstFrame + Int64(index) + 1
                bytes += frame.value?.count ?? 0
                if page.records.count >= IndexLimits.logPageRecords || bytes >= IndexLimits.logPageBytes {
                    return false
                }
            }
            return true
        }
        return page
    }

    fileprivate func explainOrder(_ frame: SegmentFrame, _ bytes: [UInt8]) throws(IndexError) -> ExplainedOrderRecord {
        var record = ExplainedOrderRecord(
            offset: frame.offset, appendTime: frame.appendTime, key: frame.key.map { Array(bytes[$0]) },
            value: frame.value.map { Array(bytes[$0]) }, author: nil, what: .identity)
        let parsed = RecordEnvelope.parseOrderRecord(
            bytes: bytes.span, key: frame.key, value: frame.value, partitions: identity.partitions,
            store: identity.store)
        switch parsed {
        case .order(let order, _):
            record.author = order.proposer.text
            record.what = .order(try explain(order, at: frame.offset))
        case .void(let void, let author, _):
            record.author = author.text
            let voided = try voidedPartitions(at: void.orderOffset)
            record.what = .void(
                orderOffset: void.orderOffset, partition: void.partition,
                tookEffect: voided.contains(void.partition))
        case .store:
            record.what = .identity
        case .foreign(let reason):
            record.what = .foreign("\(reason)")
        case .halt(let reason):
            record.what = .foreign("\(reason)")
        }
        return record
    }

    private func explain(_ record: OrderRecord, at orderOffset: Int64) throws(IndexError) -> [ExplainedRange] {
        let placed = try placed(ofRecord: orderOffset)
        let voided = try voidedPartitions(at: orderOffset)
        var explained: [ExplainedRange] = []
        for (index, range) in record.ranges.enumerated() {
            var one = ExplainedRange(
                partition: range.partition, firstOffset: range.first, lastOffset: range.last,
                events: range.content.events, empty: range.content.empty, firstPosition: nil,
                isVoid: voided.contains(range.partition))
            if let entry = placed.first(where: { $0.range.place.index == index }) {
                one.firstPosition = entry.range.firstPosition
                if try partitionState(range.partition).nextOffset > range.last {
                    let own = try ownContent(
                        range.partition, range.first...range.last, firstSequence: entry.range.firstSequence)
                    one.ownEvents = own?.events
                    one.ownEmpty = own?.empty
                }
            }
            explained.append(one)
        }
        return explained
    }

    /// Where an accepted record's events begin among its partition's.
    fileprivate func firstSequence(of record: ExplainedRecord) throws(IndexError) -> Int64? {
        if record.kind == "store", record.partition == 0, record.offset == 0 { return 0 }
        guard record.decision == "accepted", let version = record.firstVersion, let key = record.key,
            let state = try state(of: key)
        else { return nil }
        let number = record.kind == "metadata" ? state.metadataNumber : state.number
        guard let entry = try entry(of: number, atOrAfter: version), entry.firstVersion == version else { return nil }
        return entry.firstSequence
    }
}
