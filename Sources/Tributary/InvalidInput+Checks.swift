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
        for type in filter.types { try check(NameCheck.eventType(Array(type.utf8)), .eventType, "an event type") }
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

    /// Checks an append, and gives its events as bytes.
    static func check(
        _ events: [NewEvent], to stream: StreamName, _ expected: ExpectedVersion, _ options: StoreOptions
    ) throws(InvalidInput) -> [ProposedEvent] {
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
        var proposed: [ProposedEvent] = []
        proposed.reserveCapacity(events.count)
        var ids: Set<UUID> = []
        if events.count > 1 { ids.reserveCapacity(events.count) }
        var bytes = 0
        // By index: an event that is copied is some references counted up and down.
        for index in events.indices {
            if events.count > 1, !ids.insert(events[index].id).inserted {
                throw InvalidInput(.repeatedID, "the events of an append must have different ids")
            }
            let next = try check(events[index])
            bytes += next.byteCount
            proposed.append(next)
        }
        if bytes > options.maxBytesPerAppend {
            throw InvalidInput(
                .appendTooLarge,
                "an append's events take at most \(options.maxBytesPerAppend) bytes, these take \(bytes); split it, or "
                    + "keep large payloads elsewhere and append a reference")
        }
        return proposed
    }

    private static func check(_ event: NewEvent) throws(InvalidInput) -> ProposedEvent {
        let proposed = ProposedEvent(
            type: Array(event.type.utf8), schemaVersion: event.schemaVersion,
            contentType: Array(event.contentType.rawValue.utf8),
            correlationID: event.correlationID.map { Array($0.utf8) },
            causationID: event.causationID.map { Array($0.utf8) }, data: event.data, metadata: event.metadata)
        try check(NameCheck.eventType(proposed.type), .eventType, "an event type")
        try check(NameCheck.contentType(proposed.contentType), .contentType, "a content type")
        if let id = proposed.correlationID {
            try check(NameCheck.correlationID(id), .correlationID, "a correlation id")
        }
        if let id = proposed.causationID { try check(NameCheck.correlationID(id), .causationID, "a causation id") }
        if event.schemaVersion < 1 { throw InvalidInput(.schemaVersion, "a schema version is 1 or more") }
        return proposed
    }
}
