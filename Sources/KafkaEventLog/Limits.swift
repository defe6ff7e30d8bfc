/// The bounds of this module.
public enum KafkaLogLimits {
    /// The most that a batch of one record takes besides key and value, in bytes, generously.
    static let batchOverhead = 512
    /// Partitions of a store where nobody says how many.
    public static let partitions = 12
    /// What a store's topics have to allow for one batch, in bytes.
    public static let topicMessageBytes = 2 << 20
    /// The longest that `close` waits for what is outstanding, and `open` and other questions for brokers.
    public static let patience: Duration = .seconds(10)
    /// Between two questions to a leader of which the first answered what should not be.
    static let secondOpinion: Duration = .milliseconds(500)
    /// How long it may take until all brokers know of a topic that was made.
    static let topicNews: Duration = .seconds(3)
    /// Between two attempts to reach a broker; to reach one partition's leader it grows to the longest.
    static let probePause: Duration = .milliseconds(200)
    static let longestProbePause: Duration = .seconds(2)
    /// The longest that the log's thread waits for records before it looks around.
    static let readWait: Duration = .milliseconds(100)
    /// Most records that wait to be delivered on their acknowledgement, and the most bytes of one: more come through the
    /// reader only.
    static let acknowledgedRecords = 64
    static let acknowledgedBytes = 16 << 10
    /// How often a channel is read again from one offset before what came is believed.
    static let rereads = 1
    /// Most questions for bounds and single records at once; more are refused.
    public static let questions = 64
    /// How long a question waits for those before it.
    static let turn: Duration = .milliseconds(250)
    /// How long a client for questions is kept after the last one; later it might not know who leads. A second opinion
    /// comes later.
    static let inquiryKept: Duration = .milliseconds(250)
    /// Characters of a topic's name.
    static let topicName = 249
}
