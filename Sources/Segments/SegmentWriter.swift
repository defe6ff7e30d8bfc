import Synchronization

/// Appends commit blocks to the segment files of one log. Any thread, one call at a time.
///
/// ```swift
/// let writer = try SegmentWriter.create(in: DirectoryStorage(path: "log"), store: uuid)
/// try writer.write(&block)
/// try writer.sync()            // now the block's frames may be acknowledged and shown
/// try writer.close()
/// ```
/// After an error other than `noSpace` nothing more is written until the log is opened again.
public final class SegmentWriter: Sendable {
    struct State: Sendable {
        var file: any SegmentFile
        var header: FileHeader
        /// Where the next block goes.
        var position: Int
        /// Frames in the log, synced or not.
        var frames: Int64
        var lastKind: BlockKind?
        /// Append time of the last frame, 0 where there is none.
        var lastTime: Int64
        var failure: SegmentError?
        /// For blocks without frames, and for `append`.
        var scratch = SegmentBlock()
    }

    /// Reads what this writes.
    public let reader: SegmentReader
    /// What opening found behind the log's end and cut off; nil where there was nothing.
    public let tornTail: TornTail?

    private let storage: any SegmentStorage
    private let catalog: SegmentCatalog
    private let seed: StoreSeed
    private let fileBytes: Int
    private let state: Mutex<State>
    /// Up to where the files are written, under a lock that nobody holds during a sync.
    private let written: Mutex<(file: UInt32, position: Int)>

    init(
        catalog: SegmentCatalog, seed: StoreSeed, fileBytes: Int, state: State, tornTail: TornTail?
    ) {
        precondition(
            fileBytes >= SegmentLimits.leastFileBytes && fileBytes <= Int(UInt32.max) - SegmentLimits.blockBytes,
            "a segment file has 4 KiB to almost 4 GiB")
        self.storage = catalog.storage
        self.catalog = catalog
        self.seed = seed
        self.fileBytes = fileBytes.aligned
        written = Mutex((state.header.file, state.position))
        self.state = Mutex(state)
        self.reader = SegmentReader(catalog: catalog, seed: seed)
        self.tornTail = tornTail
    }

    /// Frames in the log, synced or not: the number of the next one.
    public var frameCount: Int64 { state.withLock { $0.frames } }

    /// Bytes of the files as far as they are written, synced or not. Never waits for the disk.
    public var byteCount: Int64 {
        let (file, position) = written.withLock { $0 }
        return reader.byteCount(to: SegmentCatalog.End(file: file, position: position, frames: 0))
    }

    /// Append time of the log's last frame, synced or not, in milliseconds since 1970; 0 where there is none.
    public var lastAppendTime: Int64 { state.withLock { $0.lastTime } }

    /// Writes a block behind the last one, in a new file where it does not fit. It is durable after `sync`.
    ///
    /// - Parameter block: at least one frame; afterwards its frames have their places.
    /// - Throws: `noSpace` where there is no room for a new file: then nothing happened and the block can be written
    ///   later. After anything else `block.wasGivenToDisk` tells whether it may be in the files.
    public func write(_ block: inout SegmentBlock) throws(SegmentError) {
        precondition(!block.isEmpty, "a block to write has frames")
        try using { state throws(SegmentError) in try write(&block, .data, &state) }
    }

    /// Returns once everything written is durable; it is shown by `reader.scan` then.
    public func sync() throws(SegmentError) {
        try using { state throws(SegmentError) in try sync(&state) }
    }

    /// Writes records of a log that keeps none in files, in as many blocks as they need.
    ///
    /// - Parameters:
    ///   - frames: with ranges into `bytes`; their places are not looked at.
    ///   - places: where the frames lie is added to it, in their order.
    /// - Throws: as `write`; some of the frames may have been written.
    public func append(
        _ frames: [SegmentFrame], of bytes: [UInt8], places: inout [SegmentPlace]
    ) throws(SegmentError) {
        try using { state throws(SegmentError) in
            var block = SegmentBlock()
            swap(&block, &state.scratch)
            defer { swap(&block, &state.scratch) }
            block.removeAll()
            for frame in frames {
                if !block.hasRoom(key: frame.key?.count, value: frame.value?.count) {
                    try write(&block, .data, &state)
                    places.append(contentsOf: block.frames.lazy.map(\.place))
                    block.removeAll()
                }
                block.append(frame, of: bytes)
            }
            guard !block.isEmpty else { return }
            try write(&block, .data, &state)
            places.append(contentsOf: block.frames.lazy.map(\.place))
        }
    }

    /// Syncs, and seals the tail, so that at the next open all of it is known synced. Writes nothing afterwards.
    public func close() throws(SegmentError) {
        try using { state throws(SegmentError) in
            try sync(&state)
            if state.lastKind != .seal {
                var block = SegmentBlock()
                do throws(SegmentError) {
                    try write(&block, .seal, &state)
                    try sync(&state)
                } catch  where error.code == .noSpace {
                    // A log without a seal is as good; it is only checked more carefully.
                }
            }
            state.failure = SegmentError(.closed, "the segment files were closed; open them again.")
        }
    }

    /// Runs `body` on the state; an error other than `noSpace` ends the writer.
    private func using(_ body: (inout State) throws(SegmentError) -> Void) throws(SegmentError) {
        try state.withLock { state throws(SegmentError) in
            if let failure = state.failure { throw failure }
            defer { written.withLock { $0 = (state.header.file, state.position) } }
            do throws(SegmentError) {
                try body(&state)
            } catch {
                if error.code != .noSpace { state.failure = error }
                throw error
            }
        }
    }

    private func write(_ block: inout SegmentBlock, _ kind: BlockKind, _ state: inout State) throws(SegmentError) {
        let endBlock = SegmentFormat.blockHeaderBytes
        if state.position + block.length + endBlock > state.header.fileBytes {
            try rollOver(&state, room: block.length)
        }
        try put(&block, kind, &state)
    }

    private func put(_ block: inout SegmentBlock, _ kind: BlockKind, _ state: inout State) throws(SegmentError) {
        let synced = catalog.synced
        block.finish(
            kind, seed: seed, file: state.header.file, position: state.position, firstFrame: state.frames,
            synced: (synced.file, synced.position))
        block.wasGivenToDisk = true
        do throws(SegmentError) {
            try block.bytes.reading { raw throws(SegmentError) in try state.file.write(raw, at: state.position) }
        } catch {
            throw error.final
        }
        state.position += block.bytes.count
        state.frames += Int64(block.frames.count)
        state.lastKind = kind
        if let last = block.frames.last { state.lastTime = last.appendTime }
    }

    private func sync(_ state: inout State) throws(SegmentError) {
        let end = SegmentCatalog.End(file: state.header.file, position: state.position, frames: state.frames)
        if catalog.synced.file == end.file, catalog.synced.position == end.position { return }
        do throws(SegmentError) { try state.file.sync() } catch { throw error.final }
        catalog.synced = end
    }

    /// Ends the file and goes on in a new one.
    ///
    /// The new file is allocated, and synced under its temporary name, before the end block is written: a full disk
    /// changes nothing, and a file that ended without a successor, not even an unfinished one, has lost it.
    private func rollOver(_ state: inout State, room: Int) throws(SegmentError) {
        let end = state.position + SegmentFormat.blockHeaderBytes
        let header = FileHeader(
            store: seed.store, file: state.header.file + 1, firstFrame: state.frames, previousEnd: end,
            fileBytes: max(fileBytes, FileHeader.fileBytes(holding: room)), previousTime: state.lastTime)
        let file: any SegmentFile
        do throws(SegmentError) {
            file = try header.makeTemporary(in: storage)
        } catch {
            // Gives back what was allocated; where that fails too, the next attempt takes the file's place.
            try? storage.remove(SegmentFormat.temporaryName(header.file))
            throw error
        }
        do throws(SegmentError) {
            var block = SegmentBlock()
            try put(&block, .fileEnd, &state)
            try sync(&state)
            try header.putInPlace(in: storage)
        } catch {
            throw error.final
        }
        state = State(
            file: file, header: header, position: SegmentFormat.fileHeaderBytes, frames: state.frames,
            lastTime: state.lastTime, scratch: state.scratch)
        catalog.add(header)
        catalog.synced = SegmentCatalog.End(file: header.file, position: state.position, frames: state.frames)
    }
}

extension FileHeader {
    /// The size of a file that has room for one block of this length.
    static func fileBytes(holding block: Int) -> Int {
        SegmentFormat.fileHeaderBytes + block + SegmentFormat.blockHeaderBytes
    }

    /// Makes the file under its temporary name, with what comes first in it, all of it synced.
    func makeTemporary(in storage: any SegmentStorage, first: [UInt8] = []) throws(SegmentError) -> any SegmentFile {
        let file = try storage.create(SegmentFormat.temporaryName(self.file), byteCount: fileBytes)
        let bytes = encoded() + first
        try bytes.reading { raw throws(SegmentError) in try file.write(raw, at: 0) }
        try file.sync()
        try storage.syncNames()
        return file
    }

    /// Gives the file its name.
    func putInPlace(in storage: any SegmentStorage) throws(SegmentError) {
        try storage.rename(SegmentFormat.temporaryName(file), to: SegmentFormat.name(file))
        try storage.syncNames()
    }
}

extension SegmentError {
    /// A full disk where something was already written: nothing but opening again helps.
    var final: SegmentError {
        guard code == .noSpace else { return self }
        return SegmentError(
            .io(errno: 28), file: file, position: position,
            "\(message) The log must be opened again after that.")
    }
}
