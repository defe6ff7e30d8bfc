import Dispatch
import KafkaBrokers
import Testing

@testable import Kafka

/// One thing that a reader said.
private enum Said: Sendable, Equatable {
    case record(partition: Int, offset: Int64, value: [UInt8]?)
    case end(partition: Int, offset: Int64)
    case trouble(partition: Int?, KafkaError.Kind)
}

/// Partitions of the first topic by their numbers.
extension TopicPartition: ExpressibleByIntegerLiteral {
    init(integerLiteral number: Int) { self.init(number) }
}

/// Those of a second topic count from 100.
private func number(_ place: TopicPartition) -> Int { 100 * place.topic + place.partition }

/// Reads until `isEnough`.
private func read(_ reader: KafkaReader, _ isEnough: @escaping @Sendable ([Said]) -> Bool) async -> [Said] {
    await blocking {
        var said: [Said] = []
        let end = ContinuousClock.now + .seconds(30)
        while !isEnough(said), ContinuousClock.now < end {
            reader.read(within: .milliseconds(100)) { reading in
                switch reading {
                case .record(let message):
                    var bytes: [UInt8] = []
                    let value = message.appendValue(to: &bytes).map { _ in bytes }
                    said.append(.record(partition: number(message.place), offset: message.offset, value: value))
                case .end(let place, let offset): said.append(.end(partition: number(place), offset: offset))
                case .trouble(let place, let error):
                    said.append(.trouble(partition: place.map { number($0) }, error.kind))
                }
                return !isEnough(said)
            }
        }
        return said
    }
}

private func configuration(_ cluster: MockCluster) throws -> KafkaConfiguration {
    try KafkaConfiguration(
        servers: cluster.servers, clientID: "test", properties: ["fetch.wait.max.ms": "5"])
}

/// A topic with ten records in each of two partitions.
private func filled(brokers: Int32 = 1) async throws -> MockCluster {
    let cluster = MockCluster(brokers: brokers)
    cluster.create("t", partitions: 2, replication: min(3, brokers))
    let producer = try KafkaProducer(configuration(cluster), topics: ["t"], maxMessageBytes: 1 << 20)
    for number in 0..<20 {
        let record = KafkaRecord(key: nil, value: [UInt8(number / 2)], partition: number % 2)
        #expect(producer.send(record, tag: 0))
    }
    await blocking { producer.close(within: .seconds(20)) }
    return cluster
}

private func records(_ offsets: Range<Int64>, in partition: Int) -> [Said] {
    offsets.map { .record(partition: partition, offset: $0, value: [UInt8($0)]) }
}

@Suite struct ReaderTests {
    /// The same partition of two topics, each from its own offset, through one producer and one reader.
    @Test func twoTopicsAreNotMixedUp() async throws {
        let cluster = try await filled()
        cluster.create("u", partitions: 1)
        let kafka = try configuration(cluster)
        let producer = try KafkaProducer(kafka, topics: ["t", "u"], maxMessageBytes: 1 << 20)
        for number in 0..<5 as Range<UInt8> {
            #expect(producer.send(KafkaRecord(key: nil, value: [number], topic: 1, partition: 0), tag: 0))
        }
        await blocking { producer.close(within: .seconds(20)) }
        let reader = try KafkaReader(kafka, topics: ["t", "u"])
        try reader.begin(0, at: 8)
        try reader.begin(TopicPartition(topic: 1, 0), at: 2)
        var said = await read(reader) { said in
            said.count { if case .end = $0 { true } else { false } } >= 2
        }
        func of(_ partition: Int) -> [Said] {
            said.filter { if case .record(partition, _, _) = $0 { true } else { false } }
        }
        #expect(of(0) == records(8..<10, in: 0))
        #expect(of(100) == records(2..<5, in: 100))
        #expect(said.contains(.end(partition: 0, offset: 10)) && said.contains(.end(partition: 100, offset: 5)))
        reader.end(0)
        try reader.begin(TopicPartition(topic: 1, 0), at: 7)
        said = await read(reader) { $0.contains { if case .trouble = $0 { true } else { false } } }
        #expect(said == [.trouble(partition: 100, .outOfRange)])
        await blocking {
            reader.close()
            let inquiry = try? KafkaInquiry(kafka, topics: ["t", "u"], within: .seconds(20))
            defer { inquiry?.close() }
            #expect(try! inquiry?.bounds(of: TopicPartition(topic: 1, 0)) == 0..<5)
            #expect(try! inquiry?.record(at: 4, in: TopicPartition(topic: 1, 0))?.value == [4])
            #expect(try! inquiry?.partitions(of: "u")?.count == 1)
        }
        cluster.close()
    }

    @Test func messagesAreCompared() async throws {
        let cluster = try await filled()
        let reader = try KafkaReader(configuration(cluster), topics: ["t"])
        try reader.begin(0, at: 4)
        let same = await blocking {
            var same: [Bool] = []
            while same.isEmpty {
                reader.read(within: .seconds(1)) { reading in
                    switch reading {
                    case .record(let message):
                        for (key, value) in [(nil, [4]), ([], [4]), (nil, nil), (nil, [5]), (nil, [4, 4]), (nil, [])]
                            as [([UInt8]?, [UInt8]?)]
                        {
                            same.append(message.isSame(key: key, value: value))
                        }
                        return false
                    default: return true
                    }
                }
            }
            reader.close()
            return same
        }
        #expect(same == [true, false, false, false, false, false])
        cluster.close()
    }

    @Test func readsPartitionsFromTheirOffsets() async throws {
        let cluster = try await filled()
        let reader = try KafkaReader(configuration(cluster), topics: ["t"])
        try reader.begin(0, at: 0)
        try reader.begin(1, at: 7)
        let said = await read(reader) { $0.count >= 15 }
        #expect(said.filter { if case .record(0, _, _) = $0 { true } else { false } } == records(0..<10, in: 0))
        #expect(said.filter { if case .record(1, _, _) = $0 { true } else { false } } == records(7..<10, in: 1))
        #expect(said.contains(.end(partition: 0, offset: 10)))
        await blocking { reader.close() }
        cluster.close()
    }

    @Test func beginsAgainElsewhere() async throws {
        let cluster = try await filled()
        let reader = try KafkaReader(configuration(cluster), topics: ["t"])
        try reader.begin(0, at: 0)
        // One record is taken; the rest waits in the client and must not come after the next beginning.
        #expect(await read(reader) { $0.count == 1 } == records(0..<1, in: 0))
        try reader.begin(0, at: 8)
        #expect(await read(reader) { $0.count == 3 } == records(8..<10, in: 0) + [.end(partition: 0, offset: 10)])
        reader.end(0)
        reader.end(0)
        try reader.begin(1, at: 9)
        #expect(await read(reader) { $0.count == 1 } == records(9..<10, in: 1))
        await blocking { reader.close() }
        cluster.close()
    }

    @Test func outOfRangeIsTroubleAndNotTheEnd() async throws {
        let cluster = try await filled()
        let reader = try KafkaReader(configuration(cluster), topics: ["t"])
        try reader.begin(0, at: 11)
        #expect(await read(reader) { $0.count == 1 } == [.trouble(partition: 0, .outOfRange)])
        try reader.begin(0, at: 9)
        #expect(await read(reader) { $0.count == 1 } == records(9..<10, in: 0))
        await blocking { reader.close() }
        cluster.close()
    }

    @Test func leaderMovesAndRequestsFail() async throws {
        let cluster = try await filled(brokers: 3)
        let reader = try KafkaReader(configuration(cluster), topics: ["t"])
        cluster.fail(.fetch, [.notLeader, .transport])
        for round in 0..<4 {
            cluster.lead("t", 0, by: Int32(round % 3 + 1))
            try reader.begin(0, at: 0)
            let said = await read(reader) { $0.contains(records(9..<10, in: 0)[0]) }
            #expect(said.filter { if case .record = $0 { true } else { false } } == records(0..<10, in: 0))
        }
        await blocking { reader.close() }
        cluster.close()
    }

    @Test func brokersThatGo() async throws {
        let cluster = try await filled()
        let reader = try KafkaReader(configuration(cluster), topics: ["t"])
        try reader.begin(0, at: 10)
        _ = await read(reader) { !$0.isEmpty }
        cluster.stop()
        #expect(await read(reader) { $0.contains(.trouble(partition: nil, .unreachable)) }.isEmpty == false)
        reader.end(0)
        await blocking { reader.close() }
        reader.wake()
        cluster.close()
    }

    @Test func questions() async throws {
        let cluster = try await filled()
        let kafka = try configuration(cluster)
        try await blocking {
            let inquiry = try KafkaInquiry(kafka, topics: ["t"], within: .seconds(20))
            #expect(try inquiry.bounds(of: 1) == 0..<10)
            #expect(try inquiry.record(at: 4, in: 1)?.value == [4])
            for offset in [-1, 10, 11, Int64.max, Int64.min] {
                #expect(try inquiry.record(at: offset, in: 1) == nil)
            }
            #expect(try inquiry.partitions(of: "t")?.map(\.number) == [0, 1])
            inquiry.close()
        }
        cluster.close()
    }

    /// A leader that stands still and is replaced: who knows only of that one hears of the next from other brokers,
    /// before its own connection fails.
    @Test func questionsWhoseLeaderStandsStill() async throws {
        let cluster = try await filled(brokers: 3)
        for partition in 0..<2 { cluster.lead("t", partition, by: 1) }
        let others = cluster.servers.split(separator: ",").dropFirst().joined(separator: ",")
        // The connection to the first does not fail meanwhile.
        let patience = ["socket.timeout.ms": "60000", "api.version.request.timeout.ms": "60000"]
        let kafka = try KafkaConfiguration(servers: others, clientID: "test", properties: patience)
        try await whileStill(cluster, broker: 1) {
            let inquiry = try KafkaInquiry(kafka, topics: ["t"], within: .seconds(15))
            defer { inquiry.close() }
            #expect(try inquiry.partitions(of: "t")?.map(\.leader) == [1, 1])
            cluster.lead("t", 0, by: 2)
            #expect(try inquiry.bounds(of: 0) == 0..<10)
            cluster.lead("t", 1, by: 3)
            #expect(try inquiry.record(at: 4, in: 1)?.value == [4])
        }
        cluster.close()
    }

    /// The time of a question counts also where a leader is known and says nothing.
    @Test func questionsThatALeaderDoesNotAnswer() async throws {
        let cluster = try await filled()
        let inquiry = try KafkaInquiry(configuration(cluster), topics: ["t"], within: .seconds(20))
        #expect(try await blocking { try inquiry.bounds(of: 0) } == 0..<10)
        try await whileStill(cluster) {
            inquiry.allow(.milliseconds(300))
            #expect {
                _ = try inquiry.bounds(of: 0)
            } throws: {
                ($0 as? KafkaError)?.kind == .timedOut
            }
            inquiry.close()
        }
        cluster.close()
    }

    /// Asks while brokers do not answer, which has to be over before they do again.
    private func whileStill(
        _ cluster: MockCluster, broker: Int32? = nil, _ ask: @escaping @Sendable () throws -> Void
    ) async throws {
        cluster.slow(broker, milliseconds: 600_000)
        let done = DispatchSemaphore(value: 0)
        async let hadToAnswer = blocking {
            guard done.wait(timeout: .now() + 20) == .timedOut else { return false }
            cluster.slow(broker, milliseconds: 0)
            return true
        }
        let result = await blocking { Result { try ask() } }
        done.signal()
        #expect(await !hadToAnswer)
        try result.get()
    }

    @Test func questionsThatNobodyAnswers() async throws {
        let kafka = try KafkaConfiguration(servers: "127.0.0.1:1", clientID: "test")
        await blocking {
            #expect {
                let inquiry = try KafkaInquiry(kafka, topics: ["t"], within: .milliseconds(300))
                defer { inquiry.close() }
                _ = try inquiry.bounds(of: 0)
            } throws: {
                [.unreachable, .timedOut].contains(($0 as? KafkaError)?.kind)
            }
            #expect {
                let inquiry = try KafkaInquiry(kafka, topics: ["t"], within: .seconds(60), isCancelled: { true })
                defer { inquiry.close() }
                _ = try inquiry.partitions(of: "t")
            } throws: {
                ($0 as? KafkaError)?.kind == .cancelled
            }
        }
    }
}
