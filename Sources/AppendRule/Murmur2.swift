/// The partition of a stream: (murmur2(name) & 0x7fffffff) mod P, as Kafka's Java client partitions a key.
///
/// - Parameters:
///   - name: the stream's name, as bytes.
///   - partitions: 1 or more.
public func partition(of name: Span<UInt8>, partitions: Int) -> Int {
    precondition(partitions > 0, "a store has at least one partition")
    return Int(murmur2(name) & 0x7fff_ffff) % partitions
}

/// MurmurHash2, 32 bits, with the seed of Kafka's `org.apache.kafka.common.utils.Utils.murmur2`.
public func murmur2(_ bytes: Span<UInt8>) -> UInt32 {
    let multiplier: UInt32 = 0x5bd1_e995
    let shift: UInt32 = 24
    var hash: UInt32 = 0x9747_b28c ^ UInt32(truncatingIfNeeded: bytes.count)
    var index = 0
    while index + 4 <= bytes.count {
        var word =
            UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8
            | UInt32(bytes[index + 2]) << 16 | UInt32(bytes[index + 3]) << 24
        word &*= multiplier
        word ^= word >> shift
        word &*= multiplier
        hash &*= multiplier
        hash ^= word
        index += 4
    }
    let rest = bytes.count - index
    if rest > 2 { hash ^= UInt32(bytes[index + 2]) << 16 }
    if rest > 1 { hash ^= UInt32(bytes[index + 1]) << 8 }
    if rest > 0 {
        hash ^= UInt32(bytes[index])
        hash &*= multiplier
    }
    hash ^= hash >> 13
    hash &*= multiplier
    hash ^= hash >> 15
    return hash
}
