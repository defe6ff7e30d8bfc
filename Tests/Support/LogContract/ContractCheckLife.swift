// What every RecordLog must do at its beginning and end, and where delivery begins.

import EventLog
import Testing

func restart(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    let channels = bench.kind.channels
    bench.append(100, to: log)
    try await collector.wait(forRecords: 100 * channels)
    let last = channels - 1
    log.restart(channel: last, from: 40)
    let contents = try await collector.wait(forRecords: 100 * channels + 60)
    for channel in bench.channels { bench.expect(Array(contents.records[channel].prefix(100)), in: channel, 0..<100) }
    bench.expect(Array(contents.records[last].dropFirst(100)), in: last, 40..<100)
    bench.append(1, from: 100, to: log)
    let more = try await collector.wait(forRecords: 101 * channels + 60)
    bench.expect(Array(more.records[last].suffix(1)), in: last, 100..<101)
    #expect(more.events == [])
    await bench.close(log, collector)
}

func restartOutside(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    bench.append(10, to: log)
    try await collector.wait(forRecords: 10 * bench.kind.channels)
    log.restart(channel: 0, from: 11)
    try await collector.wait(for: "shortened") { $0.events == [.shortened(channel: 0, end: 10)] }
    log.restart(channel: 0, from: -1)
    try await collector.wait(for: "a moved start") { $0.events.last == .startMoved(channel: 0, start: 0) }
    bench.append(1, from: 10, to: log)
    let contents = try await collector.wait(forRecords: 11 * bench.kind.channels + 10)
    #expect(contents.events.count == 2)
    bench.expect(Array(contents.records[0].suffix(11)), in: 0, 0..<11)
    await bench.close(log, collector)
}

func bounds(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    for channel in bench.channels { #expect(try await log.bounds(of: channel) == 0..<0) }
    bench.append(50, to: log)
    let contents = try await collector.wait(forRecords: 50 * bench.kind.channels)
    for channel in bench.channels {
        #expect(try await log.bounds(of: channel) == 0..<50)
        for offset in [0, 1, 25, 49] as [Int64] {
            #expect(try await log.record(at: offset, in: channel) == contents.records[channel][Int(offset)])
        }
        for offset in [50, 51, -1, Int64.max, Int64.min] {
            #expect(try await log.record(at: offset, in: channel) == nil)
        }
    }
    #expect(collector.now.calls == contents.calls, "to ask moves the delivery")
    await bench.close(log, collector)
    await #expect { try await log.bounds(of: 0) } throws: { ($0 as? LogError)?.code == .closed }
    await #expect { try await log.record(at: 0, in: 0) } throws: { ($0 as? LogError)?.code == .closed }
}

func closeDelivers(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    bench.append(1_000, to: log)
    await bench.close(log, collector)
    let contents = collector.now
    for channel in bench.channels { bench.expect(contents.records[channel], in: channel, 0..<1_000) }
}

func appendAfterClose(_ bench: Bench) async throws {
    let (log, collector) = try await bench.open()
    bench.append(10, to: log)
    await bench.close(log, collector)
    for number in 1...3 as ClosedRange<UInt64> {
        log.append(bench.record(0, 0), to: 0, tag: LogTag(number: number))
        log.append(bench.record(0, 0), to: 0, tag: .none)
    }
    let contents = try await collector.wait(for: "three reports") { $0.reports.count >= 3 }
    #expect(contents.reports.map(\.tag.number) == [1, 2, 3])
    for report in contents.reports {
        guard case .notStored(.failed) = report.outcome else {
            Issue.record("\(report)")
            continue
        }
    }
    #expect(contents.records.map(\.count) == bench.channels.map { _ in 10 })
    #expect(!log.withdraw(LogTag(number: 1)))
    await log.close()
    #expect(collector.now.violations == [])
    guard bench.kind.isReopenable else { return }
    let (again, second) = try await bench.open()
    try await second.wait(forRecords: 10 * bench.kind.channels)
    #expect(try await again.bounds(of: 0) == 0..<10)
    await bench.close(again, second)
}

func startInTheMiddle(_ bench: Bench) async throws {
    guard bench.kind.isReopenable else { return }
    let (log, collector) = try await bench.open()
    bench.append(100, to: log)
    await bench.close(log, collector)
    // Another offset for each channel; the last begins at its end.
    let offsets = bench.channels.map { $0 == bench.channels.last && $0 > 0 ? 100 : Int64(10 + $0) }
    let (again, second) = try await bench.open(from: offsets)
    bench.append(1, from: 100, to: again)
    let contents = try await second.wait(forRecords: offsets.map { 101 - Int($0) }.reduce(0, +))
    for channel in bench.channels {
        bench.expect(contents.records[channel], in: channel, Int(offsets[channel])..<101)
    }
    #expect(contents.events == [])
    await bench.close(again, second)
}

func startOutside(_ bench: Bench) async throws {
    guard bench.kind.isReopenable else { return }
    let (log, collector) = try await bench.open()
    bench.append(5, to: log)
    await bench.close(log, collector)
    let (again, second) = try await bench.open(from: bench.channels.map { $0 == 0 ? 1_000_000 : -7 })
    let expected = bench.channels.map { channel -> LogEvent in
        channel == 0 ? .shortened(channel: 0, end: 5) : .startMoved(channel: channel, start: 0)
    }
    try await second.wait(for: "\(expected)") { contents in expected.allSatisfy(contents.events.contains) }
    bench.append(1, from: 5, to: again)
    let contents = try await second.wait(forRecords: 6 * (bench.kind.channels - 1) + 1)
    for channel in bench.channels {
        bench.expect(contents.records[channel], in: channel, (channel == 0 ? 5 : 0)..<6)
    }
    #expect(contents.events.count == expected.count)
    await bench.close(again, second)
}

func reopen(_ bench: Bench) async throws {
    guard bench.kind.isReopenable else { return }
    var before = bench.channels.map { _ in [StoredRecord]() }
    for round in 0..<4 {
        let (log, collector) = try await bench.open()
        let contents = try await collector.wait(forRecords: before.flatMap(\.self).count)
        #expect(contents.records == before)
        // A round that appends nothing too.
        if round != 2 { bench.append(round * 10 + 1, from: before[0].count, to: log) }
        await bench.close(log, collector)
        before = collector.now.records
        for channel in bench.channels { bench.expect(before[channel], in: channel, 0..<before[channel].count) }
    }
    #expect(before[0].count == 1 + 11 + 31)
}

func several(_ bench: Bench) async throws {
    guard bench.kind.takesSeveral else { return }
    let (one, first) = try await bench.open()
    let (other, second) = try await bench.open()
    #expect(!one.description.isOnlyWriter)
    for number in 0..<300 {
        let channel = number % bench.kind.channels
        (number % 2 == 0 ? one : other).append(bench.record(channel, number), to: channel, tag: .none)
    }
    let contents = try await first.wait(forRecords: 300)
    #expect(try await second.wait(forRecords: 300).records == contents.records)
    await bench.close(one, first)
    bench.append(1, from: 300, to: other)
    try await second.wait(forRecords: 300 + bench.kind.channels)
    #expect(first.now.calls == contents.calls, "a closed log delivers nothing")
    await bench.close(other, second)
}

func closeWhileOthersWrite(_ bench: Bench) async throws {
    guard bench.kind.takesSeveral else { return }
    // Whatever one log delivers brings another record before it looks for the next, so there is always one more.
    let isOver = Monitor(false)
    let (other, second) = try await bench.open()
    let (one, first) = try await bench.open { records in
        if !isOver.read({ $0 }) { other.append(records[0].record, to: 0, tag: .none) }
    }
    bench.append(1, to: other)
    try await first.wait(forRecords: 100)
    let isClosed = Monitor(false)
    async let closed: Void = {
        await bench.close(one, first)
        isClosed.withLock { $0 = true }
    }()
    let ended = try await onOwnThread(named: "test-wait") {
        isClosed.wait(until: .now + RecordCollector.patience) { $0 ? true : nil }
    }
    #expect(ended == true, "close goes on for as long as another log writes")
    isOver.withLock { $0 = true }
    await closed
    bench.append(1, from: 1, to: other)
    try await second.wait(forRecords: first.now.all.count + 1)
    await bench.close(other, second)
}
