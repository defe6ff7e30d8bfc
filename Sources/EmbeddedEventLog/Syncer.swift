import EventLog
import Segments

/// What is written and synced together, with the tags to report when that fails.
struct Batch: Sendable {
    var block = SegmentBlock()
    var tags: [LogTag] = []

    mutating func removeAll() {
        block.removeAll()
        tags.removeAll(keepingCapacity: true)
    }
}

extension SegmentWriter {
    /// Makes the batch durable.
    ///
    /// - Returns: nil once it is.
    func commit(_ batch: inout Batch) -> SegmentError? {
        do throws(SegmentError) {
            try write(&batch.block)
            try sync()
            return nil
        } catch {
            return error
        }
    }
}

/// A thread that commits one batch while the log's thread does something else.
final class Syncer: Sendable {
    private enum Phase: Sendable {
        case idle
        case given
        case done(SegmentError?)
        case ending
    }

    private struct Slot: Sendable {
        var phase = Phase.idle
        var batch = Batch()
    }

    private let slot: Monitor<Slot>
    private let thread: WorkerThread

    init(writer: SegmentWriter) {
        let slot = Monitor(Slot())
        self.slot = slot
        thread = WorkerThread(name: "log-sync") {
            var batch = Batch()
            while Self.take(&batch, from: slot) {
                let error = writer.commit(&batch)
                slot.withLock {
                    swap(&$0.batch, &batch)
                    $0.phase = .done(error)
                }
            }
        }
    }

    /// False when the thread must end.
    private static func take(_ batch: inout Batch, from slot: Monitor<Slot>) -> Bool {
        slot.wait {
            switch $0.phase {
            case .given:
                swap(&$0.batch, &batch)
                return true
            case .ending: return false
            case .idle, .done: return nil
            }
        }
    }

    /// Begins to commit; `finish` comes next.
    func begin(_ batch: inout Batch) {
        slot.withLock {
            swap(&$0.batch, &batch)
            $0.phase = .given
        }
    }

    /// Waits for what was begun and gives the batch back.
    func finish(_ batch: inout Batch) -> SegmentError? {
        slot.wait {
            guard case .done(let error) = $0.phase else { return SegmentError??.none }
            swap(&$0.batch, &batch)
            $0.phase = .idle
            return .some(error)
        }
    }

    /// Ends the thread, which must be idle.
    func end() {
        slot.withLock { $0.phase = .ending }
        thread.join()
    }
}
