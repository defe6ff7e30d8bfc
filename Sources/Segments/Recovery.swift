// Making the segment files of a log, and opening them after whatever happened.

/// What lay behind the log's end when it was opened: the rest of a write that was not whole.
public struct TornTail: Sendable, Equatable {
    public var file: String
    public var position: Int
    public var byteCount: Int
    /// The file beside the segments that keeps the bytes; nil where they were not to be kept.
    public var copy: String?
}

extension SegmentWriter {
    /// Makes the first segment file. What is not finished leaves at most a file under a temporary name; calling again
    /// starts afresh.
    ///
    /// - Parameters:
    ///   - first: what the file begins with, nil for nothing.
    ///   - fileBytes: size of each file, 4 KiB to almost 4 GiB.
    public static func create(
        in storage: any SegmentStorage, store: StoreUUID, first: SegmentBlock? = nil,
        fileBytes: Int = SegmentLimits.fileBytes
    ) throws(SegmentError) -> SegmentWriter {
        let seed = StoreSeed(store)
        var bytes: [UInt8] = []
        var end = SegmentFormat.fileHeaderBytes
        let frames = Int64(first?.frames.count ?? 0)
        func add(_ block: consuming SegmentBlock, _ kind: BlockKind, firstFrame: Int64) {
            block.finish(kind, seed: seed, file: 0, position: end, firstFrame: firstFrame, synced: (0, end))
            bytes += block.bytes
            end += block.bytes.count
        }
        if let first {
            // Both are durable before the file has its name, so the seal may say that the block before it is.
            add(first, .data, firstFrame: 0)
            add(SegmentBlock(), .seal, firstFrame: frames)
        }
        let header = FileHeader(
            store: store, file: 0, firstFrame: 0, previousEnd: 0,
            fileBytes: max(fileBytes.aligned, FileHeader.fileBytes(holding: bytes.count)), previousTime: 0)
        let file = try header.makeTemporary(in: storage, first: bytes)
        try header.putInPlace(in: storage)
        let catalog = SegmentCatalog(storage: storage)
        catalog.add(header)
        catalog.synced = SegmentCatalog.End(file: 0, position: end, frames: frames)
        return SegmentWriter(
            catalog: catalog, seed: seed, fileBytes: fileBytes,
            state: State(
                file: file, header: header, position: end, frames: frames, lastKind: first.map { _ in .seal },
                lastTime: first?.frames.last?.appendTime ?? 0),
            tornTail: nil)
    }

    /// Whether there is nothing but what `create` makes with one record: no file, an unfinished one, or the first with
    /// that record and nothing after it. Of any store, since who created it did not finish. Changes nothing.
    ///
    /// - Throws: as `open`.
    public static func holdsOnlyCreation(in storage: any SegmentStorage) throws(SegmentError) -> Bool {
        let names = try storage.names()
        let first = SegmentFormat.name(0)
        guard Set(names).isSubset(of: [first, SegmentFormat.temporaryName(0)]) else { return false }
        guard names.contains(first) else { return true }
        let file = try storage.open(first)
        let bytes = try read(file, 0..<SegmentFormat.fileHeaderBytes)
        let header = try FileHeader(bytes, name: first, store: nil)
        guard try file.byteCount() == header.fileBytes else { return false }
        let decision = try decide(header, file)
        return decision.frames <= 1 && decision.tornEnd == decision.end
    }

    /// Opens the files, checks them, and repairs what a crash may have left behind the log's end.
    ///
    /// Only the last file is read in full; of the others header and end. A torn tail is copied aside and overwritten
    /// with zeros, and what is not known synced is written again and synced, before this returns. Where anything that
    /// was synced does not check, nothing is changed.
    ///
    /// - Parameters:
    ///   - fileBytes: size of the files made from now on, 4 KiB to almost 4 GiB.
    ///   - keepsTornTail: whether a torn tail is copied aside; not needed for a copy of what can be had elsewhere.
    /// - Throws: `damaged`, `foreign`, `newerFormat`, `noSpace`, or what the system says.
    public static func open(
        in storage: any SegmentStorage, store: StoreUUID, fileBytes: Int = SegmentLimits.fileBytes,
        keepsTornTail: Bool = true
    ) throws(SegmentError) -> SegmentWriter {
        let seed = StoreSeed(store)
        let names = try storage.names()
        let headers = try checkedHeaders(names, storage, seed)
        let header = headers[headers.count - 1]
        let name = SegmentFormat.name(header.file)
        let file = try storage.open(name)
        let decision = try decide(header, file)
        let successor = SegmentFormat.temporaryName(header.file + 1)
        guard decision.lastKind != .fileEnd || names.contains(successor) else {
            throw .damaged(SegmentFormat.name(header.file + 1), 0, "the segment file is missing")
        }

        try storage.syncNames()
        let tornTail = try cutTail(decision, file, name, names, storage, keepsTornTail)
        try rewrite(file, decision.knownSynced..<decision.end)
        try file.sync()

        let catalog = SegmentCatalog(storage: storage)
        for header in headers { catalog.add(header) }
        catalog.synced = SegmentCatalog.End(file: header.file, position: decision.end, frames: decision.frames)
        var state = State(
            file: file, header: header, position: decision.end, frames: decision.frames, lastKind: decision.lastKind,
            lastTime: decision.lastTime)
        if decision.lastKind == .fileEnd { try finishRollOver(&state, catalog, fileBytes) }
        return SegmentWriter(
            catalog: catalog, seed: seed, fileBytes: fileBytes, state: state, tornTail: tornTail)
    }

    private static func decide(
        _ header: FileHeader, _ file: any SegmentFile
    ) throws(SegmentError) -> TailDecision {
        var window = FileWindow(file, byteCount: header.fileBytes)
        return try TailDecision(header: header, seed: StoreSeed(header.store), window: &window)
    }

    /// The headers of all files, which must be whole, of this store, without a gap, and fit each other.
    private static func checkedHeaders(
        _ names: [String], _ storage: any SegmentStorage, _ seed: StoreSeed
    ) throws(SegmentError) -> [FileHeader] {
        var headers: [FileHeader] = []
        let numbers = names.compactMap(SegmentFormat.number(of:)).sorted()
        for expected in 0..<UInt32(max(1, numbers.count)) {
            let name = SegmentFormat.name(expected)
            guard Int(expected) < numbers.count, numbers[Int(expected)] == expected else {
                throw .damaged(name, 0, "the segment file is missing")
            }
            let file = try storage.open(name)
            let size = try file.byteCount()
            guard size >= SegmentFormat.fileHeaderBytes else { throw .damaged(name, size, "the file is too short") }
            let header = try FileHeader(
                try read(file, 0..<SegmentFormat.fileHeaderBytes), name: name, store: seed.store)
            guard header.file == expected else {
                throw .damaged(name, 12, "this is the segment file number \(header.file)")
            }
            guard size == header.fileBytes else {
                throw .damaged(name, size, "the file should have \(header.fileBytes) bytes")
            }
            if let previous = headers.last { try checkEnd(of: previous, before: header, storage, seed) }
            headers.append(header)
        }
        return headers
    }

    /// A file that has a successor ends with an end block, where the successor says.
    private static func checkEnd(
        of header: FileHeader, before next: FileHeader, _ storage: any SegmentStorage, _ seed: StoreSeed
    ) throws(SegmentError) {
        let name = SegmentFormat.name(header.file)
        let position = next.previousEnd - SegmentFormat.blockHeaderBytes
        guard position >= SegmentFormat.fileHeaderBytes, next.previousEnd <= header.fileBytes else {
            throw .damaged(SegmentFormat.name(next.file), 48, "the header does not fit the previous file")
        }
        let bytes = try read(try storage.open(name), position..<next.previousEnd)
        let block = bytes.reading { BlockHeader(checking: $0, seed: seed, file: header.file, position: position) }
        guard let block, block.kind == .fileEnd, block.firstFrame == next.firstFrame else {
            throw .damaged(name, position, "the file's last block does not check")
        }
    }

    /// Copies what lies behind the log's end aside and overwrites it with zeros; the caller syncs.
    private static func cutTail(
        _ decision: TailDecision, _ file: any SegmentFile, _ name: String, _ names: [String],
        _ storage: any SegmentStorage, _ keepsCopy: Bool
    ) throws(SegmentError) -> TornTail? {
        let range = decision.end..<decision.tornEnd
        guard !range.isEmpty else { return nil }
        let copy = keepsCopy ? try copyAside(range, of: file, name, names, storage) : nil
        for part in parts(of: range) {
            let zeros = [UInt8](repeating: 0, count: part.count)
            try zeros.reading { raw throws(SegmentError) in try file.write(raw, at: part.lowerBound) }
        }
        return TornTail(file: name, position: range.lowerBound, byteCount: range.count, copy: copy)
    }

    private static func copyAside(
        _ range: Range<Int>, of file: any SegmentFile, _ name: String, _ names: [String],
        _ storage: any SegmentStorage
    ) throws(SegmentError) -> String {
        for number in 0..<SegmentLimits.tornCopies {
            let copy = "torn-\(name.prefix(10))-\(range.lowerBound)-\(number)"
            // A copy that is there is of an earlier tear, or of this one by an open that did not get further.
            guard !names.contains(copy) else { continue }
            let target = try storage.create(copy, byteCount: range.count)
            for part in parts(of: range) {
                let bytes = try read(file, part)
                try bytes.reading { raw throws(SegmentError) in
                    try target.write(raw, at: part.lowerBound - range.lowerBound)
                }
            }
            try target.sync()
            try storage.syncNames()
            return copy
        }
        throw SegmentError(
            .damaged, file: name, position: range.lowerBound,
            "there are \(SegmentLimits.tornCopies) copies of torn tails of this place; look at them, and move them away."
        )
    }

    /// Writes the bytes again: the page cache may show what a failed sync lost.
    private static func rewrite(_ file: any SegmentFile, _ range: Range<Int>) throws(SegmentError) {
        for part in parts(of: range) {
            let bytes = try read(file, part)
            try bytes.reading { raw throws(SegmentError) in try file.write(raw, at: part.lowerBound) }
        }
    }

    /// The last file has its end block: what is left of the roll-over is done.
    private static func finishRollOver(
        _ state: inout State, _ catalog: SegmentCatalog, _ fileBytes: Int
    ) throws(SegmentError) {
        let header = FileHeader(
            store: state.header.store, file: state.header.file + 1, firstFrame: state.frames,
            previousEnd: state.position, fileBytes: fileBytes.aligned, previousTime: state.lastTime)
        let file = try header.makeTemporary(in: catalog.storage)
        try header.putInPlace(in: catalog.storage)
        state = State(
            file: file, header: header, position: SegmentFormat.fileHeaderBytes, frames: state.frames,
            lastTime: state.lastTime)
        catalog.add(header)
        catalog.synced = SegmentCatalog.End(file: header.file, position: state.position, frames: state.frames)
    }

    private static func read(_ file: any SegmentFile, _ range: Range<Int>) throws(SegmentError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        try bytes.writing { raw throws(SegmentError) in try file.read(into: raw, at: range.lowerBound) }
        return bytes
    }

    private static func parts(of range: Range<Int>) -> [Range<Int>] {
        stride(from: range.lowerBound, to: range.upperBound, by: SegmentLimits.copyBytes).map {
            $0..<min($0 + SegmentLimits.copyBytes, range.upperBound)
        }
    }
}
