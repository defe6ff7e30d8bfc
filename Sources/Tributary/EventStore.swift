import EventLog
package import StreamIndex
import Synchronization

/// An event store: appends decided by the log, reads of one stream, of a category, of everything.
///
/// ```swift
/// let store = try await EventStore.open(.directory("./data"))
/// let order = try StreamName("Order-42")
/// let done = try await store.append(placed, to: order, expecting: .noStream)
/// for try await event in store.read(order) { print(event.version, event.type) }
/// await store.close()
/// ```
/// A store works from `open` on. All calls may be made from any task; none blocks a thread of Swift's pool.
public final class EventStore: Sendable {
    let index: IndexedLog
    let opened: OpenedLog
    let options: StoreOptions
    private let life = Mutex(Life())

    private struct Life {
        var isClosing = false
        var isClosed = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private init(_ index: IndexedLog, _ opened: OpenedLog, _ options: StoreOptions) {
        self.index = index
        self.opened = opened
        self.options = options
    }

    /// Makes a store; completes a creation that was interrupted.
    ///
    /// - Throws: `StoreError`: `alreadyExists`, `notAStore` for a directory that holds something else, `noPermission`,
    ///   `locked`, `unavailable`.
    public static func create(_ location: Location) async throws {
        try await translated { try await location.create() }
    }

    /// Opens a store; makes it first where there is none, unless told otherwise. Returns when everything that is in the
    /// log is in the index. A partition with a record that this build does not know is halted there: it can be read up
    /// to there, takes no appends, and `statistics` says why.
    ///
    /// ```swift
    /// let store = try await EventStore.open(.directory("./data"), creating: .never)
    /// ```
    /// - Throws: `StoreError`: `notAStore`, `unfinishedCreation`, `newerFormat`, `locked`, `noPermission`, `damaged`,
    ///   `indexMismatch`, `unavailable`.
    public static func open(
        _ location: Location, creating: Creation = .ifMissing, options: StoreOptions = StoreOptions()
    ) async throws -> EventStore {
        try await translated {
            let opened = try await location.open(creating, options.log)
            for note in opened.notes { options.log(LogLine(.warning, note)) }
            do {
                let index = try await IndexedLog.open(options.source(opened))
                return EventStore(index, opened, options)
            } catch {
                await opened.log.close()
                opened.release()
                throw error
            }
        }
    }

    /// Ends: what was accepted is safe, what was not written is refused, every waiting call is answered. Later calls
    /// throw `StoreError` with `closed`.
    ///
    /// On Kafka it waits for what is under way, at most for the location's `patience` and what the client library takes
    /// to end. While no broker answers, what was not sent yet is refused at once.
    public func close() async {
        let isFirst = life.withLock { life in
            defer { life.isClosing = true }
            return !life.isClosing
        }
        guard isFirst else { return await closed() }
        await index.close()
        opened.release()
        let waiting = life.withLock { life in
            life.isClosed = true
            defer { life.waiting = [] }
            return life.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when the store has been closed; closes it when the task is cancelled. It has the shape of
    /// swift-service-lifecycle's `Service`.
    public func run() async throws {
        await withTaskCancellationHandler {
            await closed()
        } onCancel: {
            Task { await close() }
        }
    }

    /// Returns when the store has been closed.
    private func closed() async {
        await withCheckedContinuation { continuation in
            let isClosed = life.withLock { life in
                if !life.isClosed { life.waiting.append(continuation) }
                return life.isClosed
            }
            if isClosed { continuation.resume() }
        }
    }
}

/// What a store may use, and whom it tells.
public struct StoreOptions: Sendable {
    /// Gets what the store has to say to people: recovery, rebuilding, damage. Called from any thread; must not block.
    public var log: @Sendable (LogLine) -> Void
    /// Gets how far the index is, while it catches up at open.
    public var progress: @Sendable (StoreProgress) -> Void
    /// Most events in one append: 1 to 10,000.
    public var maxEventsPerAppend: Int
    /// Most bytes of one append's events, with all that they bring: 1 KiB to 1.5 MiB.
    public var maxBytesPerAppend: Int
    /// Most appends under way at once; more wait.
    public var maxAppendsInFlight: Int
    /// Most bytes under way at once; more wait. 8 MiB keep a Kafka busy that takes 400 MB/s and answers within 20 ms;
    /// more than it needs only queues, and costs memory that is new each time.
    public var maxBytesInFlight: Int
    /// How often the log is compared with what was applied of it.
    package var comparesEvery = IndexLimits.comparisonInterval
    /// Changes what this node says to the log's index, for tests.
    package var adjustSource: @Sendable (inout IndexSource) -> Void = { _ in }

    public init(
        maxEventsPerAppend: Int = 1_000, maxBytesPerAppend: Int = 1 << 20, maxAppendsInFlight: Int = 20_000,
        maxBytesInFlight: Int = 8 << 20, log: @escaping @Sendable (LogLine) -> Void = { _ in },
        progress: @escaping @Sendable (StoreProgress) -> Void = { _ in }
    ) {
        precondition((1...10_000).contains(maxEventsPerAppend), "1 to 10,000 events")
        precondition((1 << 10...3 << 19).contains(maxBytesPerAppend), "1 KiB to 1.5 MiB")
        precondition(maxAppendsInFlight > 0 && maxBytesInFlight > 0, "something must be let in")
        self.maxEventsPerAppend = maxEventsPerAppend
        self.maxBytesPerAppend = maxBytesPerAppend
        self.maxAppendsInFlight = maxAppendsInFlight
        self.maxBytesInFlight = maxBytesInFlight
        self.log = log
        self.progress = progress
    }

    func source(_ opened: OpenedLog) -> IndexSource {
        var source = IndexSource(
            opened,
            limits: AppendLimits(appendsInFlight: maxAppendsInFlight, bytesInFlight: maxBytesInFlight),
            say: { [log] level, message in log(LogLine(LogLine.Level(level), message)) },
            progress: { [progress] done, total in progress(StoreProgress(recordsDone: done, recordsTotal: total)) })
        source.comparesEvery = comparesEvery
        adjustSource(&source)
        return source
    }
}

/// What a store has to say, in the form of swift-log's records.
public struct LogLine: Sendable {
    public enum Level: Int, Sendable, Comparable {
        case debug, info, warning, error

        init(_ level: IndexSayLevel) {
            self =
                switch level {
                case .info: .info
                case .warning: .warning
                case .error: .error
                }
        }

        public static func < (one: Level, other: Level) -> Bool { one.rawValue < other.rawValue }
    }

    public let level: Level
    /// Which part of the store speaks: "tributary", or "kafka" for Kafka's client library.
    public let label: String
    public let message: String
    /// Of "kafka" lines `facility`, the library's word for what the line is about.
    public let metadata: [String: String]

    package init(
        _ level: Level, _ message: String, label: String = "tributary", metadata: [String: String] = [:]
    ) {
        self.level = level
        self.label = label
        self.message = message
        self.metadata = metadata
    }
}

/// Takes what a log has to say.
package typealias LineSink = @Sendable (LogLine) -> Void
