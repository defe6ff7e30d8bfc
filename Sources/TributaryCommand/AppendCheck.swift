import Tributary

/// What can be said of an append before there is a store: bad input must not make one. The store itself checks again,
/// and the size to the byte.
enum AppendCheck {
    static let typeBytes = 1...256
    static let contentTypeBytes = 1...128
    static let correlationIDBytes = 0...128

    static func check(_ events: [NewEvent]) throws(Failure) {
        let options = StoreOptions()
        if events.count > options.maxEventsPerAppend {
            throw Failure(
                .badInput,
                "an append takes at most \(options.maxEventsPerAppend) events, these are \(events.count): split it")
        }
        var bytes = 0
        for event in events {
            try check(event.type, typeBytes, "an event type")
            try check(event.contentType)
            if let id = event.correlationID { try check(id, correlationIDBytes, "a correlation id") }
            if let id = event.causationID { try check(id, correlationIDBytes, "a causation id") }
            bytes += event.data.count + (event.metadata?.count ?? 0)
        }
        if bytes > options.maxBytesPerAppend {
            throw Failure(
                .badInput,
                "an append's events take at most \(options.maxBytesPerAppend) bytes, these take over \(bytes): split "
                    + "it, or keep large payloads elsewhere and append a reference")
        }
    }

    static func check(_ stream: StreamName) throws(Failure) {
        if stream.isSystem {
            throw Failure(.badInput, "\(stream): names that begin with $ belong to the store; choose another")
        }
    }

    static func check(_ type: ContentType) throws(Failure) {
        try check(type.rawValue, contentTypeBytes, "a content type")
    }

    private static func check(_ text: String, _ bounds: ClosedRange<Int>, _ what: String) throws(Failure) {
        let count = text.utf8.count
        if count < bounds.lowerBound { throw Failure(.badInput, "\(what) must not be empty") }
        if count > bounds.upperBound { throw Failure(.badInput, "\(what) has at most \(bounds.upperBound) bytes") }
        for scalar in text.unicodeScalars where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) {
            throw Failure(.badInput, "\(what) must not hold control characters (U+0000 to 001F, 007F to 009F)")
        }
    }
}
