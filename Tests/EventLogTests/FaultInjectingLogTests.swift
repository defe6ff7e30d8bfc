import EventLog
import LogContract
import Testing

@Suite struct FaultInjectingLogTests {
    private let records = InMemoryRecords(partitions: 2)
    private let collector = RecordCollector(channels: 3)
    private let count = 300

    private func start(_ faults: FaultInjectingLog.Faults, seed: UInt64 = 7) throws -> FaultInjectingLog {
        let log = FaultInjectingLog(InMemoryLog(records), faults: faults, seed: seed)
        try log.start(from: [0, 0, 0], handler: collector)
        return log
    }

    /// Records 1...count by turns to both channels, the tag is the number.
    private func append(to log: FaultInjectingLog) {
        for number in 1...count {
            log.append(record(number), to: number % 2, tag: LogTag(number: UInt64(number)))
        }
    }

    private func record(_ number: Int) -> LogRecord {
        LogRecord(key: [1], value: Array("\(number)".utf8))
    }

    private func numbers(_ records: [StoredRecord]) -> [Int] {
        records.compactMap { $0.record.value.flatMap { Int(String(decoding: $0, as: UTF8.self)) } }
    }

    private func numbers(in channel: Int) -> [Int] {
        Array(stride(from: channel == 0 ? 2 : 1, through: count, by: 2))
    }

    @Test func failed() async throws {
        let log = try start(.init(failed: 1))
        append(to: log)
        try await collector.wait(for: "the reports") { $0.reports.count == count }
        await log.close()
        let contents = collector.now
        #expect(contents.reports.map(\.tag.number).sorted() == (1...UInt64(count)).map(\.self))
        #expect(contents.reports.allSatisfy { $0.outcome == .notStored(.temporary("failed by a test")) })
        #expect(records.count(of: 0) + records.count(of: 1) == 0)
    }

    @Test func lost() async throws {
        let log = try start(.init(lost: 1))
        append(to: log)
        try await collector.wait(for: "the reports") { $0.reports.count == count }
        await log.close()
        #expect(collector.now.reports.allSatisfy { $0.outcome == .unknown })
        #expect(Set(collector.now.reports.map(\.tag)).count == count)
        #expect(records.count(of: 0) + records.count(of: 1) == 0)
    }

    @Test func unknownAlthoughStored() async throws {
        let log = try start(.init(unknown: 1))
        append(to: log)
        try await collector.wait(for: "all") { $0.reports.count == count && $0.all.count == count }
        await log.close()
        #expect(collector.now.reports.allSatisfy { $0.outcome == .unknown })
        #expect(Set(collector.now.reports.map(\.tag)).count == count)
        for channel in 0...1 { #expect(numbers(collector.now.records[channel]) == numbers(in: channel)) }
    }

    @Test func delayed() async throws {
        let log = try start(.init(delayed: 0.5))
        append(to: log)
        let contents = try await collector.wait(forRecords: count)
        await log.close()
        for channel in 0...1 {
            let stored = numbers(contents.records[channel])
            #expect(stored.sorted() == numbers(in: channel))
            #expect(stored != numbers(in: channel), "nothing was overtaken")
        }
        #expect(collector.now.all.count == count)
        #expect(collector.now.events == [])
    }

    @Test func duplicatedAtOnce() async throws {
        let log = try start(.init(duplicated: 1))
        append(to: log)
        let contents = try await collector.wait(forRecords: 2 * count)
        await log.close()
        for channel in 0...1 {
            #expect(numbers(contents.records[channel]) == numbers(in: channel).flatMap { [$0, $0] })
        }
        #expect(collector.now.events == [])
    }

    @Test func duplicatedLater() async throws {
        let log = try start(.init(duplicatedLater: 1))
        append(to: log)
        let contents = try await collector.wait(forRecords: 2 * count)
        await log.close()
        for channel in 0...1 {
            let stored = numbers(contents.records[channel])
            #expect(stored.sorted() == numbers(in: channel).flatMap { [$0, $0] })
            #expect(stored != stored.sorted(), "no copy came later")
        }
        #expect(collector.now.events == [])
    }

    @Test func closeLetsGoOfWhatIsHeld() async throws {
        let log = try start(.init(unknown: 0.5, delayed: 1, duplicated: 1, duplicatedLater: 1))
        append(to: log)
        await log.close()
        let contents = collector.now
        #expect(numbers(contents.all).sorted() == (1...count).flatMap { [$0, $0, $0] })
        #expect((1..<count).contains(contents.reports.count))
        #expect(contents.violations == [])
    }

    @Test func alsoOneThatWasNeverStartedLetsGo() async {
        let log = FaultInjectingLog(InMemoryLog(records), faults: .init(delayed: 1, duplicatedLater: 1), seed: 1)
        append(to: log)
        await log.close()
        #expect(records.count(of: 0) + records.count(of: 1) == Int64(2 * count))
    }

    @Test func aStoppedLogIsSilentInBothDirections() async throws {
        let log = try start(.none)
        append(to: log)
        try await collector.wait(forRecords: count)
        log.stop()
        log.stop()
        try await collector.wait(for: "lost contact") { $0.events.count == 1 }
        // Another writer goes on, and this one's appends are held.
        let other = InMemoryLog(records)
        for _ in 0..<10 { other.append(record(0), to: 0, tag: .none) }
        log.append(record(1), to: 1, tag: LogTag(number: 1))
        log.append(record(2), to: 1, tag: LogTag(number: 2))
        log.append(record(3), to: 1, tag: .none)
        #expect(log.withdraw(LogTag(number: 2)))
        #expect(!log.withdraw(LogTag(number: 2)))
        #expect(!log.withdraw(.none))
        await #expect { try await log.bounds(of: 0) } throws: { ($0 as? LogError)?.code == .unavailable }
        await #expect { try await log.record(at: 0, in: 0) } throws: { ($0 as? LogError)?.code == .unavailable }
        #expect(records.count(of: 0) == Int64(count / 2 + 10))
        #expect(records.count(of: 1) == Int64(count / 2))
        log.resume()
        log.resume()
        let contents = try await collector.wait(forRecords: count + 12)
        guard case .contactLost? = contents.events.first, contents.events.last == .contactRegained else {
            Issue.record("\(contents.events)")
            return
        }
        #expect(contents.events.count == 2)
        #expect(numbers(contents.records[1].suffix(2)) == [1, 3])
        #expect(try await log.bounds(of: 1) == 0..<Int64(count / 2 + 2))
        await log.close()
        await other.close()
        #expect(collector.now.all.count == count + 12)
    }

    @Test func nothingComesBetweenLostAndRegained() async throws {
        let order = Monitor<[String]>([])
        let handler = OrderKeeper(order)
        let log = FaultInjectingLog(InMemoryLog(records), seed: 1)
        try log.start(from: [0, 0, 0], handler: handler)
        for _ in 0..<50 {
            log.append(record(1), to: 0, tag: .none)
            log.stop()
            log.append(record(1), to: 1, tag: .none)
            records.appendDirectly(record(1))
            log.resume()
        }
        await log.close()
        let seen = order.read { $0 }
        #expect(seen.filter { $0 == "record" }.count == 150)
        for (index, entry) in seen.enumerated() where entry == "lost" { #expect(seen[index + 1] == "regained") }
        #expect(seen.filter { $0 == "lost" }.count == 50)
    }

    @Test func closingAStoppedLogRegainsContact() async throws {
        let log = try start(.none)
        log.stop()
        append(to: log)
        await log.close()
        #expect(collector.now.all.count == count)
        #expect(collector.now.events.last == .contactRegained)
    }

    @Test func aWithdrawnRecordHasNoCopies() async throws {
        let log = try start(.init(delayed: 1, duplicated: 1, duplicatedLater: 1))
        log.stop()
        append(to: log)
        let withdrawn = (1...count).filter { log.withdraw(LogTag(number: UInt64($0))) }
        #expect(withdrawn.count == count)
        await log.close()
        #expect(collector.now.all == [])
        #expect(collector.now.reports == [])
    }

    @Test func heldRecordsAreBounded() async throws {
        let log = try start(.none)
        log.stop()
        for number in 1...LogLimits.heldRecords + 1 {
            log.append(record(1), to: 0, tag: LogTag(number: UInt64(number)))
        }
        await log.close()
        let contents = collector.now
        #expect(contents.all.count == LogLimits.heldRecords)
        #expect(contents.reports.map(\.tag.number) == [UInt64(LogLimits.heldRecords + 1)])
    }

    @Test func aSeedRepeatsTheFaults() async throws {
        let faults = FaultInjectingLog.Faults(failed: 0.2, lost: 0.2, unknown: 0.2, delayed: 0.2, duplicated: 0.3)
        var runs: [([TagReport], [Int])] = []
        for seed in [3, 3, 4] as [UInt64] {
            let test = FaultInjectingLogTests()
            let log = try test.start(faults, seed: seed)
            test.append(to: log)
            await log.close()
            let contents = test.collector.now
            runs.append(
                (contents.reports.sorted { $0.tag.number < $1.tag.number }, test.numbers(contents.all).sorted()))
        }
        #expect(runs[0] == runs[1])
        #expect(runs[0].0 != runs[2].0)
        #expect(runs[0].1 != runs[2].1)
    }

    @Test func allFaultsTogetherKeepTheContract() async throws {
        var random = SeededGenerator(seed: testSeed())
        let log = try start(
            .init(failed: 0.1, lost: 0.1, unknown: 0.2, delayed: 0.3, duplicated: 0.1, duplicatedLater: 0.1),
            seed: random.next())
        var withdrawn: Set<Int> = []
        for number in 1...count {
            if random.chance(0.05) { Bool.random(using: &random) ? log.stop() : log.resume() }
            log.append(record(number), to: number % 2, tag: LogTag(number: UInt64(number)))
            if random.chance(0.2), log.withdraw(LogTag(number: UInt64(number))) { withdrawn.insert(number) }
        }
        await log.close()
        let contents = collector.now
        #expect(contents.violations == [])
        let reported = Dictionary(grouping: contents.reports) { Int($0.tag.number) }
        let stored = Set(numbers(contents.all))
        for number in 1...count {
            let reports = reported[number] ?? []
            #expect(reports.count <= 1)
            if withdrawn.contains(number) {
                #expect(reports.isEmpty && !stored.contains(number))
            } else if case .notStored? = reports.first?.outcome {
                #expect(!stored.contains(number))
            } else if reports.isEmpty {
                #expect(stored.contains(number))
            }
        }
        for channel in 0...1 {
            let offsets = contents.records[channel].map(\.offset)
            #expect(offsets == offsets.indices.map { Int64($0) })
        }
    }
}

extension InMemoryRecords {
    fileprivate func appendDirectly(_ record: LogRecord) {
        InMemoryLog(self).append(record, to: 0, tag: .none)
    }
}

/// Keeps what it is told as words, in order.
private final class OrderKeeper: LogHandler {
    private let order: Monitor<[String]>

    init(_ order: Monitor<[String]>) {
        self.order = order
    }

    func handle(_ run: borrowing RecordRun) {
        let count = run.entries.count
        order.withLock { $0 += Array(repeating: "record", count: count) }
    }

    func handle(_ event: LogEvent) {
        order.withLock {
            switch event {
            case .contactLost: $0.append("lost")
            case .contactRegained: $0.append("regained")
            default: $0.append("\(event)")
            }
        }
    }
}
