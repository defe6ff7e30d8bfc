import AppendRule
import Envelope
import Foundation
import GlobalOrder
import Testing

@Suite struct OrderRecordTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "GoldenOrder")

    @Test(arguments: OrderSample.all) func bytesAndValuesAgree(sample: OrderSample) throws {
        let file = Self.folder.appending(path: sample.name + ".value")
        if ProcessInfo.processInfo.environment["TRIBUTARY_WRITE_GOLDEN"] == "1" {
            try Data(sample.value).write(to: file)
        }
        let value = [UInt8](try Data(contentsOf: file))
        #expect(value == sample.value)
        #expect(parseOrder(value: value) == sample.parsed)
        #expect(parseOrder(value: value, store: nil) == sample.parsed)
        #expect(encoding(of: sample.parsed, value: value) == value)
    }

    @Test func noFileIsLeftOver() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(names.sorted() == OrderSample.all.map { $0.name + ".value" }.sorted())
    }

    @Test func inAPartitionTheyAreMalformed() {
        for name in ["order-one-range", "order-several", "void"] {
            let value = OrderSample.named(name).value
            for channel in 0...OrderSample.partitions {
                let parsed = parse(key: [], value: value, channel: channel, partitions: OrderSample.partitions)
                #expect(parsed == .foreign(.malformed))
            }
        }
    }

    @Test func theOrderChannelAcceptsNothingElse() {
        for sample in Sample.all where !["identity", "next-format"].contains(sample.name) {
            #expect(parseOrder(key: sample.key, value: sample.value) == .foreign(.malformed), "\(sample.name)")
        }
        let barrier = RecordEnvelope.encodeBarrier(
            id: Sample.id(1), partition: OrderSample.partitions, writeID: 1, store: Sample.store)
        #expect(parseOrder(value: barrier) == .foreign(.malformed))
        let upgrade = RecordEnvelope.encodeRuleUpgrade(
            to: 2, id: Sample.id(1), partition: OrderSample.partitions, writeID: 1, store: Sample.store)
        #expect(parseOrder(value: upgrade) == .foreign(.malformed))
        // The identity of another channel.
        #expect(parseOrder(key: [], value: Sample.named("identity").value) == .foreign(.wrongPartition))
    }

    @Test func theFirstCheckThatFailsGivesTheReason() {
        let value = OrderSample.named("order-one-range").value
        #expect(parseOrder(value: nil) == .foreign(.noValue))
        #expect(parseOrder(value: Array(value[..<17])) == .foreign(.tooShort))
        #expect(parseOrder(value: [0] + value) == .foreign(.wrongMagic))
        #expect(parseOrder(key: [1], value: value) == .foreign(.wrongChecksum))
        #expect(parseOrder(value: value, store: StoreID(high: 1, low: 2)) == .foreign(.otherStore))
        #expect(parseOrder(value: value, partitions: 5) == .foreign(.wrongPartition))
        #expect(parseOrder(key: nil, value: value) == .foreign(.nullKey))
        #expect(parseOrder(key: [1], value: value.withChecksum(key: [1])) == .foreign(.malformed))
    }

    /// Where, what, and which records it makes malformed.
    @Test func everyFieldOfTheHeaderIsLookedAt() {
        for name in ["order-one-range", "void"] {
            let good = OrderSample.named(name).value
            for offset in Array(15..<24) + Array(32..<52) {
                var value = good
                value[offset] ^= 1
                #expect(parseOrder(value: value.withChecksum(key: [])) == .foreign(.malformed), "\(name): \(offset)")
            }
            for cut in [good.dropLast(), good + [0], good.dropLast(4), good + [0, 0, 0, 0]] {
                #expect(parseOrder(value: Array(cut).withChecksum(key: [])) == .foreign(.malformed))
            }
        }
    }

    @Test func numbersOfARange() throws {
        let good = OrderSample.named("order-one-range").value
        func parsed(_ offset: Int, _ bytes: [UInt8]) -> ParsedOrderRecord {
            var value = good
            value.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            return parseOrder(value: value.withChecksum(key: []))
        }
        let high: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0x40]
        // A first offset above the highest, events below zero, more empty offsets than there are bytes.
        #expect(parsed(76, [1] + high.dropFirst()) == .foreign(.malformed))
        #expect(parsed(88, Array(repeating: 0xFF, count: 8)) == .foreign(.malformed))
        #expect(parsed(96, [2, 0, 0, 0]) == .foreign(.malformed))
        #expect(parsed(96, [0xFF, 0xFF, 0xFF, 0xFF]) == .foreign(.malformed))
        #expect(parsed(96, [0, 0, 0, 0]) == .foreign(.malformed))
        // Whatever else a range says is judged with it.
        func ranges(_ offset: Int, _ bytes: [UInt8]) -> [OrderRange] {
            guard case .order(let record, _) = parsed(offset, bytes) else { return [] }
            return record.ranges
        }
        let highest = try #require(ranges(76, high).first)
        #expect(highest.first == 1 << 62 && highest.last == (1 << 62) + 2)
        #expect(!highest.isWellFormed(partitions: 4))
        #expect(ranges(72, [9, 0, 0, 0]).map(\.partition) == [9])
    }

    @Test func theLargestProposalFitsInARecord() {
        var left = Int64(OrderLimits.offsetsInRecord)
        var ranges: [OrderRange] = []
        for index in 0..<OrderLimits.rangesInRecord {
            let count = index == 0 ? left - Int64(OrderLimits.rangesInRecord) + 1 : 1
            let first = Int64(index) * 1_000_000
            ranges.append(
                OrderRange(
                    partition: 0, first: first, last: first + count - 1,
                    content: RangeContent(events: 0, empty: Array(first..<first + count))))
            left -= count
        }
        let record = OrderRecord(proposer: OrderSample.proposer, ranges: ranges)
        let value = RecordEnvelope.encodeOrder(record, writeID: 1, partitions: 4, store: Sample.store)
        #expect(value.count < EnvelopeLimits.orderRecordBytes)
        #expect(parseOrder(value: value) == .order(record, writeID: 1))
    }

    @Test func noOffsetBringsMoreEventsThanARangeMayCount() {
        #expect(Int(OrderLimits.eventsPerOffset) * Sample.smallest.byteCount > EnvelopeLimits.recordBytes)
    }

    @Test func aLargerRecordIsMalformed() {
        var value = OrderSample.named("order-one-range").value
        let range = value[72..<100]
        value.removeLast(8)
        let start = Array(value[..<72])
        for (count, isGood) in [(37_446, true), (37_447, false)] {
            var many = start
            for _ in 0..<count { many += range.dropLast(4) + [0, 0, 0, 0] }
            many += [0, 0, 0, 0]
            #expect((many.count <= EnvelopeLimits.orderRecordBytes) == isGood)
            guard case .order(let record, _) = parseOrder(value: many.withChecksum(key: [])) else {
                #expect(!isGood)
                continue
            }
            #expect(isGood && record.ranges.count == count)
        }
    }
}

/// The bytes as the document has them, of ranges that may say anything.
func encoding(of parsed: ParsedOrderRecord, value: [UInt8]) -> [UInt8] {
    func little(_ number: some FixedWidthInteger, _ bytes: Int) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }
    func big(_ id: ProposerID) -> [UInt8] { little(id.high, 8).reversed() + little(id.low, 8).reversed() }
    func header(_ kind: UInt8, _ id: ProposerID, _ writeID: UInt64) -> [UInt8] {
        Sample.bytes("TRIB") + [1, 0] + value[6..<14] + [kind, kind, 0, 0, 0, 0, 0, 0, 0, 0] + little(writeID, 8)
            + Array(repeating: 0xFF, count: 16) + little(0, 4) + little(OrderSample.partitions, 4) + big(id)
    }
    var bytes: [UInt8]
    switch parsed {
    case .order(let record, let writeID):
        bytes = header(8, record.proposer, writeID)
        for range in record.ranges {
            bytes += little(range.partition, 4) + little(range.first, 8) + little(range.last - range.first, 4)
            bytes += little(range.content.events, 8) + little(range.content.empty.count, 4)
            for offset in range.content.empty { bytes += little(offset - range.first, 4) }
        }
    case .void(let void, let author, let writeID):
        bytes = header(9, author, writeID) + little(void.orderOffset, 8) + little(void.partition, 4)
    case .store, .foreign, .halt: return value
    }
    return (bytes + [0, 0, 0, 0]).withChecksum(key: [])
}
