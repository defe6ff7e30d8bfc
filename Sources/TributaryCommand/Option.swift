/// An option of a command: parsing and help are made from it.
struct Option: Hashable, Sendable {
    let name: String
    let letter: Character?
    /// What its value is called in the help; nil where it takes none.
    let argument: String?
    let text: String
    let isRepeated: Bool

    init(
        _ name: String, _ letter: Character? = nil, takes argument: String? = nil, isRepeated: Bool = false,
        _ text: String
    ) {
        self.name = name
        self.letter = letter
        self.argument = argument
        self.text = text
        self.isRepeated = isRepeated
    }

    static let data = Option(
        "data", "d", takes: "DIR",
        "the store is in this directory; else in that of TRIBUTARY_DATA; else in ./tributary-data")
    static let kafka = Option(
        "kafka", "k", takes: "HOST:PORT,…", "the store is on Kafka, at these brokers; else at those of TRIBUTARY_KAFKA")
    static let store = Option(
        "store", takes: "NAME",
        "on Kafka: the store's name, which its topics begin with; else TRIBUTARY_STORE; else tributary")
    static let kafkaConfig = Option(
        "kafka-config", takes: "FILE",
        "on Kafka: properties of librdkafka, name=value a line, for TLS, SASL and so on; else TRIBUTARY_KAFKA_CONFIG")
    static let index = Option(
        "index", takes: "DIR",
        "on Kafka: this node's copy and index, for one process at a time; else TRIBUTARY_INDEX; else "
            + "./tributary-index/NAME")
    static let allowUnverifiedTopics = Option(
        "allow-unverified-topics", nil, "on Kafka: write also where the topics' settings cannot be read")
    static let allowUnverifiedServers = Option(
        "allow-unverified-servers", nil,
        "on Kafka: accept properties that switch the check of the brokers' certificates or names off; anybody on the "
            + "way could then read and change everything")
    /// What only a store on Kafka has, besides its brokers.
    static let offline = Option(
        "offline", nil, "on Kafka: read what this node has applied, without asking Kafka; nothing is written")
    static let ofKafka: [Option] = [
        .store, .kafkaConfig, .index, .offline, .allowUnverifiedTopics, .allowUnverifiedServers,
    ]
    /// Where the store is: for every command, before or after its name.
    static let ofStore: [Option] = [.data, .kafka] + ofKafka

    static let partitions = Option(
        "partitions", takes: "N", "on Kafka: into how many partitions, for the store's life; 12 without it")
    static let replication = Option(
        "replication", takes: "N", "on Kafka: copies of each record; without it as the cluster has it")
    static let replicationWanted = Option(
        "replication", takes: "N", "fewer copies of a record than N are a mismatch; without it none are")
    static let partition = Option(
        "partition", takes: "N|order",
        "only this partition, 0 or more, or the order records; without it all partitions, one after the other")
    static let orderRecord = Option(
        "record", takes: "N", "the offset of the order record, as order shows it")
    static let orderPartition = Option(
        "partition", takes: "P", "the partition of which it says something false")
    static let yes = Option("yes", "y", "do not ask")
    static let table = Option("table", nil, "a table for people instead of JSON")

    static let peer = Option(
        "peer", takes: "DIR", "compare with the node that has this directory")

    static let help = Option("help", "h", "show this help")
    static let version = Option("version", "V", "show the version")

    static let type = Option(
        "type", "t", takes: "TYPE", "the event's type, 1 to 256 bytes")
    static let expect = Option(
        "expect", "e", takes: "WHAT",
        "what the stream must be: any (the default), no-stream, exists, or the version of its last event")
    static let id = Option(
        "id", "i", takes: "UUID", "the event's id; repeating an append with the same id stores nothing twice")
    static let json = Option(
        "json", "j", takes: "JSON", "the data: one JSON value, kept byte for byte")
    static let metadata = Option(
        "metadata", "m", takes: "JSON", "the metadata: one JSON value, kept byte for byte")
    static let contentType = Option(
        "content-type", "c", takes: "TYPE",
        "what the data is; else application/json if it is one JSON value, else application/octet-stream")
    static let schemaVersion = Option(
        "schema-version", takes: "N", "the version of the event's shape, 1 or more")
    static let correlationID = Option(
        "correlation-id", takes: "TEXT", "the correlation id")
    static let causationID = Option(
        "causation-id", takes: "TEXT", "the causation id")
    static let file = Option(
        "file", "f", takes: "FILE", "append the events of these JSON lines, all or none; - is standard input")

    static let fromVersion = Option(
        "from", "f", takes: "N", "begin at this version, 0 or more")
    static let fromPosition = Option(
        "from", "f", takes: "P", "begin at this global position, 0 or more")
    static let fromOffset = Option(
        "from", "f", takes: "N", "begin at this offset, 0 or more")
    static let backward = Option("backward", "b", "newest first; without --from it begins at the end")
    static let limit = Option(
        "limit", "n", takes: "N", "show at most N, 1 or more")
    static let category = Option(
        "category", "c", takes: "NAME", "only streams of this category: what stands before the first -")
    static let types = Option(
        "type", "t", takes: "TYPE", isRepeated: true, "only events of this type; may be given several times")

    static let acknowledgeAppend = Option(
        "acknowledge", takes: "ordered|accepted",
        "when it is done: when the events have their positions (the default), or when they are accepted and durable; "
            + "with one partition that is the same")
    static let acknowledgeImport = Option(
        "acknowledge", takes: "accepted|ordered",
        "when a line counts as stored: when it is accepted and durable (the default), or when it also has its "
            + "position; with one partition that is the same")

    static let onError = Option(
        "on-error", takes: "stop|skip", "at a bad or refused line: stop reading (the default), or skip it and go on")

    static let prefix = Option(
        "prefix", "p", takes: "TEXT", "only names that begin so")
    static let after = Option(
        "after", "a", takes: "NAME", "only names after this one")
    static let sort = Option(
        "sort", "s", takes: "name|events", "sort by name (the default), or most events first")
}

/// What a command is given besides options.
struct Operand: Sendable {
    let name: String
    let isRequired: Bool
}

/// A command: how it is called, what its help says, what it does.
struct Command: Sendable {
    /// One word or two.
    let name: String
    let operands: [Operand]
    let summary: String
    /// Paragraphs and, where they begin with blanks, lines as they are.
    let details: [String]
    let options: [Option]
    let run: @Sendable (Arguments, Context) async throws -> ExitCode

    var words: [Substring] { name.split(separator: " ") }

    var allOptions: [Option] { options + Option.ofStore + [.help] }
}
