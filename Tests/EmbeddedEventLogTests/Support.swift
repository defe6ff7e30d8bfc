import EventLog
import Foundation
import Segments
import SegmentsTestSupport
import Testing

@testable import EmbeddedEventLog

/// Keeps what a log delivers, and can hold the log's thread up in a run.
final class Recorder: LogHandler {
    struct Seen: Sendable {
        var records: [StoredRecord] = []
        var places: [FramePlace] = []
        var runs: [Int] = []
        var events: [LogEvent] = []
        var holdsNextRun = false
        var isHolding = false
    }

    let seen = Monitor(Seen())

    func handle(_ run: borrowing RecordRun) {
        seen.withLock {
            for entry in run.entries {
                let record = LogRecord(
                    key: entry.key.map { Array(run.bytes[$0]) }, value: entry.value.map { Array(run.bytes[$0]) })
                $0.records.append(StoredRecord(offset: entry.offset, appendTime: entry.appendTime, record: record))
                $0.places.append(entry.place!)
            }
            $0.runs.append(run.entries.count)
            if $0.holdsNextRun { $0.isHolding = true }
        }
        wait { $0.isHolding ? nil : () }
    }

    func handle(_ event: LogEvent) {
        seen.withLock { $0.events.append(event) }
    }

    /// Waits for what must come; a log that never brings it ends the test run rather than holding it up.
    func wait<R>(_ body: (inout Seen) -> R?) -> R {
        guard let result = seen.wait(until: .now + .seconds(60), body) else { fatalError("the log did not do it") }
        return result
    }

    /// The next run does not return before `release`.
    func holdNextRun() { seen.withLock { $0.holdsNextRun = true } }

    func waitUntilHolding() { wait { $0.isHolding ? () : nil } }

    func release() {
        seen.withLock {
            $0.holdsNextRun = false
            $0.isHolding = false
        }
    }

    func waitForRecords(_ count: Int) -> [StoredRecord] {
        wait { $0.records.count >= count ? $0.records : nil }
    }

    /// All tag reports so far, once there are so many.
    func waitForReports(_ count: Int) -> [LogTag: TagOutcome] {
        wait { seen in
            let reports = seen.events.flatMap { event -> [TagReport] in
                if case .tags(let reports) = event { reports } else { [] }
            }
            return reports.count >= count ? Dictionary(uniqueKeysWithValues: reports.map { ($0.tag, $0.outcome) }) : nil
        }
    }

    func waitForFailure() -> String {
        wait { seen in
            for event in seen.events {
                if case .failed(let message) = event { return message }
                if case .damaged(_, let message) = event { return message }
            }
            return nil
        }
    }

    var events: [LogEvent] { seen.read { $0.events } }
    var records: [StoredRecord] { seen.read { $0.records } }
}

let testID = StoreUUID(high: 0x0123_4567_89AB_4DEF, low: 0x8899_AABB_CCDD_EEFF)
let firstRecord = LogRecord(key: [], value: Array("identity".utf8))

func record(_ text: String) -> LogRecord { LogRecord(key: Array("k".utf8), value: Array(text.utf8)) }

func tag(_ number: Int) -> LogTag { LogTag(number: UInt64(number)) }

/// A log on any storage, made where there is none yet.
func openLog(
    on storage: any SegmentStorage, fileBytes: Int = 64 << 10, queuedBytes: Int = EmbeddedLimits.queuedBytes,
    clock: @escaping @Sendable () -> Int64 = { 1_000 }
) throws -> EmbeddedLog {
    let writer =
        try storage.names().isEmpty
        ? SegmentWriter.create(in: storage, store: testID, fileBytes: fileBytes)
        : SegmentWriter.open(in: storage, store: testID, fileBytes: fileBytes)
    return EmbeddedLog(
        name: "test", writer: writer, storeID: testID, indexDirectory: "", lock: nil, queuedBytes: queuedBytes,
        clock: clock)
}

/// Appends text records with tags from a number on.
func append(_ count: Int, from first: Int = 1, to log: EmbeddedLog) {
    for number in first..<(first + count) { log.append(record("\(number)"), to: 0, tag: tag(number)) }
}

/// A path that is removed when the value goes.
final class TemporaryPath {
    let path: String

    init() { path = NSTemporaryDirectory() + "tributary-embedded-" + UUID().uuidString }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Every file below and its bytes, except the lock's.
    var contents: [String: Data] {
        var all: [String: Data] = [:]
        for name in FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? [] where name != "lock" {
            all[name] = FileManager.default.contents(atPath: path + "/" + name) ?? Data()
        }
        return all
    }
}

/// The code of the log error that `body` throws.
func code(_ body: () throws -> Void) -> LogError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? LogError)?.code
    }
}
