// The directory of a node: its copy of a log that keeps no files here, and its index over it. All of it can be made
// again from the log.

import AppendRule
import Envelope
import GlobalOrder
import Segments
import Synchronization

/// A node's directory, for one process at a time.
///
/// It holds `node` (what it is), `id` (under which it proposes to the order), `lock`, `log` (segment files) and `index`
/// (RocksDB's files).
public final class NodeDirectory: Sendable {
    public let path: String
    private let name: String
    private let lock: Mutex<FileLock?>
    private let whose: Mutex<(store: StoreID, partitions: Int)?>

    private static let marker = "tributary node format 1\n"

    public var log: String { path + "/log" }
    public var index: String { path + "/index" }

    /// Takes the directory; makes it where it is absent or empty.
    ///
    /// - Parameter name: what people call the store: 1 to 249 bytes without control characters.
    /// - Throws: `mismatch` for a node of a store of another name, `locked` where another process or another store of
    ///   this one has it, `notOurs` for a directory that holds something else, in which nothing is made; `newerFormat`,
    ///   `noPermission`, `unavailable`.
    public init(_ path: String, of name: String) throws(IndexError) {
        self.path = path
        self.name = name
        let found: (store: StoreID, partitions: Int, name: String)?
        do throws(SegmentError) {
            found = try Self.claim(path)
            whose = Mutex(found.map { ($0.store, $0.partitions) })
            lock = Mutex(try FileLock(path: path + "/lock"))
            try Files.makeDirectory(path + "/log")
        } catch {
            throw IndexError(error, in: path)
        }
        guard let found, found.name != name else { return }
        throw IndexError(
            .mismatch, "\(path) is a node of the store called \(found.name), not of \(name): name another directory")
    }

    /// Partitions of the store that the node is of; nil before it was first opened.
    public var partitions: Int? { whose.withLock { $0?.partitions } }

    /// What the node calls itself in order records, kept for as long as the directory is there. One that was lost is
    /// replaced: nothing depends on it but what people are told.
    func proposerID() -> ProposerID {
        let file = path + "/id"
        if let bytes = try? Files.read(file, limit: 64), let id = ProposerID(String(decoding: bytes, as: UTF8.self)) {
            return id
        }
        let id = ProposerID.random()
        try? Files.replace(file, with: Array((id.text + "\n").utf8))
        return id
    }

    /// What can be said of the store while its log cannot be reached.
    var identity: Identity? {
        whose.withLock { whose in
            whose.map { Identity(store: $0.store, partitions: $0.partitions, nonce: RecordID(high: 0, low: 0)) }
        }
    }

    /// Makes the node one of this store, for ever.
    ///
    /// - Throws: `mismatch` where it is one of another.
    func belong(to identity: Identity) throws(IndexError) {
        let known = whose.withLock { $0 }
        if let known {
            guard known.store != identity.store || known.partitions != identity.partitions else { return }
            throw IndexError(
                .mismatch,
                "\(path) is a node of the store \(known.store) with \(known.partitions) partitions, and the log is of "
                    + "\(identity.store) with \(identity.partitions): name another directory, or remove this one to begin "
                    + "anew")
        }
        let text = Self.marker + "store \(identity.store)\npartitions \(identity.partitions)\nname \(name)\n"
        do throws(SegmentError) {
            try Files.replace(path + "/node", with: Array(text.utf8))
        } catch {
            throw IndexError(error, in: path)
        }
        whose.withLock { $0 = (identity.store, identity.partitions) }
    }

    /// Says whose the directory is; nil: nobody's yet.
    private static func claim(
        _ path: String
    ) throws(SegmentError) -> (store: StoreID, partitions: Int, name: String)? {
        try Files.makeDirectory(path)
        let file = path + "/node"
        let names = try Files.names(in: path)
        if names.contains("node") {
            let text = String(decoding: try Files.read(file, limit: 400), as: UTF8.self)
            if text == marker { return nil }
            if text.hasPrefix(marker) {
                let lines = text.dropFirst(marker.count).split(separator: "\n")
                guard lines.count == 3, let store = StoreID(String(lines[0].dropFirst(6))),
                    let partitions = Int(lines[1].dropFirst(11)), EnvelopeLimits.partitions.contains(partitions),
                    lines[2].hasPrefix("name ")
                else {
                    throw SegmentError(.damaged, file: file, "does not read as it was written; remove the directory")
                }
                return (store, partitions, String(lines[2].dropFirst(5)))
            }
            guard text.hasPrefix("tributary node format ") else { throw strange(path) }
            throw SegmentError(
                .newerFormat, "\"\(text.prefix(40).dropLast())\" is not known to this build; use a newer one")
        }
        // What is left of a node that was never finished is as good as nothing.
        guard Set(names).isSubset(of: ["node.new"]) else { throw strange(path) }
        try Files.replace(file, with: Array(marker.utf8))
        return nil
    }

    private static func strange(_ path: String) -> SegmentError {
        SegmentError(.foreign, "holds files that are not a node's; name an absent or empty directory")
    }

    /// Lets others have the directory.
    public func release() {
        lock.withLock { $0 = nil }
    }

    /// Puts the index aside as one act and deletes it.
    static func dropIndex(_ directory: String) throws(SegmentError) {
        let old = directory + ".old"
        try Files.removeDirectory(old)
        guard try Files.kind(of: directory) != .absent else { return }
        try Files.move(directory, to: old)
        try Files.removeDirectory(old)
    }
}

extension IndexError {
    /// - Parameter place: the directory that the error is about.
    init(_ error: SegmentError, in place: String) {
        let code: Code =
            switch error.code {
            case .foreign: .notOurs
            default: IndexError(error).code
            }
        var error = error
        if let file = error.file, file.hasPrefix(place + "/") { error.file = String(file.dropFirst(place.count + 1)) }
        if error.file == place { error.file = nil }
        self.init(code, "\(place): \(error.description)")
    }
}
