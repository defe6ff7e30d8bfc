import AppendRule
import Envelope
import EventLog
import Synchronization

/// A log that delivers what a test tells it to, from the test's own thread.
final class PlayedLog: RecordLog {
    private struct State: Sendable {
        var records: [[StoredRecord]]
        var restarts: [Restart] = []
        var handler: (any LogHandler)?
        var questions = 0
        /// The channels that answer no question.
        var away: Set<Int> = []
        /// How many answers say that there is no such record.
        var lies = 0
        var tags: [LogTag] = []
        var withdrawn: [LogTag] = []
        var onAppend: (@Sendable (any LogHandler) -> Void)?
    }

    struct Restart: Equatable, Sendable {
        var channel: Int
        var offset: Int64
    }

    let description: LogDescription
    private let state: Monitor<State>

    init(channels: Int = 1, writeRefusal: String? = nil) {
        description = LogDescription(
            name: "played", partitions: channels, isOnlyWriter: false, maxRecordBytes: 1 << 20,
            writeRefusal: writeRefusal)
        state = Monitor(State(records: Array(repeating: [], count: channels)))
    }

    var restarts: [Restart] { state.read { $0.restarts } }

    func records(_ channel: Int = 0) -> [StoredRecord] { state.read { $0.records[channel] } }

    /// Returns when the log was given so many records.
    func wait(forRecords count: Int, in channel: Int = 0) async throws {
        try await wait { $0.records[channel].count >= count }
    }

    /// Delivers stored records; each as the offset that it has, or as another.
    func deliver(_ offsets: [Int64]) { deliver(0, offsets) }

    func deliver(_ channel: Int, _ offsets: [Int64], as others: [Int64]? = nil) {
        var run = RecordRun()
        let records = records(channel)
        for (index, offset) in offsets.enumerated() {
            let stored = records[Int(offset)]
            run.append(
                stored.record, channel: channel, offset: others?[index] ?? offset, appendTime: stored.appendTime)
        }
        let handler = state.read { $0.handler }
        handler?.handle(run)
    }

    func tell(_ event: LogEvent) {
        let handler = state.read { $0.handler }
        handler?.handle(event)
    }

    func append(_ record: LogRecord, to channel: Int, tag: LogTag) {
        let (look, handler) = state.withLock { state in
            let offset = Int64(state.records[channel].count)
            state.records[channel].append(StoredRecord(offset: offset, appendTime: 1_000 + offset, record: record))
            state.tags.append(tag)
            return (state.onAppend, state.handler)
        }
        if let look, let handler { look(handler) }
    }

    /// Records are stored at once, so none can be taken back.
    func withdraw(_ tag: LogTag) -> Bool {
        state.withLock { $0.withdrawn.append(tag) }
        return false
    }

    /// The tags of all records that were appended, and of those that somebody wanted back.
    var tags: (appended: [LogTag], withdrawn: [LogTag]) { state.read { ($0.tags, $0.withdrawn) } }

    /// Gets the handler whenever a record is appended, on the thread of who appends.
    func onAppend(_ body: @escaping @Sendable (any LogHandler) -> Void) { state.withLock { $0.onAppend = body } }

    /// Delivers what is there, at once.
    func start(from offsets: [Int64], handler: any LogHandler) throws {
        state.withLock { $0.handler = handler }
        for channel in 0..<description.channels {
            let count = Int64(records(channel).count)
            if offsets[channel] < count { deliver(channel, Array(offsets[channel]..<count)) }
        }
    }

    func restart(channel: Int, from offset: Int64) {
        state.withLock { $0.restarts.append(Restart(channel: channel, offset: offset)) }
    }

    func bounds(of channel: Int) async throws(LogError) -> Range<Int64> { 0..<Int64(records(channel).count) }

    func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord? {
        let answer: Result<StoredRecord?, LogError> = state.withLock { state in
            state.questions += 1
            if state.away.contains(channel) { return .failure(LogError(.unavailable, "the log is away")) }
            if state.lies > 0 {
                state.lies -= 1
                return .success(nil)
            }
            let records = state.records[channel]
            return .success(records.indices.contains(Int(offset)) ? records[Int(offset)] : nil)
        }
        return try answer.get()
    }

    // MARK: - What befalls a log

    /// Whether single records can be asked for; nil: of any channel.
    func setAway(_ isAway: Bool, channel: Int? = nil) {
        let channels = channel.map { [$0] } ?? Array(0..<description.channels)
        state.withLock { state in
            for channel in channels { if isAway { state.away.insert(channel) } else { state.away.remove(channel) } }
        }
    }

    /// The next answers say that there is no such record.
    func lie(_ count: Int) { state.withLock { $0.lies = count } }

    func cut(_ channel: Int, to count: Int) { state.withLock { $0.records[channel].removeSubrange(count...) } }

    func replace(_ channel: Int, _ offset: Int, with record: LogRecord) {
        state.withLock { $0.records[channel][offset].record = record }
    }

    var questions: Int { state.read { $0.questions } }

    func wait(forQuestions count: Int) async throws {
        try await wait { $0.questions >= count }
    }

    func wait(forRestarts count: Int) async throws {
        try await wait { $0.restarts.count >= count }
    }

    private struct NotSoon: Error {}

    private func wait(until isSo: @escaping @Sendable (borrowing State) -> Bool) async throws {
        try await onOwnThread(named: "played-wait") { [state] in
            guard state.wait(until: .now + .seconds(30), { isSo($0) ? () : nil }) != nil else { throw NotSoon() }
        }
    }

    func close() async { state.withLock { $0.handler = nil } }
}
