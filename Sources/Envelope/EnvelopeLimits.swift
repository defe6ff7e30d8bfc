import GlobalOrder

/// The bounds of the byte format, version 1. They are part of what a well-formed record is and never change with
/// a node's configuration.
public enum EnvelopeLimits {
    /// Key and value of one record together, in bytes.
    public static let recordBytes = 2 << 20
    /// Value of one order or void record, in bytes; its key is empty.
    public static let orderRecordBytes = 1 << 20
    /// An offset in an order or void record.
    public static let orderOffset = 0...OrderLimits.highestOffset
    /// A stream name, in bytes of UTF-8.
    public static let streamName = 1...1_024
    public static let eventType = 1...256
    public static let contentType = 1...128
    /// A correlation or causation id that is there.
    public static let correlationID = 0...128
    /// What an identity record may give as the store's partition count.
    public static let partitions = 1...Int(Int32.max)
    public static let hashName = 1...32
    /// What a record may expect with *exactly*.
    public static let expectedVersion = 0...(Int64.max - 1)
}

/// Offsets and sizes in a value, version 1. Magic, version, UUID and checksum keep their places in all versions.
enum Layout {
    /// "TRIB", read as a little-endian number.
    static let magicNumber: UInt32 = 0x4249_5254
    static let formatVersion: UInt16 = 1

    static let magic = 0
    static let version = 4
    static let store = 6
    static let kind = 14
    static let subject = 15
    static let expectation = 16
    static let expectedStream = 17
    static let reserved = 18
    static let attempt = 20
    static let writeID = 24
    static let expectedVersion = 32
    static let firstReadable = 40
    static let eventCount = 48
    static let partition = 52
    static let ids = 56

    static let idBytes = 16
    static let checksumBytes = 4
    /// What a value of any version has: magic, version, UUID and checksum.
    static let smallestOfAnyVersion = kind + checksumBytes
    static let smallest = ids + idBytes + checksumBytes
    static let ruleUpgradeBytes = smallest + 4

    static let eventHeaderBytes = 20
    static let hasMetadata: UInt8 = 1
    static let hasCorrelationID: UInt8 = 2
    static let hasCausationID: UInt8 = 4

    static let identityBytes = 41

    static let orderRangeBytes = 28
    static let emptyOffsetBytes = 4
    static let voidBytes = 12
}
