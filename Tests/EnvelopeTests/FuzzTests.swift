import AppendRule
import Envelope
import SeededNumbers
import Testing

@Suite struct FuzzTests {
    @Test(arguments: Sample.all) func anyChangeOfAByteIsNoticed(sample: Sample) {
        for change in [UInt8(1), 0x20, 0x80, 0xFF] {
            for index in sample.key.indices {
                var key = sample.key
                key[index] ^= change
                #expect(parse(key: key, value: sample.value) == .foreign(.wrongChecksum))
            }
            for index in sample.value.indices {
                var value = sample.value
                value[index] ^= change
                let expected = Parsed.foreign(index < 4 ? .wrongMagic : .wrongChecksum)
                #expect(parse(key: sample.key, value: value) == expected)
            }
        }
    }

    @Test(arguments: Sample.all) func aPartOfARecordIsNoRecord(sample: Sample) {
        for count in 0..<sample.value.count {
            var value = Array(sample.value[..<count])
            let cut = parse(key: sample.key, value: value)
            #expect(cut == .foreign(count < 18 ? .tooShort : .wrongChecksum))
            guard count >= 18 else { continue }
            checksum(&value, key: sample.key)
            let expected = sample.name == "next-format" ? sample.parsed : .foreign(.malformed)
            #expect(parse(key: sample.key, value: value) == expected)
        }
        var longer = sample.value + [0]
        checksum(&longer, key: sample.key)
        let expected = sample.name == "next-format" ? sample.parsed : .foreign(.malformed)
        #expect(parse(key: sample.key, value: longer) == expected)
    }

    /// What is read as a record has one encoding, and that is its bytes.
    @Test func changedRecordsWithARightChecksumAreReadOneWay() {
        let seed = SeededGenerator.seed(for: "changedRecordsWithARightChecksumAreReadOneWay")
        var random = SeededGenerator(seed: seed)
        var records = 0
        for _ in 0..<20_000 {
            let sample = Sample.all[random.below(Sample.all.count)]
            var key = random.chance(80) ? sample.key : Sample.all[random.below(Sample.all.count)].key
            var value = sample.value
            change(&key, &value, &random)
            let parsed = parse(key: key, value: value, store: nil)
            #expect(parse(key: key, value: value, store: nil) == parsed)
            guard case .foreign = parsed else {
                records += 1
                #expect(encoding(of: parsed, key: key, value: value) == value, "seed \(seed): \(parsed)")
                continue
            }
        }
        #expect(records > 1_000)
    }

    private func change(_ key: inout [UInt8], _ value: inout [UInt8], _ random: inout SeededGenerator) {
        for _ in 0..<random.below(4) {
            let index = 4 + random.below(value.count - 4)
            switch random.below(6) {
            case 0: value[index] = UInt8(random.below(256))
            case 1: value[index] ^= 1 << UInt8(random.below(8))
            case 2: value.remove(at: index)
            case 3: value.insert(UInt8(random.below(256)), at: index)
            case 4: for place in index..<min(index + 4, value.count) { value[place] = random.chance(50) ? 255 : 0 }
            default: if !key.isEmpty { key[random.below(key.count)] = UInt8(random.below(256)) }
            }
        }
        checksum(&value, key: key)
    }

    private func encoding(of parsed: Parsed, key: [UInt8], value: [UInt8]) -> [UInt8] {
        if case .halt = parsed { return value }
        let high = value[6..<14].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let store = StoreID(high: high, low: 0)
        let writeID = value[24..<32].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        switch parsed {
        case .record(let header, let body):
            return RecordEnvelope.encode(header, events: [EventContent](body: body, of: value), key: key, store: store)
        case .barrier(let id): return RecordEnvelope.encodeBarrier(id: id, partition: 0, writeID: writeID, store: store)
        case .store(let identity, let id):
            return RecordEnvelope.encodeIdentity(identity, id: id, partition: 0, writeID: writeID)
        case .halt, .foreign: return value
        }
    }

    @Test func bytesWithoutSenseDoNoHarm() {
        let seed = SeededGenerator.seed(for: "bytesWithoutSenseDoNoHarm")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<3_000 {
            let key = (0..<random.below(5)).map { _ in UInt8(random.below(256)) }
            var value = (0..<18 + random.below(200)).map { _ in UInt8(random.below(256)) }
            value.replaceSubrange(0..<6, with: Sample.bytes("TRIB") + [1, 0])
            value[14] = UInt8(random.below(9))
            checksum(&value, key: key)
            let parsed = parse(key: random.chance(5) ? nil : key, value: value, store: nil)
            if case .record = parsed { Issue.record("seed \(seed): \(parsed)") }
        }
    }
}
