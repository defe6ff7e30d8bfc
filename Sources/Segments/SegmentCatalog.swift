import Synchronization

/// What the writer and the readers of a log share: which files there are, up to where they hold synced frames, and
/// the open ones.
final class SegmentCatalog: Sendable {
    struct End: Sendable {
        var file: UInt32
        var position: Int
        /// Frames before it.
        var frames: Int64
    }

    private struct State: Sendable {
        /// By file number: how many frames lie in earlier files.
        var firstFrames: [Int64] = []
        /// By file number, of every file that has a successor: where it ends.
        var ends: [Int] = []
        var synced = End(file: 0, position: SegmentFormat.fileHeaderBytes, frames: 0)
        var open: [UInt32: (file: any SegmentFile, lastUse: UInt64)] = [:]
        var uses: UInt64 = 0
    }

    let storage: any SegmentStorage
    private let state = Mutex(State())

    init(storage: any SegmentStorage) {
        self.storage = storage
    }

    var synced: End {
        get { state.withLock { $0.synced } }
        set { state.withLock { $0.synced = newValue } }
    }

    /// Says that the next file is there.
    ///
    /// - Parameter header: its header, with the end of the file before it.
    func add(_ header: FileHeader) {
        state.withLock {
            precondition(header.file == UInt32($0.firstFrames.count), "files come in order")
            $0.firstFrames.append(header.firstFrame)
            if header.file > 0 { $0.ends.append(header.previousEnd) }
        }
    }

    /// Where the file's blocks end, within what is known synced; nil for the files behind that.
    func end(of file: UInt32, within synced: End) -> Int? {
        if file >= synced.file { return file == synced.file ? synced.position : nil }
        return state.withLock { $0.ends[Int(file)] }
    }

    /// The file that holds the frame of this number, and how many frames lie before the file.
    func file(holding frame: Int64) -> (file: UInt32, firstFrame: Int64) {
        state.withLock {
            var low = 0
            var high = $0.firstFrames.count
            while high - low > 1 {
                let middle = (low + high) / 2
                if $0.firstFrames[middle] <= frame { low = middle } else { high = middle }
            }
            return (UInt32(low), $0.firstFrames[low])
        }
    }

    /// The file, opened if need be; at most `SegmentLimits.openFiles` stay open.
    func open(_ number: UInt32) throws(SegmentError) -> any SegmentFile {
        let cached: (any SegmentFile)? = state.withLock {
            $0.uses += 1
            $0.open[number]?.lastUse = $0.uses
            return $0.open[number]?.file
        }
        if let cached { return cached }
        let file: any SegmentFile
        do throws(SegmentError) {
            file = try storage.open(SegmentFormat.name(number))
        } catch  where error.code == .notFound {
            throw .damaged(SegmentFormat.name(number), 0, "the segment file is missing")
        }
        state.withLock {
            if $0.open.count >= SegmentLimits.openFiles,
                let oldest = $0.open.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                $0.open[oldest.key] = nil
            }
            $0.open[number] = (file, $0.uses)
        }
        return file
    }
}
