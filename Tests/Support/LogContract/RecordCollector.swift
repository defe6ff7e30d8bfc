public import EventLog
import Glibc
import Synchronization

/// A handler that keeps everything, checks what every log must hold to, and can be waited for.
public final class RecordCollector: LogHandler {
    public struct Contents: Sendable {
        /// All deliveries of each channel, in order; a restart delivers again.
        public var records: [[StoredRecord]]
        public var events: [LogEvent] = []
        /// What no log may do, as text.
        public var violations: [String] = []
        public var calls = 0

        /// All records of all channels, channel by channel.
        public var all: [StoredRecord] { records.flatMap(\.self) }

        public var reports: [TagReport] {
            events.flatMap { event -> [TagReport] in
                if case .tags(let reports) = event { reports } else { [] }
            }
        }
    }

    /// What was waited for did not come.
    public struct Impatience: Error, CustomStringConvertible {
        public var description: String
    }

    /// A test that waits longer fails: it would wait for ever.
    public static let patience = Duration.seconds(60)

    private let contents: Monitor<Contents>
    private let isInside = Atomic(false)
    private let onRun: @Sendable ([StoredRecord]) -> Void

    /// - Parameter onRun: called with each run's records, from within the handler.
    public init(channels: Int, onRun: @escaping @Sendable ([StoredRecord]) -> Void = { _ in }) {
        self.contents = Monitor(Contents(records: Array(repeating: [], count: channels)))
        self.onRun = onRun
    }

    public var now: Contents { contents.read { $0 } }

    /// Waits until `condition` holds and returns what there is then.
    @discardableResult
    public func wait(
        for what: String, until condition: @escaping @Sendable (Contents) -> Bool
    ) async throws -> Contents {
        let contents = contents
        let found = try await onOwnThread(named: "test-wait") {
            contents.wait(until: .now + Self.patience) { condition($0) ? $0 : nil }
        }
        guard let found else {
            let now = now
            throw Impatience(
                description:
                    "waited for \(what); there are \(now.records.map(\.count)) records, \(now.events.suffix(20))")
        }
        return found
    }

    /// Waits until as many records were delivered over all channels.
    @discardableResult
    public func wait(forRecords count: Int) async throws -> Contents {
        try await wait(for: "\(count) records") { $0.records.map(\.count).reduce(0, +) >= count }
    }

    public func handle(_ run: borrowing RecordRun) {
        enter()
        var violations: [String] = []
        var records: [(channel: Int, record: StoredRecord)] = []
        if run.entries.isEmpty { violations.append("a run without records") }
        if run.entries.count > LogLimits.runRecords { violations.append("a run of \(run.entries.count) records") }
        for entry in run.entries {
            let ranges = [entry.key, entry.value].compactMap(\.self)
            guard ranges.allSatisfy({ $0.lowerBound >= 0 && $0.upperBound <= run.bytes.count }) else {
                violations.append("the ranges of \(entry) are outside of \(run.bytes.count) bytes")
                continue
            }
            let record = LogRecord(
                key: entry.key.map { Array(run.bytes[$0]) }, value: entry.value.map { Array(run.bytes[$0]) })
            let stored = StoredRecord(offset: entry.offset, appendTime: entry.appendTime, record: record)
            if entry.appendTime <= 0 { violations.append("append time \(entry.appendTime)") }
            records.append((entry.channel, stored))
        }
        contents.withLock { contents in
            contents.calls += 1
            for (channel, record) in records {
                if contents.records.indices.contains(channel) {
                    contents.records[channel].append(record)
                } else {
                    violations.append("channel \(channel)")
                }
            }
            contents.violations += violations
        }
        onRun(records.map(\.record))
        leave()
    }

    public func handle(_ event: LogEvent) {
        enter()
        contents.withLock {
            $0.calls += 1
            $0.events.append(event)
        }
        leave()
    }

    private func enter() {
        if isInside.exchange(true, ordering: .acquiringAndReleasing) {
            contents.withLock { $0.violations.append("two calls of the handler at once") }
        }
    }

    /// Lets other threads go first, so that one that should wait is caught.
    private func leave() {
        for _ in 0..<10 { sched_yield() }
        isInside.store(false, ordering: .releasing)
    }
}
