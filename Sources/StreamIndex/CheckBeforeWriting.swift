// What the local index may answer before a record is written: only what is certain.

import AppendRule

/// Answers from what this index holds, or says that the log must decide.
///
/// - Parameters:
///   - isOnlyWriter: nobody else writes to this log, all of it is applied, and nothing of the stream is in flight.
func checkBeforeWriting(_ header: RecordHeader, _ known: GatheredFacts, isOnlyWriter: Bool) -> CheckAnswer {
    let facts = known.facts
    if let earlier = known.earlier, earlier.record.ids[0] == header.appendID {
        guard earlier.record.kind == header.kind, earlier.record.ids == header.ids else { return .certain(.idReused) }
        return .certain(
            .accepted(
                firstVersion: earlier.record.firstVersion, firstSequence: earlier.firstSequence,
                offset: earlier.offset, isRepeat: true))
    }
    if facts.stream.isTombstoned { return .certain(.tombstoned) }
    // A cancel of the highest attempt there can be leaves none to try.
    guard facts.highestKilled != .max else { return .certain(.cancelled) }
    let attempt = facts.highestKilled.map { $0 + 1 } ?? 0
    var trial = header
    trial.attempt = attempt
    guard case .conflict(let actual, let killsAttempt) = decide(trial, facts) else {
        return .write(attempt: attempt)
    }
    // A stored record at n + 1 with another id: no later record can change that. Everything else only the log knows,
    // unless nobody else writes to it.
    let isCertain = isOnlyWriter || !killsAttempt && header.expectedStream == .stream
    return isCertain ? .certain(.conflict(actual: actual)) : .write(attempt: attempt)
}
