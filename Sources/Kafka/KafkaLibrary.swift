// Which librdkafka is running: one build serves all from 2.0.2 on.

import CRdKafka
import Foundation
import Glibc

/// The librdkafka that this process runs with; it may be newer than the one that the build saw.
public enum KafkaLibrary {
    /// As the library says it: "2.0.2".
    public static var version: String { rd_kafka_version_str().map { String(cString: $0) } ?? "unknown" }

    /// Major, minor and patch as 0xMMmmpp.
    static let number = Int(rd_kafka_version()) >> 8

    /// The oldest version with which everything here was tried.
    static let oldest = 0x02_00_02
    /// From here on nothing that matters to this module is missing.
    static let complete = 0x02_0b_01
    /// The first that does not repeat its SCRAM nonce, which Kafka 4 refuses.
    static let scramForKafka4 = 0x02_06_01

    /// What this library lacks, a line each for people; empty for a recent one.
    public static var missing: [String] {
        var lines: [String] = []
        if number < oldest { lines.append("it is older than 2.0.2, with which nothing was tried") }
        if !has("rd_kafka_message_leader_epoch") {
            lines.append("a truncated log is only noticed while the reader is beyond its new end (2.1.0)")
        }
        if !has("rd_kafka_DescribeTopics") {
            lines.append("a topic that was made anew cannot be told by its id (2.3.0)")
        }
        if number < 0x02_03_00 {
            lines.append("an idempotent producer may end with a fatal error after a failover; it is replaced (2.3.0)")
        }
        if number < 0x02_05_00 { lines.append("a new leader is found later (2.5.0)") }
        if number < scramForKafka4 { lines.append("SCRAM fails against Kafka 4 (2.6.1)") }
        if number < complete { lines.append("Kerberos fails against Kafka 4.0.0 (2.11.0)") }
        return lines
    }

    /// Versions with a defect that loses or stops something, which no setting avoids; nil for all others.
    public static var warning: String? {
        switch number {
        case 0x02_02_00..<0x02_05_00:
            "librdkafka \(version) may write a batch twice after a retry; use 2.5.3 or newer"
        case 0x02_05_00..<0x02_05_03: "librdkafka \(version) may abort the process; use 2.5.3 or newer"
        case 0x02_0a_00: "librdkafka \(version) may reconnect for ever; use 2.10.1 or newer"
        default: nil
        }
    }

    /// Whether the library has a call that the build's header may not know.
    private static func has(_ name: String) -> Bool {
        // The handle of the whole process, which holds the library.
        dlsym(UnsafeMutableRawPointer(bitPattern: 0), name) != nil
    }
}
