import EventLog
import Segments

/// A record that no block was built of yet.
struct PendingRecord: Sendable {
    var record: LogRecord
    var tag: LogTag

    var frameBytes: Int {
        SegmentFrame.byteCount(key: record.key?.count, value: record.value?.count)
    }
}

/// What callers leave for the log's thread, under one lock.
struct LogQueue: Sendable {
    private var pending: [PendingRecord] = []
    /// Records before this index were taken.
    private var head = 0
    private var bytes = 0
    private let byteLimit: Int
    /// Tags refused at once, to be reported by the log's thread.
    private var refused: [TagReport] = []
    /// Deliver from this offset on before anything else.
    private var replay: Int64?
    private var isClosing = false
    /// The log's thread has ended: what is refused now is reported by a thread for that.
    private var hasEnded = false
    private var failure: String?

    enum Work {
        case reports([TagReport])
        case replay(Int64)
        case records([PendingRecord])
        case end
    }

    init(byteLimit: Int) {
        self.byteLimit = byteLimit
    }

    /// Whether a replay must stop: the log closes, or begins another.
    var wantsReplayToStop: Bool { isClosing || replay != nil }

    var isOpen: Bool { !isClosing }

    /// - Returns: whether it was refused when no log's thread was there any more to report it.
    @discardableResult
    mutating func append(_ record: LogRecord, _ tag: LogTag) -> Bool {
        let pendingRecord = PendingRecord(record: record, tag: tag)
        if let reason = reasonToRefuse(pendingRecord) {
            if tag != .none { refused.append(TagReport(tag: tag, outcome: .notStored(reason))) }
            return hasEnded && tag != .none
        }
        bytes += pendingRecord.frameBytes
        pending.append(pendingRecord)
        return false
    }

    /// What was refused and is not reported yet.
    mutating func takeLate() -> [TagReport] {
        defer { refused = [] }
        return refused
    }

    private func reasonToRefuse(_ record: PendingRecord) -> NotStoredReason? {
        if let failure { return .failed(failure) }
        if isClosing { return .failed("the log is closed") }
        if record.record.byteCount > EmbeddedLimits.recordBytes { return .tooLarge }
        if bytes + record.frameBytes > byteLimit {
            return .temporary("\(bytes) bytes are waiting to be written; wait for some of them")
        }
        return nil
    }

    mutating func withdraw(_ tag: LogTag) -> Bool {
        guard tag != .none, let index = pending[head...].lastIndex(where: { $0.tag == tag }) else { return false }
        bytes -= pending.remove(at: index).frameBytes
        return true
    }

    mutating func restart(from offset: Int64) {
        if failure == nil { replay = offset }
    }

    mutating func close() {
        isClosing = true
    }

    /// Refuses everything from now on.
    ///
    /// - Returns: reports of what waits.
    mutating func fail(_ message: String) -> [TagReport] {
        failure = message
        replay = nil
        let reports = pending[head...].filter { $0.tag != .none }.map {
            TagReport(tag: $0.tag, outcome: .notStored(.failed(message)))
        }
        pending = []
        head = 0
        bytes = 0
        return reports
    }

    /// What to do next, nil where there is nothing.
    mutating func next() -> Work? {
        if !refused.isEmpty {
            defer { refused = [] }
            return .reports(refused)
        }
        if let offset = replay {
            replay = nil
            return .replay(offset)
        }
        if head < pending.count { return .records(takeBlock()) }
        return isClosing ? .end : nil
    }

    /// The log's thread calls its handler no more, once this returns nil.
    ///
    /// - Returns: what was refused since, for that thread to report first.
    mutating func end() -> [TagReport]? {
        hasEnded = refused.isEmpty
        return hasEnded ? nil : takeLate()
    }

    /// Takes what fits into one block.
    private mutating func takeBlock() -> [PendingRecord] {
        var taken = 0
        var end = head
        while end < pending.count, end - head < SegmentLimits.blockFrames,
            taken + pending[end].frameBytes <= SegmentLimits.blockFrameBytes
        {
            taken += pending[end].frameBytes
            end += 1
        }
        bytes -= taken
        if end == pending.count {
            let all = head == 0 ? pending : Array(pending[head...])
            pending = []
            head = 0
            return all
        }
        let some = Array(pending[head..<end])
        head = end
        if head > pending.count / 2 {
            pending.removeFirst(head)
            head = 0
        }
        return some
    }
}
