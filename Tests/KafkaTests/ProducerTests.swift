import CRdKafka
import Foundation
import KafkaBrokers
import Synchronization
import Testing

@testable import Kafka

/// A producer on an imitated cluster, and what it reported.
final class Bench: Sendable {
    let cluster: MockCluster
    let producer: KafkaProducer
    let reports: ReportList

    init(
        brokers: Int32 = 1, partitions: Int = 2, maxMessageBytes: Int = 1 << 20, properties: [String: String] = [:]
    ) throws {
        cluster = MockCluster(brokers: brokers)
        cluster.create("t", partitions: partitions, replication: min(brokers, 3))
        let reports = ReportList()
        self.reports = reports
        let kafka = try KafkaConfiguration(servers: cluster.servers, clientID: "test", properties: properties)
        producer = try KafkaProducer(kafka, topics: ["t"], maxMessageBytes: maxMessageBytes) { reports.add($0) }
    }

    func close(within patience: Duration = .seconds(20)) async {
        let producer = producer
        await blocking { producer.close(within: patience) }
        cluster.close()
    }

    /// What the log holds.
    func stored(in partition: Int) async throws -> [[UInt8]?] {
        let kafka = try KafkaConfiguration(servers: cluster.servers, clientID: "test")
        return try await blocking {
            let inquiry = try KafkaInquiry(kafka, topics: ["t"], within: .seconds(20))
            defer { inquiry.close() }
            return try Array(inquiry.bounds(of: TopicPartition(partition)))
                .map { try inquiry.record(at: $0, in: TopicPartition(partition))?.value }
        }
    }
}

final class ReportList: Sendable {
    private let list = Mutex<[KafkaReport]>([])

    func add(_ reports: [KafkaReport]) { list.withLock { $0 += reports } }

    var all: [KafkaReport] { list.withLock { $0 } }

    func outcome(of tag: UInt64) -> KafkaOutcome? { all.first { $0.tag == tag }?.outcome }
}

/// Runs what blocks on a thread of its own.
func blocking<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
    await withCheckedContinuation { continuation in
        _ = KafkaThread(name: "test") { continuation.resume(returning: body()) }
    }
}

func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    let result = await blocking { Result { try body() } }
    return try result.get()
}

extension KafkaOutcome {
    var isStored: Bool { if case .stored = self { true } else { false } }
    var isUnknown: Bool { if case .unknown = self { true } else { false } }
    var refusal: KafkaError.Kind? { if case .notStored(let error) = self { error.kind } else { nil } }
}

private func record(_ value: [UInt8]?, key: [UInt8]? = nil, _ partition: Int = 0) -> KafkaRecord {
    KafkaRecord(key: key, value: value, partition: partition)
}

@Suite struct ProducerTests {
    /// With its bytes and where it is, before anybody is told.
    @Test func whatIsStoredIsLent() async throws {
        let cluster = MockCluster()
        cluster.create("t", partitions: 2)
        let said = Mutex<[String]>([])
        let kafka = try KafkaConfiguration(servers: cluster.servers, clientID: "test")
        let producer = try KafkaProducer(
            kafka, topics: ["t"], maxMessageBytes: 1 << 20,
            onStored: { message in
                let bytes = "\(message.key.map { "\($0)" } ?? "nil") \(message.value.map { "\($0)" } ?? "nil")"
                // The imitation says 1234, as the log's time.
                let time = "\(message.hasLogTime) \(message.timestamp)"
                said.withLock { $0.append("\(message.place.partition) \(message.offset) \(bytes) \(time)") }
            })
        #expect(await producer.send(record([8], key: [7], 1)) == .stored(offset: 0))
        #expect(await producer.send(record([], 1)) == .stored(offset: 1))
        #expect(await producer.send(record(nil, key: [])) == .stored(offset: 0))
        #expect(
            said.withLock { $0 } == ["1 0 [7] [8] true 1234", "1 1 nil [] true 1234", "0 0 [] nil true 1234"])
        await blocking { producer.close(within: .seconds(20)) }
        cluster.close()
    }

    @Test func nothingAndEmptyDiffer() async throws {
        let bench = try Bench()
        #expect(await bench.producer.send(record(nil)) == .stored(offset: 0))
        #expect(await bench.producer.send(record([], key: [])) == .stored(offset: 1))
        #expect(await bench.producer.send(record([7], key: [1])) == .stored(offset: 2))
        #expect(try await bench.stored(in: 0) == [nil, [], [7]])
        await bench.close()
    }

    @Test func everyTagIsReportedOnceInOrder() async throws {
        let bench = try Bench()
        for tag in 1...5_000 as ClosedRange<UInt64> {
            #expect(bench.producer.send(record([1], Int(tag % 2)), tag: tag))
        }
        await bench.close()
        let reports = bench.reports.all
        #expect(reports.count == 5_000)
        for partition in 0..<2 {
            let own = reports.filter { $0.partition == partition }
            #expect(own.map(\.outcome) == (0..<2_500).map { .stored(offset: $0) })
            #expect(own.map(\.tag) == own.map(\.tag).sorted())
        }
    }

    /// The imitation stores what it then says nothing about: the retry is a second copy.
    @Test func lostAcknowledgement() async throws {
        let bench = try Bench()
        bench.cluster.fail(.produce, [.transport, .transport])
        let outcome = await bench.producer.send(record([1]))
        #expect(outcome.isStored)
        let copies = try await bench.stored(in: 0)
        #expect(copies.allSatisfy { $0 == [1] })
        await bench.close()
    }

    @Test func errorsOfRequests() async throws {
        let bench = try Bench()
        bench.cluster.fail(.produce, [.notLeader, .requestTimedOut])
        #expect(await bench.producer.send(record([1])).isStored)
        bench.cluster.fail(.produce, [.tooLarge])
        let tooLarge = await bench.producer.send(record([3]))
        #expect(tooLarge.refusal == .tooLarge, "\(tooLarge)")
        let stored = await bench.producer.send(record([4]))
        #expect(stored.isStored, "\(stored)")
        // Until it looks at the topic again, the library refuses what follows by itself.
        bench.cluster.fail(.produce, [.notAuthorized])
        #expect(await bench.producer.send(record([2])).refusal == .notAuthorized)
        #expect(try await bench.stored(in: 0) == [[1], [4]])
        await bench.close()
    }

    @Test func overTheLimit() async throws {
        let bench = try Bench(maxMessageBytes: 10_000)
        let tooLarge = [UInt8](repeating: 1, count: 10_001)
        #expect(await bench.producer.send(record(tooLarge)).refusal == .tooLarge)
        #expect(bench.producer.send(record(tooLarge), tag: 5))
        #expect(bench.producer.send(record(tooLarge), tag: 0))
        #expect(await bench.producer.send(record([1])).isStored)
        await bench.close()
        #expect(bench.reports.outcome(of: 5)?.refusal == .tooLarge)
        #expect(bench.reports.all.count == 1)
    }

    @Test func noSuchPartition() async throws {
        let bench = try Bench(partitions: 1)
        #expect(await bench.producer.send(record([1], 0)).isStored)
        for partition in [1, 1_000, Int.max] {
            let outcome = await bench.producer.send(record([1], partition))
            #expect(outcome.refusal == .unknownTopic, "\(outcome)")
        }
        await bench.close()
    }

    @Test func leaderMoves() async throws {
        let bench = try Bench(brokers: 3, partitions: 1)
        for round in 0..<9 {
            bench.cluster.lead("t", 0, by: Int32(round % 3 + 1))
            let outcome = await bench.producer.send(record([UInt8(round)]))
            #expect(outcome.isStored)
        }
        await bench.close()
    }

    @Test func brokerThatComesBack() async throws {
        let bench = try Bench()
        #expect(await bench.producer.send(record([1])).isStored)
        bench.cluster.stop()
        async let late = bench.producer.send(record([2]))
        bench.cluster.start()
        #expect(await late.isStored)
        await bench.close()
    }

    /// What was never sent is not stored; what was sent and not answered may be.
    @Test func closeWithSendsInFlight() async throws {
        let bench = try Bench()
        #expect(await bench.producer.send(record([0])).isStored)
        bench.cluster.slow(milliseconds: 60_000)
        async let outcome = bench.producer.send(record([1]))
        while bench.producer.outstanding.inFlight == 0 { await Task.yield() }
        for tag in 1...100 as ClosedRange<UInt64> { _ = bench.producer.send(record([2]), tag: tag) }
        await bench.close(within: .milliseconds(500))
        #expect(await outcome.isUnknown)
        let reports = bench.reports.all
        #expect(Set(reports.map(\.tag)) == Set(1...100))
        #expect(reports.count == 100)
        #expect(reports.allSatisfy { $0.outcome.isUnknown || $0.outcome.refusal != nil })
    }

    @Test func unreachable() async throws {
        let kafka = try KafkaConfiguration(servers: "127.0.0.1:1", clientID: "test")
        let reports = ReportList()
        let producer = try KafkaProducer(kafka, topics: ["t"], maxMessageBytes: 1 << 20) { reports.add($0) }
        async let awaited = producer.send(record([1]))
        for tag in 1...50 as ClosedRange<UInt64> { _ = producer.send(record([1]), tag: tag) }
        await blocking { producer.close(within: .milliseconds(200)) }
        #expect(await awaited.refusal != nil)
        #expect(reports.all.map(\.tag).sorted() == Array(1...50))
        #expect(reports.all.allSatisfy { $0.outcome.refusal != nil })
        #expect(!producer.send(record([1]), tag: 51))
        #expect(await producer.send(record([1])).refusal == .closed)
        await blocking { producer.close(within: .zero) }
        #expect(reports.all.count == 50)
    }

    /// What may gather goes when its time is over, when the producer is closed, and along with what may not; it can be
    /// withdrawn before. Null and empty stay what they are, also where many are handed over together.
    @Test func gathered() async throws {
        let bench = try Bench()
        func send(_ value: [UInt8]?, _ tag: UInt64, key: [UInt8]? = nil, mayGather: Bool = true) {
            let record = KafkaRecord(key: key, value: value, partition: 0, mayGather: mayGather)
            #expect(bench.producer.send(record, tag: tag))
        }
        for tag in 1...3 as ClosedRange<UInt64> { send([UInt8(tag)], tag) }
        while bench.reports.all.count < 3 { await Task.yield() }
        bench.producer.hold(true)
        send(nil, 4, key: [])
        send([], 5)
        send([6], 6, key: [6])
        send([7], 7)
        #expect(bench.producer.withdraw(6))
        send(nil, 8, mayGather: false)
        bench.producer.hold(false)
        while bench.reports.all.count < 7 { await Task.yield() }
        send([9], 9)
        await blocking { bench.producer.close(within: .seconds(20)) }
        #expect(bench.reports.all.map(\.tag).sorted() == [1, 2, 3, 4, 5, 7, 8, 9])
        #expect(bench.reports.all.allSatisfy { $0.outcome.isStored })
        #expect(try await bench.stored(in: 0) == [[1], [2], [3], nil, [], [7], nil, [9]])
        bench.cluster.close()
    }

    /// More than the library would send waits here, where it can be withdrawn.
    @Test func fullQueue() async throws {
        let bench = try Bench()
        bench.cluster.stop()
        let count: UInt64 = 20_000
        for tag in 1...count { #expect(bench.producer.send(record([1]), tag: tag)) }
        let sent = KafkaLimits.flightOfAPartition
        #expect(bench.producer.outstanding == (Int(count) - sent, sent))
        #expect(!bench.producer.withdraw(1))
        #expect(bench.producer.withdraw(count))
        #expect(!bench.producer.withdraw(count))
        bench.cluster.start()
        await bench.close()
        #expect(bench.reports.all.count == Int(count) - 1)
        #expect(bench.reports.all.allSatisfy { $0.outcome.isStored })
        #expect(Set(bench.reports.all.map(\.tag)) == Set(1..<count))
    }

    @Test func fullOfBytes() async throws {
        let bench = try Bench()
        bench.cluster.stop()
        let large = [UInt8](repeating: 1, count: 1_000_000)
        for tag in 1...100 as ClosedRange<UInt64> { _ = bench.producer.send(record(large), tag: tag) }
        let sent = KafkaLimits.flightOfAPartition
        #expect(bench.producer.outstanding == (100 - sent, sent))
        await bench.close(within: .zero)
        #expect(bench.reports.all.count == 100)
    }

    @Test func fatalError() async throws {
        let bench = try Bench()
        #expect(await bench.producer.send(record([0])).isStored)
        bench.cluster.slow(milliseconds: 200)
        for tag in 1...200 as ClosedRange<UInt64> {
            if tag == 100 { bench.producer.injectFatalError() }
            #expect(bench.producer.send(record([1]), tag: tag))
        }
        // Another client has taken over.
        let outcome = await bench.producer.send(record([9]))
        #expect(outcome.isStored)
        await bench.close()
        let reports = bench.reports.all
        #expect(Set(reports.map(\.tag)) == Set(1...200))
        #expect(reports.count == 200)
        #expect(reports.contains { !$0.outcome.isStored })
    }

    /// Without permission every client fails at once; who sends is told why.
    @Test func notAllowedToWrite() async throws {
        let cluster = MockCluster()
        cluster.create("t", partitions: 1)
        cluster.fail(
            .initProducerID, Array(repeating: RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, count: 1_000))
        let producer = try KafkaProducer(
            KafkaConfiguration(servers: cluster.servers, clientID: "test"), topics: ["t"], maxMessageBytes: 1 << 20)
        let refused = await producer.send(record([1]))
        #expect(refused.refusal == .notAuthorized, "\(refused)")
        // Once it is allowed, another client writes.
        cluster.clearFailures(.initProducerID)
        while await !producer.send(record([2])).isStored {}
        await blocking { producer.close(within: .seconds(20)) }
        cluster.close()
    }

    /// Nobody would hand it over any more.
    @Test(.timeLimit(.minutes(1))) func closingRefusesWhatIsHeld() async throws {
        let bench = try Bench()
        bench.producer.hold(true)
        #expect(bench.producer.send(record([1]), tag: 1))
        let waiting = Task { await bench.producer.send(record([2])) }
        while bench.producer.outstanding.waiting < 2 { await Task.yield() }
        await bench.close(within: .seconds(90))
        #expect(bench.reports.outcome(of: 1)?.refusal == .closed)
        #expect(await waiting.value.refusal == .closed)
    }

    @Test func cancelled() async throws {
        let bench = try Bench()
        #expect(await bench.producer.send(record([0])).isStored)
        bench.producer.hold(true)
        let waiting = Task { await bench.producer.send(record([1])) }
        while bench.producer.outstanding.waiting == 0 { await Task.yield() }
        waiting.cancel()
        #expect(await waiting.value.refusal == .cancelled)
        bench.producer.hold(false)
        bench.cluster.slow(milliseconds: 60_000)
        let sent = Task { await bench.producer.send(record([2])) }
        while bench.producer.outstanding.inFlight == 0 { await Task.yield() }
        sent.cancel()
        #expect(await sent.value.isUnknown)
        await bench.close(within: .zero)
    }
}

/// A topic may allow more, or less, than the client library can be told.
@Test(arguments: [0, Int(Int32.max)]) func aTopicsLimitMayBeBeyondTheLibrarys(_ bytes: Int) throws {
    let kafka = try KafkaConfiguration(servers: "127.0.0.1:1", clientID: "test")
    let producer = try KafkaProducer(kafka, topics: ["t"], maxMessageBytes: bytes)
    producer.close(within: .zero)
}
