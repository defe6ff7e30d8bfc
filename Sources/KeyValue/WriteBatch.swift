import CRocksDB
import Glibc

/// Changes that are written together, or not at all. Used by one thread at a time, and used again after `removeAll`.
///
/// RocksDB gets the changes in the order of their keys: it finds the place of a key faster from that of the one before.
/// Of two changes of one key the later one holds.
public final class WriteBatch: @unchecked Sendable {
    private struct Change {
        /// The key's first bytes as a number, the rest as zeros: what most comparisons need.
        var head: UInt64
        var key: Range<Int>
        /// Ends where the next change begins; nil: the key is deleted.
        var valueEnd: Int?
    }

    private let batch: OpaquePointer
    private var bytes: [UInt8] = []
    private var changes: [Change] = []

    public init() {
        batch = rocksdb_writebatch_create()
    }

    deinit {
        rocksdb_writebatch_destroy(batch)
    }

    public var count: Int { changes.count }

    /// About what the changes take in a file, and rather too much.
    var fileBytes: Int { bytes.count + changes.count * 32 }

    public func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        changes.removeAll(keepingCapacity: true)
    }

    public func put(_ key: [UInt8], _ value: [UInt8]) {
        put(key.span, value.span)
    }

    public func put(_ key: Span<UInt8>, _ value: Span<UInt8>) {
        let range = add(key)
        value.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        changes.append(Change(head: Self.head(key), key: range, valueEnd: bytes.count))
    }

    public func delete(_ key: [UInt8]) {
        let range = add(key.span)
        changes.append(Change(head: Self.head(key.span), key: range, valueEnd: nil))
    }

    private func add(_ key: Span<UInt8>) -> Range<Int> {
        let start = bytes.count
        key.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        return start..<bytes.count
    }

    private static func head(_ key: Span<UInt8>) -> UInt64 {
        var head: UInt64 = 0
        for index in 0..<8 { head = head << 8 | (index < key.count ? UInt64(key[index]) : 0) }
        return head
    }

    /// Lends RocksDB's own batch with all changes, in the order of their keys.
    func withSorted(_ body: (OpaquePointer) -> Void) {
        rocksdb_writebatch_clear(batch)
        bytes.withUnsafeBytes { bytes in
            changes.sort { Self.precedes($0, $1, bytes) }
            for change in changes {
                let key = bytes.baseAddress?.advanced(by: change.key.lowerBound).assumingMemoryBound(to: CChar.self)
                if let end = change.valueEnd {
                    rocksdb_writebatch_put(
                        batch, key, change.key.count, key.map { $0 + change.key.count }, end - change.key.upperBound)
                } else {
                    rocksdb_writebatch_delete(batch, key, change.key.count)
                }
            }
        }
        body(batch)
    }

    private static func precedes(_ one: Change, _ other: Change, _ bytes: UnsafeRawBufferPointer) -> Bool {
        if one.head != other.head { return one.head < other.head }
        guard let start = bytes.baseAddress else { return false }
        let common = min(one.key.count, other.key.count)
        let order = memcmp(start + one.key.lowerBound, start + other.key.lowerBound, common)
        if order != 0 { return order < 0 }
        if one.key.count != other.key.count { return one.key.count < other.key.count }
        return one.key.lowerBound < other.key.lowerBound
    }
}
