// Files that are a copy of what can be had elsewhere: damage costs what lies behind it, and nothing else.

/// What was kept of files of which something did not check.
public struct SegmentCut: Sendable, Equatable {
    /// The file that was cut, or the first that is gone.
    public var file: String
    /// Where the first block lay that did not check.
    public var position: Int
    /// Frames that are left, over all files.
    public var frames: Int64
}

extension SegmentWriter {
    /// Keeps all blocks up to the first that does not check, and deletes everything behind it, in every file.
    ///
    /// Reads all files. Only for a copy of what can be had again elsewhere; where it is interrupted, calling it again
    /// goes on. Files of another store or of a newer version are left alone.
    ///
    /// - Parameter progress: gets the number of whole frames so far, after each file; it may throw to end this.
    /// - Returns: what was cut, nil where there are no files.
    /// - Throws: `foreign`, `newerFormat`, what the system says, or what `progress` throws.
    public static func keepWhole(
        in storage: any SegmentStorage, store: StoreUUID, progress: (Int64) throws -> Void = { _ in }
    ) throws -> SegmentCut? {
        let numbers = try storage.names().compactMap(SegmentFormat.number(of:)).sorted()
        guard !numbers.isEmpty else { return nil }
        var kept = WholeFiles(seed: StoreSeed(store), storage: storage)
        while try kept.takeNext() { try progress(kept.frames) }
        // Latest first: what is left at any moment is found to be damaged at the same place again.
        for number in numbers.reversed() where number >= kept.firstLost {
            try storage.remove(SegmentFormat.name(number))
        }
        try storage.syncNames()
        try kept.rewriteLast()
        return SegmentCut(file: SegmentFormat.name(kept.cut.file), position: kept.cut.position, frames: kept.frames)
    }
}

/// The files from the first on, as far as they are whole.
private struct WholeFiles {
    let seed: StoreSeed
    let storage: any SegmentStorage
    /// Whole blocks' frames so far.
    private(set) var frames: Int64 = 0
    /// The first file of which nothing is kept.
    private(set) var firstLost: UInt32 = 0
    /// The last file's blocks do not end with an end block.
    private var isCut = false
    private(set) var cut = (file: UInt32(0), position: 0)
    private var last: (header: FileHeader, end: Int, endBlock: Int?)?

    init(seed: StoreSeed, storage: any SegmentStorage) {
        self.seed = seed
        self.storage = storage
    }

    /// Looks at the next file; false: it is not there, is not whole, or the one before it was cut.
    mutating func takeNext() throws(SegmentError) -> Bool {
        guard !isCut else { return false }
        cut = (firstLost, 0)
        let name = SegmentFormat.name(firstLost)
        guard let (file, header, size) = try header(of: name), header.file == firstLost, header.firstFrame == frames,
            header.previousEnd == last?.end ?? 0
        else { return false }
        var window = FileWindow(file, byteCount: min(size, header.fileBytes))
        var end = SegmentFormat.fileHeaderBytes
        var endBlock: Int?
        var parsed: [SegmentFrame] = []
        while endBlock == nil, end + SegmentFormat.blockHeaderBytes <= min(size, header.fileBytes) {
            parsed.removeAll(keepingCapacity: true)
            guard let block = try window.block(at: end, of: header.file, seed: seed, frames: &parsed),
                block.firstFrame == frames, (block.syncedFile, block.syncedPosition) <= (header.file, end)
            else { break }
            if block.kind == .fileEnd { endBlock = end }
            end += block.length
            frames += Int64(block.frameCount)
        }
        last = (header, end, endBlock)
        firstLost += 1
        isCut = endBlock == nil
        if isCut { cut = (header.file, end) }
        return true
    }

    /// nil where there is no such file or its header does not check.
    private func header(of name: String) throws(SegmentError) -> (any SegmentFile, FileHeader, Int)? {
        do throws(SegmentError) {
            let file = try storage.open(name)
            let size = try file.byteCount()
            guard size >= SegmentFormat.fileHeaderBytes else { return nil }
            var bytes = [UInt8](repeating: 0, count: SegmentFormat.fileHeaderBytes)
            try bytes.writing { raw throws(SegmentError) in try file.read(into: raw, at: 0) }
            return (file, try FileHeader(bytes, name: name, store: seed.store), size)
        } catch  where error.code == .notFound || error.code == .damaged {
            return nil
        }
    }

    /// Makes the last file anew, with its whole blocks and nothing behind them, no end block either.
    func rewriteLast() throws(SegmentError) {
        guard let (header, blocksEnd, endBlock) = last else { return }
        let end = endBlock ?? blocksEnd
        let old = try storage.open(SegmentFormat.name(header.file))
        let new = try storage.create(SegmentFormat.temporaryName(header.file), byteCount: header.fileBytes)
        for start in stride(from: 0, to: end, by: SegmentLimits.copyBytes) {
            var bytes = [UInt8](repeating: 0, count: min(SegmentLimits.copyBytes, end - start))
            try bytes.writing { raw throws(SegmentError) in try old.read(into: raw, at: start) }
            try bytes.reading { raw throws(SegmentError) in try new.write(raw, at: start) }
        }
        try new.sync()
        try header.putInPlace(in: storage)
    }
}
