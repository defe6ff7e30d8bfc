/// Where a frame lies: the file's number, the byte in it, the frame's length in bytes.
public struct SegmentPlace: Sendable, Hashable {
    public var file: UInt32
    public var position: UInt32
    public var length: UInt32

    public init(file: UInt32, position: UInt32, length: UInt32) {
        self.file = file
        self.position = position
        self.length = length
    }
}

/// A record as it lies in a buffer: numbers, and ranges into the buffer.
public struct SegmentFrame: Sendable, Equatable {
    /// The partition, or what else the log numbers its channels by.
    public var channel: Int
    /// The record's offset in its channel.
    public var offset: Int64
    /// Milliseconds since 1970.
    public var appendTime: Int64
    /// nil: a null key.
    public var key: Range<Int>?
    /// nil: a null value.
    public var value: Range<Int>?
    /// Where it lies in the files. Of no meaning in what is still to be written.
    public var place: SegmentPlace

    public init(
        channel: Int, offset: Int64, appendTime: Int64, key: Range<Int>?, value: Range<Int>?,
        place: SegmentPlace = SegmentPlace(file: 0, position: 0, length: 0)
    ) {
        self.channel = channel
        self.offset = offset
        self.appendTime = appendTime
        self.key = key
        self.value = value
        self.place = place
    }

    /// The bytes that a frame takes for a key and a value of these sizes.
    public static func byteCount(key: Int?, value: Int?) -> Int {
        SegmentFormat.frameHeaderBytes + (key ?? 0) + (value ?? 0)
    }
}

extension SegmentFrame {
    /// Reads the frame that begins at byte `start` of `raw`; nil if its lengths do not agree with each other, or it
    /// goes beyond `end`. The checksum is not looked at.
    @inline(__always)
    init?(_ raw: UnsafeRawBufferPointer, start: Int, end: Int, file: UInt32, position: Int) {
        let header = SegmentFormat.frameHeaderBytes
        guard end - start >= header else { return nil }
        let length = Int(raw.uint32(start + 4))
        let keyCount = raw.uint32(start + 12)
        let valueCount = raw.uint32(start + 16)
        let keyBytes = keyCount == SegmentFormat.null ? 0 : Int(keyCount)
        let valueBytes = valueCount == SegmentFormat.null ? 0 : Int(valueCount)
        guard length == header + keyBytes + valueBytes, length <= end - start else { return nil }
        let keyStart = start + header
        let valueStart = keyStart + keyBytes
        self.init(
            channel: Int(raw.uint32(start + 8)), offset: raw.int64(start + 20), appendTime: raw.int64(start + 28),
            key: keyCount == SegmentFormat.null ? nil : keyStart..<valueStart,
            value: valueCount == SegmentFormat.null ? nil : valueStart..<(valueStart + valueBytes),
            place: SegmentPlace(file: file, position: UInt32(position), length: UInt32(length)))
    }

    /// Whether the frame at byte `start` of `raw` has the checksum of its place.
    static func checks(_ raw: UnsafeRawBufferPointer, start: Int, place: SegmentPlace, seed: StoreSeed) -> Bool {
        let covered = raw.part(start + 4, Int(place.length) - 4)
        return raw.uint32(start) == seed.checksum(file: place.file, position: Int(place.position), of: covered)
    }

    /// Adds the frames of the block that begins at byte `start` of `raw`. False where they do not fill the block
    /// exactly: then the block was not written by this module.
    static func appendAll(
        of block: BlockHeader, in raw: UnsafeRawBufferPointer, start: Int, file: UInt32, position: Int,
        to frames: inout [SegmentFrame]
    ) -> Bool {
        var next = start + SegmentFormat.blockHeaderBytes
        let end = next + block.frameBytes
        let shift = position - start
        for _ in 0..<block.frameCount {
            guard let frame = SegmentFrame(raw, start: next, end: end, file: file, position: next + shift) else {
                return false
            }
            frames.append(frame)
            next += Int(frame.place.length)
        }
        return next == end
    }
}
