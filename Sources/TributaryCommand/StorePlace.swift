import Glibc
import Tributary
import TributaryKafka

/// Where the store of a command line is.
enum StorePlace: Sendable {
    case directory(String)
    case kafka(KafkaLocation)

    static let defaultDirectory = "./tributary-data"
    static let defaultStore = "tributary"

    /// The directory of a node on Kafka where none is named: one for each store, beside whoever calls.
    static func defaultIndex(of store: String) -> String { "./tributary-index/" + store }

    /// For people.
    var name: String {
        switch self {
        case .directory(let path): path
        case .kafka(let location): "kafka \(location.servers) store \(location.store)"
        }
    }

    /// What its user calls it: on Kafka by its name.
    var storeName: String {
        switch self {
        case .directory(let path): path
        case .kafka(let location): location.store
        }
    }

    /// Whether Kafka is not asked.
    var isOffline: Bool {
        if case .kafka(let location) = self { location.isOffline } else { false }
    }

    var location: EventStore.Location {
        switch self {
        case .directory(let path): .directory(path)
        case .kafka(let location): .kafka(location)
        }
    }

    /// Options win over the environment, those after the command over those before it.
    init(_ options: StoreOptionValues, _ environment: (String) throws(Failure) -> String?) throws(Failure) {
        if let servers = try options.text(.kafka) {
            if options.has(.data) { throw Failure(.badInput, "--kafka and --data are two stores: give one of them") }
            self = .kafka(try Self.kafka(servers, options, environment))
            return
        }
        if let directory = try options.text(.data) {
            try Self.refuse(options, "goes with --kafka, not with --data")
            self = .directory(directory)
            return
        }
        let servers = try environment("TRIBUTARY_KAFKA")
        let directory = try environment("TRIBUTARY_DATA")
        if servers != nil && directory != nil {
            throw Failure(
                .badInput,
                "TRIBUTARY_KAFKA and TRIBUTARY_DATA are both set and are two stores: unset one, or say --kafka or --data"
            )
        }
        if let servers {
            self = .kafka(try Self.kafka(servers, options, environment))
        } else {
            try Self.refuse(options, "goes with --kafka HOST:PORT (or TRIBUTARY_KAFKA)")
            self = .directory(directory ?? Self.defaultDirectory)
        }
    }

    private static func refuse(_ options: StoreOptionValues, _ why: String) throws(Failure) {
        for option in Option.ofKafka where options.has(option) { throw Failure(.badInput, "--\(option.name) \(why)") }
    }

    private static func kafka(
        _ servers: String, _ options: StoreOptionValues, _ environment: (String) throws(Failure) -> String?
    ) throws(Failure) -> KafkaLocation {
        func value(_ option: Option, _ variable: String) throws(Failure) -> String? {
            if let text = try options.text(option) { return text }
            return try environment(variable)
        }
        let store = try value(.store, "TRIBUTARY_STORE") ?? defaultStore
        var location = KafkaLocation(servers, store: store)
        location.isOffline = options.has(.offline)
        location.allowsUnverifiedTopics = options.has(.allowUnverifiedTopics)
        location.acceptsUnverifiedServers = options.has(.allowUnverifiedServers)
        if let problem = location.problem { throw Failure(.badInput, problem) }
        location.index = try value(.index, "TRIBUTARY_INDEX") ?? defaultIndex(of: store)
        if let path = try value(.kafkaConfig, "TRIBUTARY_KAFKA_CONFIG") {
            let file = try KafkaConfigFile(path: path)
            try file.check(location)
            location.properties = file.properties
        }
        return location
    }

    /// A variable of this process's environment; nil where it is not set, or empty.
    static func environment(_ name: String) throws(Failure) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let bytes = unsafe Array(UnsafeRawBufferPointer(start: value, count: strlen(value)))
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badInput, "\(name) is not valid UTF-8")
        }
        return text.isEmpty ? nil : text
    }
}

/// The options that say where the store is, given before or after the command.
struct StoreOptionValues {
    let own: Arguments
    let global: Arguments

    func has(_ option: Option) -> Bool { own.has(option) || global.has(option) }

    /// - Throws: also for an empty text, which names nothing.
    func text(_ option: Option) throws(Failure) -> String? {
        let isOwn = own.has(option)
        guard let text = try (isOwn ? own : global).text(option) else { return nil }
        if text.isEmpty { throw Failure(.badInput, "--\(option.name) needs \(option.argument ?? "a value")") }
        return text
    }
}
