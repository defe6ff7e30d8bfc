import EventLog
import LogContract
import Synchronization
import Testing

@Suite struct InMemoryLogTests {
    private func record(_ number: Int) -> LogRecord {
        LogRecord(key: nil, value: Array("\(number)".utf8))
    }

    @Test func describesItself() {
        let own = InMemoryLog(partitions: 3).description
        #expect(own.partitions == 3 && own.channels == 4 && own.orderChannel == 3)
        #expect(own.isOnlyWriter && own.name == "memory")
        let one = InMemoryLog().description
        #expect(one.partitions == 1 && one.channels == 1 && one.orderChannel == nil)
        #expect(!InMemoryLog(InMemoryRecords(partitions: 1)).description.isOnlyWriter)
    }

    @Test func startsInTheMiddleOfWhatWasAppendedBefore() async throws {
        let log = InMemoryLog(partitions: 2)
        for number in 0..<10 { log.append(record(number), to: number % 2, tag: .none) }
        let collector = RecordCollector(channels: 3)
        try log.start(from: [2, 5, 0], handler: collector)
        let contents = try await collector.wait(forRecords: 3)
        #expect(contents.records.map { $0.map(\.offset) } == [[2, 3, 4], [], []])
        await log.close()
    }

    @Test func aClosedLogIsNotStarted() async {
        let log = InMemoryLog()
        await log.close()
        #expect(throws: LogError.self) { try log.start(from: [0], handler: RecordCollector(channels: 1)) }
    }

    @Test func appendTimesNeverGoBack() async throws {
        let times = Mutex<[Int64]>([30, 10, 20, 50])
        let records = InMemoryRecords(partitions: 1) { times.withLock { $0.removeFirst() } }
        let log = InMemoryLog(records)
        for number in 0..<4 { log.append(record(number), to: 0, tag: .none) }
        var found: [Int64] = []
        for offset in 0..<4 as Range<Int64> {
            found.append(try #require(try await log.record(at: offset, in: 0)).appendTime)
        }
        #expect(found == [30, 30, 30, 50])
        await log.close()
    }

    @Test func runsAreBounded() async throws {
        let log = InMemoryLog()
        let sizes = Monitor<[Int]>([])
        let collector = RecordCollector(channels: 1) { records in sizes.withLock { $0.append(records.count) } }
        let big = LogRecord(key: nil, value: Array(repeating: 1, count: InMemoryLog.maxRecordBytes))
        for _ in 0..<5 { log.append(big, to: 0, tag: .none) }
        for number in 0..<LogLimits.runRecords + 1 { log.append(record(number), to: 0, tag: .none) }
        try log.start(from: [0], handler: collector)
        try await collector.wait(forRecords: LogLimits.runRecords + 6)
        await log.close()
        // A run is closed once it holds 4 MiB: two of these records.
        #expect(sizes.read { $0 } == [2, 2, LogLimits.runRecords, 2])
    }

    @Test func aBusyChannelDoesNotKeepTheOthersWaiting() async throws {
        let log = InMemoryLog(partitions: 2)
        for number in 0..<3 * LogLimits.runRecords { log.append(record(number), to: 0, tag: .none) }
        log.append(record(0), to: 1, tag: .none)
        let before = Monitor<Int?>(nil)
        let seen = Monitor(0)
        let collector = RecordCollector(channels: 3) { records in
            let isLone =
                records.count < LogLimits.runRecords || records.contains { $0.offset == 0 && seen.read { $0 } > 0 }
            if isLone { before.withLock { $0 = $0 ?? seen.read { $0 } } }
            seen.withLock { $0 += 1 }
        }
        try log.start(from: [0, 0, 0], handler: collector)
        try await collector.wait(forRecords: 3 * LogLimits.runRecords + 1)
        await log.close()
        #expect(before.read { $0 } == 1, "the other channel comes in the second run")
    }
}

@Suite struct ThreadsTests {
    @Test func aPassedDeadlineReturnsNil() async throws {
        let monitor = Monitor(1)
        let found: Int? = try await onOwnThread(named: "test") {
            monitor.wait(until: .now - .seconds(1)) { $0 == 2 ? $0 : nil }
        }
        #expect(found == nil)
        let there: Int? = try await onOwnThread(named: "test") {
            monitor.wait(until: .now - .seconds(1)) { $0 == 1 ? $0 : nil }
        }
        #expect(there == 1)
        let soon: Int? = try await onOwnThread(named: "test") {
            monitor.wait(until: .now + .milliseconds(1)) { $0 == 2 ? $0 : nil }
        }
        #expect(soon == nil)
    }

    @Test func aChangeWakesTheWaiter() async throws {
        let monitor = Monitor(0)
        async let found = onOwnThread(named: "test") {
            monitor.wait(until: .now + RecordCollector.patience) { $0 == 100 ? $0 : nil }
        }
        for _ in 0..<100 { monitor.withLock { $0 += 1 } }
        #expect(try await found == 100)
    }

    @Test func splitMix64GivesItsPublishedNumbers() {
        var random = SeededGenerator(seed: 1_234_567)
        let numbers = (0..<3).map { _ in random.next() }
        #expect(numbers == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
        #expect((0..<100).allSatisfy { _ in random.chance(1) })
        #expect(!(0..<100).contains { _ in random.chance(0) })
    }
}
