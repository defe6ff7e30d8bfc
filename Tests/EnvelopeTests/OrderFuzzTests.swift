import Envelope
import GlobalOrder
import SeededNumbers
import Testing

@Suite struct OrderFuzzTests {
    @Test(arguments: OrderSample.all) func anyChangeOfAByteIsNoticed(sample: OrderSample) {
        for change in [UInt8(1), 0x80, 0xFF] {
            for index in sample.value.indices {
                var value = sample.value
                value[index] ^= change
                #expect(parseOrder(value: value) == .foreign(index < 4 ? .wrongMagic : .wrongChecksum))
            }
        }
    }

    /// What is read as a record has one encoding, and that is its bytes. Judging it does no harm.
    @Test func changedRecordsWithARightChecksumAreReadOneWay() {
        let seed = SeededGenerator.seed(for: "changedRecordsWithARightChecksumAreReadOneWay, order channel")
        var random = SeededGenerator(seed: seed)
        var state = OrderState(partitions: OrderSample.partitions)
        var records = 0
        var placed = 0
        for offset in 0..<20_000 {
            let value = change(OrderSample.all[random.below(OrderSample.all.count)].value, &random)
            let parsed = parseOrder(value: value, store: nil)
            #expect(parseOrder(value: value, store: nil) == parsed)
            #expect(encoding(of: parsed, value: value) == value, "seed \(seed): \(parsed)")
            guard case .order(let record, _) = parsed else { continue }
            records += 1
            placed += state.apply(record, at: Int64(offset)).count
        }
        #expect(records > 1_000 && placed > 0)
    }

    private func change(_ value: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var value = value
        for _ in 0..<random.below(4) {
            // Mostly in the body.
            let start = random.chance(80) ? min(72, value.count - 5) : 4
            let index = start + random.below(value.count - start)
            switch random.below(6) {
            case 0: value[index] = UInt8(random.below(256))
            case 1: value[index] ^= 1 << UInt8(random.below(8))
            case 2: value.remove(at: index)
            case 3: value.insert(UInt8(random.below(256)), at: index)
            case 4: for place in index..<min(index + 8, value.count) { value[place] = random.chance(50) ? 255 : 0 }
            default: value.insert(contentsOf: (0..<28).map { _ in UInt8(random.below(3)) }, at: index)
            }
        }
        return value.withChecksum(key: [])
    }

    @Test func bytesWithoutSenseDoNoHarm() {
        let seed = SeededGenerator.seed(for: "bytesWithoutSenseDoNoHarm, order channel")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<3_000 {
            let key = (0..<random.below(3)).map { _ in UInt8(random.below(256)) }
            var value = (0..<18 + random.below(300)).map { _ in UInt8(random.below(256)) }
            value.replaceSubrange(0..<6, with: Sample.bytes("TRIB") + [1, 0])
            value[14] = UInt8(random.below(11))
            checksum(&value, key: key)
            let parsed = parseOrder(key: random.chance(5) ? nil : key, value: value, store: nil)
            if case .foreign = parsed { continue }
            Issue.record("seed \(seed): \(parsed)")
        }
    }

    /// After a whole header, any body.
    @Test func anyBodyDoesNoHarm() {
        let seed = SeededGenerator.seed(for: "anyBodyDoesNoHarm")
        var random = SeededGenerator(seed: seed)
        let header = OrderSample.named("order-one-range").value[..<72]
        for _ in 0..<3_000 {
            let body = (0..<random.below(200)).map { _ in UInt8(random.chance(70) ? 0 : random.below(256)) }
            let value = (header + body + [0, 0, 0, 0]).withChecksum(key: [])
            let parsed = parseOrder(value: value)
            #expect(encoding(of: parsed, value: value) == value, "seed \(seed): \(body)")
        }
    }
}
