import Testing

@testable import Kafka

private func record(_ number: UInt64) -> KafkaRecord {
    KafkaRecord(key: nil, value: [UInt8(truncatingIfNeeded: number)], partition: 0)
}

/// Against a plain array, through every mixture of adding, taking and withdrawing.
@Test func waitingRecordsAgreeWithAnArray() {
    var records = WaitingRecords()
    var model: [UInt64] = []
    var next: UInt64 = 1
    for _ in 0..<60_000 {
        switch Int.random(in: 0..<10) {
        case 0..<5:
            records.add(record(next), next)
            model.append(next)
            next += 1
        case 5..<8:
            #expect(records.first?.tag == model.first)
            records.removeFirst()
            if !model.isEmpty { model.removeFirst() }
        default:
            let tag = UInt64.random(in: 0..<next)
            let index = model.firstIndex(of: tag)
            #expect((records.remove(tag) != nil) == (index != nil))
            if let index { model.remove(at: index) }
        }
        #expect(records.count == model.count)
    }
    while let first = records.first {
        #expect(first.tag == model.removeFirst())
        records.removeFirst()
    }
    #expect(model.isEmpty)
}

/// While nothing is taken from the front, as with no broker in reach.
@Test func withdrawnRecordsLeaveNothingBehindTheFirst() {
    var records = WaitingRecords()
    records.add(record(0), 0)
    for tag in 1..<100_000 as Range<UInt64> {
        records.add(record(tag), tag)
        let isRemoved = tag > 10 ? records.remove(tag - 10) != nil : true
        #expect(isRemoved)
        if tag % 1_000 == 0 { #expect(records.keptCount <= 2 * records.count + KafkaLimits.waitingHoles) }
    }
    #expect(records.count == 11)
    for tag in [0] + Array(99_990..<100_000 as Range<UInt64>) {
        let first = records.first?.tag
        #expect(first == tag)
        records.removeFirst()
    }
    #expect(records.count == 0)
}
