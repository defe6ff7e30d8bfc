// RocksDB behind a few calls: get, one atomic batch at a time, bounded iterators. Every call may touch the disk, so
// none belongs on Swift's cooperative pool. No C type leaves this module.

import CRocksDB
import Foundation
import Synchronization

/// What RocksDB said, in its own words.
public struct KeyValueError: Error, Sendable, Equatable, CustomStringConvertible {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    public var description: String { message }
}

/// An ordered map of bytes to bytes, in a directory or in memory.
///
/// ```swift
/// let store = try KeyValueStore(.directory("/srv/orders/index"))
/// let batch = WriteBatch()
/// batch.put([1, 2], [3])
/// try store.write(batch)
/// try store.get([1, 2])           // [3]
/// store.close()
/// ```
/// There is no write-ahead log: after a crash the store holds what was there at its last flush, and always whole
/// batches in the order in which they were written.
/// Safe from any thread: `rocksdb_t` is; `close` comes after the last other call, iterators included.
public final class KeyValueStore: @unchecked Sendable {
    public enum Place: Sendable {
        case directory(String)
        /// A directory that another process may have open and write to: shows what that had flushed, and cannot be
        /// written.
        case readOnly(String)
        case memory
    }

    let db: OpaquePointer
    private let environment: OpaquePointer?
    private let options: OpaquePointer
    private let tableOptions: OpaquePointer
    private let cache: OpaquePointer
    private let writeOptions: OpaquePointer
    private let readOptions: OpaquePointer
    private let limits: KeyValueLimits
    /// nil: in memory.
    private let disk: DiskRoom?
    private let unflushed: Mutex<Unflushed>
    private var isClosed = false

    private struct Unflushed: Sendable {
        /// Written since the last flush began.
        var bytes = 0
        /// For so many the disk was seen to have room.
        var checked: Int
    }

    /// Opens the store; makes it where there is none.
    ///
    /// - Parameters:
    ///   - place: RocksDB's own directory, or memory.
    ///   - limits: what it may use.
    /// - Throws: what RocksDB says, or that the disk is full.
    public init(_ place: Place, limits: KeyValueLimits = KeyValueLimits()) throws(KeyValueError) {
        if case .directory(let directory) = place {
            disk = DiskRoom(directory: directory)
            try disk?.probe(limits.openBytes)
        } else {
            disk = nil
        }
        self.limits = limits
        // The probe at opening wrote as much.
        unflushed = Mutex(Unflushed(checked: min(limits.checkBytes, limits.openBytes)))
        let settings = rocksdb_options_create()
        defer { rocksdb_options_destroy(settings) }
        options = rocksdb_options_create()
        // C has no calls for these.
        var refusal: UnsafeMutablePointer<CChar>?
        rocksdb_get_options_from_string(settings, Self.moreOptions, options, &refusal)
        precondition(refusal == nil, "RocksDB knows the option")
        tableOptions = rocksdb_block_based_options_create()
        cache = rocksdb_cache_create_lru(limits.cacheBytes)
        writeOptions = rocksdb_writeoptions_create()
        readOptions = rocksdb_readoptions_create()
        Self.set(options, tableOptions, cache, limits)
        rocksdb_writeoptions_disable_WAL(writeOptions, 1)
        var path = "/memory"
        switch place {
        case .directory(let directory):
            environment = nil
            path = directory
            Self.removeEmptyLogs(in: directory)
        case .readOnly(let directory):
            environment = nil
            path = directory
        case .memory:
            environment = rocksdb_create_mem_env()
            rocksdb_options_set_env(options, environment)
        }
        var message: UnsafeMutablePointer<CChar>?
        let isReadOnly = if case .readOnly = place { true } else { false }
        let result =
            isReadOnly
            ? rocksdb_open_for_read_only(options, path, 0, &message) : rocksdb_open(options, path, &message)
        guard let opened = result, message == nil else {
            let text = Self.take(message)
            Self.destroy(options, tableOptions, cache, writeOptions, readOptions, environment)
            throw KeyValueError(text)
        }
        db = opened
    }

    /// `close` flushes where there is room; RocksDB's own flush at its end would not look. And the place of a new key in
    /// memory is sought from that of the last one with the same eight bytes at its beginning: short enough that many
    /// keys share them, since RocksDB keeps 230 bytes for each beginning. It must not be used with `DeleteRange`, whose
    /// keys would share these places.
    private static let moreOptions =
        "avoid_flush_during_shutdown=true;memtable_insert_with_hint_prefix_extractor=rocksdb.FixedPrefix.8"

    /// RocksDB makes a file for its write-ahead log at every open, also where nothing is ever written to it, and leaves
    /// it behind where nothing was flushed.
    private static func removeEmptyLogs(in directory: String) {
        let manager = FileManager.default
        for name in (try? manager.contentsOfDirectory(atPath: directory)) ?? [] where name.hasSuffix(".log") {
            let path = directory + "/" + name
            let size = (try? manager.attributesOfItem(atPath: path))?[.size] as? Int
            if size == 0 { try? manager.removeItem(atPath: path) }
        }
    }

    private static func set(
        _ options: OpaquePointer, _ table: OpaquePointer, _ cache: OpaquePointer, _ limits: KeyValueLimits
    ) {
        rocksdb_options_set_create_if_missing(options, 1)
        rocksdb_options_set_write_buffer_size(options, limits.memtableBytes)
        rocksdb_options_set_max_write_buffer_number(options, Int32(limits.memtables))
        rocksdb_options_set_max_background_jobs(options, Int32(limits.backgroundJobs))
        rocksdb_options_set_max_open_files(options, Int32(limits.openFiles))
        rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1)
        // Keys and values are small and hardly alike: compressing them costs more than it saves.
        rocksdb_options_set_compression(options, Int32(rocksdb_no_compression))
        // RocksDB's own log of what it does: kept short.
        rocksdb_options_set_keep_log_file_num(options, 2)
        rocksdb_options_set_stats_dump_period_sec(options, 0)
        // Most look-ups of an append id or a new stream find nothing: whole-key filters answer them, in memory too.
        rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10))
        rocksdb_block_based_options_set_whole_key_filtering(table, 1)
        rocksdb_options_set_memtable_prefix_bloom_size_ratio(
            options, min(0.1, Double(limits.filterBytes) / Double(limits.memtableBytes)))
        rocksdb_options_set_memtable_whole_key_filtering(options, 1)
        rocksdb_block_based_options_set_block_cache(table, cache)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
        rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
        rocksdb_block_based_options_set_format_version(table, 5)
        rocksdb_options_set_block_based_table_factory(options, table)
    }

    deinit {
        precondition(isClosed, "close a KeyValueStore before letting go of it")
    }

    /// Flushes what is only in memory, and closes. What a full disk has no room for is let go.
    ///
    /// - Parameter flushing: false lets go of what is only in memory.
    public func close(flushing: Bool = true) {
        precondition(!isClosed, "a KeyValueStore is closed once")
        if flushing { try? flush() }
        isClosed = true
        rocksdb_cancel_all_background_work(db, 1)
        rocksdb_close(db)
        Self.destroy(options, tableOptions, cache, writeOptions, readOptions, environment)
    }

    private static func destroy(
        _ options: OpaquePointer, _ tableOptions: OpaquePointer, _ cache: OpaquePointer,
        _ writeOptions: OpaquePointer, _ readOptions: OpaquePointer, _ environment: OpaquePointer?
    ) {
        rocksdb_readoptions_destroy(readOptions)
        rocksdb_writeoptions_destroy(writeOptions)
        rocksdb_block_based_options_destroy(tableOptions)
        rocksdb_options_destroy(options)
        rocksdb_cache_destroy(cache)
        if let environment { rocksdb_env_destroy(environment) }
    }

    /// The value of `key`, handed to `body` without a copy; nil where there is none.
    public func withValue<R>(of key: [UInt8], _ body: (Span<UInt8>) -> R) throws(KeyValueError) -> R? {
        var message: UnsafeMutablePointer<CChar>?
        let slice = key.withUnsafeBytes {
            rocksdb_get_pinned(db, readOptions, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count, &message)
        }
        if message != nil { throw KeyValueError(Self.take(message)) }
        guard let slice else { return nil }
        defer { rocksdb_pinnableslice_destroy(slice) }
        var length = 0
        guard let value = rocksdb_pinnableslice_value(slice, &length) else { return nil }
        return value.withMemoryRebound(to: UInt8.self, capacity: length) {
            body(Span(_unsafeElements: UnsafeBufferPointer(start: $0, count: length)))
        }
    }

    /// A copy of the value of `key`; nil where there is none.
    public func get(_ key: [UInt8]) throws(KeyValueError) -> [UInt8]? {
        try withValue(of: key) { value in value.withUnsafeBufferPointer { Array($0) } }
    }

    /// Writes all of the batch or nothing, after all batches before it.
    ///
    /// - Throws: what RocksDB says, or that the disk has no room for what is in memory; then nothing was written.
    public func write(_ batch: WriteBatch) throws(KeyValueError) {
        let bytes = batch.fileBytes
        try admit(bytes)
        var message: UnsafeMutablePointer<CChar>?
        // Of this thread: else it counts each comparison of keys, for nobody.
        rocksdb_set_perf_level(Int32(rocksdb_disable))
        batch.withSorted { rocksdb_write(db, writeOptions, $0, &message) }
        if message != nil { throw KeyValueError(Self.take(message)) }
        unflushed.withLock { $0.bytes += bytes }
    }

    /// Looks whether the disk has room for a batch that is still to grow, where `write` would look.
    ///
    /// - Parameter growth: in bytes.
    /// - Throws: that it has not: nobody need be told of what then cannot be written.
    public func admit(_ batch: WriteBatch, growth: Int) throws(KeyValueError) {
        try admit(batch.fileBytes + growth)
    }

    /// A memtable that is full is written out by RocksDB itself, which does not look: so the room is looked at, now and
    /// then.
    private func admit(_ bytes: Int) throws(KeyValueError) {
        if unflushed.withLock({ $0.bytes + bytes <= $0.checked }) { return }
        try checkRoom(ahead: bytes + limits.checkBytes)
        // It may have been flushed meanwhile.
        unflushed.withLock { $0.checked = max($0.checked, $0.bytes + bytes + limits.checkBytes) }
    }

    /// Bytes written since the last flush began.
    public var unflushedBytes: Int { unflushed.withLock { $0.bytes } }

    /// Brings everything that was written so far to the disk, and nothing that is written later.
    ///
    /// - Parameter waits: false returns when that has begun.
    /// - Throws: what RocksDB says, or that the disk has no room for it; then nothing was tried.
    public func flush(waits: Bool = true) throws(KeyValueError) {
        try checkRoom(ahead: 0)
        let written = unflushedBytes
        var message: UnsafeMutablePointer<CChar>?
        let flushOptions = rocksdb_flushoptions_create()
        rocksdb_flushoptions_set_wait(flushOptions, waits ? 1 : 0)
        rocksdb_flush(db, flushOptions, &message)
        rocksdb_flushoptions_destroy(flushOptions)
        if message != nil { throw KeyValueError(Self.take(message)) }
        unflushed.withLock {
            $0.bytes -= written
            $0.checked -= written
        }
    }

    /// Debian's RocksDB ends the process where a write to the disk fails, so none is begun that cannot succeed.
    ///
    /// - Parameter ahead: bytes that are to be written besides those in memory.
    private func checkRoom(ahead: Int) throws(KeyValueError) {
        let written = unflushedBytes
        guard let disk, written + ahead > 0 else { return }
        // Memtables that were written out meanwhile are counted by the one, filters in memory by the other.
        var inMemory: UInt64 = 0
        let isKnown = rocksdb_property_int(db, "rocksdb.size-all-mem-tables", &inMemory) == 0
        try disk.check(limits.spareBytes + ahead + (isKnown ? min(written, Int(inMemory)) : written))
    }

    /// How many bytes its files take, about.
    public var fileBytes: Int64 {
        var value: UInt64 = 0
        return rocksdb_property_int(db, "rocksdb.total-sst-files-size", &value) == 0 ? Int64(value) : 0
    }

    /// Copies RocksDB's message and frees it.
    static func take(_ message: UnsafeMutablePointer<CChar>?) -> String {
        guard let message else { return "RocksDB failed without a message" }
        defer { rocksdb_free(message) }
        return String(cString: message)
    }
}

/// What one store may use of the machine.
public struct KeyValueLimits: Sendable {
    /// Bytes of one memtable: when it is full it is written out in the background.
    public var memtableBytes = 64 << 20
    /// Bytes of a memtable's filter, at most a tenth of the memtable.
    public var filterBytes = 6 << 20
    /// How many memtables there may be, the one that is filled included.
    public var memtables = 4
    /// Bytes of the cache of blocks.
    public var cacheBytes = 256 << 20
    /// Threads that flush and compact.
    public var backgroundJobs = 2
    public var openFiles = 512
    /// Bytes that must be free on the disk to open it.
    public var openBytes = 1 << 20
    /// Bytes that must be free on the disk beside what is to be written there.
    public var spareBytes = 4 << 20
    /// After how many bytes written the room on the disk is looked at.
    public var checkBytes = 1 << 20

    public init() {}

    /// For an owner that says when to flush: nothing reaches the disk before `KeyValueStore.flush`.
    ///
    /// - Parameter bytes: the most that is written between two flushes.
    public static func flushedByOwner(every bytes: Int) -> KeyValueLimits {
        var limits = KeyValueLimits()
        limits.memtableBytes = 16 * bytes
        return limits
    }
}
