public import AppendRule
import Checksums

/// What a record of the log is.
public enum Parsed: Sendable, Equatable {
    /// An append, metadata, tombstone or cancel: for the append rule. The body is counted from the value's first
    /// byte; `EventCursor` walks it.
    case record(RecordHeader, body: Range<Int>)
    /// A barrier, known by its id.
    case barrier(RecordID)
    case store(Identity, id: RecordID)
    /// Counted and ignored.
    case foreign(ForeignReason)
    /// Nothing after it in this partition may be applied by this build.
    case halt(HaltReason)
}

/// Why a record is foreign. The numbers are part of the digest.
public enum ForeignReason: UInt8, Sendable, CaseIterable {
    case noValue = 1
    case tooShort = 2
    case wrongMagic = 3
    case wrongChecksum = 4
    case otherStore = 5
    case wrongPartition = 6
    case nullKey = 7
    case reservedName = 8
    case malformed = 9
    /// It stands before its channel's first identity record: said by who reads the channel, not by `parse`.
    case beforeIdentity = 10
}

public enum HaltReason: Sendable, Equatable {
    case formatVersion(UInt16)
    case ruleVersion(UInt32)
}

/// The bytes of a record's value, version 1 (Docs/byte-format.md).
public enum RecordEnvelope {
    /// Tells what a record is: a pure function of its bytes, its channel and the partition count, but for `store`.
    /// The order of the checks is part of the format.
    ///
    /// - Parameters:
    ///   - bytes: what holds key and value; a run holds many records.
    ///   - key: nil for a null key.
    ///   - value: nil for a null value. Ranges in the result count from its first byte.
    ///   - channel: the partition that the record was read from; the order channel's number is `partitions`.
    ///   - partitions: the store's, 1 or more.
    ///   - store: whose records are no foreign ones; nil accepts any, to read the identity.
    public static func parse(
        bytes: Span<UInt8>, key: Range<Int>?, value: Range<Int>?, channel: Int, partitions: Int, store: StoreID?
    ) -> Parsed {
        let record: Span<UInt8>
        let name = bytes.extracting(key ?? 0..<0)
        switch frame(bytes: bytes, key: key, value: value, store: store) {
        case .foreign(let reason): return .foreign(reason)
        case .otherVersion(let version): return .halt(.formatVersion(version))
        case .value(let range): record = bytes.extracting(range)
        }
        guard record.count >= Layout.smallest, let kind = RecordKind(rawValue: record[Layout.kind]) else {
            return .foreign(.malformed)
        }
        if kind == .ruleUpgrade, record.count == Layout.ruleUpgradeBytes {
            let rule = record.u32(at: Layout.smallest - Layout.checksumBytes)
            if rule > ruleVersion { return .halt(.ruleVersion(rule)) }
        }

        let own = kind.isKeyedByName ? nil : Int(record.u32(at: Layout.partition))
        if let own, own != channel { return .foreign(.wrongPartition) }
        guard key != nil else { return .foreign(.nullKey) }
        if own == nil {
            if partition(of: name, partitions: partitions) != channel { return .foreign(.wrongPartition) }
            if isReserved(name, kind: kind, subject: record[Layout.subject]) { return .foreign(.reservedName) }
        }
        guard name.count + record.count <= EnvelopeLimits.recordBytes else { return .foreign(.malformed) }
        return wellFormed(name: name, record: record, kind: kind) ?? .foreign(.malformed)
    }

    /// What the first checks say, which are the same in every channel and in every version.
    enum Frame {
        case value(Range<Int>)
        case foreign(ForeignReason)
        case otherVersion(UInt16)
    }

    @inline(__always)
    static func frame(bytes: Span<UInt8>, key: Range<Int>?, value: Range<Int>?, store: StoreID?) -> Frame {
        guard let value else { return .foreign(.noValue) }
        let record = bytes.extracting(value)
        guard record.count >= Layout.smallestOfAnyVersion else { return .foreign(.tooShort) }
        guard record.u32(at: Layout.magic) == Layout.magicNumber else { return .foreign(.wrongMagic) }
        let name = bytes.extracting(key ?? 0..<0)
        guard checksum(key: name, value: record) == record.u32(at: record.count - Layout.checksumBytes) else {
            return .foreign(.wrongChecksum)
        }
        if let store, record.bigEndian64(at: Layout.store) != store.prefix { return .foreign(.otherStore) }
        let version = record.u16(at: Layout.version)
        return version == Layout.formatVersion ? .value(value) : .otherVersion(version)
    }

    /// Whether `parse` may give `halt`: no for nearly all records, at the cost of a glance.
    public static func mayHalt(bytes: Span<UInt8>, value: Range<Int>?) -> Bool {
        guard let value, value.count >= Layout.smallestOfAnyVersion else { return false }
        let record = bytes.extracting(value)
        return record.u32(at: Layout.magic) == Layout.magicNumber
            && (record.u16(at: Layout.version) != Layout.formatVersion
                || record[Layout.kind] == RecordKind.ruleUpgrade.rawValue)
    }

    static func checksum(key: Span<UInt8>, value: Span<UInt8>) -> UInt32 {
        var crc = CRC32C()
        crc.update(key)
        crc.update(value.extracting(0..<value.count - Layout.checksumBytes))
        return crc.value
    }

    /// `$store`, `$$…`, and for metadata any name of the store's own: there is no `$$$…`.
    private static func isReserved(_ name: Span<UInt8>, kind: RecordKind, subject: UInt8) -> Bool {
        let dollar = UInt8(ascii: "$")
        guard name.count > 0, name[0] == dollar else { return false }
        if kind == .metadata || kind == .cancel && subject == RecordKind.metadata.rawValue { return true }
        if name.count > 1, name[1] == dollar { return true }
        guard name.count == storeStream.count else { return false }
        for index in 0..<name.count where name[index] != storeStream[index] { return false }
        return true
    }

    private static let storeStream = [UInt8]("$store".utf8)

    /// Checks all that is left; nil where something is malformed.
    private static func wellFormed(name: Span<UInt8>, record: Span<UInt8>, kind: RecordKind) -> Parsed? {
        guard let header = header(of: record, kind: kind) else { return nil }
        let bodyStart = Layout.ids + header.ids.count * Layout.idBytes
        let body = bodyStart..<record.count - Layout.checksumBytes
        guard kind.isKeyedByName else {
            guard name.count == 0 else { return nil }
            switch kind {
            case .barrier: return body.isEmpty ? .barrier(header.appendID) : nil
            case .store: return identity(of: record, body: body).map { .store($0, id: header.appendID) }
            default: return nil
            }
        }
        guard problem(inStreamName: name) == nil else { return nil }
        if kind == .cancel { return body.isEmpty ? .record(header, body: body) : nil }
        var position = body.lowerBound
        for _ in 0..<header.eventCount {
            guard let event = EventRanges(in: record, at: position, end: body.upperBound),
                event.isWellFormed(in: record, at: position)
            else { return nil }
            position = event.end
        }
        return position == body.upperBound ? .record(header, body: body) : nil
    }

    private static func header(of record: Span<UInt8>, kind: RecordKind) -> RecordHeader? {
        let expectedVersion = record.i64(at: Layout.expectedVersion)
        let firstReadable = record.i64(at: Layout.firstReadable)
        let eventCount = Int(record.u32(at: Layout.eventCount))
        let idCount = max(1, eventCount)
        guard let subject = RecordKind(rawValue: record[Layout.subject]),
            let expectation = expectation(record[Layout.expectation], version: expectedVersion),
            let expectedStream = ExpectedStream(rawValue: record[Layout.expectedStream]),
            record.u16(at: Layout.reserved) == 0,
            firstReadable >= -1, firstReadable == -1 || subject == .metadata,
            expectedStream == .stream || subject == .metadata,
            Layout.ids + idCount * Layout.idBytes + Layout.checksumBytes <= record.count
        else { return nil }

        switch subject {
        case .append: guard eventCount >= 1 else { return nil }
        case .metadata, .tombstone: guard eventCount == 1 else { return nil }
        case .barrier, .store, .ruleUpgrade:
            guard eventCount == 0, expectation == .any, record.u32(at: Layout.attempt) == 0 else { return nil }
        case .cancel: return nil
        }
        guard kind == .cancel ? subject.bringsEvents : subject == kind else { return nil }
        if kind.isKeyedByName, record.u32(at: Layout.partition) != 0 { return nil }

        var ids: [RecordID] = []
        ids.reserveCapacity(idCount)
        for index in 0..<idCount {
            ids.append(record.recordID(at: Layout.ids + index * Layout.idBytes))
        }
        return RecordHeader(
            kind: kind, subject: subject, expectation: expectation, expectedStream: expectedStream,
            attempt: record.u32(at: Layout.attempt), writeID: record.u64(at: Layout.writeID),
            eventCount: eventCount, ids: ids, firstReadable: firstReadable == -1 ? nil : firstReadable)
    }

    private static func expectation(_ code: UInt8, version: Int64) -> Expectation? {
        if code == ExpectationCode.exactly {
            return EnvelopeLimits.expectedVersion.contains(version) ? .exactly(version) : nil
        }
        guard version == -1 else { return nil }
        switch code {
        case ExpectationCode.any: return .any
        case ExpectationCode.noStream: return .noStream
        case ExpectationCode.streamExists: return .streamExists
        default: return nil
        }
    }

    private static func identity(of record: Span<UInt8>, body: Range<Int>) -> Identity? {
        guard body.count >= Layout.identityBytes else { return nil }
        let start = body.lowerBound
        let store = record.recordID(at: start)
        let partitions = Int(record.u32(at: start + 16))
        let rule = record.u32(at: start + 20)
        let nameRange = start + Layout.identityBytes..<body.upperBound
        let name = record.extracting(nameRange)
        guard store.high == record.bigEndian64(at: Layout.store),
            EnvelopeLimits.partitions.contains(partitions), rule >= 1,
            Int(record[start + 40]) == name.count, problem(in: name, bounds: EnvelopeLimits.hashName) == nil
        else { return nil }
        let hashName = String(decoding: nameRange.map { record[$0] }, as: UTF8.self)
        return Identity(
            store: StoreID(high: store.high, low: store.low), partitions: partitions, ruleVersion: rule,
            nonce: record.recordID(at: start + 24), hashName: hashName)
    }
}

/// The expectation's byte.
enum ExpectationCode {
    static let any: UInt8 = 0
    static let noStream: UInt8 = 1
    static let streamExists: UInt8 = 2
    static let exactly: UInt8 = 3
}

extension RecordKind {
    /// Else its key is empty and it carries its partition's number.
    var isKeyedByName: Bool {
        switch self {
        case .append, .metadata, .tombstone, .cancel: true
        case .barrier, .store, .ruleUpgrade: false
        }
    }
}
