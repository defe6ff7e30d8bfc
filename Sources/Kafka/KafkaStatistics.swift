import Foundation

/// A handful of gauges from the library's statistics.
public struct KafkaStatistics: Sendable, Equatable {
    /// The client's name, as "tributary-shop#producer-1".
    public var client = ""
    /// Events that wait to be served.
    public var waitingEvents = 0
    /// Records and bytes in the client that are not acknowledged.
    public var queuedRecords = 0
    public var queuedBytes = 0
    /// Since the client was made.
    public var sentRecords = 0
    public var sentBytes = 0
    public var receivedRecords = 0
    public var receivedBytes = 0
    /// Of the brokers that the client knows.
    public var brokersUp = 0
    public var brokersDown = 0
    /// The slowest broker's mean round trip, in microseconds.
    public var roundTripMicroseconds = 0

    /// nil where the text is not what the library writes.
    init?(json: String) {
        guard let all = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] else { return nil }
        func number(_ name: String) -> Int { (all[name] as? NSNumber)?.intValue ?? 0 }
        client = all["name"] as? String ?? ""
        waitingEvents = number("replyq")
        queuedRecords = number("msg_cnt")
        queuedBytes = number("msg_size")
        sentRecords = number("txmsgs")
        sentBytes = number("txmsg_bytes")
        receivedRecords = number("rxmsgs")
        receivedBytes = number("rxmsg_bytes")
        for case let broker as [String: Any] in (all["brokers"] as? [String: Any] ?? [:]).values {
            // Those that only name where to begin are brokers without an id.
            guard (broker["nodeid"] as? NSNumber)?.intValue ?? -1 >= 0 else { continue }
            if broker["state"] as? String == "UP" { brokersUp += 1 } else { brokersDown += 1 }
            let trip = ((broker["rtt"] as? [String: Any])?["avg"] as? NSNumber)?.intValue ?? 0
            roundTripMicroseconds = max(roundTripMicroseconds, trip)
        }
    }
}
