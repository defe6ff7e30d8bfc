// The keys of the index, each with a prefix byte. Numbers in keys are big-endian, so that byte order is their order.
// Docs/index-layout.md says what stands under each, and why.

import AppendRule

/// The first byte of a key.
enum KeyPrefix {
    /// The layout's version, the store's identity.
    static let meta = UInt8(ascii: "m")
    /// Partition → what was applied.
    static let partition = UInt8(ascii: "p")
    /// Stream name → state.
    static let stream = UInt8(ascii: "s")
    /// Stream number, last version of a record → its place.
    static let version = UInt8(ascii: "v")
    /// Stream number, append id → what was accepted under it, where the rule needs that.
    static let appendID = UInt8(ascii: "a")
    /// Stream number, append id → highest attempt killed.
    static let killed = UInt8(ascii: "k")
    /// Partition, block of sequences → places of its records.
    static let sequence = UInt8(ascii: "q")
    /// Category, partition, block of sequences → which of them.
    static let category = UInt8(ascii: "c")
    /// Event type, partition, block of sequences → which of them.
    static let eventType = UInt8(ascii: "t")
    /// Partition, time, sequence: the first event of each block.
    static let time = UInt8(ascii: "i")
    /// Partition, offset → digest, of every 4,096th.
    static let digest = UInt8(ascii: "d")
    /// Partition, offset → why the record brought no event.
    static let noEvent = UInt8(ascii: "x")
    /// How far the order channel was applied, and how far each partition is ordered.
    static let order = UInt8(ascii: "o")
    /// First position, place in the order channel → a placed range.
    static let placed = UInt8(ascii: "g")
    /// Partition, first sequence of a placed range → its positions.
    static let placedSequence = UInt8(ascii: "h")
    /// Order offset → the order record's place.
    static let orderRecord = UInt8(ascii: "w")
    /// Order offset, partition: taken by a void.
    static let voided = UInt8(ascii: "u")
    /// How far placed ranges were compared with this node's decisions.
    static let checked = UInt8(ascii: "y")
}

/// Builds keys and values; its array is used again and again.
struct IndexKey {
    private(set) var bytes: [UInt8] = []

    init() {
        bytes.reserveCapacity(64)
    }

    static func make(_ prefix: UInt8, _ build: (inout IndexKey) -> Void = { _ in }) -> [UInt8] {
        var key = IndexKey()
        key.start(prefix)
        build(&key)
        return key.bytes
    }

    mutating func start(_ prefix: UInt8) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(prefix)
    }

    mutating func startValue() {
        bytes.removeAll(keepingCapacity: true)
    }

    mutating func add(_ name: [UInt8]) {
        bytes.append(contentsOf: name)
    }

    /// A name that something follows: no name has a zero byte.
    mutating func addTerminated(_ name: [UInt8]) {
        bytes.append(contentsOf: name)
        bytes.append(0)
    }

    mutating func add(_ byte: UInt8) {
        bytes.append(byte)
    }

    mutating func add(_ number: UInt32) {
        var rest = number.bigEndian
        for _ in 0..<4 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    mutating func add(_ number: UInt64) {
        var rest = number.bigEndian
        for _ in 0..<8 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    /// Not negative.
    mutating func add(_ number: Int64) {
        add(UInt64(bitPattern: number))
    }

    mutating func add(_ id: RecordID) {
        add(id.high)
        add(id.low)
    }

    static func name(_ prefix: UInt8, _ name: [UInt8]) -> [UInt8] {
        make(prefix) { $0.add(name) }
    }

    static func partition(_ partition: Int) -> [UInt8] {
        make(KeyPrefix.partition) { $0.add(UInt32(partition)) }
    }

    static func version(_ number: UInt64, _ version: Int64) -> [UInt8] {
        make(KeyPrefix.version) {
            $0.add(number)
            $0.add(version)
        }
    }

    /// Of `KeyPrefix.appendID` or `.killed`.
    static func id(_ prefix: UInt8, _ number: UInt64, _ id: RecordID) -> [UInt8] {
        make(prefix) {
            $0.add(number)
            $0.add(id)
        }
    }

    /// Of `.sequence`, `.digest`, `.noEvent` or `.placedSequence`.
    static func place(_ prefix: UInt8, _ partition: Int, _ number: Int64) -> [UInt8] {
        make(prefix) {
            $0.add(UInt32(partition))
            $0.add(number)
        }
    }

    static func bitmap(_ prefix: UInt8, _ name: [UInt8], _ partition: Int, _ block: Int64) -> [UInt8] {
        make(prefix) {
            $0.addTerminated(name)
            $0.add(UInt32(partition))
            $0.add(block)
        }
    }
}

/// Reads the numbers that `IndexKey` wrote.
extension Span<UInt8> {
    func number32(at offset: Int) -> UInt32 {
        var number: UInt32 = 0
        for index in offset..<offset + 4 { number = number << 8 | UInt32(self[index]) }
        return number
    }

    func number64(at offset: Int) -> UInt64 {
        var number: UInt64 = 0
        for index in offset..<offset + 8 { number = number << 8 | UInt64(self[index]) }
        return number
    }

    func signed64(at offset: Int) -> Int64 {
        Int64(bitPattern: number64(at: offset))
    }
}
