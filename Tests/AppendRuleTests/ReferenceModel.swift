import AppendRule

/// The append rule as its text says it: everything that was ever accepted or killed is kept in lists, and every
/// question is answered by reading them from the start. It shares nothing with `decide`.
struct ReferenceModel {
    struct Accepted {
        var record: RecordHeader
        var firstVersion: Int64
    }

    struct Killed {
        var appendID: RecordID
        var attempt: UInt32
    }

    struct Stream {
        var accepted: [Accepted] = []
        var killed: [Killed] = []

        var lastVersion: Int64 { events { $0.kind == .append || $0.kind == .tombstone } - 1 }
        var lastMetadataVersion: Int64 { events { $0.kind == .metadata } - 1 }
        var isTombstoned: Bool { accepted.contains { $0.record.kind == .tombstone } }
        var isSoftDeleted: Bool { firstReadable == 9_223_372_036_854_775_807 }

        var firstReadable: Int64 {
            var value: Int64 = 0
            for one in accepted {
                if let new = one.record.firstReadable { value = new }
                if one.record.kind == .append, value == 9_223_372_036_854_775_807 { value = one.firstVersion }
            }
            return value
        }

        private func events(_ isCounted: (RecordHeader) -> Bool) -> Int64 {
            var count = 0
            for one in accepted where isCounted(one.record) { count += one.record.ids.count }
            return Int64(count)
        }

        /// Step 2: what was accepted with this append id, where the rule looks for it.
        func known(_ kind: RecordKind, _ expectation: Expectation, _ appendID: RecordID) -> Accepted? {
            if kind == .append, case .exactly(let expected) = expectation {
                for one in accepted where one.record.kind == .append && one.firstVersion == expected + 1 {
                    return one.record.ids[0] == appendID ? one : nil
                }
                return nil
            }
            for one in accepted where one.record.ids[0] == appendID {
                if one.record.kind == .append, case .exactly = one.record.expectation { continue }
                return one
            }
            return nil
        }

        /// Step 5: whether the expectation holds, and if not, whether a later record could make it hold.
        func holds(_ record: RecordHeader) -> (now: Bool, perhapsLater: Bool, actual: Int64) {
            let isAboutMetadata = record.expectedStream == .metadataStream
            let actual = isAboutMetadata ? lastMetadataVersion : lastVersion
            let isThere = actual != -1 && (isAboutMetadata || !isSoftDeleted)
            switch record.expectation {
            case .any: return (true, true, actual)
            case .noStream: return (!isThere, true, actual)
            case .streamExists: return (isThere, true, actual)
            case .exactly(let expected): return (expected == actual, expected > actual, actual)
            }
        }
    }

    private(set) var streams: [String: Stream] = [:]

    func state(of name: String) -> StreamFacts {
        let stream = streams[name] ?? Stream()
        return StreamFacts(
            current: stream.lastVersion, metadataCurrent: stream.lastMetadataVersion,
            firstReadable: stream.firstReadable, isTombstoned: stream.isTombstoned, hasKills: !stream.killed.isEmpty)
    }

    mutating func apply(_ record: RecordHeader, to name: String) -> Decision {
        var stream = streams[name] ?? Stream()
        defer { streams[name] = stream }
        let appendID = record.ids[0]
        if record.kind == .cancel {
            stream.killed.append(Killed(appendID: appendID, attempt: record.attempt))
            guard let known = stream.known(record.subject, record.expectation, appendID),
                known.record.kind == record.subject, known.record.ids == record.ids
            else { return .cancelled(accepted: nil) }
            return .cancelled(accepted: known.firstVersion)
        }
        if let known = stream.known(record.kind, record.expectation, appendID) {
            let isSame = known.record.kind == record.kind && known.record.ids == record.ids
            return isSame ? .alreadyAccepted(firstVersion: known.firstVersion) : .idReused
        }
        for one in stream.killed where one.appendID == appendID && record.attempt <= one.attempt { return .killed }
        if stream.isTombstoned { return .tombstoned }
        let (now, perhapsLater, actual) = stream.holds(record)
        if !now {
            if perhapsLater { stream.killed.append(Killed(appendID: appendID, attempt: record.attempt)) }
            return .conflict(actual: actual, killsAttempt: perhapsLater)
        }
        let first = (record.kind == .metadata ? stream.lastMetadataVersion : stream.lastVersion) + 1
        stream.accepted.append(Accepted(record: record, firstVersion: first))
        return .accepted(firstVersion: first)
    }
}
