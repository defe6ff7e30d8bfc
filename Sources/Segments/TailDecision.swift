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
    private let byteCount: Int
    private let read: (UnsafeMutableRawBufferPointer, Int) throws(SegmentError) -> Void
    private var bytes: [UInt8] = []
    private var start = 0

    /// - Parameter read: fills a buffer from a position on.
    init(byteCount: Int, read: @escaping (UnsafeMutableRawBufferPointer, Int) throws(SegmentError) -> Void) {
        self.byteCount = byteCount
        self.read = read
    }

    /// Lets `body` look at what begins at `position`: the largest block at least, as far as the file goes.
    mutating func look<R>(
        at position: Int, _ body: (UnsafeRawBufferPointer) throws(SegmentError) -> R
    ) throws(SegmentError) -> R {
        let wanted = min(SegmentLimits.blockBytes, byteCount - position)
        if position < start || position + wanted > start + bytes.count {
            let count = min(SegmentLimits.recoveryBytes, byteCount - position)
            if bytes.count != count { bytes = [UInt8](repeating: 0, count: count) }
            start = position
            try bytes.writing { raw throws(SegmentError) in try read(raw, position) }
        }
        return try bytes.reading { raw throws(SegmentError) in
            try body(UnsafeRawBufferPointer(rebasing: raw[(position - start)...]))
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
        let name = SegmentFormat.name(header.file)
        var parsed: [SegmentFrame] = []
        while end < header.fileBytes, lastKind != .fileEnd {
            let position = end
            parsed.removeAll(keepingCapacity: true)
            let block: BlockHeader? = try window.look(at: position) { raw throws(SegmentError) in
                guard let block = BlockHeader(checking: raw, seed: seed, file: header.file, position: position) else {
                    return nil
                }
                let isWhole = SegmentFrame.appendAll(
                    of: block, in: raw, start: 0, file: header.file, position: position, to: &parsed)
                let claimsFuture = (block.syncedFile, block.syncedPosition) > (header.file, position)
                guard isWhole, !claimsFuture, block.firstFrame == frames else {
                    throw .damaged(name, position, "the block checks but does not follow the one before it")
                }
                return block
            }
            guard let block else { return }
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
        let name = SegmentFormat.name(header.file)
        tornEnd = end
        var position = end
        while position < header.fileBytes {
            // As far as one look reaches with room for the largest block behind each place in it.
            let searched = try window.look(at: position) { raw throws(SegmentError) in
                let count =
                    raw.count == header.fileBytes - position
                    ? raw.count : raw.count - SegmentLimits.blockBytes + SegmentFormat.alignment
                if let last = raw.part(0, count).lastNonZero { tornEnd = (position + last + 1).aligned }
                for offset in stride(from: 0, to: count, by: SegmentFormat.alignment)
                where raw.uint32(offset) == SegmentFormat.blockMagic {
                    let rest = UnsafeRawBufferPointer(rebasing: raw[offset...])
                    let place = position + offset
                    guard let block = BlockHeader(checking: rest, seed: seed, file: header.file, position: place)
                    else { continue }
                    guard (block.syncedFile, block.syncedPosition) <= (header.file, end) else {
                        throw .damaged(
                            name, end, "the block does not check, but a later one says that it was synced")
                    }
                    if block.syncedFile == header.file { knownSynced = max(knownSynced, block.syncedPosition) }
                }
                return count
            }
            position += searched
        }
    }
}
