import EventLog
import Foundation
import Kafka
import KafkaBrokers
import KafkaEventLog
import LogContract
import Testing

extension RealKafka {
    /// Topics that are not, or no longer, what a store needs.
    @Suite(.enabled(if: RealBroker.isAtHand, "no real Kafka is at hand"))
    struct RealTopicTests {
        private func topic(settings: [String: String]) async throws -> KafkaPlace {
            let servers = try await onOwnThread(named: "start-kafka") { try RealBroker.current.start() }
            let place = KafkaPlace(servers: servers, store: "test-\(UUID().uuidString.lowercased())")
            let kafka = try KafkaConfiguration(servers: servers, clientID: "test")
            try await onOwnThread(named: "make-topic") {
                let inquiry = try KafkaInquiry(kafka, topics: [place.eventsTopic], within: .seconds(20))
                defer { inquiry.close() }
                try inquiry.createTopic(place.eventsTopic, partitions: 1, replication: 1, settings: settings)
            }
            return place
        }

        @Test(arguments: [
            ["cleanup.policy": "compact"], ["retention.ms": "604800000"], ["retention.bytes": "1000000"],
            ["message.timestamp.type": "CreateTime"], ["max.message.bytes": "100000"],
        ])
        func wrongSettingIsNamedAndNothingWritten(_ wrong: [String: String]) async throws {
            var settings = [
                "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1",
                "message.timestamp.type": "LogAppendTime", "max.message.bytes": "2097152",
            ]
            settings.merge(wrong) { $1 }
            let place = try await topic(settings: settings)
            let name = try #require(wrong.keys.first)
            let report = try await KafkaTopics.check(place)[0]
            #expect(report.mismatches.map(\.setting) == [name])
            #expect(report.mismatches.first?.found == wrong[name])
            #expect(report.mismatches.first?.mend?.contains("--add-config \(name)=") == true)

            let log = try await KafkaLog.open(place)
            #expect(log.openingNotes.contains { $0.contains(name) })
            let collector = RecordCollector(channels: 1)
            try log.start(from: [0], handler: collector)
            log.append(LogRecord(key: nil, value: [1]), to: 0, tag: LogTag(number: 1))
            let contents = try await collector.wait(for: "the refusal") { !$0.reports.isEmpty }
            guard case .notStored(.failed(let why)) = contents.reports[0].outcome else {
                Issue.record("\(contents.reports)")
                return
            }
            #expect(why.contains(name))
            #expect(try await log.bounds(of: 0).isEmpty)
            await log.close()
        }

        @Test func replicationIsChecked() async throws {
            var place = try await realPlace(.current, partitions: 1)
            place.replication = 3
            #expect(try await KafkaTopics.check(place)[0].mismatches.map(\.setting) == ["the replication factor"])
        }
    }

    /// What needs a broker that the tests may treat as they like.
    @Suite(.enabled(if: RealBroker.canStart, "no real Kafka can be started"))
    struct RealBrokenTopicTests {
        @Test func topicMadeAnewAndShorter() async throws {
            let place = try await realPlace(.own, partitions: 1)
            let log = try await KafkaLog.open(place)
            let collector = RecordCollector(channels: 1)
            try log.start(from: [0], handler: collector)
            for number in 0..<20 as Range<UInt8> { log.append(LogRecord(key: nil, value: [number]), to: 0, tag: .none) }
            try await collector.wait(forRecords: 20)
            try await onOwnThread(named: "delete-topic") {
                try RealBroker.own.tool(
                    "topics", "--bootstrap-server", place.servers, "--delete", "--topic", place.eventsTopic)
            }
            try await collector.wait(for: "the loss of the topic") {
                $0.events.contains { if case .contactLost = $0 { true } else { false } }
            }
            try await KafkaTopics.create(place, partitions: 1, replication: 1)
            let contents = try await collector.wait(for: "a shorter log") {
                $0.events.contains(.shortened(channel: 0, end: 0))
            }
            let lost = contents.events.firstIndex { if case .contactLost = $0 { true } else { false } }
            let regained = contents.events.firstIndex(of: .contactRegained)
            let shortened = contents.events.firstIndex(of: .shortened(channel: 0, end: 0))
            #expect(try #require(lost) < #require(regained))
            #expect(try #require(regained) < #require(shortened))
            await log.close()
        }

        /// A transaction that somebody else aborted: between records, and at the end, where only the end's offset shows
        /// it.
        @Test func holesInTheOffsets() async throws {
            let place = try await realPlace(.own, partitions: 1)
            let log = try await KafkaLog.open(place)
            let collector = RecordCollector(channels: 1)
            try log.start(from: [0], handler: collector)
            log.append(LogRecord(key: nil, value: [1]), to: 0, tag: .none)
            try await collector.wait(forRecords: 1)
            let isDone = try await onOwnThread(named: "transaction") {
                abortTransaction(servers: place.servers, topic: place.eventsTopic, partition: 0)
            }
            #expect(isDone)
            // The record and the mark that it does not count.
            let gap = LogEvent.gap(channel: 0, expected: 1, found: 3)
            try await collector.wait(for: "the hole at the end") { $0.events == [gap] }
            log.append(LogRecord(key: nil, value: [2]), to: 0, tag: .none)
            let contents = try await collector.wait(forRecords: 2)
            #expect(contents.records[0].map(\.offset) == [0, 3])
            await log.close()

            let again = try await KafkaLog.open(place)
            let second = RecordCollector(channels: 1)
            try again.start(from: [0], handler: second)
            #expect(try await second.wait(forRecords: 2).events == [gap])
            #expect(try await again.record(at: 1, in: 0) == nil)
            #expect(try await again.record(at: 3, in: 0)?.record.value == [2])
            await again.close()
        }

        /// A broker stands still, which leads some partition: whoever asks just then waits for the next leader, no longer.
        @Test func oneOfThreeStandsStill() async throws {
            let servers = try await onOwnThread(named: "start-kafka") { try RealBroker.three.start() }
            let place = KafkaPlace(servers: servers, store: "test-\(UUID().uuidString.lowercased())")
            try await KafkaTopics.create(place, partitions: 3, replication: 3)
            let kafka = try KafkaConfiguration(servers: servers, clientID: "test")
            try await onOwnThread(named: "pause") { try RealBroker.three.act(.pause, on: 1) }
            // Whoever waits for it comes to an end, too.
            let done = DispatchSemaphore(value: 0)
            let resuming = Task {
                try await onOwnThread(named: "resume") {
                    let isLate = done.wait(timeout: .now() + 40) == .timedOut
                    try RealBroker.three.act(.resume, on: 1)
                    return isLate
                }
            }
            let asking = Task {
                try await onOwnThread(named: "ask") {
                    let inquiry = try KafkaInquiry(kafka, topics: [place.eventsTopic], within: .seconds(60))
                    defer { inquiry.close() }
                    for partition in 0..<3 {
                        #expect(try inquiry.bounds(of: TopicPartition(partition)) == 0..<0)
                        #expect(try inquiry.record(at: 0, in: TopicPartition(partition)) == nil)
                    }
                }
            }
            let result = await asking.result
            done.signal()
            #expect(try await !resuming.value, "it had to go on first")
            try result.get()
        }

        /// A byte of the broker's file was flipped.
        @Test func damagedRecord() async throws {
            let place = try await realPlace(.own, partitions: 1)
            let log = try await KafkaLog.open(place)
            let collector = RecordCollector(channels: 1)
            try log.start(from: [0], handler: collector)
            for number in 0..<3 as Range<UInt8> {
                log.append(LogRecord(key: nil, value: Array(repeating: number, count: 1_000)), to: 0, tag: .none)
                try await collector.wait(forRecords: Int(number) + 1)
            }
            await log.close()
            let file = RealBroker.own.directory.appending(
                path: "node-1/data/\(place.eventsTopic)-0/00000000000000000000.log")
            let handle = try FileHandle(forUpdating: file)
            try handle.seek(toOffset: 1_600)
            try handle.write(contentsOf: [0xFF] as [UInt8])
            try handle.close()

            let again = try await KafkaLog.open(place)
            let second = RecordCollector(channels: 1)
            try again.start(from: [0], handler: second)
            let contents = try await second.wait(for: "the damage") {
                $0.events.contains { if case .damaged = $0 { true } else { false } }
            }
            #expect(contents.records[0].map(\.offset) == [0])
            guard case .damaged(0, let why) = contents.events.last else { return }
            #expect(why.contains("offset 1 of partition 0"))
            let error = await expectError(.damaged) { _ = try await again.record(at: 1, in: 0) }
            #expect(error?.message.contains("offset 1 of partition 0") == true)
            await again.close()
        }

        @Test func partitionsAdded() async throws {
            let place = try await realPlace(.own, partitions: 1)
            let log = try await KafkaLog.open(place)
            #expect(log.description.channels == 1)
            await log.close()
            try await onOwnThread(named: "alter-topic") {
                try RealBroker.own.tool(
                    "topics", "--bootstrap-server", place.servers, "--alter", "--topic", place.eventsTopic,
                    "--partitions",
                    "2")
            }
            let error = await expectError(.notAStore) { _ = try await KafkaLog.open(place) }
            #expect(error?.message.contains("where partitions were added") == true)
            // Where it is known how many there should be, the index says that.
            let again = try await KafkaLog.open(place, knownPartitions: 1)
            #expect(again.description.partitions == 2)
            await again.close()
        }

        /// As after a crash between the two, or of a store that was made before there was an order.
        @Test func theMissingOrderTopicIsMade() async throws {
            let place = try await realPlace(.own, partitions: 3)
            try await onOwnThread(named: "delete-topic") {
                try RealBroker.own.tool(
                    "topics", "--bootstrap-server", place.servers, "--delete", "--topic", place.orderTopic)
            }
            let error = await expectError(.notAStore) { try await KafkaLog.open(place).close() }
            for words in [place.orderTopic, "tributary topics create --kafka \(place.servers) --store \(place.store)"] {
                #expect(error?.message.contains(words) == true)
            }
            // Nothing is made for what is not meant, or not right.
            await expectError(.alreadyExists) { try await KafkaTopics.create(place, partitions: 4) }
            var strict = place
            strict.replication = 3
            await expectError(.alreadyExists) { [strict] in try await KafkaTopics.create(strict) }
            #expect(try await KafkaTopics.create(place) == [place.orderTopic: 1])
            #expect(try await KafkaTopics.check(place).allSatisfy { $0.mismatches == [] })
            await expectError(.alreadyExists) { try await KafkaTopics.create(place) }
            try await onOwnThread(named: "alter-topic") {
                try RealBroker.own.tool(
                    "topics", "--bootstrap-server", place.servers, "--alter", "--topic", place.orderTopic,
                    "--partitions", "2")
                try RealBroker.own.tool(
                    "configs", "--bootstrap-server", place.servers, "--alter", "--entity-type", "topics",
                    "--entity-name", place.orderTopic, "--add-config", "retention.ms=1000")
            }
            let log = try await KafkaLog.open(place)
            let refusal = try #require(log.description.writeRefusal)
            #expect(refusal.contains("topic \(place.orderTopic): the number of partitions is 2 and must be 1"))
            #expect(refusal.contains("--entity-name \(place.orderTopic) --add-config retention.ms=-1"))
            await log.close()
        }
    }

    /// Every way to reach a broker that lets nobody in.
    @Suite(.enabled(if: RealBroker.canStart, "no real Kafka can be started"))
    struct SecurityTests {
        private func place(_ broker: RealBroker, _ listener: String, _ properties: [String: String]) async throws
            -> KafkaPlace
        {
            _ = try await onOwnThread(named: "start-kafka") { try broker.start() }
            var place = KafkaPlace(
                servers: try broker.text(of: listener), store: "test-\(UUID().uuidString.lowercased())",
                properties: properties.mapValues {
                    $0.replacingOccurrences(of: "TLS/", with: broker.directory.appending(path: "tls").path() + "/")
                })
            place.patience = .seconds(15)
            return place
        }

        private func roundTrip(_ place: KafkaPlace) async throws {
            try await KafkaTopics.create(place, partitions: 1, replication: 1)
            let log = try await KafkaLog.open(place)
            let collector = RecordCollector(channels: 1)
            try log.start(from: [0], handler: collector)
            log.append(LogRecord(key: [1], value: [2]), to: 0, tag: .none)
            let contents = try await collector.wait(forRecords: 1)
            #expect(contents.events == [])
            await log.close()
        }

        private static let mutualTLS = [
            "security.protocol": "ssl", "ssl.ca.location": "TLS/ca.pem", "ssl.certificate.location": "TLS/client.pem",
            "ssl.key.location": "TLS/client.key",
        ]

        private static func sasl(_ mechanism: String, password: String = "tributary-secret") -> [String: String] {
            [
                "security.protocol": "sasl_ssl", "ssl.ca.location": "TLS/ca.pem", "sasl.mechanism": mechanism,
                "sasl.username": "tributary", "sasl.password": password,
            ]
        }

        @Test func mutualTLS() async throws {
            try await roundTrip(place(.secure, "bootstrap-tls", Self.mutualTLS))
        }

        @Test func plainOverTLS() async throws {
            try await roundTrip(place(.secure, "bootstrap-sasl", Self.sasl("PLAIN")))
        }

        /// An old library fails against Kafka 4, and the error has to say that it is not the password.
        @Test func scram() async throws {
            try await roundTrip(place(.olderSecure, "bootstrap-sasl", Self.sasl("SCRAM-SHA-256")))
            let new = try await place(.secure, "bootstrap-sasl", Self.sasl("SCRAM-SHA-256"))
            guard KafkaLibrary.missing.contains(where: { $0.contains("SCRAM") }) else {
                return try await roundTrip(new)
            }
            let error = await expectError(.noPermission) { try await roundTrip(new) }
            #expect(error?.message.contains("2.6.1") == true)
        }

        /// The library makes the tokens itself, unsigned, when the broker asks for one.
        @Test func oauthBearer() async throws {
            var properties = Self.sasl("OAUTHBEARER")
            properties["sasl.username"] = nil
            properties["sasl.password"] = nil
            properties["enable.sasl.oauthbearer.unsecure.jwt"] = "true"
            properties["sasl.oauthbearer.config"] = "principal=tributary"
            try await roundTrip(place(.tokens, "bootstrap-sasl", properties))
            // A token that does not say whose it is.
            properties["sasl.oauthbearer.config"] = "principalClaimName=somebody principal=tributary"
            let nobody = try await place(.tokens, "bootstrap-sasl", properties)
            await expectError(.noPermission) { try await KafkaLog.open(nobody).close() }
        }

        @Test func wrongPassword() async throws {
            var place = try await place(.secure, "bootstrap-sasl", Self.sasl("PLAIN", password: "not-the-password"))
            let lines = Monitor<[String]>([])
            place.log = { _, _, line in lines.withLock { $0.append(line) } }
            await expectError(.noPermission) { [place] in try await KafkaLog.open(place).close() }
            #expect(!lines.read { $0.contains { $0.contains("not-the-password") } })
        }

        @Test func missingCertificates() async throws {
            // The broker asks for one.
            var anonymous = Self.mutualTLS
            anonymous["ssl.certificate.location"] = nil
            anonymous["ssl.key.location"] = nil
            let first = try await place(.secure, "bootstrap-tls", anonymous)
            let error = await expectError(.unavailable) { try await KafkaLog.open(first).close() }
            #expect(error?.message.contains("ssl.certificate.location") == true)
            // Nobody vouches for the broker.
            var unknown = Self.mutualTLS
            unknown["ssl.ca.location"] = "TLS/client.pem"
            let second = try await place(.secure, "bootstrap-tls", unknown)
            await expectError(.noPermission) { try await KafkaLog.open(second).close() }
            // A file that is not there.
            var missing = Self.mutualTLS
            missing["ssl.ca.location"] = "TLS/no-such-file.pem"
            let third = try await place(.secure, "bootstrap-tls", missing)
            await expectError(.unavailable) { try await KafkaLog.open(third).close() }
        }
    }
}
