// What recovery does with the last file, decided over its bytes without touching them.

/// Where the last file's log ends, what of it is known synced, and what lies behind it.
///
/// Neither a block that does not check nor zeros prove the end. Every later multiple of 64 is tried: a later block
/// that checks and says that the place was synced before it was written makes it damage, else it is a torn tail.
struct TailDecision: Equatable {
    /// The position behind the last whole block of the chain that begins at the file's header.
    var end: Int
    /// Frames in the log up to `end`.
    var frames: Int64
    /// Everything before this position is known synced.
    var knownSynced: Int
    /// Behind the last byte that is not zero; `end` where there is no torn tail.
    var tornEnd: Int
    /// The kind of the last block, nil in a file without blocks.
    var lastKind: BlockKind?
    /// Append time of the last frame up to `end`, 0 where there is none.
    var lastTime: Int64
}

/// A file's bytes, a window at a time.
struct FileWindow: ~Copyable {
    private let file: any SegmentFile
    private let byteCount: Int
    private var bytes: [UInt8] = []
    private var start = 0

    /// - Parameter byteCount: the file's size.
    init(_ file: any SegmentFile, byteCount: Int) {
        self.file = file
        self.byteCount = byteCount
    }

    /// The first place of a block at or behind `position` that is not known to lie in zeros.
    func skipZeros(from position: Int) throws(SegmentError) -> Int {
        let found = try file.skipZeros(from: position)
        return max(position, found / SegmentFormat.alignment * SegmentFormat.alignment)
    }

    /// The bytes from `position` to the next multiple of the window's size: so a read ends with a page, and what lies
    /// behind it is still known to be zeros.
    func windowCount(from position: Int) -> Int {
        min(SegmentLimits.windowBytes - position % SegmentLimits.windowBytes, byteCount - position)
    }

    /// Lets `body` look at `count` bytes from `position` on, all within the file.
    mutating func look<R>(
        at position: Int, count: Int, _ body: (UnsafeRawBufferPointer) throws(SegmentError) -> R
    ) throws(SegmentError) -> R {
        if position < start || position + count > start + bytes.count {
            let size = max(count, windowCount(from: position))
            if bytes.count != size { bytes = [UInt8](repeating: 0, count: size) }
            start = position
            try bytes.writing { raw throws(SegmentError) in try file.read(into: raw, at: position) }
        }
        return try bytes.reading { raw throws(SegmentError) in try body(raw.part(position - start, count)) }
    }

    /// The header of the block at `position` whose frames are added; nil where none checks.
    mutating func block(
        at position: Int, of file: UInt32, seed: StoreSeed, frames: inout [SegmentFrame]
    ) throws(SegmentError) -> BlockHeader? {
        let length = try look(at: position, count: SegmentFormat.blockHeaderBytes) { BlockHeader.claimedLength($0) }
        guard let length, length <= byteCount - position else { return nil }
        return try look(at: position, count: length) { raw in
            guard let block = BlockHeader(checking: raw, seed: seed, file: file, position: position),
                SegmentFrame.appendAll(of: block, in: raw, start: 0, file: file, position: position, to: &frames)
            else { return nil }
            return block
        }
    }
}

extension TailDecision {
    /// - Parameters:
    ///   - header: of the file, which has exactly `header.fileBytes` bytes.
    ///   - window: its bytes.
    /// - Throws: `damaged` where something known synced does not check.
    init(header: FileHeader, seed: StoreSeed, window: inout FileWindow) throws(SegmentError) {
        self.init(
            end: SegmentFormat.fileHeaderBytes, frames: header.firstFrame,
            knownSynced: SegmentFormat.fileHeaderBytes, tornEnd: 0, lastTime: header.previousTime)
        try followBlocks(header, seed, &window)
        try searchBehind(header, seed, &window)
    }

    private mutating func followBlocks(
        _ header: FileHeader, _ seed: StoreSeed, _ window: inout FileWindow
    ) throws(SegmentError) {
        var parsed: [SegmentFrame] = []
        while end < header.fileBytes, lastKind != .fileEnd {
            parsed.removeAll(keepingCapacity: true)
            guard let block = try window.block(at: end, of: header.file, seed: seed, frames: &parsed) else { return }
            guard (block.syncedFile, block.syncedPosition) <= (header.file, end), block.firstFrame == frames else {
                throw .damaged(
                    SegmentFormat.name(header.file), end, "the block checks but does not follow the one before it")
            }
            if block.syncedFile == header.file { knownSynced = max(knownSynced, block.syncedPosition) }
            if let last = parsed.last { lastTime = last.appendTime }
            end += block.length
            frames += Int64(block.frameCount)
            lastKind = block.kind
        }
    }

    private mutating func searchBehind(
        _ header: FileHeader, _ seed: StoreSeed, _ window: inout FileWindow
    ) throws(SegmentError) {
        tornEnd = end
        var parsed: [SegmentFrame] = []
        var position = try window.skipZeros(from: end)
        while position < header.fileBytes {
            let count = window.windowCount(from: position)
            let candidates = try window.look(at: position, count: count) { raw in
                if let last = raw.lastNonZero { tornEnd = (position + last + 1).aligned }
                return stride(from: 0, to: count, by: SegmentFormat.alignment).filter {
                    raw.uint32($0) == SegmentFormat.blockMagic
                }
            }
            for candidate in candidates {
                parsed.removeAll(keepingCapacity: true)
                guard
                    let block = try window.block(
                        at: position + candidate, of: header.file, seed: seed, frames: &parsed)
                else { continue }
                guard (block.syncedFile, block.syncedPosition) <= (header.file, end) else {
                    throw .damaged(
                        SegmentFormat.name(header.file), end,
                        "the block does not check, but a later one says that it was synced")
                }
                if block.syncedFile == header.file { knownSynced = max(knownSynced, block.syncedPosition) }
            }
            position = try window.skipZeros(from: position + count)
        }
    }
}
