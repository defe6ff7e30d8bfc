// What every RecordLog must do. Nothing here knows which log it is.

import EventLog
public import Testing

/// One promise of `RecordLog`.
public struct ContractCheck: Sendable, CustomTestStringConvertible {
    public var testDescription: String
    private var body: @Sendable (Bench) async throws -> Void

    /// Checks it on a fresh log.
    public func run(_ log: LogUnderTest) async throws {
        let place = try await log.place()
        let result: Result<Void, any Error>
        do {
            try await body(Bench(kind: log, place: place))
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await place.remove()
        try result.get()
    }

    public static let all = [
        ContractCheck("each channel is in order and dense", orderAndDensity),
        ContractCheck("bytes come back as they were", bytes),
        ContractCheck("a record over the limit is reported once", tooLarge),
        ContractCheck("many threads append at once", manyThreads),
        ContractCheck("the handler may append", appendFromHandler),
        ContractCheck("no tag is reported twice, nor of a stored or withdrawn record", tags),
        ContractCheck("restart delivers again", restart),
        ContractCheck("a restart outside of the records is told", restartOutside),
        ContractCheck("bounds and single records", bounds),
        ContractCheck("close delivers what was enqueued", closeDelivers),
        ContractCheck("an append after close is reported", appendAfterClose),
        ContractCheck("start from the middle", startInTheMiddle),
        ContractCheck("start outside of the records is told", startOutside),
        ContractCheck("a log opened again has the same records", reopen),
        ContractCheck("several logs on one place agree", several),
        ContractCheck("close ends while another log writes", closeWhileOthersWrite),
    ]

    private init(_ name: String, _ body: @escaping @Sendable (Bench) async throws -> Void) {
        self.testDescription = name
        self.body = body
    }
}

/// A log with what the checks do to it again and again.
struct Bench: Sendable {
    let kind: LogUnderTest
    let place: LogPlace

    var channels: Range<Int> { 0..<kind.channels }

    func open(
        from offsets: [Int64]? = nil, onRun: @escaping @Sendable ([StoredRecord]) -> Void = { _ in }
    ) async throws -> (any RecordLog, RecordCollector) {
        let log = try await place.open()
        #expect(log.description.channels == kind.channels)
        let collector = RecordCollector(channels: kind.channels, onRun: onRun)
        try log.start(from: offsets ?? channels.map { _ in 0 }, handler: collector)
        return (log, collector)
    }

    /// Closes, and checks what holds of every log at its end.
    func close(_ log: any RecordLog, _ collector: RecordCollector) async {
        await log.close()
        let contents = collector.now
        #expect(contents.violations == [])
        let tags = contents.reports.map(\.tag)
        #expect(Set(tags).count == tags.count, "a tag was reported twice")
        #expect(!tags.contains(.none))
    }

    /// `count` records in each channel, "channel-number".
    func append(_ count: Int, from first: Int = 0, to log: any RecordLog) {
        for number in first..<first + count {
            for channel in channels { log.append(record(channel, number), to: channel, tag: .none) }
        }
    }

    func record(_ channel: Int, _ number: Int) -> LogRecord {
        LogRecord(key: Array("key-\(number % 7)".utf8), value: Array("\(channel)-\(number)".utf8))
    }

    /// That the channel holds records `first` up to `end` as `append` made them, and nothing else.
    func expect(_ records: [StoredRecord], in channel: Int, _ numbers: Range<Int>) {
        #expect(records.map(\.offset) == numbers.map { Int64($0) })
        #expect(records.map(\.record) == numbers.map { record(channel, $0) })
    }
}

private func orderAndDensity(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    bench.append(500, to: log)
    try await collector.wait(forRecords: 500 * bench.kind.channels)
    bench.append(500, from: 500, to: log)
    let contents = try await collector.wait(forRecords: 1_000 * bench.kind.channels)
    for channel in bench.channels { bench.expect(contents.records[channel], in: channel, 0..<1_000) }
    #expect(contents.events == [])
    await bench.close(log, collector)
}

private func bytes(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    let limit = log.description.maxRecordBytes
    var parts: [[UInt8]?] = [nil, [], [0], Array(0...255), [0xFF, 0xFE, 0x0A], Array("größer".utf8)]
    parts.append(Array(repeating: 0, count: 4_096))
    var records = parts.flatMap { key in parts.map { LogRecord(key: key, value: $0) } }
    records.append(LogRecord(key: nil, value: Array(repeating: 7, count: limit)))
    records.append(LogRecord(key: Array(repeating: 8, count: 1_000), value: Array(repeating: 9, count: limit - 1_000)))
    for channel in bench.channels {
        for record in records { log.append(record, to: channel, tag: LogTag(number: 1)) }
    }
    let contents = try await collector.wait(forRecords: records.count * bench.kind.channels)
    // Compared by hand: a failed comparison of megabytes should not be printed.
    for channel in bench.channels {
        let same = contents.records[channel].map(\.record) == records
        #expect(same, "channel \(channel) has other bytes")
    }
    #expect(contents.events == [])
    await bench.close(log, collector)
}

private func tooLarge(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    let value = [UInt8](repeating: 1, count: log.description.maxRecordBytes)
    bench.append(1, to: log)
    log.append(LogRecord(key: [1], value: value), to: 0, tag: LogTag(number: 5))
    log.append(LogRecord(key: [1], value: value), to: 0, tag: .none)
    bench.append(1, from: 1, to: log)
    try await collector.wait(forRecords: 2 * bench.kind.channels)
    let contents = try await collector.wait(for: "the report") { !$0.reports.isEmpty }
    #expect(contents.reports == [TagReport(tag: LogTag(number: 5), outcome: .notStored(.tooLarge))])
    for channel in bench.channels { bench.expect(contents.records[channel], in: channel, 0..<2) }
    await bench.close(log, collector)
}

private func manyThreads(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    let threads = 6
    let each = 400
    let workers = (0..<threads).map { thread in
        WorkerThread(name: "appender") {
            for number in 0..<each {
                let value = Array("\(thread)-\(number)".utf8)
                log.append(LogRecord(key: [UInt8(thread)], value: value), to: number % bench.kind.channels, tag: .none)
            }
        }
    }
    try await onOwnThread(named: "appenders-end") { for worker in workers { worker.join() } }
    let contents = try await collector.wait(forRecords: threads * each)
    for channel in bench.channels {
        let records = contents.records[channel]
        #expect(records.map(\.offset) == records.indices.map { Int64($0) })
        for thread in 0..<threads {
            let values = records.filter { $0.record.key == [UInt8(thread)] }.map { $0.record.value }
            let numbers = (0..<each).filter { $0 % bench.kind.channels == channel }
            #expect(values == numbers.map { Array("\(thread)-\($0)".utf8) })
        }
    }
    await bench.close(log, collector)
}

private func appendFromHandler(_ bench: Bench) async throws {
    let log = try await bench.place.open()
    // Each record brings the next one, until there are 200.
    let collector = RecordCollector(channels: bench.kind.channels) { records in
        for record in records {
            guard let number = record.record.value.flatMap({ Int(String(decoding: $0, as: UTF8.self)) }) else {
                continue
            }
            guard number < 200 else { continue }
            let next = LogRecord(key: nil, value: Array("\(number + 1)".utf8))
            log.append(next, to: (number + 1) % log.description.channels, tag: .none)
            _ = log.withdraw(LogTag(number: 99))
        }
    }
    try log.start(from: bench.channels.map { _ in 0 }, handler: collector)
    log.append(LogRecord(key: nil, value: Array("1".utf8)), to: 1 % bench.kind.channels, tag: .none)
    let contents = try await collector.wait(forRecords: 200)
    let values = contents.all.compactMap { $0.record.value.flatMap { Int(String(decoding: $0, as: UTF8.self)) } }
    #expect(values.sorted() == Array(1...200))
    await bench.close(log, collector)
}

private func tags(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    let tooLarge = LogRecord(key: nil, value: Array(repeating: 0, count: log.description.maxRecordBytes + 1))
    var random = SeededGenerator(seed: testSeed())
    var refused: Set<LogTag> = []
    var withdrawn: Set<LogTag> = []
    let count: UInt64 = 600
    for number in 1...count {
        let tag = LogTag(number: number)
        let channel = Int.random(in: bench.channels, using: &random)
        if random.chance(0.1) {
            refused.insert(tag)
            log.append(tooLarge, to: channel, tag: tag)
        } else {
            log.append(LogRecord(key: nil, value: Array("\(number)".utf8)), to: channel, tag: tag)
            if random.chance(0.2), log.withdraw(tag) { withdrawn.insert(tag) }
        }
    }
    await bench.close(log, collector)
    let contents = collector.now
    let stored = contents.all.compactMap { $0.record.value }.compactMap { UInt64(String(decoding: $0, as: UTF8.self)) }
    #expect(Set(contents.reports.map(\.tag)) == refused)
    #expect(Set(stored.map { LogTag(number: $0) }).isDisjoint(with: withdrawn))
    #expect(stored.count == Int(count) - refused.count - withdrawn.count)
    #expect(Set(stored).count == stored.count)
}
