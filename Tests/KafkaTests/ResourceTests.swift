import KafkaBrokers
import Testing

@testable import Kafka

/// In processes of their own, where no other test has threads or memory.
@Suite struct ResourceTests {
    /// Whatever goes wrong, whoever waits gets an answer, and clients leave no memory and no threads behind.
    @Test func nothingGrows() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            // What the library and the runtime make once.
            for round in 0..<20 { try await everyEnd(round) }
            let (memory, threads) = (bytesInUse(), threadCount())
            for round in 0..<60 { try await everyEnd(round) }
            let growth = bytesInUse() - memory
            print("60 rounds: \(growth >> 10) KiB more, \(threads) threads became \(threadCount())")
            // The records of one kind of end would be 6 MiB and more, a client in each round about as much.
            #expect(growth < 2 << 20)
            #expect(threadCount() < threads + 15)
            #expect(kafkaThreads() == [])
        }
        print(String(decoding: result?.standardOutputContent ?? [], as: UTF8.self))
    }
}

private let dummy = KafkaRecord(key: [1], value: Array(repeating: 7, count: 1_000), partition: 0)

/// Closed in order, closed with sends in flight, cancelled, unreachable, over the limit, and a fatal error.
private func everyEnd(_ round: Int) async throws {
    let bench = try Bench(maxMessageBytes: 10_000)
    for tag in 1...200 as ClosedRange<UInt64> { _ = bench.producer.send(dummy, tag: tag) }
    let tooLarge = KafkaRecord(key: nil, value: Array(repeating: 1, count: 20_000), partition: 0)
    for tag in 201...300 as ClosedRange<UInt64> { _ = bench.producer.send(tooLarge, tag: tag) }
    await awaited(by: 20, bench.producer) { outcome in
        // One that the producer's client fails under may be anything.
        round % 5 == 0 || outcome.isStored
    } meanwhile: {
        if round % 5 == 0 { bench.producer.injectFatalError() }
    }
    bench.producer.hold(true)
    let cancelled = Task { await bench.producer.send(dummy) }
    while bench.producer.outstanding.waiting == 0 { await Task.yield() }
    cancelled.cancel()
    #expect(await cancelled.value.refusal == .cancelled)
    bench.producer.hold(false)
    let kafka = try KafkaConfiguration(servers: bench.cluster.servers, clientID: "test")
    try await blocking {
        let reader = try KafkaReader(kafka, topics: ["t"])
        try reader.begin(0, at: 0)
        reader.read(within: .milliseconds(1)) { _ in true }
        reader.close()
    }
    // In every other round what is in flight then is given up.
    bench.cluster.slow(milliseconds: round % 2 == 0 ? 0 : 60_000)
    for tag in 301...500 as ClosedRange<UInt64> { _ = bench.producer.send(dummy, tag: tag) }
    await bench.close(within: round % 2 == 0 ? .seconds(20) : .zero)
    #expect(Set(bench.reports.all.map(\.tag)).isSuperset(of: 1...500))
    try await unreachable()
}

private func unreachable() async throws {
    let kafka = try KafkaConfiguration(servers: "127.0.0.1:1", clientID: "test")
    let reports = ReportList()
    let producer = try KafkaProducer(kafka, topics: ["t"], maxMessageBytes: 1 << 20) { reports.add($0) }
    for tag in 1...1_000 as ClosedRange<UInt64> { _ = producer.send(dummy, tag: tag) }
    await awaited(by: 20, producer) {
        $0.refusal != nil
    } meanwhile: {
        await blocking { producer.close(within: .zero) }
    }
    #expect(reports.all.count == 1_000)
}

/// Sends from several tasks, and waits until each has its answer.
private func awaited(
    by count: Int, _ producer: KafkaProducer, _ isRight: @escaping @Sendable (KafkaOutcome) -> Bool,
    meanwhile: @escaping @Sendable () async -> Void
) async {
    await withTaskGroup(of: KafkaOutcome?.self) { group in
        for _ in 0..<count { group.addTask { await producer.send(dummy) } }
        group.addTask {
            await meanwhile()
            return nil
        }
        for await case let outcome? in group { #expect(isRight(outcome), "\(outcome)") }
    }
}
