// The directory of a node: its copy of a log that keeps no files here, and its index over it. All of it can be made
// again from the log.

import Segments
import Synchronization

/// A node's directory, for one process at a time.
///
/// It holds `node` (what it is), `lock`, `log` (segment files) and `index` (RocksDB's files).
public final class NodeDirectory: Sendable {
    public let path: String
    private let lock: Mutex<FileLock?>

    static let marker = "tributary node format 1\n"

    public var log: String { path + "/log" }
    public var index: String { path + "/index" }

    /// Takes the directory; makes it where it is absent or empty.
    ///
    /// - Throws: `locked` where another process or another store of this one has it, `notOurs` for a directory that
    ///   holds something else, in which nothing is made; `newerFormat`, `noPermission`, `unavailable`.
    public init(_ path: String) throws(IndexError) {
        self.path = path
        do throws(SegmentError) {
            try Self.claim(path)
            lock = Mutex(try FileLock(path: path + "/lock"))
            try Files.makeDirectory(path + "/log")
        } catch let error {
            throw IndexError(error, in: path)
        }
    }

    private static func claim(_ path: String) throws(SegmentError) {
        try Files.makeDirectory(path)
        let file = path + "/node"
        let names = try Files.names(in: path)
        if names.contains("node") {
            let text = String(decoding: try Files.read(file, limit: 100), as: UTF8.self)
            if text == marker { return }
            guard text.hasPrefix("tributary node format ") else { throw strange(path) }
            throw SegmentError(
                .newerFormat, "\"\(text.prefix(40).dropLast())\" is not known to this build; use a newer one")
        }
        // What is left of a node that was never finished is as good as nothing.
        guard Set(names).isSubset(of: ["node.new"]) else { throw strange(path) }
        try Files.replace(file, with: Array(marker.utf8))
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
