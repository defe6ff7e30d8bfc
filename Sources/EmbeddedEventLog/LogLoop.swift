import EventLog
import Segments

/// What the log's thread does until the log is closed.
///
/// When nothing waits to be delivered, it builds a block, syncs it and delivers it, all on this thread: a lone writer
/// is answered with two thread hops. Under load, what came meanwhile is given to the syncer, and the last block is
/// delivered while the next is being synced. So at most one block is ever written and not synced.
final class LogLoop {
    private let queue: Monitor<LogQueue>
    private let writer: SegmentWriter
    private let clock: @Sendable () -> Int64
    private let handler: (any LogHandler)?

    private lazy var syncer = Syncer(writer: writer)
    private var usedSyncer = false
    /// Durable and not delivered, where `hasReady`.
    private var ready = Batch()
    private var hasReady = false
    private var building = Batch()
    private var lastTime: Int64
    private var run = RecordRun()
    /// Nothing more is stored: a write or sync failed, or records could not be read.
    private var hasFailed = false

    /// - Parameter handler: nil for a log that is closed without having been started.
    init(
        queue: Monitor<LogQueue>, writer: SegmentWriter, clock: @escaping @Sendable () -> Int64,
        handler: (any LogHandler)?
    ) {
        self.queue = queue
        self.writer = writer
        self.clock = clock
        self.handler = handler
        self.lastTime = writer.lastAppendTime
    }

    func runUntilClosed() {
        while let work = next() {
            switch work {
            case .reports(let reports): handler?.handle(.tags(reports))
            case .replay(let offset):
                // What is ready is in the files too: the replay delivers it, if it is wanted.
                hasReady = false
                replay(from: offset)
            case .records(let records): commit(records)
            case .end: return end()
            }
        }
    }

    /// Waits only while nothing is to be delivered.
    private func next() -> LogQueue.Work? {
        if ready.block.frames.count >= EmbeddedLimits.pipelinedRecords, hasReady,
            let work = queue.read({ $0.next() }), !work.isEnd
        {
            return work
        }
        deliverReady()
        return queue.wait { $0.next() }
    }

    private func commit(_ records: [PendingRecord]) {
        build(records)
        let error: SegmentError?
        if hasReady {
            usedSyncer = true
            syncer.begin(&building)
            deliverReady()
            error = syncer.finish(&building)
        } else {
            error = writer.commit(&building)
        }
        if let error { return reportFailure(error) }
        swap(&ready, &building)
        hasReady = true
    }

    private func build(_ records: [PendingRecord]) {
        building.removeAll()
        lastTime = max(lastTime, clock())
        var offset = writer.frameCount
        for pending in records {
            building.block.append(
                channel: 0, offset: offset, appendTime: lastTime, key: pending.record.key,
                value: pending.record.value)
            if pending.tag != .none { building.tags.append(pending.tag) }
            offset += 1
        }
    }

    private func deliverReady() {
        guard hasReady else { return }
        hasReady = false
        deliver(ready.block.bytes, ready.block.frames)
    }

    private func deliver(_ bytes: [UInt8], _ frames: [SegmentFrame]) {
        guard let handler else { return }
        run.entries.removeAll(keepingCapacity: true)
        run.entries.reserveCapacity(frames.count)
        for frame in frames { run.entries.append(RunEntry(frame)) }
        run.bytes = bytes
        handler.handle(run)
        // The owner of the bytes writes into them next: without this it would copy them first.
        run.bytes = []
    }

    /// Delivers what is durable from an offset on; all of it is in the files.
    private func replay(from wanted: Int64) {
        guard let handler else { return }
        let offset = max(0, wanted)
        if wanted < 0 { handler.handle(.startMoved(channel: 0, start: 0)) }
        let end = writer.reader.frameCount
        if offset > end { handler.handle(.shortened(channel: 0, end: end)) }
        do {
            var isWhole = true
            try writer.reader.scan(from: offset) { found in
                deliver(found.bytes, found.frames)
                let isLast = found.firstFrame + Int64(found.frames.count) >= end
                isWhole = isLast || !queue.read { $0.wantsReplayToStop }
                return isWhole
            }
            // A close in between leaves a gap before what still waits: that is not stored.
            if !isWhole { refuseAllIfClosing() }
        } catch {
            let isDamage = (error as? SegmentError).map { LogError($0, in: "").code == .damaged } ?? false
            fail("\(error)", reports: [], isDamage: isDamage)
        }
    }

    private func refuseAllIfClosing() {
        let reports = queue.withLock { $0.isOpen ? [] : $0.fail("the log is closed") }
        if !reports.isEmpty { handler?.handle(.tags(reports)) }
    }

    private func reportFailure(_ error: SegmentError) {
        let outcome: TagOutcome =
            if building.block.wasGivenToDisk {
                .unknown
            } else if error.code == .noSpace {
                .notStored(.temporary(error.description))
            } else {
                .notStored(.failed(error.description))
            }
        let reports = building.tags.map { TagReport(tag: $0, outcome: outcome) }
        if error.code == .noSpace {
            if !reports.isEmpty { handler?.handle(.tags(reports)) }
        } else {
            fail(error.description, reports: reports)
        }
    }

    /// Nothing is stored or delivered any more until the log is opened again.
    private func fail(_ message: String, reports: [TagReport], isDamage: Bool = false) {
        hasFailed = true
        let all = reports + queue.withLock { $0.fail(message) }
        if !all.isEmpty { handler?.handle(.tags(all)) }
        handler?.handle(isDamage ? .damaged(channel: nil, message) : .failed(message))
    }

    private func end() {
        if usedSyncer { syncer.end() }
        // A seal that cannot be written costs only a more careful open.
        if !hasFailed { try? writer.close() }
        while let reports = queue.withLock({ $0.end() }) { handler?.handle(.tags(reports)) }
    }
}

extension LogQueue.Work {
    fileprivate var isEnd: Bool {
        if case .end = self { true } else { false }
    }
}
