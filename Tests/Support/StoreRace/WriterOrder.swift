/// What a `KafkaWriter` is to do, as JSON in its one argument.
public struct WriterOrder: Codable, Sendable {
    public var node: Int
    public var servers: String
    public var store: String
    public var properties: [String: String] = [:]
    /// The node's directory.
    public var index: String
    /// Where its steps are written, and where it finds those of its earlier lives.
    public var history: String
    public var shape: RaceShape

    public init(node: Int, servers: String, store: String, index: String, history: String, shape: RaceShape) {
        self.node = node
        self.servers = servers
        self.store = store
        self.index = index
        self.history = history
        self.shape = shape
    }
}

/// What a `KafkaWriter` says, a line of JSON each.
public enum WriterLine: Codable, Sendable {
    case open
    /// Calls that were answered so far, those of them without a certain answer, and those that were told a position.
    case progress(answered: Int, unknown: Int, ordered: Int)
    /// It appends no more.
    case done
    case state(NodeState)
    case order(OrderDigest)
    case closed
    case failed(String)
}

/// What a `KafkaWriter` is told, a word on a line each. The end of its input closes the store, too.
public enum WriterCommand: String, Sendable {
    case stop
    case state
    /// What it says of the order of all that was accepted before.
    case order
    case close
}
