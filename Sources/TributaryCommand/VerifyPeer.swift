import JSONLines
import Tributary

/// Compares the store with another node's directory.
func verify(_ peer: String, _ context: Context) async throws -> ExitCode {
    if peer.isEmpty { throw Failure(.badInput, "--peer needs the name of a directory") }
    return try await context.withStore { store in
        let report = try await store.verify(peer: peer)
        let written = Result { try context.output.compared(report, peer) }
        for problem in report.problems(of: peer) { StandardError.line(problem) }
        guard report.agrees else {
            throw Failure(
                .unavailable,
                "the indexes differ, so one of them is wrong: keep copies of both directories, then try tributary verify "
                    + "and tributary rebuild-index on each")
        }
        guard report.partitions.contains(where: { $0.compared > 0 }) else {
            throw Failure(
                .unavailable,
                "nothing could be compared: let the node of \(peer) catch up (any command that opens it does), and try "
                    + "again")
        }
        try written.get()
        return .done
    }
}

extension PeerReport {
    /// What people should know of single partitions.
    fileprivate func problems(of peer: String) -> [String] {
        partitions.compactMap { partition in
            if let offset = partition.firstDifference {
                return
                    "partition \(partition.partition): the digests differ at offset \(offset); the cause is a record at or "
                    + "before it"
            }
            guard partition.compared == 0 else { return nil }
            return
                "partition \(partition.partition): nothing compared: here offset \(partition.offset) is the newest, there "
                + "\(partition.peerOffset)"
        }
    }
}

extension Output {
    fileprivate func compared(_ report: PeerReport, _ peer: String) throws {
        json.beginObject()
        json.field("peer", peer)
        json.field("agrees", report.agrees)
        json.beginArray("partitions")
        for partition in report.partitions {
            json.beginObject()
            json.field("partition", partition.partition)
            json.field("offset", partition.offset)
            json.field("peerOffset", partition.peerOffset)
            json.field("compared", partition.compared)
            json.field("lastCompared", partition.lastCompared)
            json.field("firstDifference", partition.firstDifference)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        try endLine()
        try flush()
    }
}
