// The stream index: writes proposals, applies what comes back, answers callers and reads.
//
// Threads: the log's own applies runs and answers callers; the reader threads first write what of the index has
// gathered, then look things up, one of their own lists much, one checks appends; one more keeps the deadlines. Nothing
// here blocks a thread of Swift's pool.

import AppendRule
import Envelope
public import EventLog
package import GlobalOrder
import KeyValue
public import Segments
import Synchronization

/// A log that was opened, and what lies beside it.
public struct OpenedLog: Sendable {
    public var log: any RecordLog
    /// The log's own segment files; nil: the index keeps the records itself, in memory.
    public var segments: SegmentReader?
    /// Where RocksDB keeps its files; nil: in memory.
    public var indexDirectory: String?
    /// Where the index keeps the records of a log without files; nil: in memory.
    public var copy: CopyPlace?
    /// What opening has to say to people.
    public var notes: [String]
    /// Lets others have the place; called when log and index are closed.
    public var release: @Sendable () -> Void

    public init(
        log: any RecordLog, segments: SegmentReader?, indexDirectory: String?, copy: CopyPlace? = nil,
        notes: [String] = [], release: @escaping @Sendable () -> Void = {}
    ) {
        self.log = log
        self.segments = segments
        self.indexDirectory = indexDirectory
        self.copy = copy
        self.notes = notes
        self.release = release
    }
}

/// How a node keeps its copy of a log's records.
public struct CopyPlace: Sendable {
    public var node: NodeDirectory
    /// Size of the files made from now on: 4 KiB to almost 4 GiB.
    public var segmentBytes: Int
    /// Bytes of the index, or an eighth of those of the records, after which both are brought to the disk.
    public var checkpointBytes: Int

    public init(
        _ node: NodeDirectory, segmentBytes: Int = SegmentLimits.fileBytes,
        checkpointBytes: Int = IndexLimits.checkpointBytes
    ) {
        self.node = node
        self.segmentBytes = segmentBytes
        self.checkpointBytes = checkpointBytes
    }
}

/// What an index is opened on.
public struct IndexSource: Sendable {
    public var opened: OpenedLog
    public var limits: AppendLimits
    /// How often the log is compared with what was applied of it.
    public var comparesEvery = IndexLimits.comparisonInterval
    public var say: IndexSay
    /// How long a range of the order waits for the records that it speaks of, before it is asked whether they exist.
    package var rangeDelay = IndexLimits.unappliedRangeDelay
    /// When this node proposes to the order; nil: as is best for the log.
    package var orderTiming: ProposerTiming?
    package var orderRules = OrderRules()
    /// After which an order record of which the log says nothing no longer counts.
    package var orderReportTime = IndexLimits.orderReportTime
    /// For the test of a node that is wrong: changes what it proposes.
    package var distortOrder: (@Sendable (OrderRange) -> OrderRange)?
    /// Records applied and records to apply, while the index catches up at open.
    public var progress: @Sendable (Int64, Int64) -> Void

    public init(
        _ opened: OpenedLog, limits: AppendLimits = AppendLimits(),
        say: @escaping IndexSay = { _, _ in },
        progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) {
        self.opened = opened
        self.limits = limits
        self.say = say
        self.progress = progress
    }
}

public final class IndexedLog: Sendable {
    let identity: Identity
    let store: IndexStore
    let log: any RecordLog
    /// What the index itself writes is shown to a scan once it is synced.
    let ownSegments: SegmentWriter?
    private let companion: Companion
    private let shared: SharedApplier
    private let readers: ReadLane
    private let lister: ReadLane
    /// What appends ask before they are written waits for no read.
    private let checker: ReaderThreads
    private let proposer: Proposer
    let waits: AppliedWaits
    /// nil: the log has no order channel.
    let orderer: Orderer?
    let handler: IndexHandler
    private let isClosed = Atomic<Bool>(false)
    private let pagesRead = Atomic<Int>(0)
    private let eventsRead = Atomic<Int>(0)
    /// How many comparisons are at work on threads of their own.
    private let comparisons = Monitor(0)
    /// One at a time: they use one place.
    private let isComparing = Monitor(false)

    private init(_ parts: consuming sending IndexParts, _ source: IndexSource) {
        identity = parts.store.identity
        store = parts.store
        log = source.opened.log
        ownSegments = parts.writer
        companion = parts.companion
        let offsets = parts.applier.lanes.map(\.state.nextOffset)
        let (keyValue, copy) = (store.keyValue, source.opened.copy)
        let checkpoints = parts.writer.map {
            Checkpoints(writer: $0, keyValue: keyValue, every: copy?.checkpointBytes)
        }
        let update = parts.applier.order?.takeUpdate(parts.applier.lanes)
        shared = SharedApplier(parts.applier, inMemory: copy == nil ? parts.writer : nil)
        readers = ReadLane(
            threads: IndexLimits.readerThreads, name: "index-reader", inFlight: IndexLimits.readsInFlight, shared)
        lister = ReadLane(threads: 1, name: "index-lister", inFlight: IndexLimits.readsInFlight, shared)
        checker = ReaderThreads(count: 1, name: "index-checker")
        proposer = Proposer(
            log: log, store: store, checker: checker, shared: shared, limits: source.limits)
        waits = AppliedWaits(nextOffsets: offsets)
        if let update {
            orderer = Orderer(log: log, store: store, shared, update, applied: offsets, source)
        } else {
            orderer = nil
        }
        handler = IndexHandler(
            shared, store.identity, log: log, checkpoints: checkpoints, proposer: proposer, waits: waits,
            orderer: orderer, companion: parts.companion, say: source.say)
    }

    /// Lower-case UUID.
    public var storeID: String { identity.store.description }

    /// The first eight bytes of the store's UUID.
    public var storePrefix: UInt64 { identity.store.prefix }

    public var partitions: Int { identity.partitions }

    // MARK: - Life

    /// Opens the index on a log, makes the log a store where it is empty, and catches up with the log's end. Where the
    /// log cannot be reached yet, what was applied earlier can be read, and the rest follows.
    public static func open(_ source: IndexSource) async throws -> IndexedLog {
        let log = source.opened.log
        let identity: Identity
        if let known = source.opened.copy?.node.identity {
            try StoreCreation.check(known, log.description.partitions)
            identity = known
        } else {
            identity = try await StoreCreation.identity(of: log)
        }
        let index = try await onOwnThread(named: "index-open") { try open(source, identity) }
        do {
            try await index.begin(source)
            return index
        } catch {
            await index.close()
            throw error
        }
    }

    private static func open(_ source: IndexSource, _ identity: Identity) throws -> IndexedLog {
        IndexedLog(try IndexParts.open(source, identity), source)
    }

    /// Compares the index with the log, then follows the log to the end it has now.
    private func begin(_ source: IndexSource) async throws {
        var offsets: [Int64] = []
        var ends: [Int64] = []
        var isHeard = true
        for channel in 0..<store.channels {
            let state = try await job { [store] in try store.partitionState(channel) }
            offsets.append(state.nextOffset)
            let end = try await end(of: channel, state, source)
            isHeard = isHeard && end != nil
            ends.append(end ?? state.nextOffset)
        }
        if !isHeard { handler.holdAll() }
        try log.start(from: offsets, handler: handler)
        if !log.description.isOnlyWriter { handler.watch.start(handler, every: source.comparesEvery) }
        if orderer != nil { handler.watch.startOnOrder(handler, every: source.rangeDelay) }
        // Where a partition did not answer, it is compared when it does, before anything more of it is applied.
        if !isHeard, !log.description.isAway { handler.handle(.contactRegained) }
        let total = zip(offsets, ends).reduce(0) { $0 + $1.1 - $1.0 }
        let report = source.progress
        var done: Int64 = 0
        for (channel, end) in ends.enumerated() where end > offsets[channel] {
            var next = offsets[channel]
            while next < end {
                let step = min(IndexLimits.catchUpStep, end - next)
                next += step
                switch await waits.offset(next - 1, in: channel, until: .distant) {
                case .reached:
                    done += step
                    report(done, total)
                // What lies before the halt can be read, and the other partitions go on.
                case .failed(let error) where error.code == .halted: next = end
                case .failed(let error): throw error
                case .cancelled: throw CancellationError()
                }
            }
        }
        try await writeMissingIdentities()
        orderer?.begin()
    }

    /// Where a channel ends now, once it is known that it is the one that was applied. nil: it does not answer, and
    /// this node has applied some of the store before.
    private func end(of channel: Int, _ state: PartitionState, _ source: IndexSource) async throws -> Int64? {
        guard let node = source.opened.copy?.node, node.partitions != nil else {
            return try await comparedEnd(of: channel, state)
        }
        if log.description.isAway { return nil }
        do {
            if channel == 0, state.nextOffset == 0 {
                try node.belong(to: try await StoreCreation.identity(of: log))
            }
            return try await comparedEnd(of: channel, state)
        } catch let error as LogError where error.code == .unavailable {
            let name = log.description.name(of: channel)
            source.say(.warning, "\(name) does not answer; what was applied of it can be read: \(error)")
            return nil
        }
    }

    /// Nothing that stands in a channel before its identity record counts, and anybody may have written there: where a
    /// partition has records and none of identity, one is written and waited for. The order's is the orderer's to
    /// write.
    private func writeMissingIdentities() async throws {
        let deadline = ContinuousClock.now + IndexLimits.creationDeadline
        var writeAt = ContinuousClock.now
        var pause = IndexLimits.creationRewrite
        while true {
            let missing = try await onOwnThread(named: "index-open") { [handler] in handler.partitionsToBegin }
            if missing.isEmpty || log.description.writeRefusal != nil { return }
            guard .now < deadline else {
                throw IndexError(.unavailable, "the log did not take a partition's first record; try again")
            }
            if writeAt <= .now {
                for partition in missing {
                    log.append(StoreCreation.record(of: partition, identity), to: partition, tag: .none)
                }
                writeAt = .now + pause
                pause *= 2
            }
            try await Task.sleep(for: IndexLimits.creationPause)
        }
    }

    private func comparedEnd(of channel: Int, _ state: PartitionState) async throws -> Int64 {
        let bounds = try await log.bounds(of: channel)
        try await LogComparison.check(log, KnownChannel(channel, state), identity)
        return bounds.upperBound
    }

    /// Ends: refuses new calls, lets the log finish what it has, answers every caller, flushes.
    public func close() async {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        proposer.stop()
        orderer?.stop()
        readers.stop()
        lister.stop()
        handler.watch.end()
        await log.close()
        waits.fail(channel: nil, IndexError(.closed, "the store is closed"))
        try? await onOwnThread(named: "index-close") { [self] in
            handler.watch.join()
            readers.close()
            lister.close()
            checker.close()
            orderer?.finish()
            comparisons.wait { $0 == 0 ? () : nil }
            proposer.finish()
            try? shared.show()
            // What points to records that may be lost stays in memory.
            let isSynced = (try? ownSegments?.close()) != nil || ownSegments == nil
            companion.close()
            store.keyValue.close(flushing: isSynced)
        }
    }

    /// Runs a long look at the whole index on a thread of its own; `close` waits for it. `body` calls `check` now and
    /// then, which throws once the store is being closed.
    func compareOnOwnThread<R: Sendable>(
        _ body: @escaping @Sendable (_ check: () throws -> Void) throws -> R
    ) async throws -> R {
        let closed = IndexError(.closed, "the store is closed; open it again")
        comparisons.withLock { $0 += 1 }
        defer { comparisons.withLock { $0 -= 1 } }
        if isClosed.load(ordering: .acquiring) { throw closed }
        return try await onOwnThread(named: "index-verify") { [self] in
            isComparing.wait { isComparing -> Void? in
                guard !isComparing else { return nil }
                isComparing = true
                return ()
            }
            defer { isComparing.withLock { $0 = false } }
            return try body { if isClosed.load(ordering: .acquiring) { throw closed } }
        }
    }

    // MARK: - Appends

    /// The most that an append's record may take: key and value, in bytes.
    public var maxRecordBytes: Int { min(log.description.maxRecordBytes, EnvelopeLimits.recordBytes) }

    /// Hands an append in. Those of one stream that are handed in one after the other keep their order.
    public func submit(_ append: ProposedAppend) async -> PendingAppend {
        // The deadline counts from here, the wait for room included.
        let now = ContinuousClock.now
        let allowed = min(append.deadline, .seconds(86_400))
        // As one number: a duration's own division costs more than the rest of this.
        let settleBy = now + Duration(attoseconds: allowed.attoseconds / 4 * 3)
        return await proposer.submit(size: append.recordBytes, settleBy: settleBy) {
            request(append, settleBy: settleBy, deadline: now + allowed)
        }
    }

    private func request(
        _ append: ProposedAppend, settleBy: ContinuousClock.Instant, deadline: ContinuousClock.Instant
    ) -> AppendRequest {
        let header = RecordHeader(
            kind: .append, expectation: append.expectation.rule, eventCount: append.ids.count,
            ids: append.ids.map { RecordID(high: $0.high, low: $0.low) })
        let store = identity.store
        return AppendRequest(
            stream: NameKey(append.stream),
            channel: partition(of: append.stream.span, partitions: identity.partitions), header: header,
            needsCheck: append.expectation != .any || !append.hasFreshIDs,
            mayGather: append.mayGather && append.expectation == .any, settleBy: settleBy, deadline: deadline
        ) {
            RecordEnvelope.encode(header, eventBytes: append.eventBytes, key: append.stream, store: store) { writer in
                var events = EventBytes(writer: writer.take())
                append.writeEvents(&events)
                writer = events.writer
            }
        }
    }

    // MARK: - Reads

    /// Runs something that may touch the disk on a reader's thread.
    func job<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await readers.run(body)
    }

    /// Runs something that may go through much of the store, on the thread for that.
    func longJob<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await lister.run(body)
    }

    public func page(_ request: StreamPageRequest) async throws -> StreamPage {
        let page = try await job { [store] in try store.streamPage(request) }
        noteRead(page.events.count)
        return page
    }

    public func page(_ request: SequencePageRequest) async throws -> SequencePage {
        let page = try await job { [store] in
            try store.order == nil ? store.page(request) : store.orderedPage(request)
        }
        noteRead(page.events.count)
        return page
    }

    private func noteRead(_ events: Int) {
        pagesRead.add(1, ordering: .relaxed)
        eventsRead.add(events, ordering: .relaxed)
    }

    public var activity: IndexActivity {
        let inside = proposer.inside
        return IndexActivity(
            appends: proposer.figures, appendsInFlight: inside.count, bytesInFlight: inside.bytes,
            pagesRead: pagesRead.load(ordering: .relaxed), eventsRead: eventsRead.load(ordering: .relaxed))
    }

    public func summaries(of streams: [[UInt8]]) async throws -> [StreamSummary] {
        let lane = streams.count > IndexLimits.readSummaries ? lister : readers
        return try await lane.run { [store] in try streams.map { try store.summary(of: $0) } }
    }

    /// Waits until this index has applied the record at `offset`.
    public func wait(for offset: Int64, in partition: Int, deadline: Duration) async throws {
        guard partition < identity.partitions else {
            throw IndexError(.mismatch, "the token is of a store with more partitions")
        }
        try await done(waits.offset(offset, in: partition, until: .now + deadline))
    }

    /// Waits until this index has applied all that is in the log now, by appending a barrier record.
    ///
    /// - Parameter partition: nil: all.
    public func waitForBarrier(in partition: Int?, deadline: Duration) async throws {
        // Nobody waits for reports of a barrier.
        if let refusal = log.description.writeRefusal { throw IndexError(.unavailable, refusal) }
        let channels = partition.map { $0...$0 } ?? 0...(identity.partitions - 1)
        let end = ContinuousClock.now + deadline
        for channel in channels {
            let id = RecordID(high: UInt64.random(in: 0 ... .max), low: UInt64.random(in: 0 ... .max))
            let writeID = UInt64.random(in: 1 ... .max)
            let value = RecordEnvelope.encodeBarrier(
                id: id, partition: channel, writeID: writeID, store: identity.store)
            let outcome = await waits.barrier(id, in: channel, until: end) { [log] in
                log.append(LogRecord(key: [], value: value), to: channel, tag: LogTag(number: writeID))
            }
            // While the log is away it would be kept for nobody.
            if case .reached = outcome {} else { _ = log.withdraw(LogTag(number: writeID)) }
            try done(outcome)
        }
    }

    func done(_ outcome: AppliedWaits.Outcome) throws {
        switch outcome {
        case .reached: return
        case .failed(let error): throw error
        case .cancelled: throw CancellationError()
        }
    }

    /// The partition of a stream; of `$$NAME` that of NAME.
    public func partition(ofStream name: [UInt8]) -> Int {
        let subject = SystemStream.subject(ofMetadataStream: name) ?? name
        return subject == SystemStream.storeName
            ? 0 : partition(of: subject.span, partitions: identity.partitions)
    }

    private func partition(of name: Span<UInt8>, partitions: Int) -> Int {
        AppendRule.partition(of: name, partitions: partitions)
    }

    /// Bytes of the records' files; 0 where they are in memory.
    public var logBytes: Int64 {
        guard let ownSegments else { return store.segments.byteCount }
        return store.isCopy ? ownSegments.byteCount : 0
    }

    /// Why partitions do not run; nil for those that do.
    public var halts: [IndexError?] { Array(handler.halts.prefix(partitions)) }

    /// Why the order channel does not run; nil: it does, or there is none.
    var orderHalt: IndexError? { store.order == nil ? nil : handler.halts.last ?? nil }
}
