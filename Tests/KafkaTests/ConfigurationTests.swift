import Foundation
import KafkaBrokers
import Testing

@testable import Kafka

private func made(_ properties: [String: String], unverified: Bool = false) throws(KafkaError) -> KafkaConfiguration {
    try KafkaConfiguration(
        servers: "127.0.0.1:1", clientID: "test", properties: properties, acceptsUnverifiedServers: unverified)
}

@Test(arguments: ["group.id", "enable.auto.commit", "acks", "message.timeout.ms", "bootstrap.servers", "client.id"])
func propertiesOfOurOwn(_ name: String) {
    #expect {
        _ = try made([name: "x"])
    } throws: {
        let error = $0 as? KafkaError
        return error?.kind == .configuration && error?.message.contains(name) == true
    }
}

@Test func serversAreNamed() {
    for servers in ["", " , "] {
        #expect(throws: KafkaError.self) { _ = try KafkaConfiguration(servers: servers, clientID: "test") }
    }
}

@Test(arguments: [
    ("enable.ssl.certificate.verification", "false"), ("enable.ssl.certificate.verification", "0"),
    ("ssl.endpoint.identification.algorithm", "none"), ("ssl.endpoint.identification.algorithm", "NONE"),
])
func checksAreNotSwitchedOffByAccident(_ name: String, _ value: String) throws {
    #expect(throws: KafkaError.self) { _ = try made([name: value]) }
    _ = try made([name: value], unverified: true)
}

@Test func checksMayBeSwitchedOn() throws {
    _ = try made([
        "enable.ssl.certificate.verification": "true", "ssl.endpoint.identification.algorithm": "https",
    ])
}

@Test func unknownPropertyIsNamed() throws {
    let kafka = try made(["no.such.property": "1"])
    #expect {
        _ = try KafkaReader(kafka, topics: ["t"])
    } throws: {
        ($0 as? KafkaError)?.message.contains("no.such.property") == true
    }
}

@Test func secretsAreNotShown() throws {
    let secrets = ["sasl.password": "hunter2hunter2", "ssl.key.password": "opensesame"]
    let kafka = try made(secrets.merging(["sasl.username": "me"]) { first, _ in first })
    #expect(kafka.cleared("no hunter2hunter2 and opensesame, me") == "no *** and ***, me")
    #expect(!kafka.explained(KafkaError(.other, "bad hunter2hunter2")).message.contains("hunter2"))
    // The library repeats a bad value in its error.
    let bad = try made(["ssl.key.pem": "hunter2hunter2", "security.protocol": "ssl"])
    do throws(KafkaError) {
        _ = try KafkaReader(bad, topics: ["t"])
        Issue.record("no error")
    } catch {
        #expect(!error.description.contains("hunter2"))
    }
}

@Test func scramOfAnOldLibraryIsExplained() throws {
    let kafka = try made(["sasl.mechanism": "SCRAM-SHA-256"])
    let error = kafka.explained(KafkaError(.authentication, "invalid credentials"))
    #expect(error.message.contains("2.6.1") == (KafkaLibrary.number < 0x02_06_01))
    let plain = try made(["sasl.mechanism": "PLAIN"])
    #expect(plain.explained(KafkaError(.authentication, "invalid")).message == "invalid")
}

@Test func libraryIsKnown() {
    print("librdkafka \(KafkaLibrary.version)")
    if let wanted = ProcessInfo.processInfo.environment["TRIBUTARY_LIBRDKAFKA"] {
        #expect(KafkaLibrary.version == wanted)
    }
    #expect(KafkaLibrary.number >= KafkaLibrary.oldest)
    #expect(KafkaLibrary.missing.isEmpty == (KafkaLibrary.number >= KafkaLibrary.complete))
}

@Test func settingsAreAcceptedByTheLibrary() throws {
    let kafka = try made([:])
    for role in [ClientRole.producer(maxMessageBytes: 1 << 20), .reader, .inquiry] {
        let client = try KafkaClient(kafka, role, topics: ["t"])
        client.destroy()
    }
}

@Test func statisticsAreGauges() throws {
    let json = #"""
        {"name":"c#1","replyq":2,"msg_cnt":3,"msg_size":40,"txmsgs":5,"txmsg_bytes":60,"rxmsgs":7,"rxmsg_bytes":80,
        "brokers":{"a":{"nodeid":1,"state":"UP","rtt":{"avg":900}},"b":{"nodeid":2,"state":"DOWN"},
        "boot":{"nodeid":-1,"state":"INIT"}}}
        """#
    let statistics = try #require(KafkaStatistics(json: json))
    #expect(statistics.client == "c#1")
    #expect(statistics.queuedRecords == 3)
    #expect((statistics.brokersUp, statistics.brokersDown) == (1, 1))
    #expect(statistics.roundTripMicroseconds == 900)
    #expect(KafkaStatistics(json: "{") == nil)
    #expect(KafkaStatistics(json: "[1]") == nil)
    #expect(KafkaStatistics(json: #"{"brokers":[1],"msg_cnt":"x"}"#) != nil)
}
