// Numbers in bytes: little-endian, but for ids, whose bytes are in RFC 9562 order.

import AppendRule

extension Span<UInt8> {
    func u16(at offset: Int) -> UInt16 {
        UInt16(self[offset]) | UInt16(self[offset + 1]) << 8
    }

    func u32(at offset: Int) -> UInt32 {
        UInt32(u16(at: offset)) | UInt32(u16(at: offset + 2)) << 16
    }

    func u64(at offset: Int) -> UInt64 {
        UInt64(u32(at: offset)) | UInt64(u32(at: offset + 4)) << 32
    }

    func i64(at offset: Int) -> Int64 {
        Int64(bitPattern: u64(at: offset))
    }

    func bigEndian64(at offset: Int) -> UInt64 {
        u64(at: offset).byteSwapped
    }

    func recordID(at offset: Int) -> RecordID {
        RecordID(high: bigEndian64(at: offset), low: bigEndian64(at: offset + 8))
    }
}

extension OutputSpan<UInt8> {
    mutating func add<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        let size = Number.bitWidth / 8
        precondition(size <= freeCapacity, "there is room for it")
        unsafe withUnsafeMutableBufferPointer { buffer, count in
            unsafe UnsafeMutableRawBufferPointer(buffer).storeBytes(
                of: number.littleEndian, toByteOffset: count, as: Number.self)
            count += size
        }
    }

    mutating func add(_ id: RecordID) {
        add(id.high.byteSwapped)
        add(id.low.byteSwapped)
    }

    /// - Parameter bytes: of an array or a string.
    mutating func add<Bytes: Collection<UInt8>>(contentsOf bytes: Bytes) {
        let isCopied: Void? = bytes.withContiguousStorageIfAvailable { bytes in
            precondition(bytes.count <= freeCapacity, "there is room for them")
            unsafe withUnsafeMutableBufferPointer { buffer, count in
                _ = unsafe UnsafeMutableBufferPointer(rebasing: buffer[count...]).initialize(from: bytes)
                count += bytes.count
            }
        }
        if isCopied == nil { for byte in bytes { append(byte) } }
    }
}

extension [UInt8] {
    mutating func add<Number: FixedWidthInteger>(_ number: Number) {
        // All at once: a byte each asks for room each time.
        unsafe Swift.withUnsafeBytes(of: number.littleEndian) { unsafe append(contentsOf: $0) }
    }

    mutating func add(_ id: RecordID) {
        add(id.high.byteSwapped)
        add(id.low.byteSwapped)
    }

    mutating func set<Number: FixedWidthInteger>(_ number: Number, at offset: Int) {
        for index in 0..<Number.bitWidth / 8 {
            self[offset + index] = UInt8(truncatingIfNeeded: number >> (index * 8))
        }
    }
}
