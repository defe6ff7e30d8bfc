// The few calls on directories and whole small files that a store's directory needs, with typed errors.

import Glibc
import Synchronization

/// Directories and small files.
public enum Files {
    public enum Kind: Sendable {
        case absent
        case directory
        case file
        /// A device, or a symbolic link where those are not followed.
        case other
    }

    /// What lies at the path.
    public static func kind(of path: String, followingLinks: Bool = true) throws(SegmentError) -> Kind {
        var status = stat()
        guard (followingLinks ? stat(path, &status) : lstat(path, &status)) == 0 else {
            if errno == ENOENT { return .absent }
            throw error(errno, path, "cannot look at it")
        }
        return switch status.st_mode & S_IFMT {
        case S_IFDIR: .directory
        case S_IFREG: .file
        default: .other
        }
    }

    /// The names in a directory without `.` and `..`, in no order.
    public static func names(in directory: String) throws(SegmentError) -> [String] {
        guard let stream = opendir(directory) else { throw error(errno, directory, "cannot list the directory") }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw error(errno, directory, "cannot list the directory") }
        return names
    }

    /// Makes the directory with mode 0700, and what is missing above it with the process's own mode, each synced
    /// into its parent. One that is there already is left as it is.
    public static func makeDirectory(_ path: String) throws(SegmentError) {
        let parent = parent(of: path)
        if try kind(of: parent) == .absent { try makeDirectory(parent) }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw error(errno, path, "cannot make the directory") }
        try syncDirectory(parent)
    }

    public static func syncDirectory(_ path: String) throws(SegmentError) {
        let descriptor = try open(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw error(errno, path, "cannot sync the directory") }
    }

    /// The directory that the path's last part lies in.
    public static func parent(of path: String) -> String {
        var trimmed = Substring(path)
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// The bytes of a file, at most `limit` of them.
    public static func read(_ path: String, limit: Int) throws(SegmentError) -> [UInt8] {
        let descriptor = try open(path, O_RDONLY)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit)
        var done = 0
        while done < limit {
            let count = bytes.writing { Glibc.read(descriptor, $0.baseAddress! + done, limit - done) }
            if count == 0 { break }
            if count > 0 { done += count } else if errno != EINTR { throw error(errno, path, "cannot read it") }
        }
        bytes.removeLast(limit - done)
        return bytes
    }

    /// Puts a file in place as one act: written under another name, synced, renamed, the directory synced.
    public static func replace(_ path: String, with bytes: [UInt8]) throws(SegmentError) {
        let temporary = path + ".new"
        let file = DescriptorFile(try open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW), name: temporary)
        try bytes.reading { raw throws(SegmentError) in try file.write(raw, at: 0) }
        try file.sync()
        try rename(temporary, to: path)
        try syncDirectory(parent(of: path))
    }

    /// Gives a file or a directory another name in the same directory, and makes that durable.
    public static func move(_ path: String, to other: String) throws(SegmentError) {
        try rename(path, to: other)
        try syncDirectory(parent(of: path))
    }

    /// Deletes a directory and the files in it; nothing where it is absent.
    ///
    /// - Throws: what the system says; a directory within it is refused.
    public static func removeDirectory(_ path: String) throws(SegmentError) {
        guard try kind(of: path) != .absent else { return }
        for name in try names(in: path) {
            guard unlink(path + "/" + name) == 0 else { throw error(errno, path + "/" + name, "cannot remove it") }
        }
        guard rmdir(path) == 0 else { throw error(errno, path, "cannot remove it") }
    }

    static func rename(_ path: String, to other: String) throws(SegmentError) {
        guard Glibc.rename(path, other) == 0 else { throw error(errno, other, "cannot rename \(path) to it") }
    }

    static func open(_ path: String, _ flags: Int32) throws(SegmentError) -> Int32 {
        while true {
            let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o600)
            if descriptor >= 0 { return descriptor }
            if errno != EINTR { throw error(errno, path, "cannot open it") }
        }
    }

    static func error(_ code: Int32, _ file: String, position: Int? = nil, _ what: String) -> SegmentError {
        let reason = String(cString: strerror(code))
        switch code {
        case ENOENT, ENOTDIR: return SegmentError(.notFound, file: file, position: position, "\(what): \(reason).")
        case ENOSPC, EDQUOT:
            return SegmentError(.noSpace, file: file, position: position, "\(what): \(reason); make room on the disk.")
        case EACCES, EPERM, EROFS:
            return SegmentError(
                .noPermission, file: file, position: position,
                "\(what): \(reason); let this user read and write the directory.")
        default:
            return SegmentError(
                .io(errno: code), file: file, position: position,
                "\(what): \(reason); check the disk, then open the log again.")
        }
    }
}

/// An exclusive lock on a file, by `flock` and by a registry in this process; let go when nobody refers to it.
public final class FileLock: Sendable {
    private struct Identity: Hashable {
        var device: UInt64
        var node: UInt64
    }

    private static let held = Mutex<Set<Identity>>([])

    private let descriptor: Int32
    private let identity: Identity

    /// Takes the lock and writes this process's pid into the file, which is made where it is absent.
    ///
    /// - Throws: `locked` with the pid that the file names, where another holds it.
    public init(path: String) throws(SegmentError) {
        let descriptor = try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        var status = stat()
        fstat(descriptor, &status)
        let identity = Identity(device: UInt64(status.st_dev), node: UInt64(status.st_ino))
        guard Self.held.withLock({ $0.insert(identity).inserted }) else {
            close(descriptor)
            throw Self.locked(path, by: getpid())
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            Self.release(descriptor, identity)
            guard code == EWOULDBLOCK else { throw Files.error(code, path, "cannot lock it") }
            throw Self.locked(path, by: Self.pid(in: path))
        }
        self.descriptor = descriptor
        self.identity = identity
        let text = Array("\(getpid())\n".utf8)
        ftruncate(descriptor, 0)
        pwrite(descriptor, text, text.count, 0)
    }

    /// Looks whether somebody holds the lock, and writes nothing.
    ///
    /// - Throws: `locked` where somebody does, `notFound` where there is no such file.
    public static func checkFree(path: String) throws(SegmentError) {
        let descriptor = try Files.open(path, O_RDONLY | O_NOFOLLOW)
        defer { close(descriptor) }
        // Closing lets go of it; this process's own locks are seen as well, since each opened the file by itself.
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw Files.error(errno, path, "cannot lock it") }
            throw locked(path, by: pid(in: path))
        }
    }

    deinit {
        Self.release(descriptor, identity)
    }

    /// Both at once: a file that is closed may give its number to another at any moment.
    private static func release(_ descriptor: Int32, _ identity: Identity) {
        held.withLock {
            close(descriptor)
            $0.remove(identity)
        }
    }

    private static func pid(in path: String) -> Int32? {
        guard let bytes = try? Files.read(path, limit: 32) else { return nil }
        return Int32(String(decoding: bytes, as: UTF8.self).prefix { $0.isNumber })
    }

    private static func locked(_ path: String, by pid: Int32?) -> SegmentError {
        let holder = pid.map { "process \($0)" } ?? "another process"
        return SegmentError(
            .locked(pid: pid), file: path, "\(holder) has it open; stop that, or use another directory.")
    }
}
