// Files of a directory, by system calls.

import Glibc

/// The files of one directory. Every file is made with mode 0600 and closed on exec.
public struct DirectoryStorage: SegmentStorage {
    public let path: String

    /// - Parameter path: an existing directory.
    public init(path: String) {
        self.path = path
    }

    public func names() throws(SegmentError) -> [String] { try Files.names(in: path) }

    public func open(_ name: String) throws(SegmentError) -> any SegmentFile {
        DescriptorFile(try Files.open(path + "/" + name, O_RDWR), name: name)
    }

    public func create(_ name: String, byteCount: Int) throws(SegmentError) -> any SegmentFile {
        let file = DescriptorFile(try Files.open(path + "/" + name, O_RDWR | O_CREAT | O_TRUNC), name: name)
        try file.allocate(byteCount)
        return file
    }

    public func rename(_ name: String, to other: String) throws(SegmentError) {
        try Files.rename(path + "/" + name, to: path + "/" + other)
    }

    public func remove(_ name: String) throws(SegmentError) {
        guard unlink(path + "/" + name) == 0 else { throw Files.error(errno, name, "cannot remove it") }
    }

    public func syncNames() throws(SegmentError) { try Files.syncDirectory(path) }
}

/// An open file of the system.
final class DescriptorFile: SegmentFile {
    private let descriptor: Int32
    private let name: String
    /// SEEK_DATA of Linux, which the C library declares for GNU sources only.
    private static let seekData: Int32 = 3

    init(_ descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
        // Records are read at random places. Reading ahead would waste memory, and to `skipZeros` room that was
        // allocated and then read looks written.
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
    }

    deinit { close(descriptor) }

    func byteCount() throws(SegmentError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Files.error(errno, name, "cannot look at it") }
        return Int(status.st_size)
    }

    /// Reserves room on the disk: a file that grows costs half as much again per sync.
    func allocate(_ byteCount: Int) throws(SegmentError) {
        var code: Int32
        repeat { code = posix_fallocate(descriptor, 0, byteCount) } while code == EINTR
        guard code == 0 else { throw Files.error(code, name, "cannot reserve \(byteCount) bytes for it") }
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int) throws(SegmentError) {
        var done = 0
        while done < bytes.count {
            let count = pread(descriptor, bytes.baseAddress! + done, bytes.count - done, position + done)
            if count > 0 {
                done += count
            } else if count == 0 {
                throw .damaged(name, position + done, "the file ends too early")
            } else if errno != EINTR {
                throw Files.error(errno, name, position: position + done, "cannot read it")
            }
        }
    }

    func skipZeros(from position: Int) throws(SegmentError) -> Int {
        let found = lseek(descriptor, position, Self.seekData)
        if found >= 0 { return Int(found) }
        // ENXIO: nothing but allocated and never written room; else the file system cannot tell.
        return errno == ENXIO ? try byteCount() : position
    }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SegmentError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, position + done)
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                throw Files.error(count == 0 ? EIO : errno, name, position: position + done, "cannot write it")
            }
        }
    }

    func sync() throws(SegmentError) {
        // Not repeated after EINTR or any other error: what a failed sync left is not known.
        guard fdatasync(descriptor) == 0 else { throw Files.error(errno, name, "cannot sync it") }
    }
}
