/// A commit block in the making: what is written and synced together.
///
/// ```swift
/// var block = SegmentBlock()
/// if block.hasRoom(key: key.count, value: value.count) {
///     block.append(channel: 0, offset: 7, appendTime: now, key: key, value: value)
/// }
/// try writer.write(&block)          // now block.frames has places
/// ```
/// The memory is kept over `removeAll`, so one or two blocks serve a log for its life.
public struct SegmentBlock: Sendable {
    /// Header and frames; `frames` has ranges into it.
    public private(set) var bytes: [UInt8]
    /// The frames; their places are right once the block was written.
    public private(set) var frames: [SegmentFrame]
    /// Whether a write of it was begun: what became of it when the write failed is then not known.
    public internal(set) var wasGivenToDisk = false
    /// Where the frames end; zeros may follow up to the block's length.
    private var framesEnd = SegmentFormat.blockHeaderBytes

    public init() {
        bytes = []
        frames = []
        removeAll()
    }

    public var isEmpty: Bool { frames.isEmpty }

    /// What the block takes in a file.
    var length: Int { framesEnd.aligned }

    /// Forgets the frames and keeps the memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: repeatElement(0, count: SegmentFormat.blockHeaderBytes))
        frames.removeAll(keepingCapacity: true)
        framesEnd = bytes.count
        wasGivenToDisk = false
    }

    /// Whether another record fits. A record of up to `SegmentLimits.recordBytes` fits into an empty block.
    ///
    /// - Parameters:
    ///   - key: bytes of the key, nil for a null key.
    ///   - value: bytes of the value, nil for a null value.
    public func hasRoom(key: Int?, value: Int?) -> Bool {
        frames.count < SegmentLimits.blockFrames
            && framesEnd + SegmentFrame.byteCount(key: key, value: value) <= SegmentLimits.blockBytes
    }

    /// Adds a record that `hasRoom` said fits.
    public mutating func append(channel: Int, offset: Int64, appendTime: Int64, key: [UInt8]?, value: [UInt8]?) {
        beginFrame(channel, offset, appendTime, key?.count, value?.count)
        if let key { bytes.append(contentsOf: key) }
        if let value { bytes.append(contentsOf: value) }
    }

    /// Adds a record whose key and value lie in `source`.
    public mutating func append(_ frame: SegmentFrame, of source: [UInt8]) {
        beginFrame(frame.channel, frame.offset, frame.appendTime, frame.key?.count, frame.value?.count)
        if let key = frame.key { bytes.append(contentsOf: source[key]) }
        if let value = frame.value { bytes.append(contentsOf: source[value]) }
    }

    private mutating func beginFrame(_ channel: Int, _ offset: Int64, _ appendTime: Int64, _ key: Int?, _ value: Int?) {
        precondition(hasRoom(key: key, value: value), "the block has no room for the record")
        precondition(bytes.count == framesEnd, "a block that was written takes no more records")
        let start = framesEnd
        let header = SegmentFormat.frameHeaderBytes
        let length = header + (key ?? 0) + (value ?? 0)
        framesEnd += length
        bytes.append(contentsOf: repeatElement(0, count: header))
        bytes.writing { raw in
            raw.set(UInt32(length), at: start + 4)
            raw.set(UInt32(channel), at: start + 8)
            raw.set(key.map(UInt32.init) ?? SegmentFormat.null, at: start + 12)
            raw.set(value.map(UInt32.init) ?? SegmentFormat.null, at: start + 16)
            raw.set(offset, at: start + 20)
            raw.set(appendTime, at: start + 28)
        }
        let keyStart = start + header
        let valueStart = keyStart + (key ?? 0)
        frames.append(
            SegmentFrame(
                channel: channel, offset: offset, appendTime: appendTime,
                key: key.map { keyStart..<(keyStart + $0) }, value: value.map { valueStart..<(valueStart + $0) },
                place: SegmentPlace(file: 0, position: UInt32(start), length: UInt32(length))))
    }

    /// Completes the block for its place: checksums, padding, header, places of the frames.
    ///
    /// - Parameter synced: everything before this place is known synced.
    mutating func finish(
        _ kind: BlockKind, seed: StoreSeed, file: UInt32, position: Int, firstFrame: Int64,
        synced: (file: UInt32, position: Int)
    ) {
        let header = BlockHeader(
            kind: kind, length: length, firstFrame: firstFrame, frameCount: frames.count,
            frameBytes: framesEnd - SegmentFormat.blockHeaderBytes,
            syncedFile: synced.file, syncedPosition: synced.position)
        bytes.append(contentsOf: repeatElement(0, count: length - bytes.count))
        bytes.writing { raw in
            var start = SegmentFormat.blockHeaderBytes
            for index in frames.indices {
                let length = Int(frames[index].place.length)
                let covered = UnsafeRawBufferPointer(rebasing: raw[(start + 4)..<(start + length)])
                raw.set(seed.checksum(file: file, position: position + start, of: covered), at: start)
                frames[index].place.file = file
                frames[index].place.position = UInt32(position + start)
                start += length
            }
            header.encode(over: raw, seed: seed, file: file, position: position)
        }
    }
}
