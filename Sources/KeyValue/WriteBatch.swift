import CRocksDB

/// Changes that are written together, or not at all. Used by one thread at a time, and used again after `removeAll`.
public final class WriteBatch: @unchecked Sendable {
    let batch: OpaquePointer

    public init() {
        batch = rocksdb_writebatch_create()
    }

    deinit {
        rocksdb_writebatch_destroy(batch)
    }

    public var count: Int { Int(rocksdb_writebatch_count(batch)) }

    public func removeAll() {
        rocksdb_writebatch_clear(batch)
    }

    public func put(_ key: [UInt8], _ value: [UInt8]) {
        put(key.span, value.span)
    }

    public func put(_ key: Span<UInt8>, _ value: Span<UInt8>) {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                rocksdb_writebatch_put(
                    batch, key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count,
                    value.baseAddress?.assumingMemoryBound(to: CChar.self), value.count)
            }
        }
    }

    public func delete(_ key: [UInt8]) {
        key.withUnsafeBytes {
            rocksdb_writebatch_delete(batch, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
        }
    }
}
