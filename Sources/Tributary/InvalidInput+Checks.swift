import FoundationEssentials
import StreamIndex

extension InvalidInput {
    /// A UUID as two big-endian numbers.
    typealias EventID = (high: UInt64, low: UInt64)

    /// Ids of one append up to which each is compared with each.
    private static let comparedIDs = 32

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

    /// Checks an append, and says which ids its events have and how many bytes they take.
    static func check(
        _ events: [NewEvent], to stream: StreamName, _ expected: ExpectedVersion, _ options: StoreOptions
    ) throws(InvalidInput) -> (ids: [EventID], bytes: Int) {
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
        var ids: [EventID] = []
        ids.reserveCapacity(events.count)
        var bytes = 0
        for index in events.indices {
            bytes += try checkEvent(events, index)
            ids.append(events[index].id.numbers)
        }
        if hasRepeatedID(ids) {
            throw InvalidInput(.repeatedID, "the events of an append must have different ids")
        }
        if bytes > options.maxBytesPerAppend {
            throw InvalidInput(
                .appendTooLarge,
                "an append's events take at most \(options.maxBytesPerAppend) bytes, these take \(bytes); split it, or "
                    + "keep large payloads elsewhere and append a reference")
        }
        return (ids, bytes)
    }

    private static func hasRepeatedID(_ ids: [EventID]) -> Bool {
        // Few are compared each with each: a set costs more.
        guard ids.count <= comparedIDs else {
            return Set(ids.map { UInt128($0.high) << 64 | UInt128($0.low) }).count < ids.count
        }
        for index in ids.indices {
            for earlier in 0..<index where ids[earlier] == ids[index] { return true }
        }
        return false
    }

    /// What an event takes in a record, in bytes. By index: an event that is copied is some references counted up and
    /// down.
    private static func checkEvent(_ events: [NewEvent], _ index: Int) throws(InvalidInput) -> Int {
        try check(NameCheck.eventType(events[index].type), .eventType, "an event type")
        try check(NameCheck.contentType(events[index].contentType.rawValue), .contentType, "a content type")
        if let id = events[index].correlationID {
            try check(NameCheck.correlationID(id), .correlationID, "a correlation id")
        }
        if let id = events[index].causationID {
            try check(NameCheck.correlationID(id), .causationID, "a causation id")
        }
        if events[index].schemaVersion < 1 { throw InvalidInput(.schemaVersion, "a schema version is 1 or more") }
        return EventBytes.count(
            type: events[index].type.utf8.count, contentType: events[index].contentType.rawValue.utf8.count,
            correlationID: events[index].correlationID?.utf8.count,
            causationID: events[index].causationID?.utf8.count,
            data: events[index].data.count, metadata: events[index].metadata?.count)
    }
}
