// The bytes of a segment file. Docs/segment-format.md specifies them; nothing here does I/O.

import Checksums

/// The UUID of the store that files belong to, as two numbers, most significant byte first.
public struct StoreUUID: Sendable, Hashable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

enum SegmentFormat {
    static let version: UInt32 = 1
    /// Blocks begin at multiples of this.
    static let alignment = 64
    static let fileHeaderBytes = 64
    static let blockHeaderBytes = 64
    static let frameHeaderBytes = 36
    /// "TRIBUSEG" in a file's first bytes.
    static let fileMagic: UInt64 = 0x4745_5355_4249_5254
    /// "TBLK" in a block's first bytes.
    static let blockMagic: UInt32 = 0x4B4C_4254
    /// Length of a key or value that is null.
    static let null: UInt32 = 0xFFFF_FFFF

    static func name(_ file: UInt32) -> String {
        let digits = String(file)
        return String(repeating: "0", count: 10 - digits.count) + digits + ".seg"
    }

    /// The name of a file that is being made.
    static func temporaryName(_ file: UInt32) -> String { name(file) + ".new" }

    /// The number in the name of a segment file, nil for other names.
    static func number(of name: String) -> UInt32? {
        guard name.utf8.count == 14, name.hasSuffix(".seg") else { return nil }
        let digits = name.utf8.prefix(10)
        guard digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return UInt32(name.prefix(10))
    }
}

/// The checksums of one store: what lies at another place or belongs to another store does not check.
struct StoreSeed: Sendable {
    let store: StoreUUID
    private let seeded: CRC32C

    init(_ store: StoreUUID) {
        self.store = store
        var seeded = CRC32C()
        withUnsafeBytes(of: (store.high.bigEndian, store.low.bigEndian)) { seeded.update(raw: $0) }
        self.seeded = seeded
    }

    func checksum(file: UInt32, position: Int, of bytes: UnsafeRawBufferPointer) -> UInt32 {
        var crc = seeded
        withUnsafeBytes(of: (file.littleEndian, UInt32(position).littleEndian)) { crc.update(raw: $0) }
        crc.update(raw: bytes)
        return crc.value
    }
}

/// The first 64 bytes of a file.
struct FileHeader: Equatable {
    var store: StoreUUID
    var file: UInt32
    /// How many frames lie in earlier files.
    var firstFrame: Int64
    /// Where the previous file ends; 0 in the first file.
    var previousEnd: Int
    /// The size that the file was allocated with.
    var fileBytes: Int
    /// Append time of the last frame before the file, 0 where there is none.
    var previousTime: Int64

    func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: SegmentFormat.fileHeaderBytes)
        bytes.writing { raw in
            raw.set(SegmentFormat.fileMagic, at: 0)
            raw.set(SegmentFormat.version, at: 8)
            raw.set(file, at: 12)
            raw.set(store.high.byteSwapped, at: 16)
            raw.set(store.low.byteSwapped, at: 24)
            raw.set(firstFrame, at: 32)
            raw.set(UInt32(fileBytes), at: 40)
            raw.set(UInt32(previousEnd), at: 44)
            raw.set(previousTime, at: 48)
            var crc = CRC32C()
            crc.update(raw: UnsafeRawBufferPointer(rebasing: raw[..<60]))
            raw.set(crc.value, at: 60)
        }
        return bytes
    }

    /// - Parameters:
    ///   - bytes: the first 64 bytes of the file called `name`.
    ///   - store: the store that it must belong to, nil for any.
    init(_ bytes: [UInt8], name: String, store: StoreUUID?) throws(SegmentError) {
        precondition(bytes.count == SegmentFormat.fileHeaderBytes, "a file header is 64 bytes")
        self = try bytes.reading { raw throws(SegmentError) in
            var crc = CRC32C()
            crc.update(raw: raw.part(0, 60))
            guard raw.uint64(0) == SegmentFormat.fileMagic, raw.uint32(60) == crc.value else {
                throw .damaged(name, 0, "the header of the segment file does not check")
            }
            guard raw.uint32(8) == SegmentFormat.version else {
                throw SegmentError(
                    .newerFormat, file: name, position: 8,
                    "segment format \(raw.uint32(8)), but this build knows up to \(SegmentFormat.version); "
                        + "use a newer build.")
            }
            return FileHeader(
                store: StoreUUID(high: raw.uint64(16).byteSwapped, low: raw.uint64(24).byteSwapped),
                file: raw.uint32(12), firstFrame: raw.int64(32), previousEnd: Int(raw.uint32(44)),
                fileBytes: Int(raw.uint32(40)), previousTime: raw.int64(48))
        }
        guard store == nil || store == self.store else {
            throw SegmentError(
                .foreign, file: name, position: 16,
                "the segment file belongs to another store; put back the file of this store.")
        }
    }

    init(store: StoreUUID, file: UInt32, firstFrame: Int64, previousEnd: Int, fileBytes: Int, previousTime: Int64) {
        self.store = store
        self.file = file
        self.firstFrame = firstFrame
        self.previousEnd = previousEnd
        self.fileBytes = fileBytes
        self.previousTime = previousTime
    }
}

enum BlockKind: UInt32 {
    case data = 1
    /// The last block of a file that has a successor.
    case fileEnd = 2
    /// Written by a clean close.
    case seal = 3
}

/// The first 64 bytes of a commit block.
struct BlockHeader: Equatable {
    var kind: BlockKind
    /// Header, frames and zeros up to the next multiple of 64, in bytes.
    var length: Int
    /// How many frames lie before it in the log.
    var firstFrame: Int64
    var frameCount: Int
    /// Bytes of the frames.
    var frameBytes: Int
    /// Everything before this place was known synced when the block was written.
    var syncedFile: UInt32
    var syncedPosition: Int

    /// Writes the header over the first 64 bytes of a block that is otherwise complete.
    func encode(over raw: UnsafeMutableRawBufferPointer, seed: StoreSeed, file: UInt32, position: Int) {
        raw.set(SegmentFormat.blockMagic, at: 0)
        raw.set(UInt32(length), at: 8)
        raw.set(kind.rawValue, at: 12)
        raw.set(firstFrame, at: 16)
        raw.set(syncedFile, at: 24)
        raw.set(UInt32(syncedPosition), at: 28)
        raw.set(UInt32(frameCount), at: 32)
        raw.set(UInt32(frameBytes), at: 36)
        let covered = UnsafeRawBufferPointer(rebasing: raw[8..<length])
        raw.set(seed.checksum(file: file, position: position, of: covered), at: 4)
    }

    /// The length that the block at the beginning of `raw` claims; nil where none can begin.
    static func claimedLength(_ raw: UnsafeRawBufferPointer) -> Int? {
        guard raw.count >= SegmentFormat.blockHeaderBytes, raw.uint32(0) == SegmentFormat.blockMagic else { return nil }
        let length = Int(raw.uint32(8))
        guard length >= SegmentFormat.blockHeaderBytes, length <= SegmentLimits.blockBytes,
            length % SegmentFormat.alignment == 0
        else { return nil }
        return length
    }

    /// The header of the block at the beginning of `raw`, nil if the block is not whole there or does not check.
    init?(checking raw: UnsafeRawBufferPointer, seed: StoreSeed, file: UInt32, position: Int) {
        guard let length = BlockHeader.claimedLength(raw), length <= raw.count,
            raw.uint32(4) == seed.checksum(file: file, position: position, of: raw.part(8, length - 8)),
            let kind = BlockKind(rawValue: raw.uint32(12))
        else { return nil }
        let frameBytes = Int(raw.uint32(36))
        guard (SegmentFormat.blockHeaderBytes + frameBytes).aligned == length else { return nil }
        self.init(
            kind: kind, length: length, firstFrame: raw.int64(16), frameCount: Int(raw.uint32(32)),
            frameBytes: frameBytes, syncedFile: raw.uint32(24), syncedPosition: Int(raw.uint32(28)))
    }

    init(
        kind: BlockKind, length: Int, firstFrame: Int64, frameCount: Int, frameBytes: Int, syncedFile: UInt32,
        syncedPosition: Int
    ) {
        self.kind = kind
        self.length = length
        self.firstFrame = firstFrame
        self.frameCount = frameCount
        self.frameBytes = frameBytes
        self.syncedFile = syncedFile
        self.syncedPosition = syncedPosition
    }
}
