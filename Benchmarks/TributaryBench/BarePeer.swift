// RocksDB with its write-ahead log and a sync for each write: what a synchronous put costs without an event store.

import CRocksDB

struct PeerError: Error, CustomStringConvertible {
    var description: String
}

/// Safe from any thread: `rocksdb_t` is, and nothing else is shared.
final class BarePeer: @unchecked Sendable {
    private let db: OpaquePointer
    private let options: OpaquePointer
    private let writeOptions: OpaquePointer

    init(directory: String) throws {
        options = rocksdb_options_create()
        rocksdb_options_set_create_if_missing(options, 1)
        rocksdb_options_set_compression(options, Int32(rocksdb_no_compression))
        rocksdb_options_set_max_background_jobs(options, 2)
        writeOptions = rocksdb_writeoptions_create()
        rocksdb_writeoptions_set_sync(writeOptions, 1)
        var message: UnsafeMutablePointer<CChar>?
        guard let opened = rocksdb_open(options, directory, &message) else { throw Self.error(message) }
        db = opened
    }

    /// One synchronous write of all of them.
    func put(_ entries: [(key: [UInt8], value: [UInt8])]) throws {
        let batch = rocksdb_writebatch_create()
        defer { rocksdb_writebatch_destroy(batch) }
        for (key, value) in entries {
            key.withUnsafeBytes { key in
                value.withUnsafeBytes { value in
                    rocksdb_writebatch_put(
                        batch, key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count,
                        value.baseAddress?.assumingMemoryBound(to: CChar.self), value.count)
                }
            }
        }
        var message: UnsafeMutablePointer<CChar>?
        rocksdb_write(db, writeOptions, batch, &message)
        if message != nil { throw Self.error(message) }
    }

    private static func error(_ message: UnsafeMutablePointer<CChar>?) -> PeerError {
        guard let message else { return PeerError(description: "RocksDB failed without a message") }
        defer { rocksdb_free(message) }
        return PeerError(description: String(cString: message))
    }

    func close() {
        rocksdb_close(db)
        rocksdb_writeoptions_destroy(writeOptions)
        rocksdb_options_destroy(options)
    }
}
