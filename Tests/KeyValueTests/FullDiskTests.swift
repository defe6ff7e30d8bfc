import Foundation
import Glibc
import KeyValue
import Testing

/// A small file system in memory, unmounted when the value goes.
final class SmallDisk {
    static let canMount: Bool = {
        guard (try? SmallDisk(1 << 20)) != nil else {
            print("SKIPPED: the full disk tests need the right to mount a tmpfs")
            return false
        }
        return true
    }()

    struct CannotMount: Error {}

    let path = NSTemporaryDirectory() + "tributary-disk-" + UUID().uuidString

    init(_ byteCount: Int) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard mount("none", path, "tmpfs", 0, "size=\(byteCount)") == 0 else {
            rmdir(path)
            throw CannotMount()
        }
    }

    deinit {
        umount2(path, 0)
        rmdir(path)
    }

    var freeBytes: Int {
        var status = statvfs()
        statvfs(path, &status)
        return Int(status.f_bavail * status.f_frsize)
    }

    /// Leaves so much room and no more.
    func fill(leaving free: Int) {
        let descriptor = open(path + "/filler", O_WRONLY | O_CREAT, 0o600)
        posix_fallocate(descriptor, 0, max(1, freeBytes - free))
        close(descriptor)
    }

    func makeRoom() { unlink(path + "/filler") }
}

@Suite(.serialized, .enabled(if: SmallDisk.canMount, "needs the right to mount a tmpfs"))
struct FullDiskTests {
    private static func batch(_ count: Int, bytes: Int) -> WriteBatch {
        let batch = WriteBatch()
        for number in 0..<count {
            batch.put(withUnsafeBytes(of: UInt32(number).bigEndian) { Array($0) }, [UInt8](repeating: 7, count: bytes))
        }
        return batch
    }

    private static func message(_ body: () throws(KeyValueError) -> Void) -> String {
        do throws(KeyValueError) { try body() } catch { return error.message }
        return ""
    }

    @Test(arguments: [0, 4 << 10, 64 << 10, 900 << 10])
    func openingSaysThatThereIsNoSpace(_ free: Int) throws {
        let disk = try SmallDisk(16 << 20)
        disk.fill(leaving: free)
        let text = Self.message { () throws(KeyValueError) in
            try KeyValueStore(.directory(disk.path + "/index")).close()
        }
        #expect(text.hasPrefix("no space left"))
        disk.makeRoom()
        let store = try KeyValueStore(.directory(disk.path + "/index"))
        store.close()
    }

    /// What does not fit is let go, and what was flushed before is there.
    @Test func closingOnAFullDiskEndsQuietly() throws {
        let disk = try SmallDisk(24 << 20)
        let directory = disk.path + "/index"
        var store = try KeyValueStore(.directory(directory))
        try store.write(Self.batch(1, bytes: 1))
        try store.flush()
        try store.write(Self.batch(100, bytes: 1_000))
        disk.fill(leaving: 0)
        #expect(Self.message({ () throws(KeyValueError) in try store.flush() }).hasPrefix("no space left"))
        store.close()
        disk.makeRoom()
        store = try KeyValueStore(.directory(directory))
        #expect(try store.get([0, 0, 0, 0]) == [7])
        #expect(try store.get([0, 0, 0, 1]) == nil)
        try store.write(Self.batch(2, bytes: 1))
        store.close()
        store = try KeyValueStore(.directory(directory))
        #expect(try store.get([0, 0, 0, 1]) == [7])
        store.close()
    }

    /// Memtables are written out in the background: writing stops before the disk is full.
    @Test func writingStopsBeforeTheDiskIsFull() throws {
        let disk = try SmallDisk(16 << 20)
        var limits = KeyValueLimits()
        limits.memtableBytes = 1 << 20
        let store = try KeyValueStore(.directory(disk.path + "/index"), limits: limits)
        var text = ""
        for _ in 0..<64 where text.isEmpty {
            let batch = WriteBatch()
            for _ in 0..<500 {
                batch.put((0..<16).map { _ in UInt8.random(in: 0...255) }, [UInt8](repeating: 7, count: 1_000))
            }
            text = Self.message { () throws(KeyValueError) in try store.write(batch) }
        }
        #expect(text.hasPrefix("no space left"))
        // What was in memory may be on the disk by now and leave room for a little: refused or taken, it never breaks.
        for _ in 0..<20 {
            let text = Self.message { () throws(KeyValueError) in try store.write(Self.batch(500, bytes: 1_000)) }
            #expect(text.isEmpty || text.hasPrefix("no space left"))
        }
        store.close()
    }
}
