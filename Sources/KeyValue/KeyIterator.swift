import CRocksDB

/// A walk over the keys in `lower ..< upper`, in byte order, as they were when it was made.
///
/// ```swift
/// let walk = KeyIterator(store, from: [1], to: [2])
/// walk.seek([1, 7])
/// while walk.isValid { use(walk.key, walk.value); walk.next() }
/// try walk.check()
/// ```
/// Used by one thread at a time; must be gone before the store is closed.
public final class KeyIterator {
    private let iterator: OpaquePointer
    private let options: OpaquePointer
    private let lower: UnsafeMutableBufferPointer<CChar>
    private let upper: UnsafeMutableBufferPointer<CChar>
    private let store: KeyValueStore

    /// - Parameters:
    ///   - lower: the first key that may be seen.
    ///   - upper: the first key after them; empty: no bound.
    public init(_ store: KeyValueStore, from lower: [UInt8], to upper: [UInt8]) {
        self.store = store
        // RocksDB keeps pointers to the bounds for as long as the iterator lives.
        self.lower = Self.copy(lower)
        self.upper = Self.copy(upper)
        options = rocksdb_readoptions_create()
        if !lower.isEmpty { rocksdb_readoptions_set_iterate_lower_bound(options, self.lower.baseAddress, lower.count) }
        if !upper.isEmpty { rocksdb_readoptions_set_iterate_upper_bound(options, self.upper.baseAddress, upper.count) }
        rocksdb_readoptions_set_total_order_seek(options, 1)
        iterator = rocksdb_create_iterator(store.db, options)
    }

    /// All keys that begin with `prefix`.
    public convenience init(_ store: KeyValueStore, prefix: [UInt8]) {
        self.init(store, from: prefix, to: Self.end(of: prefix))
    }

    deinit {
        rocksdb_iter_destroy(iterator)
        rocksdb_readoptions_destroy(options)
        lower.deallocate()
        upper.deallocate()
    }

    private static func copy(_ bytes: [UInt8]) -> UnsafeMutableBufferPointer<CChar> {
        let buffer = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count)
        for (index, byte) in bytes.enumerated() { buffer[index] = CChar(bitPattern: byte) }
        return buffer
    }

    /// The first key after all that begin with `prefix`; empty where there is none.
    public static func end(of prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.last {
            if last < 0xFF {
                end[end.count - 1] = last + 1
                return end
            }
            end.removeLast()
        }
        return []
    }

    public var isValid: Bool { rocksdb_iter_valid(iterator) != 0 }

    public func seekToFirst() { rocksdb_iter_seek_to_first(iterator) }

    public func seekToLast() { rocksdb_iter_seek_to_last(iterator) }

    /// Goes to the first key at or after `key`.
    public func seek(_ key: [UInt8]) {
        key.withUnsafeBytes {
            rocksdb_iter_seek(iterator, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
        }
    }

    /// Goes to the last key at or before `key`.
    public func seekBackward(_ key: [UInt8]) {
        key.withUnsafeBytes {
            rocksdb_iter_seek_for_prev(iterator, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
        }
    }

    public func next() { rocksdb_iter_next(iterator) }

    public func previous() { rocksdb_iter_prev(iterator) }

    /// Lends the key at hand.
    public func withKey<R>(_ body: (Span<UInt8>) throws -> R) rethrows -> R {
        precondition(isValid, "there is no key here")
        var length = 0
        return try Self.lend(rocksdb_iter_key(iterator, &length), length, body)
    }

    /// Lends the value at hand.
    public func withValue<R>(_ body: (Span<UInt8>) throws -> R) rethrows -> R {
        precondition(isValid, "there is no value here")
        var length = 0
        return try Self.lend(rocksdb_iter_value(iterator, &length), length, body)
    }

    public var key: [UInt8] { withKey { span in span.withUnsafeBufferPointer { Array($0) } } }

    public var value: [UInt8] { withValue { span in span.withUnsafeBufferPointer { Array($0) } } }

    private static func lend<R>(
        _ start: UnsafePointer<CChar>?, _ length: Int, _ body: (Span<UInt8>) throws -> R
    ) rethrows -> R {
        try start!.withMemoryRebound(to: UInt8.self, capacity: length) {
            try body(Span(_unsafeElements: UnsafeBufferPointer(start: $0, count: length)))
        }
    }

    /// Throws what went wrong on the way; to be called when the walk has ended.
    public func check() throws(KeyValueError) {
        var message: UnsafeMutablePointer<CChar>?
        rocksdb_iter_get_error(iterator, &message)
        if message != nil { throw KeyValueError(KeyValueStore.take(message)) }
    }
}
