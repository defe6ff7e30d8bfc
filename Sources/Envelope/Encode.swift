public import AppendRule

extension RecordEnvelope {
    /// The value of an append, metadata, tombstone or cancel record.
    ///
    /// ```swift
    /// let header = RecordHeader(kind: .append, expectation: .exactly(7), eventCount: 1, ids: [id])
    /// let value = RecordEnvelope.encode(header, events: [event], key: Array("order-1".utf8), store: store)
    /// ```
    /// - Parameters:
    ///   - header: well-formed; of `eventCount` ids.
    ///   - events: `eventCount` of them, within `EnvelopeLimits`; for a cancel none.
    ///   - key: the stream's name.
    public static func encode(
        _ header: RecordHeader, events: [EventContent], key: [UInt8], store: StoreID
    ) -> [UInt8] {
        // By index: an event that is copied is some references counted up and down.
        var eventBytes = 0
        for index in events.indices { eventBytes += events[index].byteCount }
        return encode(header, eventBytes: eventBytes, key: key, store: store) { writer in
            for index in events.indices { writer.add(events[index]) }
        }
    }

    /// As for events that are at hand, without a copy of them.
    ///
    /// - Parameters:
    ///   - eventBytes: about what the events take, `EventWriter.byteCount` of each.
    ///   - write: adds as many events as the header says; for a cancel none.
    public static func encode(
        _ header: RecordHeader, eventBytes: Int, key: [UInt8], store: StoreID, _ write: (inout EventWriter) -> Void
    ) -> [UInt8] {
        precondition(header.kind.isKeyedByName, "the record has an encoder of its own")
        precondition(header.ids.count == header.eventCount, "one id for each event")
        var writer = EventWriter(start(header, partition: 0, store: store, bodyBytes: eventBytes))
        write(&writer)
        precondition(writer.count == (header.kind == .cancel ? 0 : header.eventCount), "as many as the header says")
        return writer.finish(key: key)
    }

    /// Makes the value the next try of the same record.
    ///
    /// - Parameters:
    ///   - value: what `encode` returned, or this.
    ///   - key: the same as in `encode`.
    public static func restamp(_ value: inout [UInt8], key: [UInt8], attempt: UInt32, writeID: UInt64) {
        precondition(value.count >= Layout.smallest, "a value that encode returned")
        value.set(attempt, at: Layout.attempt)
        value.set(writeID, at: Layout.writeID)
        let sum = checksum(key: key.span, value: value.span)
        value.set(sum, at: value.count - Layout.checksumBytes)
    }

    /// The value of a barrier record; its key is empty.
    public static func encodeBarrier(id: RecordID, partition: Int, writeID: UInt64, store: StoreID) -> [UInt8] {
        let header = RecordHeader(kind: .barrier, writeID: writeID, eventCount: 0, ids: [id])
        var value = start(header, partition: partition, store: store, bodyBytes: 0)
        finish(&value, key: [])
        return value
    }

    /// The value of an identity record; its key is empty.
    ///
    /// - Parameter partition: the channel that it begins; of the order channel the partition count.
    public static func encodeIdentity(
        _ identity: Identity, id: RecordID, partition: Int, writeID: UInt64
    ) -> [UInt8] {
        let name = [UInt8](identity.hashName.utf8)
        precondition(EnvelopeLimits.hashName.contains(name.count), "a hash name has 1 to 32 bytes")
        precondition(EnvelopeLimits.partitions.contains(identity.partitions), "at least one partition")
        let header = RecordHeader(kind: .store, writeID: writeID, eventCount: 0, ids: [id])
        var value = start(
            header, partition: partition, store: identity.store, bodyBytes: Layout.identityBytes + name.count)
        value.add(RecordID(high: identity.store.high, low: identity.store.low))
        value.add(UInt32(identity.partitions))
        value.add(identity.ruleVersion)
        value.add(identity.nonce)
        value.append(UInt8(name.count))
        value += name
        finish(&value, key: [])
        return value
    }

    /// The value of a rule upgrade record; its key is empty. Rule version 1 halts at one.
    public static func encodeRuleUpgrade(
        to rule: UInt32, id: RecordID, partition: Int, writeID: UInt64, store: StoreID
    ) -> [UInt8] {
        let header = RecordHeader(kind: .ruleUpgrade, writeID: writeID, eventCount: 0, ids: [id])
        var value = start(header, partition: partition, store: store, bodyBytes: 4)
        value.add(rule)
        finish(&value, key: [])
        return value
    }

    static func start(
        _ header: RecordHeader, partition: Int, store: StoreID, bodyBytes: Int
    ) -> [UInt8] {
        let headerBytes = Layout.ids + header.ids.count * Layout.idBytes
        let (code, version) = encoded(header.expectation)
        return [UInt8](capacity: headerBytes + bodyBytes + Layout.checksumBytes) { value in
            value.add(Layout.magicNumber)
            value.add(Layout.formatVersion)
            value.add(store.prefix.byteSwapped)
            value.append(header.kind.rawValue)
            value.append(header.subject.rawValue)
            value.append(code)
            value.append(header.expectedStream.rawValue)
            value.add(UInt16(0))
            value.add(header.attempt)
            value.add(header.writeID)
            value.add(version)
            value.add(header.firstReadable ?? -1)
            value.add(UInt32(header.eventCount))
            value.add(UInt32(partition))
            for id in header.ids { value.add(id) }
        }
    }

    private static func encoded(_ expectation: Expectation) -> (code: UInt8, version: Int64) {
        switch expectation {
        case .any: return (ExpectationCode.any, -1)
        case .noStream: return (ExpectationCode.noStream, -1)
        case .streamExists: return (ExpectationCode.streamExists, -1)
        case .exactly(let version):
            precondition(EnvelopeLimits.expectedVersion.contains(version), "an expected version is 0 or more")
            return (ExpectationCode.exactly, version)
        }
    }

    static func finish(_ value: inout [UInt8], key: [UInt8]) {
        value.add(UInt32(0))
        let sum = checksum(key: key.span, value: value.span)
        value.set(sum, at: value.count - Layout.checksumBytes)
    }
}
