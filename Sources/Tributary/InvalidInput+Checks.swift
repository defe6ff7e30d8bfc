import FoundationEssentials
import StreamIndex

extension InvalidInput {
    static func check(streamName: [UInt8]) throws(InvalidInput) {
        try check(NameCheck.streamName(streamName), .streamName, "a stream name")
    }

    static func check(_ filter: EventFilter) throws(InvalidInput) {
        if let category = filter.category {
            try check(NameCheck.streamName(Array(category.utf8)), .category, "a category")
        }
        for type in filter.types { try check(NameCheck.eventType(type), .eventType, "an event type") }
    }

    private static func check(
        _ problem: NameCheck.Problem?, _ code: Code, _ what: String
    ) throws(InvalidInput) {
        switch problem {
        case nil: return
        case .empty: throw InvalidInput(code, "\(what) must not be empty")
        case .tooLong(let limit): throw InvalidInput(code, "\(what) has at most \(limit) bytes")
        case .notUTF8: throw InvalidInput(code, "\(what) must be valid UTF-8")
        case .controlCharacter:
            throw InvalidInput(code, "\(what) must not hold control characters (U+0000 to 001F, 007F to 009F)")
        }
    }

    /// Checks an append, and says how many bytes its events take.
    static func check(
        _ events: [NewEvent], to stream: StreamName, _ expected: ExpectedVersion, _ options: StoreOptions
    ) throws(InvalidInput) -> Int {
        if stream.isSystem {
            throw InvalidInput(.streamName, "\(stream): names that begin with `$` belong to the store; choose another")
        }
        if case .version(let version) = expected, !(0..<Int64.max).contains(version) {
            throw InvalidInput(.expectedVersion, "an expected version is 0 or more; for a new stream expect no stream")
        }
        if events.isEmpty { throw InvalidInput(.noEvents, "an append needs at least one event") }
        if events.count > options.maxEventsPerAppend {
            throw InvalidInput(
                .tooManyEvents,
                "an append takes at most \(options.maxEventsPerAppend) events, this one has \(events.count); split it")
        }
        var bytes = 0
        // By index: an event that is copied is some references counted up and down.
        for index in events.indices { bytes += try check(events[index]) }
        if hasRepeatedID(events) {
            throw InvalidInput(.repeatedID, "the events of an append must have different ids")
        }
        if bytes > options.maxBytesPerAppend {
            throw InvalidInput(
                .appendTooLarge,
                "an append's events take at most \(options.maxBytesPerAppend) bytes, these take \(bytes); split it, or "
                    + "keep large payloads elsewhere and append a reference")
        }
        return bytes
    }

    private static func hasRepeatedID(_ events: [NewEvent]) -> Bool {
        // Ids made one after the other ascend.
        var last = events[0].id.numbers
        var index = 1
        while index < events.count {
            let next = events[index].id.numbers
            guard last < next else { return Set(events.map(\.id)).count < events.count }
            last = next
            index += 1
        }
        return false
    }

    /// What the event takes in a record, in bytes.
    private static func check(_ event: NewEvent) throws(InvalidInput) -> Int {
        try check(NameCheck.eventType(event.type), .eventType, "an event type")
        try check(NameCheck.contentType(event.contentType.rawValue), .contentType, "a content type")
        if let id = event.correlationID { try check(NameCheck.correlationID(id), .correlationID, "a correlation id") }
        if let id = event.causationID { try check(NameCheck.correlationID(id), .causationID, "a causation id") }
        if event.schemaVersion < 1 { throw InvalidInput(.schemaVersion, "a schema version is 1 or more") }
        return EventBytes.count(
            type: event.type.utf8.count, contentType: event.contentType.rawValue.utf8.count,
            correlationID: event.correlationID?.utf8.count, causationID: event.causationID?.utf8.count,
            data: event.data.count, metadata: event.metadata?.count)
    }
}
