import EventLog
import Segments

@testable import StreamIndex

/// Files in memory whose syncs or large writes can be held up, and whose large writes can fail.
final class HeldDisk: SegmentStorage {
    enum Act: Sendable {
        case syncs
        /// Those that go on beside the log's thread.
        case largeWrites
    }

    private struct State: Sendable {
        var held: Act?
        var waiting = 0
        var written = 0
        var fails = false
    }

    static let broken = SegmentError(.io(errno: 5), "the disk is broken")

    private let memory = MemoryStorage()
    private let state = Monitor(State())

    /// Bytes written to its files.
    var written: Int { state.read { $0.written } }

    func hold(_ act: Act?) { state.withLock { $0.held = act } }

    /// From now on.
    func fail() { state.withLock { $0.fails = true } }

    func waitUntilHeld() { state.wait { $0.waiting > 0 ? () : nil } }

    fileprivate func pass(_ act: Act) {
        state.withLock { $0.waiting += 1 }
        state.wait { $0.held == act ? nil : () }
        state.withLock { $0.waiting -= 1 }
    }

    fileprivate func begin(bytes: Int) throws(SegmentError) {
        guard bytes >= IndexLimits.companionBytes else { return }
        pass(.largeWrites)
        if state.read({ $0.fails }) { throw Self.broken }
    }

    fileprivate func wrote(_ bytes: Int) { state.withLock { $0.written += bytes } }

    func names() throws(SegmentError) -> [String] { try memory.names() }

    func open(_ name: String) throws(SegmentError) -> any SegmentFile { HeldFile(try memory.open(name), self) }

    func create(_ name: String, byteCount: Int) throws(SegmentError) -> any SegmentFile {
        HeldFile(try memory.create(name, byteCount: byteCount), self)
    }

    func rename(_ name: String, to other: String) throws(SegmentError) { try memory.rename(name, to: other) }

    func remove(_ name: String) throws(SegmentError) { try memory.remove(name) }

    func syncNames() throws(SegmentError) {}
}

private final class HeldFile: SegmentFile {
    private let file: any SegmentFile
    private let disk: HeldDisk

    init(_ file: any SegmentFile, _ disk: HeldDisk) {
        self.file = file
        self.disk = disk
    }

    func byteCount() throws(SegmentError) -> Int { try file.byteCount() }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int) throws(SegmentError) {
        try unsafe file.read(into: bytes, at: position)
    }

    func skipZeros(from position: Int) throws(SegmentError) -> Int { try file.skipZeros(from: position) }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SegmentError) {
        try disk.begin(bytes: bytes.count)
        try unsafe file.write(bytes, at: position)
        disk.wrote(bytes.count)
    }

    func sync() throws(SegmentError) { disk.pass(.syncs) }
}
