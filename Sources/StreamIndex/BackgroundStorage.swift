// Segment files whose large writes go on beside the thread that delivers, so that it decides records meanwhile.

import EventLog
import Segments
import Synchronization

/// A storage that does one large write at a time in the background: to take new memory or page cache for records costs
/// as much as to decide them. Everything waits for that write but reads: what is written can be read after `settle`.
/// What goes wrong in it is said by the next call, and by every later one.
final class BackgroundStorage: SegmentStorage {
    private struct Progress: Sendable {
        var isWriting = false
        /// Of a write in the background: nothing is written after it.
        var failure: SegmentError?
    }

    private let storage: any SegmentStorage
    private let companion: Companion
    /// Of what is written in the background; its memory is used again.
    private let bytes = Mutex<[UInt8]>([])
    private let progress = Monitor(Progress())

    init(_ storage: any SegmentStorage, _ companion: Companion) {
        self.storage = storage
        self.companion = companion
    }

    /// Returns once everything is written, for all who read to see.
    ///
    /// - Throws: what went wrong in the background, also long ago.
    func settle() throws(SegmentError) {
        let failure: SegmentError?? = progress.wait { $0.isWriting ? nil : .some($0.failure) }
        if case .some(.some(let failure)) = failure { throw failure }
    }

    fileprivate func write(
        _ raw: UnsafeRawBufferPointer, to file: any SegmentFile, at position: Int
    ) throws(SegmentError) {
        try settle()
        guard raw.count >= IndexLimits.companionBytes else { return try unsafe file.write(raw, at: position) }
        bytes.withLock { bytes in
            bytes.removeAll(keepingCapacity: true)
            unsafe bytes.append(contentsOf: raw)
        }
        progress.withLock { $0.isWriting = true }
        companion.begin { [self] in
            let failure: SegmentError? = bytes.withLock { bytes in
                do throws(SegmentError) {
                    try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(SegmentError) in
                        try unsafe file.write(UnsafeRawBufferPointer(buffer), at: position)
                    }
                    return nil
                } catch {
                    return error
                }
            }
            progress.withLock { $0 = Progress(isWriting: false, failure: failure) }
        }
    }

    func names() throws(SegmentError) -> [String] { try storage.names() }

    func open(_ name: String) throws(SegmentError) -> any SegmentFile {
        BackgroundFile(try storage.open(name), self)
    }

    func create(_ name: String, byteCount: Int) throws(SegmentError) -> any SegmentFile {
        try settle()
        return BackgroundFile(try storage.create(name, byteCount: byteCount), self)
    }

    func rename(_ name: String, to other: String) throws(SegmentError) {
        try settle()
        try storage.rename(name, to: other)
    }

    func remove(_ name: String) throws(SegmentError) {
        try settle()
        try storage.remove(name)
    }

    func syncNames() throws(SegmentError) {
        try settle()
        try storage.syncNames()
    }
}

private final class BackgroundFile: SegmentFile {
    private let file: any SegmentFile
    private let storage: BackgroundStorage

    init(_ file: any SegmentFile, _ storage: BackgroundStorage) {
        self.file = file
        self.storage = storage
    }

    func byteCount() throws(SegmentError) -> Int { try file.byteCount() }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int) throws(SegmentError) {
        try unsafe file.read(into: bytes, at: position)
    }

    func skipZeros(from position: Int) throws(SegmentError) -> Int { try file.skipZeros(from: position) }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SegmentError) {
        try unsafe storage.write(bytes, to: file, at: position)
    }

    func sync() throws(SegmentError) {
        try storage.settle()
        try file.sync()
    }
}
