import EventLog
import Foundation
import KafkaBrokers
import KafkaEventLog
import LogContract
import Testing

/// A log on an imitated cluster that breaks.
private struct Bench {
    let cluster: MockCluster
    let log: KafkaLog
    let collector: RecordCollector

    init(brokers: Int32 = 1, partitions: Int = 2, patience: Duration = .seconds(30)) async throws {
        cluster = MockCluster(brokers: brokers)
        var place = mockPlace(cluster, partitions: partitions, replication: min(brokers, 3))
        place.patience = patience
        log = try await KafkaLog.open(place)
        let channels = log.description.channels
        collector = RecordCollector(channels: channels)
        try log.start(from: Array(repeating: 0, count: channels), handler: collector)
    }

    func append(_ numbers: Range<Int>, tagged: Bool = false) {
        for number in numbers {
            for channel in 0..<log.description.channels {
                let tag = tagged ? LogTag(number: UInt64(number * 10 + channel + 1)) : .none
                log.append(LogRecord(key: nil, value: [UInt8(number)]), to: channel, tag: tag)
            }
        }
    }

    /// That every channel is dense and holds the numbers, each once or, where copies are allowed, at least once.
    func expect(_ numbers: Range<Int>, copies: Bool = false) {
        for records in collector.now.records {
            #expect(records.map(\.offset) == records.indices.map { Int64($0) })
            let values = records.map { Int($0.record.value?.first ?? 255) }
            if copies { #expect(Set(values) == Set(numbers)) } else { #expect(values == Array(numbers)) }
        }
    }

    func close() async {
        await log.close()
        cluster.close()
        #expect(collector.now.violations == [])
    }

    func waitForEvent(_ what: String, _ matches: @escaping @Sendable (LogEvent) -> Bool) async throws {
        try await collector.wait(for: what) { $0.events.contains(where: matches) }
    }
}

extension LogEvent {
    fileprivate var isLoss: Bool { if case .contactLost = self { true } else { false } }
}

@Suite struct FaultTests {
    /// In between nothing is delivered, and what is appended can be taken back.
    @Test func contactIsLostAndRegained() async throws {
        let bench = try await Bench()
        bench.append(0..<10)
        try await bench.collector.wait(forRecords: 30)
        bench.cluster.stop()
        try await bench.waitForEvent("the loss of contact") { $0.isLoss }
        bench.append(10..<20)
        bench.log.append(LogRecord(key: nil, value: [99]), to: 0, tag: LogTag(number: 7))
        #expect(bench.log.withdraw(LogTag(number: 7)))
        #expect(!bench.log.withdraw(LogTag(number: 7)))
        bench.cluster.start()
        try await bench.waitForEvent("contact again") { $0 == .contactRegained }
        try await bench.collector.wait(forRecords: 60)
        await bench.close()
        bench.expect(0..<20)
        #expect(bench.collector.now.reports == [])
    }

    @Test func everyTagIsAnsweredWhenClosedWithoutBrokers() async throws {
        let bench = try await Bench(patience: .milliseconds(300))
        bench.append(0..<1)
        try await bench.collector.wait(forRecords: 3)
        bench.cluster.stop()
        bench.append(1..<100, tagged: true)
        await bench.close()
        let reports = bench.collector.now.reports
        #expect(reports.count == 297)
        #expect(Set(reports.map(\.tag)).count == 297)
        bench.expect(0..<1)
    }

    /// What no broker has been given by then is not waited for: nothing that came back would be compared any more.
    @Test(.timeLimit(.minutes(1))) func closingWithoutContactDoesNotWait() async throws {
        let bench = try await Bench(patience: .seconds(90))
        bench.append(0..<1)
        try await bench.collector.wait(forRecords: 3)
        // They may be read before they are acknowledged, and then be in flight for ever.
        while bench.log.figures.first(where: { $0.name == "kafka_unacknowledged_records" })?.value != 0 {
            await Task.yield()
        }
        bench.cluster.stop()
        try await bench.waitForEvent("the loss of contact") { $0.isLoss }
        bench.append(1..<100, tagged: true)
        await bench.close()
        let refusal = TagOutcome.notStored(.failed("the log was closed before Kafka took the record"))
        #expect(bench.collector.now.reports.count == 297)
        #expect(bench.collector.now.reports.allSatisfy { $0.outcome == refusal })
        bench.expect(0..<1)
    }

    /// The imitation writes records again whose acknowledgement was lost.
    @Test func acknowledgementsAreLost() async throws {
        let bench = try await Bench()
        bench.append(0..<1)
        try await bench.collector.wait(forRecords: 3)
        bench.cluster.fail(.produce, [.transport, .transport, .requestTimedOut])
        bench.append(1..<50, tagged: true)
        await bench.close()
        bench.expect(0..<50, copies: true)
        #expect(bench.collector.now.reports == [])
    }

    @Test func leadersMoveUnderLoad() async throws {
        let bench = try await Bench(brokers: 3)
        for round in 0..<8 {
            bench.cluster.lead("shop.events", round % 2, by: Int32(round % 3 + 1))
            bench.cluster.lead("shop.order", 0, by: Int32(round % 3 + 1))
            bench.append(round * 10..<(round + 1) * 10, tagged: true)
        }
        try await bench.collector.wait(forRecords: 240)
        await bench.close()
        bench.expect(0..<80)
        #expect(bench.collector.now.reports == [])
    }

    /// Partitions go on while nobody leads the order topic; it follows when somebody does.
    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["TRIBUTARY_LIBRDKAFKA"] == nil,
            "newer imitations of a cluster crash where a partition that is written to loses its leader"))
    func theOrderTopicHasNoLeader() async throws {
        let bench = try await Bench()
        bench.append(0..<10)
        try await bench.collector.wait(forRecords: 30)
        bench.cluster.lead("shop.order", 0, by: -1)
        bench.append(10..<20, tagged: true)
        try await bench.collector.wait(forRecords: 50)
        #expect(bench.collector.now.records.map(\.count) == [20, 20, 10])
        bench.cluster.lead("shop.order", 0, by: 1)
        try await bench.collector.wait(forRecords: 60)
        await bench.close()
        bench.expect(0..<20)
        #expect(bench.collector.now.reports == [])
        #expect(!bench.collector.now.events.contains { $0.isLoss })
    }

    @Test func theOrderHasOnePartition() async throws {
        let cluster = MockCluster()
        cluster.create("shop.order", partitions: 3)
        let log = try await KafkaLog.open(mockPlace(cluster, partitions: 2))
        let refusal = try #require(log.description.writeRefusal)
        #expect(refusal.contains("topic shop.order: the number of partitions is 3 and must be 1; mend it with:"))
        await log.close()
        cluster.close()
    }

    /// A leader that has been replaced may say "out of range" of an offset that is there.
    @Test func outOfRangeIsNoProof() async throws {
        let bench = try await Bench(partitions: 1)
        bench.append(0..<10)
        try await bench.collector.wait(forRecords: 10)
        bench.cluster.fail(.fetch, [.outOfRange, .outOfRange])
        bench.append(10..<20)
        try await bench.collector.wait(forRecords: 20)
        await bench.close()
        bench.expect(0..<20)
        #expect(bench.collector.now.events.allSatisfy { $0 == .contactRegained })
    }

    @Test func requestsFailAndBrokersAreSlow() async throws {
        let bench = try await Bench(brokers: 3)
        bench.cluster.slow(1, milliseconds: 50)
        bench.cluster.fail(.fetch, [.notLeader, .transport])
        bench.cluster.fail(.produce, [.notLeader, .notLeader])
        bench.cluster.fail(.listOffsets, [.notLeader, .transport])
        bench.append(0..<40, tagged: true)
        #expect(try await bench.log.bounds(of: 0).lowerBound == 0)
        try await bench.collector.wait(forRecords: 120)
        #expect(try await bench.log.record(at: 0, in: 1)?.record.value == [0])
        await bench.close()
        bench.expect(0..<40, copies: true)
        #expect(bench.collector.now.reports == [])
    }

    @Test func openingWithoutBrokersAndWithoutATopic() async throws {
        var place = KafkaPlace(servers: "127.0.0.1:1", store: "shop")
        place.patience = .milliseconds(200)
        await expectError(.unavailable) { [place] in try await KafkaLog.open(place).close() }
        for name in ["", "a b", "größe", String(repeating: "a", count: 250)] {
            await expectError(.notAStore) {
                try await KafkaLog.open(KafkaPlace(servers: "127.0.0.1:1", store: name)).close()
            }
        }
    }

    /// The imitation does not let settings be read: without a word of the user nothing is written.
    @Test func unverifiedTopic() async throws {
        let cluster = MockCluster()
        var place = mockPlace(cluster, partitions: 1)
        place.allowsUnverifiedTopics = false
        place.patience = .seconds(1)
        await expectError(.unavailable) { [place] in try await KafkaLog.open(place).close() }
        cluster.close()
    }
}

/// In a process of its own, where no other test has threads.
@Test func threadsEnd() async {
    await #expect(processExitsWith: .success) {
        // What the runtime makes once.
        try await openAndClose()
        let before = threadCount()
        for _ in 0..<20 { try await openAndClose() }
        // The runtime may have made a few more; one that stays each time would be twenty.
        #expect(threadCount() < before + 15, "\(before) threads became \(threadCount())")
        #expect(kafkaThreads() == [])
    }
}

private func openAndClose() async throws {
    let bench = try await Bench()
    bench.append(0..<100)
    _ = try await bench.log.bounds(of: 0)
    _ = try await bench.log.record(at: 0, in: 0)
    #expect(!kafkaThreads().isEmpty)
    await bench.close()
}
