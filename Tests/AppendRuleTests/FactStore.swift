import AppendRule

/// Gathers facts for `decide` as an index would: only what is looked up by key, nothing of the history.
struct FactStore {
    private struct AppendKey: Hashable {
        var name: String
        var id: RecordID
    }

    private struct Place: Hashable {
        var name: String
        var version: Int64
    }

    private var streams: [String: StreamFacts] = [:]
    private var byID: [AppendKey: AcceptedRecord] = [:]
    private var appendsByFirstVersion: [Place: AcceptedRecord] = [:]
    private var highestKilled: [AppendKey: UInt32] = [:]

    func state(of name: String) -> StreamFacts {
        streams[name] ?? .none
    }

    mutating func apply(_ header: RecordHeader, to name: String) -> Decision {
        let key = AppendKey(name: name, id: header.appendID)
        let stream = state(of: name)
        let decision = decide(
            header,
            Facts(
                stream: stream, earlier: earlier(header, key),
                highestKilled: stream.hasKills ? highestKilled[key] : nil))
        streams[name] = stream.applying(decision, of: header)
        switch decision {
        case .accepted(let first):
            let record = AcceptedRecord(kind: header.kind, ids: header.ids, firstVersion: first)
            if header.isFoundByID { byID[key] = record }
            if header.kind == .append { appendsByFirstVersion[Place(name: name, version: first)] = record }
        case .cancelled, .conflict(_, killsAttempt: true):
            highestKilled[key] = max(highestKilled[key] ?? 0, header.attempt)
        case .conflict, .alreadyAccepted, .idReused, .killed, .tombstoned:
            break
        }
        return decision
    }

    private func earlier(_ header: RecordHeader, _ key: AppendKey) -> AcceptedRecord? {
        if header.isFoundByID { return byID[key] }
        guard case .exactly(let expected) = header.expectation else { return nil }
        return appendsByFirstVersion[Place(name: key.name, version: expected + 1)]
    }
}
