import FoundationEssentials
import StreamIndex

extension EventStore {
    /// Appends one event.
    ///
    /// ```swift
    /// let done = try await store.append(placed, to: order, expecting: .noStream)
    /// ```
    /// See `append(_:to:expecting:acknowledge:deadline:)` for several.
    @discardableResult
    public func append(
        _ event: NewEvent, to stream: StreamName, expecting expected: ExpectedVersion = .any,
        acknowledge: Acknowledgement = .accepted, deadline: Duration = .seconds(30)
    ) async throws -> AppendResult {
        try await append([event], to: stream, expecting: expected, acknowledge: acknowledge, deadline: deadline)
    }

    /// Appends events to a stream: all of them or none, with versions and positions one after the other. Durable when
    /// it returns.
    ///
    /// ```swift
    /// do {
    ///     let done = try await store.append([paid, shipped], to: order, expecting: .version(0))
    ///     print(done.versions)                       // 1...2
    /// } catch AppendError.conflict(let conflict) {
    ///     decideAgain(conflict.actual, conflict.newerEvents)
    /// }
    /// ```
    /// The first event's id names the append: the same call with the same ids is the same append, gets the first answer
    /// (`isRepeat`), and stores nothing. One append id means one append to one stream; ids are compared, not content.
    /// An append that expects an exact version is its own append for each version.
    ///
    /// - Parameters:
    ///   - events: 1 to 1,000, together at most 1 MiB (`StoreOptions`).
    ///   - stream: not one that begins with `$`.
    ///   - expected: `.version` takes 0 or more.
    ///   - acknowledge: when it returns; with one partition accepted is ordered.
    ///   - deadline: how long the log may take; from three quarters on the call only settles what it has written.
    /// - Throws: `AppendError`; `CancellationError` where the task was cancelled before anything was written.
    @discardableResult
    public func append(
        _ events: [NewEvent], to stream: StreamName, expecting expected: ExpectedVersion = .any,
        acknowledge: Acknowledgement = .accepted, deadline: Duration = .seconds(30)
    ) async throws -> AppendResult {
        let end = ContinuousClock.now + min(deadline, .seconds(86_400))
        let append = NewAppend(events, to: stream, expecting: expected)
        let pending = try await submit(append, deadline: deadline)
        return try await result(pending.outcome(), of: append, acknowledge, until: end)
    }

    /// Appends many, with many under way at once. Appends to one stream keep their order; a refused one never ends the
    /// sequence. On Kafka those that expect nothing wait for others to be written with them, up to 5 ms.
    ///
    /// ```swift
    /// for try await done in store.append(contentsOf: orders.map { NewAppend($0.event, to: $0.stream) }) {
    ///     if case .failure(let error) = done.result { print("input \(done.index):", error) }
    /// }
    /// ```
    /// - Parameters:
    ///   - appends: taken as room is; each gets one result, in input order.
    ///   - maxInFlight: most appends whose result was not taken yet, 1 or more.
    ///   - acknowledge: when there is a result.
    ///   - deadline: of each append, from when it is handed in.
    /// - Returns: a sequence for one iteration, which throws what the input throws, and `CancellationError`. When its
    ///   task is cancelled, or it is let go of, nothing more is taken in; what was taken in is still stored, so that no
    ///   append of a stream is left out before a later one.
    public func append<Appends: AsyncSequence & Sendable>(
        contentsOf appends: Appends, maxInFlight: Int = 1_000, acknowledge: Acknowledgement = .accepted,
        deadline: Duration = .seconds(30)
    ) -> AppendResults where Appends.Element == NewAppend {
        AppendResults(store: self, maxInFlight: maxInFlight, acknowledge: acknowledge, deadline: deadline) { submit in
            for try await append in appends {
                try Task.checkCancellation()
                await submit(append)
            }
        }
    }

    /// As for an asynchronous sequence.
    public func append<Appends: Sequence & Sendable>(
        contentsOf appends: Appends, maxInFlight: Int = 1_000, acknowledge: Acknowledgement = .accepted,
        deadline: Duration = .seconds(30)
    ) -> AppendResults where Appends.Element == NewAppend {
        AppendResults(store: self, maxInFlight: maxInFlight, acknowledge: acknowledge, deadline: deadline) { submit in
            for append in appends {
                try Task.checkCancellation()
                await submit(append)
            }
        }
    }

    // MARK: - One append

    /// Checks an append and hands it in.
    func submit(
        _ append: NewAppend, deadline: Duration, mayGather: Bool = false
    ) async throws(AppendError) -> PendingAppend {
        let ids: [InvalidInput.EventID]
        let bytes: Int
        do throws(InvalidInput) {
            (ids, bytes) = try InvalidInput.check(append.events, to: append.stream, append.expected, options)
        } catch {
            throw .invalid(error)
        }
        let proposed = ProposedAppend(
            stream: append.stream.utf8, expectation: append.expected.proposed, ids: ids, eventBytes: bytes,
            hasFreshIDs: append.events[0].hasFreshID, deadline: deadline, mayGather: mayGather
        ) { [events = append.events] bytes in
            // By index: an event that is copied is some references counted up and down.
            for index in events.indices {
                bytes.add(
                    type: events[index].type, schemaVersion: events[index].schemaVersion,
                    contentType: events[index].contentType.rawValue, correlationID: events[index].correlationID,
                    causationID: events[index].causationID, data: events[index].data,
                    metadata: events[index].metadata)
            }
        }
        return await index.submit(proposed)
    }

    /// What the caller of an append is told.
    ///
    /// - Throws: `AppendError` or `CancellationError`.
    func result(
        _ outcome: CallOutcome, of append: NewAppend, _ acknowledge: Acknowledgement,
        until deadline: ContinuousClock.Instant
    ) async throws -> AppendResult {
        let count = Int64(append.events.count)
        switch outcome {
        case .accepted(let version, let sequence, let offset, let isRepeat):
            let partition = index.partition(ofStream: append.stream.utf8)
            let first: Int64? =
                if index.partitions == 1 {
                    sequence
                } else if acknowledge == .ordered {
                    await orderedPosition(of: sequence, offset, in: partition, until: deadline)
                } else if isRepeat {
                    // The first one may be ordered already.
                    try? await index.position(ofEvent: sequence, in: partition)
                } else {
                    nil
                }
            return AppendResult(
                stream: append.stream, versions: version...(version + count - 1),
                positions: first.map { GlobalPosition($0)...GlobalPosition($0 + count - 1) },
                token: ReadToken(storePrefix: index.storePrefix, partition: UInt32(partition), offset: offset),
                isRepeat: isRepeat)
        case .conflict(let actual): throw AppendError.conflict(try await conflict(append, actual))
        case .cancelled: throw AppendError.notStored(.cancelled)
        case .tombstoned: throw AppendError.notStored(.tombstoned)
        case .idReused: throw AppendError.notStored(.idReused)
        case .notWritten(let why): throw AppendError.notWritten(why)
        case .withdrawn: throw CancellationError()
        case .unknown: throw AppendError.outcomeUnknown(ids: append.events.map(\.id))
        case .tooLarge: throw AppendError.invalid(InvalidInput(.appendTooLarge, "the log refused it as too large"))
        case .failed(let error): throw AppendError.store(StoreError(error))
        }
    }

    /// Waits until an accepted event is ordered; nil where that does not come in time. What was accepted stays so,
    /// whatever becomes of the order or of the caller's task.
    private func orderedPosition(
        of sequence: Int64, _ offset: Int64, in partition: Int, until deadline: ContinuousClock.Instant
    ) async -> Int64? {
        do {
            try await index.waitUntilOrdered(offset, in: partition, until: deadline)
            return try await index.position(ofEvent: sequence, in: partition)
        } catch {
            return nil
        }
    }

    /// Reads what the caller of a refused append did not know of.
    private func conflict(_ append: NewAppend, _ actual: Int64) async throws -> Conflict {
        var from: Int64 = 0
        if case .version(let version) = append.expected { from = version + 1 }
        var page = StreamPage()
        if from <= actual {
            let request = StreamPageRequest(
                stream: append.stream.utf8, from: from, direction: .forward, maxEvents: IndexLimits.conflictEvents,
                maxBytes: IndexLimits.conflictBytes, bound: actual)
            page = try await translatedAppend { try await self.index.page(request) }
        }
        var events: [RecordedEvent] = []
        var bytes = 0
        for event in page.events {
            bytes += event.byteCount
            guard bytes <= IndexLimits.conflictBytes else { break }
            events.append(RecordedEvent(event))
        }
        return Conflict(
            stream: append.stream, expected: append.expected, actual: actual, newerEvents: events,
            hasMore: page.next != nil || events.count < page.events.count)
    }

    private func translatedAppend<R>(_ body: () async throws -> R) async throws -> R {
        do {
            return try await translated(body)
        } catch let error as StoreError {
            throw AppendError.store(error)
        }
    }
}

extension ExpectedVersion: CustomStringConvertible {
    var proposed: ProposedAppend.Expectation {
        switch self {
        case .any: .any
        case .noStream: .noStream
        case .streamExists: .streamExists
        case .version(let version): .exactly(version)
        }
    }

    public var description: String {
        switch self {
        case .any: "any version"
        case .noStream: "no stream"
        case .streamExists: "an existing stream"
        case .version(let version): "version \(version)"
        }
    }
}
