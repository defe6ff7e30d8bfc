public import FoundationEssentials
import StreamIndex

extension EventStore {
    /// Reads a stream.
    ///
    /// ```swift
    /// for try await event in store.read(order, from: 10, limit: 100) { … }
    /// for try await event in store.read(order, direction: .backward, limit: 20) { … }
    /// ```
    /// A read shows what was accepted when it began. A stream that does not exist, or was deleted, reads as empty.
    ///
    /// - Parameters:
    ///   - version: the first version to show, 0 or more; nil: the beginning, or the end where it goes backward.
    ///   - limit: most events, 1 or more.
    /// - Returns: events, read page by page. Throws `ReadError` (`tombstoned`, `invalid`, `store`),
    ///   `CancellationError`.
    public func read(
        _ stream: StreamName, from version: Int64? = nil, direction: ReadDirection = .forward, limit: Int = .max,
        consistency: ReadConsistency = .local
    ) -> EventSequence {
        let request = StreamPageRequest(
            stream: stream.utf8, from: version, direction: direction.page, maxEvents: IndexLimits.pageEvents)
        return EventSequence(
            store: self, source: .stream(stream, request), limit: limit, consistency: consistency,
            problem: Self.problem(from: version, limit: limit))
    }

    /// Reads the events of the whole store in their global order, the store's own (`$…`) too. With several partitions
    /// it ends before the first position that is not known yet; where nodes differ about one it throws `disputed`
    /// there.
    ///
    /// ```swift
    /// for try await event in store.readAll(from: .start, where: .category("Order")) { … }
    /// ```
    /// - Parameters:
    ///   - position: the first position to show; nil: the beginning, or the end where it goes backward.
    ///   - limit: most events, 1 or more.
    ///   - filter: which events to show.
    /// - Returns: events, read page by page. Throws `ReadError`, `CancellationError`.
    public func readAll(
        from position: GlobalPosition? = nil, direction: ReadDirection = .forward, limit: Int = .max,
        where filter: EventFilter = .all, consistency: ReadConsistency = .local
    ) -> EventSequence {
        let request = SequencePageRequest(
            partition: 0, from: position?.value, direction: direction.page,
            category: filter.category.map { Array($0.utf8) }, types: filter.types.map { Array($0.utf8) },
            maxEvents: IndexLimits.pageEvents)
        var problem = Self.problem(from: position?.value, limit: limit)
        do throws(InvalidInput) {
            try InvalidInput.check(filter)
        } catch {
            problem = .invalid(error)
        }
        if !index.hasGlobalOrder { problem = Self.noGlobalOrder }
        return EventSequence(
            store: self, source: .all(request), limit: limit, consistency: consistency, problem: problem)
    }

    /// The position of the first event that was stored at a time or after it: where a read by time begins.
    ///
    /// ```swift
    /// if let first = try await store.position(at: yesterday) {
    ///     for try await event in store.readAll(from: first) { … }
    /// }
    /// ```
    /// - Parameter date: by the log's clock, to the millisecond.
    /// - Returns: nil where nothing was stored since.
    /// - Throws: `ReadError`.
    public func position(at date: Date) async throws -> GlobalPosition? {
        if !index.hasGlobalOrder { throw Self.noGlobalOrder }
        guard !date.timeIntervalSince1970.isNaN else { return nil }
        // A date is a fraction of seconds: what is a whole millisecond to a microsecond counts as one.
        let microseconds = Swift.min(Swift.max((date.timeIntervalSince1970 * 1_000_000).rounded(), 0), 9e18)
        let time = (Int64(microseconds) + 999) / 1_000
        return try await translatedRead {
            try await index.position(atOrAfter: time).map { GlobalPosition($0) }
        }
    }

    private static var noGlobalOrder: ReadError {
        let why = "this store of several partitions has no global order: read streams"
        return .store(StoreError(.unavailable, why))
    }

    private static func problem(from: Int64?, limit: Int) -> ReadError? {
        if limit < 1 { return .invalid(InvalidInput(.readLimit, "a read is limited to 1 event or more")) }
        if let from, from < 0 { return .invalid(InvalidInput(.readLimit, "a read begins at 0 or later")) }
        return nil
    }

    /// The newest event of a stream; nil where it has none, or was deleted.
    ///
    /// - Throws: `ReadError`, `tombstoned` among them.
    public func lastEvent(of stream: StreamName) async throws -> RecordedEvent? {
        for try await event in read(stream, direction: .backward, limit: 1) { return event }
        return nil
    }

    /// What is known of a stream; one that does not exist is `missing`.
    ///
    /// - Throws: `ReadError`.
    public func info(of stream: StreamName) async throws -> StreamInfo {
        try await info(of: [stream])[0]
    }

    /// What is known of many streams, in the order of `streams`.
    ///
    /// - Throws: `ReadError`.
    public func info(of streams: [StreamName]) async throws -> [StreamInfo] {
        try await translatedRead { try await index.summaries(of: streams.map(\.utf8)).map(StreamInfo.init) }
    }

    /// The streams that have events; those whose names begin with `$` only where the prefix does.
    ///
    /// ```swift
    /// var page = try await store.streams(prefix: "Order-", limit: 100)
    /// page = try await store.streams(prefix: "Order-", after: page.last?.stream, limit: 100)
    /// ```
    /// - Parameters:
    ///   - prefix: what the names begin with, as bytes; empty: all.
    ///   - name: only streams behind it; by name only.
    ///   - limit: 1 or more.
    ///   - order: `.events` looks at all streams, and has no paging.
    /// - Throws: `ReadError`.
    public func streams(
        prefix: String = "", after name: StreamName? = nil, limit: Int = 1_000, sortedBy order: StreamOrder = .name
    ) async throws -> [StreamInfo] {
        if let problem = Self.problem(from: nil, limit: limit) { throw problem }
        return try await translatedRead {
            switch order {
            case .name:
                try await index.streams(prefix: Array(prefix.utf8), after: name?.utf8, limit: limit)
                    .map(StreamInfo.init)
            case .events:
                try await index.largestStreams(prefix: Array(prefix.utf8), limit: limit).map(StreamInfo.init)
            }
        }
    }

    /// Waits until the index holds what the read must show.
    func reach(_ consistency: ReadConsistency, stream: StreamName?) async throws {
        try await translatedRead {
            switch consistency {
            case .local:
                return
            case .atLeast(let token):
                guard token.storePrefix == index.storePrefix else {
                    throw ReadError.invalid(InvalidInput(.readToken, "the token is of another store"))
                }
                let deadline = ContinuousClock.now + ReadLimits.consistencyDeadline
                try await index.wait(
                    for: token.offset, in: Int(token.partition), deadline: ReadLimits.consistencyDeadline)
                if stream == nil {
                    try await index.waitUntilOrdered(token.offset, in: Int(token.partition), until: deadline)
                }
            case .linearizable:
                let partition = stream.map { index.partition(ofStream: $0.utf8) }
                try await index.waitForBarrier(in: partition, deadline: ReadLimits.consistencyDeadline)
                if stream == nil {
                    try await index.waitUntilAppliedIsOrdered(deadline: ReadLimits.consistencyDeadline)
                }
            }
        }
    }
}

/// The bounds of reads.
enum ReadLimits {
    /// How long a read waits for what it must show.
    static let consistencyDeadline = Duration.seconds(30)
}

extension ReadDirection {
    var page: PageDirection { self == .forward ? .forward : .backward }
}

extension StreamInfo {
    init(_ summary: StreamSummary) {
        stream = StreamName(stored: summary.stream)
        currentVersion = summary.current >= 0 ? summary.current : nil
        let isShown = summary.firstReadable <= summary.current && !summary.isTombstoned
        firstVersion = isShown ? summary.firstReadable : nil
        state =
            if summary.isTombstoned {
                .tombstoned
            } else if summary.current < 0 {
                .missing
            } else {
                summary.isSoftDeleted ? .softDeleted : .live
            }
    }
}
