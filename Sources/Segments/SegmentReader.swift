/// Reads the frames of a log's segment files. Safe from any thread; it never writes.
///
/// Every frame that is read is checked against the CRC-32C of its place.
public final class SegmentReader: Sendable {
    private let catalog: SegmentCatalog
    private let seed: StoreSeed

    init(catalog: SegmentCatalog, seed: StoreSeed) {
        self.catalog = catalog
        self.seed = seed
    }

    /// Bytes of the files as far as they are durable.
    public var byteCount: Int64 { byteCount(to: catalog.synced) }

    func byteCount(to end: SegmentCatalog.End) -> Int64 {
        (0...end.file).reduce(0) { $0 + Int64(catalog.end(of: $1, within: end) ?? 0) }
    }

    /// How many frames are durable: `scan` and `frame` show these.
    public var frameCount: Int64 { catalog.synced.frames }

    /// Appends a frame to the buffer.
    ///
    /// - Parameters:
    ///   - place: from a run or a written block; it need not be synced yet.
    ///   - buffer: the frame's header, key and value are added to it.
    /// - Returns: the frame, with ranges into the buffer.
    /// - Throws: `damaged` where no such frame lies there, else what the system says.
    public func read(_ place: SegmentPlace, into buffer: inout [UInt8]) throws(SegmentError) -> SegmentFrame {
        let start = buffer.count
        try fill(&buffer, file: place.file, position: Int(place.position), count: Int(place.length))
        return try frame(place, in: buffer, start: start)
    }

    /// Appends several frames to the buffer. What lies close together in one file and comes one after the other in
    /// `places`, in either direction, is read with one system call, so give places in log order or its reverse.
    ///
    /// - Parameters:
    ///   - places: from runs or written blocks.
    ///   - buffer: what is read is added to it, with the bytes between the frames.
    ///   - frames: one for each place, in the order of `places`, is added to it, with ranges into the buffer.
    /// - Throws: as `read(_:into:)`.
    public func read(
        _ places: [SegmentPlace], into buffer: inout [UInt8], frames: inout [SegmentFrame]
    ) throws(SegmentError) {
        frames.reserveCapacity(frames.count + places.count)
        var first = 0
        while first < places.count {
            let (next, low, high) = Self.group(places, from: first)
            let start = buffer.count
            try fill(&buffer, file: places[first].file, position: low, count: high - low)
            for place in places[first..<next] {
                frames.append(try frame(place, in: buffer, start: start + Int(place.position) - low))
            }
            first = next
        }
    }

    /// The places from `first` on that one system call reads: the index behind them and the bytes that they span.
    private static func group(_ places: [SegmentPlace], from first: Int) -> (next: Int, low: Int, high: Int) {
        var low = Int(places[first].position)
        var high = low + Int(places[first].length)
        var next = first + 1
        while next < places.count, places[next].file == places[first].file {
            let start = Int(places[next].position)
            let end = start + Int(places[next].length)
            guard start <= high + SegmentLimits.readGapBytes, end + SegmentLimits.readGapBytes >= low,
                max(high, end) - min(low, start) <= SegmentLimits.readBytes
            else { break }
            low = min(low, start)
            high = max(high, end)
            next += 1
        }
        return (next, low, high)
    }

    private func fill(
        _ buffer: inout [UInt8], file: UInt32, position: Int, count: Int
    ) throws(SegmentError) {
        let handle = try catalog.open(file)
        try buffer.append(addingCapacity: count) { (span: inout OutputSpan<UInt8>) throws(SegmentError) in
            try span.withUnsafeMutableBufferPointer { (memory, initialized) throws(SegmentError) in
                let target = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(memory)[..<count])
                try handle.read(into: target, at: position)
                initialized = count
            }
        }
    }

    private func frame(
        _ place: SegmentPlace, in buffer: [UInt8], start: Int
    ) throws(SegmentError) -> SegmentFrame {
        let end = start + Int(place.length)
        let frame: SegmentFrame? = buffer.reading { raw in
            guard
                let frame = SegmentFrame(
                    raw, start: start, end: end, file: place.file, position: Int(place.position)),
                frame.place == place, SegmentFrame.checks(raw, start: start, place: place, seed: seed)
            else { return nil }
            return frame
        }
        guard let frame else {
            throw .damaged(SegmentFormat.name(place.file), Int(place.position), "the record does not check")
        }
        return frame
    }

    /// Appends the frame of this number, counted over the whole log from 0, to the buffer.
    ///
    /// It reads the file from its beginning: for what is rare.
    ///
    /// - Returns: nil at and behind `frameCount`.
    public func frame(number: Int64, into buffer: inout [UInt8]) throws(SegmentError) -> SegmentFrame? {
        var place: SegmentPlace?
        do {
            try scan(from: number) { run in
                place = run.frames[0].place
                return false
            }
        } catch let error as SegmentError {
            throw error
        } catch {
            preconditionFailure("the body throws nothing")
        }
        guard let place else { return nil }
        return try read(place, into: &buffer)
    }

    /// Lends all durable frames from a number on, in log order, a run at a time; what becomes durable meanwhile is not
    /// shown. Checks every block.
    ///
    /// ```swift
    /// try reader.scan(from: applied) { run in
    ///     for frame in run.frames { apply(frame, run.bytes) }
    ///     return !isCancelled
    /// }
    /// ```
    /// - Parameters:
    ///   - number: of the first frame wanted, counted over the whole log from 0; where a log has one channel, its
    ///     offset.
    ///   - body: gets whole blocks, together at most `SegmentLimits.blockFrames` frames; it stops the scan with
    ///     false. A copy of the run's bytes that it keeps costs another buffer.
    /// - Throws: `damaged` with file and position, what the system says, or what `body` throws.
    public func scan(from number: Int64, _ body: (borrowing SegmentRun) throws -> Bool) throws {
        let synced = catalog.synced
        guard number < synced.frames else { return }
        var (file, firstFrame) = catalog.file(holding: max(0, number))
        var scanner = SegmentScanner(seed: seed, nextFrame: firstFrame, wanted: number)
        while let end = catalog.end(of: file, within: synced) {
            let handle = try catalog.open(file)
            guard try scanner.scan(handle, file: file, end: end, body) else { return }
            file += 1
        }
    }
}
