import FoundationEssentials
import StreamIndex

extension UUID {
    /// A new UUID of version 7 (RFC 9562 §5.7).
    static func version7() -> UUID {
        let id = EventIDs.next()
        return UUID(high: id.high, low: id.low)
    }

    /// From two numbers, big-endian: RFC 9562's order.
    init(high: UInt64, low: UInt64) {
        func byte(_ number: UInt64, _ index: UInt64) -> UInt8 {
            UInt8(truncatingIfNeeded: number >> (56 - 8 * index))
        }
        self.init(
            uuid: (
                byte(high, 0), byte(high, 1), byte(high, 2), byte(high, 3),
                byte(high, 4), byte(high, 5), byte(high, 6), byte(high, 7),
                byte(low, 0), byte(low, 1), byte(low, 2), byte(low, 3),
                byte(low, 4), byte(low, 5), byte(low, 6), byte(low, 7)
            ))
    }

    /// The sixteen bytes as two numbers, big-endian.
    var numbers: (high: UInt64, low: UInt64) {
        let bytes = uuid
        func number(_ parts: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) -> UInt64 {
            UInt64(parts.0) << 56 | UInt64(parts.1) << 48 | UInt64(parts.2) << 40 | UInt64(parts.3) << 32
                | UInt64(parts.4) << 24 | UInt64(parts.5) << 16 | UInt64(parts.6) << 8 | UInt64(parts.7)
        }
        return (
            number((bytes.0, bytes.1, bytes.2, bytes.3, bytes.4, bytes.5, bytes.6, bytes.7)),
            number((bytes.8, bytes.9, bytes.10, bytes.11, bytes.12, bytes.13, bytes.14, bytes.15))
        )
    }
}
