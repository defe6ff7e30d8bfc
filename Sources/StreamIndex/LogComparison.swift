// Whether the log is the one that was applied. A log that was made anew, or was cut and has grown since, says nothing
// by itself, so it is asked for two records of each partition: the first, and the newest that was applied.

import AppendRule
import Envelope
import EventLog

/// What an index has applied of a channel and can find again in the log.
struct KnownChannel: Sendable {
    var channel: Int
    var nextOffset: Int64
    /// The fingerprint of the newest record.
    var lastRecord: UInt64
    /// Of the first identity record; nil: none was applied.
    var nonce: (high: UInt64, low: UInt64)?
    /// Whether anything may stand before the identity record.
    var hasForeign: Bool

    init(_ channel: Int, _ state: PartitionState) {
        self.channel = channel
        nextOffset = state.nextOffset
        lastRecord = state.lastRecord
        nonce = state.hasIdentity ? (state.nonceHigh, state.nonceLow) : nil
        hasForeign = state.counts[PartitionState.Outcome.foreign.rawValue] > 0
    }
}

enum LogComparison {
    /// Throws where the log is not the one that was applied.
    static func check(_ log: any RecordLog, _ known: KnownChannel, _ identity: Identity) async throws {
        if let difference = try await difference(log, known, identity) { throw difference }
    }

    /// What differs; nil: nothing. A leader that has been replaced may not know the newest records: what differs is
    /// asked again before it is believed.
    ///
    /// - Throws: `LogError` where the log cannot be asked, `CancellationError`.
    static func difference(
        _ log: any RecordLog, _ known: KnownChannel, _ identity: Identity
    ) async throws -> IndexError? {
        guard try await look(log, known, identity) != nil else { return nil }
        try await Task.sleep(for: IndexLimits.secondOpinion)
        return try await look(log, known, identity)
    }

    private static func look(
        _ log: any RecordLog, _ known: KnownChannel, _ identity: Identity
    ) async throws -> IndexError? {
        guard known.nextOffset > 0 else { return nil }
        do throws(LogError) {
            if let nonce = known.nonce, let first = try await log.record(at: 0, in: known.channel) {
                guard isSame(first, nonce, known, identity) else { return madeAnew(log, known) }
            }
            guard let newest = try await log.record(at: known.nextOffset - 1, in: known.channel) else {
                return missing(log, known, try await log.bounds(of: known.channel))
            }
            let (key, value) = (newest.record.key ?? [], newest.record.value ?? [])
            let bytes = key + value
            let found = Applier.fingerprint(key: 0..<key.count, value: key.count..<bytes.count, in: bytes.span)
            return found == known.lastRecord ? nil : replaced(log, known)
        } catch {
            // A copy that is damaged there is no other log; delivery tells where it matters.
            guard error.code == .damaged else { throw error }
            return nil
        }
    }

    private static func isSame(
        _ first: StoredRecord, _ nonce: (high: UInt64, low: UInt64), _ known: KnownChannel, _ identity: Identity
    ) -> Bool {
        let (key, value) = (first.record.key ?? [], first.record.value ?? [])
        let bytes = key + value
        let parsed = RecordEnvelope.parse(
            bytes: bytes.span, key: first.record.key.map { 0..<$0.count },
            value: first.record.value.map { _ in key.count..<bytes.count }, channel: known.channel,
            partitions: identity.partitions, store: nil)
        guard case .store(let found, _) = parsed else { return known.hasForeign }
        return found.nonce.high == nonce.high && found.nonce.low == nonce.low
    }

    // MARK: - In words

    private static func madeAnew(_ log: any RecordLog, _ known: KnownChannel) -> IndexError {
        IndexError(
            .mismatch,
            "\(log.description.name(of: known.channel)) begins with another creation record than the one that the index has applied: the "
                + "log was made anew; \(advice(log))")
    }

    private static func replaced(_ log: any RecordLog, _ known: KnownChannel) -> IndexError {
        IndexError(
            .mismatch,
            "offset \(known.nextOffset - 1) of \(log.description.name(of: known.channel)) is not the record that the index has applied: "
                + "the log was replaced, or was cut and has grown since; \(advice(log))")
    }

    private static func missing(_ log: any RecordLog, _ known: KnownChannel, _ bounds: Range<Int64>) -> IndexError {
        let what =
            if bounds.upperBound < known.nextOffset {
                "the log ends at \(bounds.upperBound): it has lost records"
            } else if bounds.lowerBound >= known.nextOffset {
                "the log begins at \(bounds.lowerBound): its records were deleted"
            } else {
                "the log has no record there any more"
            }
        return IndexError(
            .mismatch,
            "the index has applied \(log.description.name(of: known.channel)) up to offset \(known.nextOffset - 1), and \(what); "
                + advice(log))
    }

    private static func advice(_ log: any RecordLog) -> String {
        log.description.isOnlyWriter
            ? "restore it, or run `tributary rebuild-index` to go on with the log as it is now"
            : "restore it, or remove this node's index directory and open the store again to go on with the log as it is "
                + "now"
    }
}
