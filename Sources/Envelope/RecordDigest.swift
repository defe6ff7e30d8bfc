// What replicas compare: one number over every record of a channel and what was decided of it.

import Checksums

/// The rolling digest of a channel: CRC-64, chained, over each record's lengths, append time, decision, first
/// version, key and value (Docs/byte-format.md). It does not allocate.
public struct RecordDigest: Hashable, Sendable {
    public private(set) var value: UInt64

    /// - Parameter value: 0 before a channel's first record.
    public init(value: UInt64 = 0) {
        self.value = value
    }

    /// Takes in the next record, foreign ones too.
    ///
    /// - Parameters:
    ///   - bytes: what holds key and value.
    ///   - key: nil for a null key.
    ///   - value: nil for a null value.
    ///   - appendTime: milliseconds since 1970, as the log gave it.
    ///   - code: `Decision.code`, or one of `RecordCode`.
    ///   - firstVersion: −1 for none.
    public mutating func update(
        bytes: Span<UInt8>, key: Range<Int>?, value: Range<Int>?, appendTime: Int64, code: UInt32,
        firstVersion: Int64
    ) {
        var head = InlineArray<28, UInt8>(repeating: 0)
        func put(_ number: UInt64, at offset: Int, bytes: Int) {
            for index in 0..<bytes { head[offset + index] = UInt8(truncatingIfNeeded: number >> UInt64(index * 8)) }
        }
        put(UInt64(truncatingIfNeeded: key?.count ?? -1), at: 0, bytes: 4)
        put(UInt64(truncatingIfNeeded: value?.count ?? -1), at: 4, bytes: 4)
        put(UInt64(bitPattern: appendTime), at: 8, bytes: 8)
        put(UInt64(code), at: 16, bytes: 4)
        put(UInt64(bitPattern: firstVersion), at: 20, bytes: 8)
        self.value = crc64(self.value, head.span)
        if let key { self.value = crc64(self.value, bytes.extracting(key)) }
        if let value { self.value = crc64(self.value, bytes.extracting(value)) }
    }
}

/// The numbers that stand in digests for records of which the append rule does not decide.
public enum RecordCode {
    public static let barrier: UInt32 = 16
    /// The first identity record of a channel, or a later one, which is ignored.
    public static let identity: UInt32 = 17

    public static func foreign(_ reason: ForeignReason) -> UInt32 {
        32 + UInt32(reason.rawValue)
    }
}
