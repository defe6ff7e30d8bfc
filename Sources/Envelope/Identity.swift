public import AppendRule

/// The UUID of a store.
public struct StoreID: Hashable, Sendable, CustomStringConvertible {
    /// The first eight bytes, big-endian, as in `RecordID`.
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new one of version 4 (RFC 9562, section 5.4).
    public static func random() -> StoreID {
        var generator = SystemRandomNumberGenerator()
        return StoreID(
            high: generator.next() & ~0xF000 | 0x4000,
            low: generator.next() & ~(0b11 << 62) | 0b10 << 62)
    }

    /// Reads the text that `description` gives; upper-case digits too. nil where it is no UUID.
    public init?(_ text: String) {
        var digits: [UInt64] = []
        for (index, byte) in text.utf8.enumerated() {
            if [8, 13, 18, 23].contains(index) {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, digits.count < 32 else { return nil }
            digits.append(UInt64(digit))
        }
        guard digits.count == 32 else { return nil }
        high = digits[..<16].reduce(0) { $0 << 4 | $1 }
        low = digits[16...].reduce(0) { $0 << 4 | $1 }
    }

    /// The first eight bytes: what each record's header carries.
    public var prefix: UInt64 { high }

    /// Lower-case, 8-4-4-4-12.
    public var description: String {
        var text = ""
        for shift in stride(from: 124, through: 0, by: -4) {
            let half = shift >= 64 ? high : low
            text.append(String(half >> UInt64(shift % 64) & 0xF, radix: 16))
            if [96, 80, 64, 48].contains(shift) { text.append("-") }
        }
        return text
    }
}

/// What the first record of each channel says of the store.
public struct Identity: Equatable, Sendable {
    public var store: StoreID
    /// In `EnvelopeLimits.partitions`.
    public var partitions: Int
    /// 1 or more.
    public var ruleVersion: UInt32
    /// 16 random bytes of this record's own.
    public var nonce: RecordID
    /// How a partition is computed from a name; of the length `EnvelopeLimits.hashName`.
    public var hashName: String

    /// The one hash of format version 1.
    public static let murmur2 = "murmur2"

    public init(
        store: StoreID, partitions: Int, ruleVersion: UInt32 = AppendRule.ruleVersion, nonce: RecordID,
        hashName: String = Identity.murmur2
    ) {
        self.store = store
        self.partitions = partitions
        self.ruleVersion = ruleVersion
        self.nonce = nonce
        self.hashName = hashName
    }
}
