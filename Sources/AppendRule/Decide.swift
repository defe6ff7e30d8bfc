// The append rule, version 1. Every replica applies it to the same records in the same order, so it is a pure
// function: no payload, clock, random number, configuration, hashing order or offset may enter here.

/// The number of this rule, as identity records carry it.
public let ruleVersion: UInt32 = 1

/// Decides a well-formed record that is keyed by a stream name.
///
/// ```swift
/// let header = RecordHeader(kind: .append, expectation: .exactly(7), eventCount: 1, ids: [id])
/// switch decide(header, Facts(stream: facts)) {
/// case .accepted(let first): …            // 8
/// case .conflict(let actual, _): …
/// default: …
/// }
/// ```
/// The order of the steps is part of the rule.
public func decide(_ header: RecordHeader, _ facts: Facts) -> Decision {
    if header.kind == .cancel {
        return .cancelled(accepted: facts.earlier.flatMap { header.isSame(as: $0) ? $0.firstVersion : nil })
    }
    if let earlier = facts.earlier, earlier.ids[0] == header.appendID {
        return header.isSame(as: earlier) ? .alreadyAccepted(firstVersion: earlier.firstVersion) : .idReused
    }
    if let killed = facts.highestKilled, header.attempt <= killed {
        return .killed
    }
    if facts.stream.isTombstoned {
        return .tombstoned
    }
    let current = header.expectedStream == .stream ? facts.stream.current : facts.stream.metadataCurrent
    let isGone = header.expectedStream == .stream && facts.stream.isSoftDeleted
    if let conflict = check(header.expectation, current: current, isSoftDeleted: isGone) {
        return conflict
    }
    let target = header.kind == .metadata ? facts.stream.metadataCurrent : facts.stream.current
    return .accepted(firstVersion: target + 1)
}

/// Returns a conflict where the expectation does not hold.
///
/// *n below the current version* can never hold again and needs no memory; every other refused expectation could
/// be made to hold by a later record, so its attempt dies.
private func check(_ expectation: Expectation, current: Int64, isSoftDeleted: Bool) -> Decision? {
    let exists = current >= 0 && !isSoftDeleted
    switch expectation {
    case .any:
        return nil
    case .noStream:
        return exists ? .conflict(actual: current, killsAttempt: true) : nil
    case .streamExists:
        return exists ? nil : .conflict(actual: current, killsAttempt: true)
    case .exactly(let expected):
        return expected == current ? nil : .conflict(actual: current, killsAttempt: expected > current)
    }
}

extension RecordHeader {
    /// Whether this record, or the one it cancels, is the accepted one: one kind and the same ids.
    fileprivate func isSame(as earlier: AcceptedRecord) -> Bool {
        earlier.kind == subject && earlier.ids == ids
    }
}

extension StreamFacts {
    /// What the stream is like after `decision` on a record with `header`.
    public func applying(_ decision: Decision, of header: RecordHeader) -> StreamFacts {
        var next = self
        switch decision {
        case .accepted(let first):
            let last = first + Int64(header.eventCount) - 1
            switch header.kind {
            case .append:
                next.current = last
                if isSoftDeleted { next.firstReadable = first }
            case .metadata:
                next.metadataCurrent = last
                next.firstReadable = header.firstReadable ?? firstReadable
            case .tombstone:
                next.current = last
                next.isTombstoned = true
            case .cancel, .barrier, .store, .ruleUpgrade:
                preconditionFailure("a record of this kind is never accepted")
            }
        case .cancelled, .conflict(_, killsAttempt: true):
            next.hasKills = true
        case .conflict, .alreadyAccepted, .idReused, .killed, .tombstoned:
            break
        }
        return next
    }
}
