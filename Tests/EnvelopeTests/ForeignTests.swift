import AppendRule
import Envelope
import Testing

/// A change of one record, with its checksum made right again.
private func changed(_ name: String, at offset: Int, to bytes: [UInt8]) -> (key: [UInt8], value: [UInt8]) {
    var sample = Sample.named(name)
    sample.value.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    checksum(&sample.value, key: sample.key)
    return (sample.key, sample.value)
}

private let minusOne = [UInt8](repeating: 255, count: 8)
private let highest = [UInt8](repeating: 255, count: 7) + [127]
private let zeros = [UInt8](repeating: 0, count: 8)

@Suite struct ForeignTests {
    private let append = Sample.named("append-any")

    @Test func theChecksComeInOrder() {
        var value = append.value
        #expect(parse(key: nil, value: nil) == .foreign(.noValue))
        #expect(parse(key: append.key, value: nil) == .foreign(.noValue))
        #expect(parse(key: nil, value: []) == .foreign(.tooShort))
        #expect(parse(key: nil, value: Array(value[..<17])) == .foreign(.tooShort))
        #expect(parse(key: nil, value: [UInt8](repeating: 0, count: 18)) == .foreign(.wrongMagic))

        value[4] = 2  // a later format,
        value[6] = 0xFF  // of another store
        #expect(parse(key: append.key, value: value) == .foreign(.wrongChecksum))
        checksum(&value, key: append.key)
        #expect(parse(key: append.key, value: value) == .foreign(.otherStore))
        #expect(parse(key: nil, value: value) == .foreign(.wrongChecksum))
        #expect(parse(key: append.key, value: value, store: nil) == .halt(.formatVersion(2)))

        // A later format halts wherever it stands, a known one in the wrong partition is foreign.
        let elsewhere = 1 - partition(of: append.key.span, partitions: 2)
        value[6] = append.value[6]
        checksum(&value, key: append.key)
        #expect(parse(key: append.key, value: value, channel: elsewhere, partitions: 2) == .halt(.formatVersion(2)))
        #expect(
            parse(key: append.key, value: append.value, channel: elsewhere, partitions: 2)
                == .foreign(.wrongPartition))
        #expect(
            parse(key: append.key, value: append.value, channel: 1 - elsewhere, partitions: 2) == append.parsed)

        var noKey = append.value
        checksum(&noKey, key: [])
        #expect(parse(key: nil, value: noKey, channel: elsewhere, partitions: 2) == .foreign(.nullKey))
        #expect(parse(key: [], value: noKey) == .foreign(.malformed))
    }

    @Test(arguments: ["$store", "$$order-1", "$$", "$$$x"]) func aReservedNameIsForeign(name: String) {
        let key = Sample.bytes(name)
        for sample in Sample.all {
            guard case .record = sample.parsed else { continue }
            var value = sample.value
            value[18] = 1  // malformed as well
            checksum(&value, key: key)
            #expect(parse(key: key, value: value) == .foreign(.reservedName))
            let own = partition(of: key.span, partitions: 3)
            #expect(
                parse(key: key, value: value, channel: (own + 1) % 3, partitions: 3) == .foreign(.wrongPartition))
        }
    }

    @Test(arguments: ["$", "$stores", "$stor", "$x"]) func theStoresOtherNamesTakeNoMetadata(name: String) {
        let key = Sample.bytes(name)
        for sample in Sample.all {
            guard case .record(let header, _) = sample.parsed else { continue }
            var value = sample.value
            checksum(&value, key: key)
            let expected = header.subject == .metadata ? Parsed.foreign(.reservedName) : sample.parsed
            #expect(parse(key: key, value: value) == expected)
        }
    }

    @Test func recordsOfAPartitionNameIt() {
        for name in ["barrier", "identity"] {
            let sample = Sample.named(name)
            #expect(parse(key: [], value: sample.value) == sample.parsed)
            #expect(parse(key: [], value: sample.value, channel: 1, partitions: 2) == .foreign(.wrongPartition))
            #expect(parse(key: nil, value: sample.value, channel: 1, partitions: 2) == .foreign(.wrongPartition))
            #expect(parse(key: nil, value: sample.value) == .foreign(.nullKey))
            var value = sample.value
            checksum(&value, key: [0x61])
            #expect(parse(key: [0x61], value: value) == .foreign(.malformed))
        }
        let orderChannel = RecordEnvelope.encodeIdentity(Sample.identity, id: Sample.id(1), partition: 12, writeID: 0)
        #expect(
            parse(key: [], value: orderChannel, channel: 12, partitions: 12)
                == .store(Sample.identity, id: Sample.id(1)))
    }

    @Test func onlyAnUpgradeToALaterRuleHalts() {
        for rule in [UInt32(2), 3, UInt32.max] {
            let value = RecordEnvelope.encodeRuleUpgrade(
                to: rule, id: Sample.id(1), partition: 5, writeID: 0, store: Sample.store)
            #expect(parse(key: [], value: value) == .halt(.ruleVersion(rule)))
        }
        for rule in [UInt32(0), 1] {
            let value = RecordEnvelope.encodeRuleUpgrade(
                to: rule, id: Sample.id(1), partition: 0, writeID: 0, store: Sample.store)
            #expect(parse(key: [], value: value) == .foreign(.malformed))
        }
        var longer = Sample.named("rule-upgrade").value + [0]
        checksum(&longer, key: [])
        #expect(parse(key: [], value: longer) == .foreign(.malformed))
    }

    /// One thing wrong at a time: sample, offset, bytes.
    static let malformations: [(String, Int, [UInt8])] = [
        ("append-any", 14, [0]), ("append-any", 14, [8]), ("append-any", 14, [3]),
        ("append-any", 15, [0]), ("append-any", 15, [2]), ("append-any", 15, [8]),
        ("append-any", 16, [4]), ("append-any", 17, [1]), ("append-any", 17, [2]),
        ("append-any", 18, [1]), ("append-any", 19, [1]),
        ("append-any", 32, zeros), ("append-any", 16, [3]), ("append-any", 40, zeros),
        ("append-any", 48, [0]), ("append-any", 48, [2]), ("append-any", 48, [255, 255, 255, 255]),
        ("append-any", 52, [1]),
        ("append-exactly", 16, [0]), ("append-exactly", 32, minusOne), ("append-exactly", 32, highest),
        ("append-exactly", 48, [3]), ("append-exactly", 48, [5]),
        ("metadata-settings", 17, [2]), ("metadata-settings", 40, [254] + minusOne.dropFirst()),
        ("metadata-settings", 48, [0]), ("metadata-settings", 48, [2]),
        ("tombstone", 17, [1]), ("tombstone", 40, zeros), ("tombstone", 48, [2]),
        ("cancel-append", 15, [4]), ("cancel-append", 15, [5]), ("cancel-append", 15, [3]),
        ("cancel-append", 17, [1]), ("cancel-append", 48, [1]), ("cancel-append", 48, [3]),
        ("cancel-append", 40, zeros), ("cancel-tombstone", 48, [0]),
        ("barrier", 15, [6]), ("barrier", 16, [1]), ("barrier", 17, [1]), ("barrier", 20, [1]), ("barrier", 40, zeros),
        ("barrier", 48, [1]),
        ("identity", 15, [5]), ("identity", 20, [1]), ("identity", 48, [1]),
        ("identity", 72, [1]),  // another UUID than the header's
        ("identity", 88, [0, 0, 0, 0]), ("identity", 88, [0, 0, 0, 128]),  // partitions
        ("identity", 92, [0, 0, 0, 0]),  // rule version
        ("identity", 112, [6]), ("identity", 112, [8]), ("identity", 112, [0]), ("identity", 113, [0x1F]),
    ]

    @Test(arguments: malformations) func whatIsMalformedIsForeign(name: String, offset: Int, bytes: [UInt8]) {
        let (key, value) = changed(name, at: offset, to: bytes)
        #expect(parse(key: key, value: value) == .foreign(.malformed))
    }

    /// As above, in the first event of "append-exactly", whose header begins at 120: offset in it, bytes.
    static let badEvents: [(Int, [UInt8])] = [
        (0, [255, 255, 255, 255]), (4, [255, 255, 255, 255]), (4, [0]), (8, [0, 0, 0, 0]),
        (12, [0, 0]), (12, [255, 255]), (14, [0, 0]), (14, [255, 255]), (16, [255]), (17, [255]),
        (18, [0]), (18, [3]), (18, [5]), (18, [6]), (18, [15]), (18, [0x87]), (19, [1]),
        (20, [0x00]), (20, [0xFF]), (20, [0x7F]), (31, [0x1F]), (47, [0xC2, 0x80]), (51, [0xED, 0xA0]),
    ]

    @Test(arguments: badEvents) func aBadEventMakesItsRecordForeign(offset: Int, bytes: [UInt8]) {
        let (key, value) = changed("append-exactly", at: 120 + offset, to: bytes)
        #expect(parse(key: key, value: value) == .foreign(.malformed))
    }

    @Test func dataAndMetadataMayBeAnything() {
        let start = 120 + 20 + 11 + 16 + 4 + 5
        let (key, value) = changed("append-exactly", at: start, to: [0, 0xFF, 0x80, 0x1F])
        #expect(parse(key: key, value: value) == Sample.named("append-exactly").parsed)
    }

    @Test func namesAndTextsHaveBounds() {
        func isForeign(key: Int, type: Int = 1, contentType: Int = 1, id: Int = 0) -> Bool {
            func text(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x61, count: count) }
            let event = EventContent(
                type: text(type), contentType: text(contentType), correlationID: text(id), causationID: text(id),
                data: [])
            let header = RecordHeader(kind: .append, eventCount: 1, ids: [Sample.id(1)])
            let value = RecordEnvelope.encode(header, events: [event], key: text(key), store: Sample.store)
            return parse(key: text(key), value: value) == .foreign(.malformed)
        }
        #expect(!isForeign(key: 1_024, type: 256, contentType: 128, id: 128))
        #expect(isForeign(key: 1_025))
        #expect(isForeign(key: 0))
        #expect(isForeign(key: 1, type: 257))
        #expect(isForeign(key: 1, type: 0))
        #expect(isForeign(key: 1, contentType: 129))
        #expect(isForeign(key: 1, contentType: 0))
        #expect(isForeign(key: 1, id: 129))
    }

    @Test func aRecordOverTheLimitIsForeign() {
        let key = Sample.bytes("s")
        func parsed(recordBytes: Int) -> Parsed {
            let data = [UInt8](repeating: 7, count: recordBytes - key.count - 56 - 16 - 20 - 2 - 4)
            let event = EventContent(type: [0x54], contentType: [0x63], data: data)
            let header = RecordHeader(kind: .append, eventCount: 1, ids: [Sample.id(1)])
            let value = RecordEnvelope.encode(header, events: [event], key: key, store: Sample.store)
            precondition(key.count + value.count == recordBytes)
            return parse(key: key, value: value)
        }
        #expect(parsed(recordBytes: 2 << 20) != .foreign(.malformed))
        #expect(parsed(recordBytes: (2 << 20) + 1) == .foreign(.malformed))
    }
}
