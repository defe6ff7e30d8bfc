// The raw records of the log, with what was decided of each: for people who look into a store.

import AppendRule
import Envelope
import Segments

/// One record of the log as the index decided it.
public struct ExplainedRecord: Sendable {
    public var partition: Int
    public var offset: Int64
    /// Milliseconds since 1970.
    public var appendTime: Int64
    public var key: [UInt8]?
    public var value: [UInt8]?
    /// nil: foreign.
    public var kind: String?
    public var decision: String
    /// Of the events that it brought now or before; nil: none.
    public var firstVersion: Int64?
    public var eventCount: Int
    public var ids: [(high: UInt64, low: UInt64)]
    /// "any", "no-stream", "exists" or a number; nil where the record expects nothing.
    public var expected: String?
    public var attempt: UInt32?
}

/// A page of them, and where the next one is looked for.
public struct ExplainedPage: Sendable {
    public var records: [ExplainedRecord] = []
    /// How many records of the segments lie before those that were not looked at.
    public var nextFrame: Int64

    public init(nextFrame: Int64) {
        self.nextFrame = nextFrame
    }
}

extension IndexedLog {
    /// A page of a partition's records from `offset` on, in log order, as far as they are applied.
    ///
    /// - Parameter frame: of the page before; 0 for the first.
    public func records(partition: Int, from offset: Int64, frame: Int64) async throws -> ExplainedPage {
        try await longJob { [store, ownSegments] in
            try store.inItsWords {
                try ownSegments?.sync()
                return try store.records(partition, from: offset, frame)
            }
        }
    }
}

extension IndexStore {
    fileprivate func records(_ partition: Int, from offset: Int64, _ frame: Int64) throws -> ExplainedPage {
        var bytes = 0
        let end = try partitionState(partition).nextOffset
        // With one channel a record's offset is its number in the files; with several, all of them are looked through.
        var page = ExplainedPage(nextFrame: identity.partitions == 1 ? offset : frame)
        guard offset < end else { return page }
        try segments.scan(from: page.nextFrame) { run in
            for (index, frame) in run.frames.enumerated() where frame.channel == partition && frame.offset >= offset {
                guard frame.offset < end else { return false }
                page.records.append(try explain(frame, run.bytes))
                page.nextFrame = run.firstFrame + Int64(index) + 1
                bytes += (frame.key?.count ?? 0) + (frame.value?.count ?? 0)
                if page.records.count >= IndexLimits.logPageRecords || bytes >= IndexLimits.logPageBytes {
                    return false
                }
            }
            return true
        }
        return page
    }

    private func explain(_ frame: SegmentFrame, _ bytes: [UInt8]) throws(IndexError) -> ExplainedRecord {
        var record = ExplainedRecord(
            partition: frame.channel, offset: frame.offset, appendTime: frame.appendTime,
            key: frame.key.map { Array(bytes[$0]) }, value: frame.value.map { Array(bytes[$0]) }, kind: nil,
            decision: "accepted", firstVersion: nil, eventCount: 0, ids: [], expected: nil, attempt: nil)
        let parsed = RecordEnvelope.parse(
            bytes: bytes.span, key: frame.key, value: frame.value, channel: frame.channel,
            partitions: identity.partitions, store: identity.store)
        let noted = try value(of: IndexKey.place(KeyPrefix.noEvent, frame.channel, frame.offset)) { value in
            value.count == 12 ? (code: value.number32(at: 0), first: value.signed64(at: 4)) : nil
        }
        if let noted = noted ?? nil {
            record.decision = "\(PartitionState.Outcome(code: noted.code))"
            record.firstVersion = noted.first >= 0 ? noted.first : nil
        }
        switch parsed {
        case .record(let header, _):
            record.kind = "\(header.kind)"
            record.eventCount = header.eventCount
            record.ids = header.ids.map { ($0.high, $0.low) }
            record.expected = Self.text(header.expectation)
            record.attempt = header.attempt
            if (noted ?? nil) == nil { record.firstVersion = try firstVersion(header, record.key ?? []) }
        case .barrier(let id):
            record.kind = "barrier"
            record.ids = [(id.high, id.low)]
        case .store(_, let id):
            record.kind = "store"
            record.ids = [(id.high, id.low)]
        case .foreign(let reason):
            record.decision = "foreign: \(reason)"
        case .halt(let reason):
            record.decision = "halted: \(reason)"
        }
        return record
    }

    /// Of an accepted record: where its events went.
    private func firstVersion(_ header: RecordHeader, _ name: [UInt8]) throws(IndexError) -> Int64? {
        if !header.isFoundByID, case .exactly(let version) = header.expectation { return version + 1 }
        guard let state = try state(of: name) else { return nil }
        let key = IndexKey.id(KeyPrefix.appendID, state.number, header.appendID)
        return try value(of: key) { $0.count == 9 ? $0.signed64(at: 1) : nil } ?? nil
    }

    private static func text(_ expectation: Expectation) -> String {
        switch expectation {
        case .any: "any"
        case .noStream: "no-stream"
        case .streamExists: "exists"
        case .exactly(let version): "\(version)"
        }
    }
}
