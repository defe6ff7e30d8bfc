import Glibc

/// How much room the disk of a directory has.
struct DiskRoom {
    let directory: String

    /// Makes sure that `count` bytes can be written, by writing them to a file that is gone at once. The directory is
    /// made where it is absent. Anything but a full disk is left for RocksDB to name.
    func probe(_ count: Int) throws(KeyValueError) {
        if mkdir(directory, 0o700) != 0, isFull(errno) { throw noSpace(count) }
        let path = directory + "/room.probe"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if isFull(errno) { throw noSpace(count) }
            return
        }
        defer { close(descriptor) }
        unlink(path)
        let bytes = [UInt8](repeating: 1, count: count)
        var done = 0
        while done < count {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, count - done) }
            if written > 0 {
                done += written
            } else if written == 0 || errno != EINTR {
                if isFull(errno) { throw noSpace(count) }
                return
            }
        }
        if fsync(descriptor) != 0, isFull(errno) { throw noSpace(count) }
    }

    /// Makes sure that the file system says it has `count` bytes for this user.
    func check(_ count: Int) throws(KeyValueError) {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return }
        if Int(clamping: status.f_bavail) < count / max(1, Int(status.f_frsize)) + 1 { throw noSpace(count) }
    }

    private func isFull(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }

    private func noSpace(_ count: Int) -> KeyValueError {
        KeyValueError("no space left on the disk of \(directory): \(count) bytes are needed; make room there")
    }
}
