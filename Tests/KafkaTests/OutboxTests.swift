import Testing

@testable import Kafka

private func record(_ partition: Int = 0, bytes: Int = 10, mayGather: Bool = false) -> KafkaRecord {
    KafkaRecord(key: nil, value: Array(repeating: 1, count: bytes), partition: partition, mayGather: mayGather)
}

/// The macro takes no call that changes something.
private func expect<Value: Equatable>(
    _ wanted: Value, _ found: Value, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(found == wanted, sourceLocation: sourceLocation)
}

/// What the library does not have yet, and when it gets it.
@Suite struct OutboxTests {
    /// Hands over what may go; all of it is taken.
    private func pumped(_ outbox: inout Outbox) -> [[UInt64]] {
        var batches: [[UInt64]] = []
        outbox.pump { batch in
            batches.append(batch.map(\.tag))
            return batch.map { _ in .taken }
        }
        return batches
    }

    private func land(_ outbox: inout Outbox, _ count: Int, partition: Int = 0, bytes: Int = 10) {
        for _ in 0..<count { outbox.landed(Outbox.Place(topic: 0, partition: partition), 0, bytes: bytes) }
    }

    @Test func littleGoesAtOnceAndTheRestTogether() {
        var outbox = Outbox()
        for tag in 1...5 as ClosedRange<UInt64> {
            expect(true, outbox.add(record(), tag))
            expect([[tag]], pumped(&outbox))
        }
        for tag in 6...9 as ClosedRange<UInt64> { expect(true, outbox.add(record(), tag)) }
        expect([], pumped(&outbox))
        land(&outbox, 1)
        expect([[6, 7, 8, 9]], pumped(&outbox))
        #expect((outbox.waitingCount, outbox.inFlightRecords, outbox.inFlightBytes) == (0, 8, 80))
    }

    @Test func aPartitionHoldsUpNoOther() {
        var outbox = Outbox()
        for tag in 1...8 as ClosedRange<UInt64> {
            _ = outbox.add(record(0), tag)
            _ = pumped(&outbox)
        }
        _ = outbox.add(record(1), 9)
        expect([[9]], pumped(&outbox))
    }

    @Test func whatMayGatherWaitsForCompanyOrTheEndOfItsTime() {
        var outbox = Outbox()
        expect(false, outbox.add(record(mayGather: true), 1))
        expect([], pumped(&outbox))
        expect(true, outbox.add(record(), 2))
        expect([[1, 2]], pumped(&outbox))
        expect(false, outbox.add(record(mayGather: true), 3))
        outbox.fallDue()
        expect([[3]], pumped(&outbox))
        expect(false, outbox.add(record(bytes: KafkaLimits.gatheredBytes - 1, mayGather: true), 4))
        expect(true, outbox.add(record(bytes: 1, mayGather: true), 5))
        expect([[4, 5]], pumped(&outbox))
        // What is withdrawn leaves nothing due behind.
        expect(true, outbox.add(record(), 6))
        expect(true, outbox.remove(6))
        expect(false, outbox.remove(6))
        expect(false, outbox.add(record(mayGather: true), 7))
        expect([], pumped(&outbox))
    }

    @Test func partitionsAreLetGoOneByOne() {
        var outbox = Outbox()
        _ = outbox.add(record(0), 1)
        outbox.hold(true)
        _ = outbox.add(record(1), 2)
        _ = outbox.add(record(2, mayGather: true), 3)
        expect([], pumped(&outbox))
        outbox.release(Outbox.Place(topic: 0, partition: 1))
        expect([[2]], pumped(&outbox))
        outbox.release(Outbox.Place(topic: 0, partition: 2))
        outbox.release(Outbox.Place(topic: 0, partition: 3))
        expect([[3]], pumped(&outbox))
        _ = outbox.add(record(3), 4)
        expect([[4]], pumped(&outbox))
        outbox.hold(false)
        expect([[1]], pumped(&outbox))
    }

    /// What the library cannot send with the rest it would look at again and again until the rest is acknowledged.
    @Test func whatGoesTogetherFitsABatch() {
        var outbox = Outbox()
        for tag in 1...5 as ClosedRange<UInt64> { _ = outbox.add(record(), tag) }
        _ = pumped(&outbox)
        for tag in 6...1_505 as ClosedRange<UInt64> { _ = outbox.add(record(bytes: 1_000), tag) }
        land(&outbox, 5)
        let most = KafkaLimits.handedBytes / 1_000
        expect([Array(6...UInt64(5 + most))], pumped(&outbox))
        #expect(KafkaLimits.handedBytes + KafkaLimits.batchRecords * 31 < KafkaLimits.batchBytes)
        // A large one goes, but alone.
        land(&outbox, most, bytes: 1_000)
        _ = outbox.add(record(bytes: KafkaLimits.batchBytes), 2_000)
        expect([Array(UInt64(6 + most)...1_505)], pumped(&outbox))
        land(&outbox, 1_500 - most, bytes: 1_000)
        expect([[2_000]], pumped(&outbox))
    }

    /// A batch that is refused as a whole does not hold up what comes behind it.
    @Test func refusedRecordsAreNotInTheWay() {
        var outbox = Outbox()
        let large = KafkaLimits.batchBytes
        for tag in 1...20 as ClosedRange<UInt64> { _ = outbox.add(record(bytes: large), tag) }
        _ = outbox.add(record(), 21)
        var handed: [UInt64] = []
        outbox.pump { batch in
            handed += batch.map(\.tag)
            return batch.map { $0.tag <= 20 ? .refused : .taken }
        }
        #expect(handed == Array(1...21))
        #expect((outbox.waitingCount, outbox.inFlightRecords) == (0, 1))
    }

    @Test func whatTheLibraryDoesNotTakeStaysInOrder() {
        var outbox = Outbox()
        for tag in 1...6 as ClosedRange<UInt64> { _ = outbox.add(record(), tag) }
        outbox.pump { batch in batch.map { $0.tag <= 2 ? .taken : .notNow } }
        #expect((outbox.waitingCount, outbox.inFlightRecords) == (4, 2))
        _ = outbox.add(record(), 7)
        expect([[3, 4, 5, 6, 7]], pumped(&outbox))
        expect(true, outbox.takeWaiting().isEmpty)
    }

    /// The library's limits are not reached, whatever the partitions, and each of them gets its turn.
    @Test func theLimitsHoldOverAllPartitions() {
        var outbox = Outbox()
        let bytes = 1 << 20
        let most = KafkaLimits.inFlightBytes / bytes
        for partition in 0..<most { _ = outbox.add(record(partition, bytes: bytes), UInt64(partition + 1)) }
        expect(most, pumped(&outbox).count)
        for partition in 0..<4 { _ = outbox.add(record(partition, bytes: bytes), UInt64(1_000 + partition)) }
        expect([], pumped(&outbox))
        var handed: [UInt64] = []
        for partition in 0..<4 {
            // The one that has just had its turn has more.
            _ = outbox.add(record(0, bytes: bytes), UInt64(2_000 + partition))
            land(&outbox, 1, partition: most - 1, bytes: bytes)
            handed += pumped(&outbox).flatMap { $0 }
        }
        #expect(handed == [1_000, 1_001, 1_002, 1_003])
        _ = outbox.takeFlight()
        expect([2_000, 2_001, 2_002, 2_003], pumped(&outbox).flatMap { $0 })
    }

    /// In whatever order the library answers for the rest.
    @Test func whatWasNotAnsweredIsNamed() {
        var outbox = Outbox()
        for tag in 0...4 as ClosedRange<UInt64> { _ = outbox.add(record(), tag) }
        for tag in 11...13 as ClosedRange<UInt64> { _ = outbox.add(record(1), tag) }
        _ = pumped(&outbox)
        for tag in [3, 0, 1] as [UInt64] { outbox.landed(Outbox.Place(topic: 0, partition: 0), tag, bytes: 10) }
        outbox.landed(Outbox.Place(topic: 0, partition: 1), 12, bytes: 10)
        expect([2, 4, 11, 13], outbox.takeFlight().map(\.tag).sorted())
        expect(0, outbox.takeFlight().count)
        expect(0, outbox.inFlightRecords)
        for tag in 5...3_000 as ClosedRange<UInt64> { _ = outbox.add(record(), tag) }
        while outbox.waitingCount > 0 {
            for tag in pumped(&outbox).joined() where tag != 2_000 {
                outbox.landed(Outbox.Place(topic: 0, partition: 0), tag, bytes: 10)
            }
        }
        expect([2_000], outbox.takeFlight().map(\.tag))
    }
}
