// The bytes of what stands in the order channel (Docs/byte-format.md, "Order records").

public import AppendRule
public import GlobalOrder

/// What a record of the order channel is.
public enum ParsedOrderRecord: Sendable, Equatable {
    /// Ranges to be judged, each by itself: they may say anything.
    case order(OrderRecord, writeID: UInt64)
    /// `author` is the id of the node that wrote it.
    case void(OrderVoid, author: ProposerID, writeID: UInt64)
    case store(Identity, id: RecordID)
    /// Counted and ignored.
    case foreign(ForeignReason)
    /// Nothing after it in this channel may be applied by this build.
    case halt(HaltReason)
}

/// The kinds that are known in the order channel only; in a partition they are malformed.
private enum OrderKind {
    static let order: UInt8 = 8
    static let void: UInt8 = 9
}

extension RecordEnvelope {
    /// Tells what a record of the order channel is: a pure function of its bytes and the partition count, but for
    /// `store`. The order of the checks is part of the format.
    ///
    /// - Parameters:
    ///   - bytes: what holds key and value; a run holds many records.
    ///   - key: nil for a null key.
    ///   - value: nil for a null value.
    ///   - partitions: the store's, 1 or more; also the number of the order channel.
    ///   - store: whose records are no foreign ones; nil accepts any, to read the identity.
    public static func parseOrderRecord(
        bytes: Span<UInt8>, key: Range<Int>?, value: Range<Int>?, partitions: Int, store: StoreID?
    ) -> ParsedOrderRecord {
        let record: Span<UInt8>
        switch frame(bytes: bytes, key: key, value: value, store: store) {
        case .foreign(let reason): return .foreign(reason)
        case .otherVersion(let version): return .halt(.formatVersion(version))
        case .value(let range): record = bytes.extracting(range)
        }
        guard record.count >= Layout.smallest else { return .foreign(.malformed) }
        let kind = record[Layout.kind]
        if kind == RecordKind.store.rawValue {
            let identity = parse(
                bytes: bytes, key: key, value: value, channel: partitions, partitions: partitions, store: store)
            switch identity {
            case .store(let identity, let id): return .store(identity, id: id)
            case .foreign(let reason): return .foreign(reason)
            case .halt(let reason): return .halt(reason)
            case .record, .barrier: return .foreign(.malformed)
            }
        }
        guard kind == OrderKind.order || kind == OrderKind.void else { return .foreign(.malformed) }
        guard Int(record.u32(at: Layout.partition)) == partitions else { return .foreign(.wrongPartition) }
        guard let key else { return .foreign(.nullKey) }
        guard key.isEmpty, record.count <= EnvelopeLimits.orderRecordBytes, hasOrderHeader(record) else {
            return .foreign(.malformed)
        }
        let id = record.recordID(at: Layout.ids)
        let author = ProposerID(high: id.high, low: id.low)
        let writeID = record.u64(at: Layout.writeID)
        if kind == OrderKind.order {
            guard let ranges = orderRanges(in: record) else { return .foreign(.malformed) }
            return .order(OrderRecord(proposer: author, ranges: ranges), writeID: writeID)
        }
        guard let void = orderVoid(in: record) else { return .foreign(.malformed) }
        return .void(void, author: author, writeID: writeID)
    }

    /// The value of an order record; its key is empty.
    ///
    /// - Parameters:
    ///   - record: one range or more, well-formed for a store of `partitions` partitions; the value must not be larger
    ///     than `EnvelopeLimits.orderRecordBytes`, which what an `OrderProposer` proposes never is.
    ///   - writeID: random, another one for each record written.
    public static func encodeOrder(
        _ record: OrderRecord, writeID: UInt64, partitions: Int, store: StoreID
    ) -> [UInt8] {
        precondition(!record.ranges.isEmpty, "an order record holds at least one range")
        let bodyBytes = record.ranges.reduce(0) {
            $0 + Layout.orderRangeBytes + $1.content.empty.count * Layout.emptyOffsetBytes
        }
        precondition(Layout.smallest + bodyBytes <= EnvelopeLimits.orderRecordBytes, "an order record is that small")
        var value = startOrder(
            OrderKind.order, by: record.proposer, writeID: writeID, partitions: partitions, store: store,
            bodyBytes: bodyBytes)
        for range in record.ranges {
            precondition(range.isWellFormed(partitions: partitions), "a range that can be valid")
            value.add(UInt32(range.partition))
            value.add(range.first)
            value.add(UInt32(range.last - range.first))
            value.add(range.content.events)
            value.add(UInt32(range.content.empty.count))
            for offset in range.content.empty { value.add(UInt32(offset - range.first)) }
        }
        finish(&value, key: [])
        return value
    }

    /// The value of a void record; its key is empty.
    ///
    /// - Parameters:
    ///   - author: the id of the node that writes it.
    ///   - writeID: random, another one for each record written.
    public static func encodeVoid(
        _ void: OrderVoid, author: ProposerID, writeID: UInt64, partitions: Int, store: StoreID
    ) -> [UInt8] {
        precondition(EnvelopeLimits.orderOffset.contains(void.orderOffset), "an offset is not negative")
        var value = startOrder(
            OrderKind.void, by: author, writeID: writeID, partitions: partitions, store: store,
            bodyBytes: Layout.voidBytes)
        value.add(void.orderOffset)
        value.add(UInt32(void.partition))
        finish(&value, key: [])
        return value
    }

    /// The header is that of a barrier but for its kind.
    private static func startOrder(
        _ kind: UInt8, by author: ProposerID, writeID: UInt64, partitions: Int, store: StoreID, bodyBytes: Int
    ) -> [UInt8] {
        let id = RecordID(high: author.high, low: author.low)
        let header = RecordHeader(kind: .barrier, writeID: writeID, eventCount: 0, ids: [id])
        var value = start(header, partition: partitions, store: store, bodyBytes: bodyBytes)
        value[Layout.kind] = kind
        value[Layout.subject] = kind
        return value
    }

    private static func hasOrderHeader(_ record: Span<UInt8>) -> Bool {
        record[Layout.subject] == record[Layout.kind] && record[Layout.expectation] == ExpectationCode.any
            && record[Layout.expectedStream] == ExpectedStream.stream.rawValue
            && record.u16(at: Layout.reserved) == 0 && record.u32(at: Layout.attempt) == 0
            && record.i64(at: Layout.expectedVersion) == -1 && record.i64(at: Layout.firstReadable) == -1
            && record.u32(at: Layout.eventCount) == 0
    }

    /// nil where something is malformed. What a range says is not looked at but for what has no place in numbers.
    private static func orderRanges(in record: Span<UInt8>) -> [OrderRange]? {
        var ranges: [OrderRange] = []
        var next = Layout.ids + Layout.idBytes
        let end = record.count - Layout.checksumBytes
        while next < end {
            guard end - next >= Layout.orderRangeBytes else { return nil }
            let first = record.i64(at: next + 4)
            let events = record.i64(at: next + 16)
            let emptyCount = Int(record.u32(at: next + 24))
            let empties = next + Layout.orderRangeBytes
            guard EnvelopeLimits.orderOffset.contains(first), events >= 0,
                emptyCount <= (end - empties) / Layout.emptyOffsetBytes
            else { return nil }
            var empty: [Int64] = []
            empty.reserveCapacity(emptyCount)
            for index in 0..<emptyCount {
                empty.append(first + Int64(record.u32(at: empties + index * Layout.emptyOffsetBytes)))
            }
            ranges.append(
                OrderRange(
                    partition: Int(record.u32(at: next)), first: first,
                    last: first + Int64(record.u32(at: next + 12)), content: RangeContent(events: events, empty: empty))
            )
            next = empties + emptyCount * Layout.emptyOffsetBytes
        }
        return ranges.isEmpty ? nil : ranges
    }

    private static func orderVoid(in record: Span<UInt8>) -> OrderVoid? {
        let body = Layout.ids + Layout.idBytes
        guard record.count == Layout.smallest + Layout.voidBytes else { return nil }
        let orderOffset = record.i64(at: body)
        guard EnvelopeLimits.orderOffset.contains(orderOffset) else { return nil }
        return OrderVoid(orderOffset: orderOffset, partition: Int(record.u32(at: body + 8)))
    }
}
