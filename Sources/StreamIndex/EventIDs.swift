import AppendRule
import EventLog

/// Ids that the store makes.
public enum EventIDs {
    /// A new UUID of version 7 (RFC 9562 §5.7), as two big-endian numbers: 48 bits of milliseconds, then random bits.
    /// Those of one millisecond are not ordered among each other.
    public static func next() -> (high: UInt64, low: UInt64) {
        let time = UInt64(max(0, wallClockMilliseconds()))
        return (time << 16 | 0x7000 | SystemRandom.next() & 0x0fff, 0x8000_0000_0000_0000 | SystemRandom.next() >> 2)
    }

    static func nextID() -> RecordID {
        let id = next()
        return RecordID(high: id.high, low: id.low)
    }
}
