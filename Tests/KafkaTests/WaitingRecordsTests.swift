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
            #expect(records.remove(tag) == (index != nil))
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
