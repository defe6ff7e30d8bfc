import AppendRule

/// What the index holds of one stream.
struct StreamState: Equatable, Sendable {
    /// Stands for the name in keys: the partition, a count within it, and a last bit for `$$NAME`.
    var number: UInt64
    var facts: StreamFacts

    init(number: UInt64, facts: StreamFacts = .none) {
        self.number = number
        self.facts = facts
    }

    /// The number in keys of the events of NAME's metadata stream.
    var metadataNumber: UInt64 { number | 1 }

    /// - Parameter count: of streams in the partition before this one.
    static func number(partition: Int, count: UInt64) -> UInt64 {
        UInt64(partition) << 44 | count << 1
    }

    func encode(into value: inout IndexKey) {
        value.startValue()
        value.add(number)
        value.add(facts.current)
        value.add(facts.metadataCurrent)
        value.add(facts.firstReadable)
        value.add((facts.isTombstoned ? 1 : 0) | (facts.hasKills ? 2 : 0) as UInt8)
    }

    init?(_ value: Span<UInt8>) {
        guard value.count == 33 else { return nil }
        number = value.number64(at: 0)
        facts = StreamFacts(
            current: value.signed64(at: 8), metadataCurrent: value.signed64(at: 16),
            firstReadable: value.signed64(at: 24), isTombstoned: value[32] & 1 != 0, hasKills: value[32] & 2 != 0)
    }
}

/// A stream name (or another name) as a dictionary key: bytes, compared as bytes.
struct NameKey: Hashable, Sendable {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    func hash(into hasher: inout Hasher) {
        unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    }
}

/// A map of names that holds the newest ones: at most twice `capacity`.
struct NameCache<Value: Sendable>: Sendable {
    private var young: [NameKey: Value] = [:]
    private var old: [NameKey: Value] = [:]
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    mutating func get(_ name: NameKey) -> Value? {
        if let value = young[name] { return value }
        guard let value = old[name] else { return nil }
        put(name, value)
        return value
    }

    mutating func put(_ name: NameKey, _ value: Value) {
        if young.count >= capacity {
            old = young
            young = [:]
        }
        young[name] = value
    }
}
