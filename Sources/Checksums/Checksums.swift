// Checksums of bytes, by ISA-L. Pure functions; safe from any thread.

import CISAL

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4; check value E3069283): ISA-L's `crc32_iscsi`.
///
/// A chain of `update` gives the same value as one over the bytes put together:
/// ```swift
/// var crc = CRC32C()
/// crc.update(key.span)
/// crc.update(value.span)
/// let sum = crc.value
/// ```
public struct CRC32C: Sendable {
    private var state: UInt32 = 0xFFFF_FFFF

    public init() {}

    public var value: UInt32 { ~state }

    public mutating func update(_ bytes: Span<UInt8>) {
        guard !bytes.isEmpty else { return }
        precondition(bytes.count <= Int(Int32.max), "one update takes less than 2 GiB")
        let initial = state
        state = unsafe bytes.withUnsafeBufferPointer { buffer in
            // The C function takes a mutable pointer and only reads through it.
            let start = unsafe UnsafeMutablePointer(mutating: buffer.baseAddress!)
            return unsafe crc32_iscsi(start, Int32(buffer.count), initial)
        }
    }

    /// Eight bytes, little-endian, of a number: for seeds.
    public mutating func update(_ number: UInt64) {
        let bytes = [UInt8](littleEndian: number)
        update(bytes.span)
    }

    public static func of(_ bytes: Span<UInt8>) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes)
        return crc.value
    }
}

/// CRC-64 (ECMA-182, reflected), by ISA-L's `crc64_ecma_refl`; chained by passing the last value.
public func crc64(_ previous: UInt64, _ bytes: Span<UInt8>) -> UInt64 {
    guard !bytes.isEmpty else { return previous }
    return unsafe bytes.withUnsafeBufferPointer { buffer in
        unsafe crc64_ecma_refl(
            previous, buffer.baseAddress!, UInt64(buffer.count))
    }
}

extension [UInt8] {
    fileprivate init(littleEndian number: UInt64) {
        self = (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }
}
