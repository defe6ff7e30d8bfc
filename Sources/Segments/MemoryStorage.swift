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

/// A file in memory: takes memory for what was written to it, not for its size.
final class MemoryFile: SegmentFile {
    private let name: String
    private let size: Int
    private let written = Mutex<[UInt8]>([])

    init(name: String, byteCount: Int) {
        self.name = name
        self.size = byteCount
    }

    func byteCount() throws(SegmentError) -> Int { size }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int) throws(SegmentError) {
        guard position + bytes.count <= size else { throw .damaged(name, size, "the file ends too early") }
        written.withLock { written in
            let there = max(0, min(bytes.count, written.count - position))
            if there > 0 {
                written.reading { bytes.copyMemory(from: $0.part(position, there)) }
            }
            bytes[there...].initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    func skipZeros(from position: Int) throws(SegmentError) -> Int {
        written.withLock { position < $0.count ? position : size }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SegmentError) {
        precondition(position + bytes.count <= size, "a segment file does not grow")
        written.withLock { written in
            let missing = position + bytes.count - written.count
            if missing > 0 { written.append(contentsOf: repeatElement(0, count: missing)) }
            written.writing { UnsafeMutableRawBufferPointer(rebasing: $0[position...]).copyMemory(from: bytes) }
        }
    }

    func sync() throws(SegmentError) {}
}
