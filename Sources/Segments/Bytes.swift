// Little-endian numbers in raw memory, and checksums of it.

import Checksums

extension UnsafeRawBufferPointer {
    func uint32(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    func uint64(_ offset: Int) -> UInt64 {
        UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    func int64(_ offset: Int) -> Int64 { Int64(bitPattern: uint64(offset)) }

    /// `count` bytes from `offset` on.
    func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[offset..<(offset + count)])
    }

    /// The place of the last byte that is not zero, nil where all are.
    var lastNonZero: Int? {
        var end = count
        while end >= 8, uint64(end - 8) == 0 { end -= 8 }
        while end > 0, self[end - 1] == 0 { end -= 1 }
        return end > 0 ? end - 1 : nil
    }
}

extension UnsafeMutableRawBufferPointer {
    func set(_ number: UInt32, at offset: Int) {
        storeBytes(of: number.littleEndian, toByteOffset: offset, as: UInt32.self)
    }
    func set(_ number: UInt64, at offset: Int) {
        storeBytes(of: number.littleEndian, toByteOffset: offset, as: UInt64.self)
    }
    func set(_ number: Int64, at offset: Int) { set(UInt64(bitPattern: number), at: offset) }
}

extension CRC32C {
    mutating func update(raw bytes: UnsafeRawBufferPointer) {
        update(Span<UInt8>(_unsafeBytes: bytes))
    }
}

extension Int {
    /// The next multiple of `SegmentFormat.alignment`.
    var aligned: Int { (self + SegmentFormat.alignment - 1) & ~(SegmentFormat.alignment - 1) }
}

extension Array where Element == UInt8 {
    /// Lets `body` read the memory; unlike `withUnsafeBytes` it passes a typed error on.
    func reading<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try withUnsafeBufferPointer { (buffer) throws(E) in try body(UnsafeRawBufferPointer(buffer)) }
    }

    mutating func writing<R, E: Error>(_ body: (UnsafeMutableRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try withUnsafeMutableBufferPointer { (buffer) throws(E) in try body(UnsafeMutableRawBufferPointer(buffer)) }
    }
}
