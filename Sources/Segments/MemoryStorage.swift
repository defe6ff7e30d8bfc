import Glibc
import Synchronization

/// Files in memory: segments of a store that leaves nothing behind.
public final class MemoryStorage: SegmentStorage {
    private let files = Mutex<[String: MemoryFile]>([:])

    public init() {}

    public func names() throws(SegmentError) -> [String] { files.withLock { Array($0.keys) } }

    public func open(_ name: String) throws(SegmentError) -> any SegmentFile {
        guard let file = files.withLock({ $0[name] }) else {
            throw SegmentError(.notFound, file: name, "there is no such file.")
        }
        return file
    }

    public func create(_ name: String, byteCount: Int) throws(SegmentError) -> any SegmentFile {
        let file = MemoryFile(name: name, byteCount: byteCount)
        files.withLock { $0[name] = file }
        return file
    }

    public func rename(_ name: String, to other: String) throws(SegmentError) {
        files.withLock { $0[other] = $0.removeValue(forKey: name) }
    }

    public func remove(_ name: String) throws(SegmentError) {
        files.withLock { $0[name] = nil }
    }

    public func syncNames() throws(SegmentError) {}
}

/// A file in memory: takes memory for what was written to it, piece by piece, not for its size. Nothing moves when it
/// grows.
final class MemoryFile: SegmentFile {
    private struct Content: Sendable {
        var pieces: [MemoryPiece] = []
        var end = 0
    }

    private let name: String
    private let size: Int
    private let written = Mutex(Content())

    init(name: String, byteCount: Int) {
        self.name = name
        self.size = byteCount
    }

    func byteCount() throws(SegmentError) -> Int { size }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int) throws(SegmentError) {
        guard position + bytes.count <= size else { throw .damaged(name, size, "the file ends too early") }
        written.withLock { written in
            let there = max(0, min(bytes.count, written.end - position))
            Self.pieces(position, there) { piece, part, done in
                UnsafeMutableRawBufferPointer(rebasing: bytes[done...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: written.pieces[piece].bytes[part]))
            }
            bytes[there...].initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    func skipZeros(from position: Int) throws(SegmentError) -> Int {
        written.withLock { position < $0.end ? position : size }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SegmentError) {
        precondition(position + bytes.count <= size, "a segment file does not grow")
        written.withLock { written in
            written.end = max(written.end, position + bytes.count)
            while written.pieces.count * SegmentLimits.memoryPieceBytes < written.end {
                written.pieces.append(MemoryPiece(byteCount: SegmentLimits.memoryPieceBytes))
            }
            Self.pieces(position, bytes.count) { piece, part, done in
                UnsafeMutableRawBufferPointer(rebasing: written.pieces[piece].bytes[part])
                    .copyMemory(from: bytes.part(done, part.count))
            }
        }
    }

    /// Calls `body` with each piece that the range touches, the part of it, and how much came before.
    private static func pieces(_ position: Int, _ count: Int, _ body: (Int, Range<Int>, Int) -> Void) {
        var done = 0
        while done < count {
            let (piece, start) = (position + done).quotientAndRemainder(dividingBy: SegmentLimits.memoryPieceBytes)
            let length = min(count - done, SegmentLimits.memoryPieceBytes - start)
            body(piece, start..<start + length, done)
            done += length
        }
    }

    func sync() throws(SegmentError) {}
}

/// Zeros to begin with, which the system gives as the memory is touched: an array would write them first. Used under the
/// lock of its file.
private final class MemoryPiece: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        guard let start = calloc(1, byteCount) else { preconditionFailure("there is no memory") }
        bytes = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
    }

    deinit {
        free(bytes.baseAddress)
    }
}
