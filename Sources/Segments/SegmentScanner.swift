/// Frames in log order in one contiguous buffer, lent by a scan.
public struct SegmentRun: ~Copyable, Sendable {
    public let bytes: [UInt8]
    /// One or more, with ranges into `bytes`.
    public let frames: [SegmentFrame]
    /// The number of the first frame, counted over the whole log from 0.
    public let firstFrame: Int64
}

/// Goes through the blocks of files, one file after the other, with one buffer.
struct SegmentScanner {
    private let seed: StoreSeed
    private let wanted: Int64
    /// The number of the first frame of the next block.
    private var nextFrame: Int64
    private var bytes: [UInt8] = []
    private var frames: [SegmentFrame] = []

    /// - Parameters:
    ///   - nextFrame: the number of the first frame in the file that is scanned first.
    ///   - wanted: the number of the first frame that is shown.
    init(seed: StoreSeed, nextFrame: Int64, wanted: Int64) {
        self.seed = seed
        self.nextFrame = nextFrame
        self.wanted = wanted
    }

    private enum Step {
        case block(length: Int)
        /// The run must be lent before the block is added.
        case full
        /// The buffer ends within the block.
        case cut(length: Int)
    }

    /// False when `body` wants no more.
    mutating func scan(
        _ handle: any SegmentFile, file: UInt32, end: Int, _ body: (borrowing SegmentRun) throws -> Bool
    ) throws -> Bool {
        var position = SegmentFormat.fileHeaderBytes
        var needed = SegmentLimits.scanBytes
        while position < end {
            let count = min(needed, end - position)
            if bytes.count < count { bytes = [UInt8](repeating: 0, count: count) }
            try bytes.writing {
                try handle.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]), at: position)
            }
            needed = SegmentLimits.scanBytes
            var offset = 0
            blocks: while offset < count {
                switch try step(offset, count, file, position + offset, end) {
                case .block(let length): offset += length
                case .full: guard try lend(to: body) else { return false }
                case .cut(let length):
                    needed = max(needed, length)
                    break blocks
                }
            }
            guard try lend(to: body) else { return false }
            position += offset
        }
        return true
    }

    /// Adds the block at `offset` of the buffer to the run.
    private mutating func step(
        _ offset: Int, _ count: Int, _ file: UInt32, _ position: Int, _ end: Int
    ) throws(SegmentError) -> Step {
        try bytes.reading { all throws(SegmentError) in
            let raw = UnsafeRawBufferPointer(rebasing: all[offset..<count])
            if let length = BlockHeader.claimedLength(raw), length > raw.count, position + length <= end {
                return .cut(length: length)
            }
            guard let block = BlockHeader(checking: raw, seed: seed, file: file, position: position),
                block.firstFrame == nextFrame
            else {
                throw .damaged(SegmentFormat.name(file), position, "the block does not check")
            }
            guard frames.isEmpty || frames.count + block.frameCount <= SegmentLimits.blockFrames else { return .full }
            let next = nextFrame + Int64(block.frameCount)
            if next > wanted {
                let known = frames.count
                guard
                    SegmentFrame.appendAll(
                        of: block, in: all, start: offset, file: file, position: position, to: &frames)
                else { throw .damaged(SegmentFormat.name(file), position, "the frames do not fill the block") }
                if nextFrame < wanted { frames.removeSubrange(known..<(known + Int(wanted - nextFrame))) }
            }
            nextFrame = next
            return .block(length: block.length)
        }
    }

    private mutating func lend(to body: (borrowing SegmentRun) throws -> Bool) throws -> Bool {
        guard !frames.isEmpty else { return true }
        let run = SegmentRun(bytes: bytes, frames: frames, firstFrame: nextFrame - Int64(frames.count))
        guard try body(run) else { return false }
        _ = consume run
        frames.removeAll(keepingCapacity: true)
        return true
    }
}
