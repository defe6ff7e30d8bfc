/// The bounds of this module.
public enum KafkaLimits {
    /// Most records of one producer that the client library holds at once. Its own limit is above, so that it never
    /// says *queue full* in earnest.
    public static let inFlightRecords = 20_000
    /// Most bytes of keys and values of one producer that the client library holds at once.
    public static let inFlightBytes = 64 << 20
    /// With as many records of a partition in flight an idempotent librdkafka sends no further batch of it, and a
    /// thread of it asks again and again until it may (`RD_KAFKA_IDEMP_MAX_INFLIGHT`).
    static let flightOfAPartition = 5
    /// `batch.size`: the largest batches bring nothing more.
    static let batchBytes = 1_000_000
    /// Bytes of keys and values of a partition that are handed over together: so many fit a batch with the 31 bytes at
    /// most that the library adds to each record. What did not fit would wait there, and keep its thread busy.
    static let handedBytes = 950_000
    /// Records of a partition that are handed over together, so that one which nobody leads takes little of the room.
    static let batchRecords = 1_000
    /// The longest that a record waits for others where it may, and the most bytes of a partition that wait so.
    static let gatherTime: Duration = .milliseconds(5)
    static let gatheredBytes = 512 << 10
    /// Holes that records which were withdrawn may leave among those that wait, besides as many as wait.
    static let waitingHoles = 4_096
    /// The longest that a thread waits for the library before it looks around.
    static let poll: Duration = .milliseconds(100)
    /// Most events that a producer handles before it looks whether it is being closed or its client has failed.
    static let eventsPerTurn = 100
    /// Most records that are lent to whoever wants them on their acknowledgement. With more at once the way back
    /// through a reader is short beside the rest, and copies would cost more than they bring.
    static let lentAtOnce = 16
    /// The longest that closing waits for the reports of what was purged, after its deadline.
    static let purgePatience: Duration = .seconds(5)
    /// The longest that anything waits for the library to let go of a client; it has had deadlocks there.
    static let destroyPatience: Duration = .seconds(5)
    /// A client that fails sooner is replaced after a pause.
    static let shortLife: Duration = .seconds(1)
    /// A pause after a client could not be made, or failed at once.
    static let replacePause: Duration = .milliseconds(200)
    /// The longest wait for a controller's name, which comes with the first answer of any broker.
    static let controllerWait: Duration = .milliseconds(100)
    /// The first wait for a controller's answer before another broker may be named as one; each next is twice as long.
    static let controllerSlice: Duration = .seconds(2)
    /// Between two tries of a question that was refused at once.
    static let askPause: Duration = .milliseconds(50)
    /// Slice of a wait for a broker, so that it can be cut short.
    static let askSlice: Duration = .milliseconds(500)
    /// What it grows to where a late answer is lost.
    static let longestAskSlice: Duration = .seconds(2)
}

extension Duration {
    /// Whole milliseconds, at most a day, as the library takes them.
    var milliseconds32: Int32 {
        let (seconds, fraction) = components
        let all = seconds.multipliedReportingOverflow(by: 1_000)
        return all.overflow
            ? 86_400_000 : Int32(min(max(0, all.partialValue + fraction / 1_000_000_000_000_000), 86_400_000))
    }
}
