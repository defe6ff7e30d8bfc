import Envelope

/// What the index holds of one partition: how far it has applied, and what came of it.
struct PartitionState: Equatable, Sendable {
    /// The offset of the next record.
    var nextOffset: Int64 = 0
    /// The sequence of the next event. In partition 0 the store's creation record has sequence 0.
    var nextSequence: Int64 = 0
    var digest: UInt64 = 0
    /// The greatest append time so far: a new leader's clock may be behind.
    var time: Int64 = 0
    /// How many streams have a number.
    var streamNumbers: UInt64 = 0
    /// How many streams have an event.
    var streams: Int64 = 0
    /// The newest record's fingerprint: the log must still have it there.
    var lastRecord: UInt64 = 0
    /// The first identity record's own bytes; zero before it.
    var nonceHigh: UInt64 = 0
    var nonceLow: UInt64 = 0
    /// Records by what became of them; the places are those of `Outcome`.
    var counts = [Int64](repeating: 0, count: Outcome.allCases.count)

    /// What `counts` counts.
    enum Outcome: Int, CaseIterable, Sendable {
        case accepted, alreadyAccepted, idReused, killed, tombstoned, conflict, cancelled, barrier, identity, foreign

        init(code: UInt32) {
            switch code {
            case 1...7: self = Outcome(rawValue: Int(code) - 1) ?? .foreign
            case RecordCode.barrier: self = .barrier
            case RecordCode.identity: self = .identity
            default: self = .foreign
            }
        }
    }

    var hasIdentity: Bool { nonceHigh != 0 || nonceLow != 0 }

    init() {}

    func encode() -> [UInt8] {
        var value = IndexKey()
        value.add(nextOffset)
        value.add(nextSequence)
        value.add(digest)
        value.add(time)
        value.add(streamNumbers)
        value.add(streams)
        value.add(lastRecord)
        value.add(nonceHigh)
        value.add(nonceLow)
        for count in counts { value.add(count) }
        return value.bytes
    }

    init?(_ value: Span<UInt8>) {
        guard value.count == 72 + 8 * counts.count else { return nil }
        nextOffset = value.signed64(at: 0)
        nextSequence = value.signed64(at: 8)
        digest = value.number64(at: 16)
        time = value.signed64(at: 24)
        streamNumbers = value.number64(at: 32)
        streams = value.signed64(at: 40)
        lastRecord = value.number64(at: 48)
        nonceHigh = value.number64(at: 56)
        nonceLow = value.number64(at: 64)
        for index in counts.indices { counts[index] = value.signed64(at: 72 + 8 * index) }
    }
}
