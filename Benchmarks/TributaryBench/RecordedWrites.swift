// The batches that a rebuild hands to RocksDB, to be written again by a peer.

import CRocksDB
import Glibc
import KeyValue
import Synchronization

/// Keeps a copy of every batch that this process writes, while it is on.
enum WriteRecorder {
    private struct State {
        var isOn = false
        var batches: [[UInt8]] = []
    }

    private static let state = Mutex(State())

    static func start() {
        state.withLock { $0 = State(isOn: true) }
    }

    static func stop() -> RecordedWrites {
        let batches = state.withLock { state in
            defer { state = State() }
            return state.batches
        }
        return RecordedWrites(batches)
    }

    static func note(_ batch: OpaquePointer?) {
        state.withLock { state in
            guard state.isOn else { return }
            var count = 0
            let bytes = UnsafeRawBufferPointer(start: rocksdb_writebatch_data(batch, &count), count: count)
            state.batches.append(Array(bytes))
        }
    }

    private typealias Write =
        @convention(c) (
            OpaquePointer?, OpaquePointer?, OpaquePointer?,
            UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        ) -> Void

    /// RocksDB's own function, which the one below hides from the rest of this program.
    private static let write: Write = {
        let next = UnsafeMutableRawPointer(bitPattern: -1)
        return unsafeBitCast(dlsym(next, "rocksdb_write"), to: Write.self)
    }()

    static func forward(
        _ db: OpaquePointer?, _ options: OpaquePointer?, _ batch: OpaquePointer?,
        _ error: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) {
        write(db, options, batch, error)
    }
}

/// Stands before the function of the library, for every module in this program: so the batches are seen as they are,
/// and no module has a hook for a benchmark.
@_cdecl("rocksdb_write")
func rocksDBWrite(
    _ db: OpaquePointer?, _ options: OpaquePointer?, _ batch: OpaquePointer?,
    _ error: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) {
    WriteRecorder.note(batch)
    WriteRecorder.forward(db, options, batch, error)
}

/// Entries in the order and the batches in which they are written.
struct RecordedWrites: Sendable {
    private var bytes: [UInt8] = []
    private var entries: [(key: Range<Int>, value: Range<Int>)] = []
    private var batchEnds: [Int] = []

    var entryCount: Int { entries.count }
    var batchCount: Int { batchEnds.count }
    var byteCount: Int { entries.reduce(0) { $0 + $1.key.count + $1.value.count } }

    init() {}

    /// - Parameter batches: in RocksDB's own form: sequence (8 bytes), count (4), then for each entry a tag, and key
    ///   and value with their lengths before them.
    init(_ batches: [[UInt8]]) {
        for batch in batches {
            var next = bytes.count + 12
            bytes += batch
            while next < bytes.count {
                precondition(bytes[next] == 1, "the index only puts")
                next += 1
                let key = takeBytes(&next)
                entries.append((key, takeBytes(&next)))
            }
            endBatch()
        }
    }

    private func takeBytes(_ next: inout Int) -> Range<Int> {
        var length = 0
        var shift = 0
        repeat {
            length |= Int(bytes[next] & 0x7F) << shift
            shift += 7
            next += 1
        } while bytes[next - 1] & 0x80 != 0
        defer { next += length }
        return next..<next + length
    }

    mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        let start = bytes.count
        bytes += key
        bytes += value
        entries.append((start..<start + key.count, start + key.count..<bytes.count))
    }

    mutating func endBatch() {
        batchEnds.append(entries.count)
    }

    /// Writes all of it, in the same order and batches.
    func replay(into store: KeyValueStore) throws {
        let batch = WriteBatch()
        let all = bytes.span
        var next = 0
        for end in batchEnds {
            for entry in entries[next..<end] { batch.put(all.extracting(entry.key), all.extracting(entry.value)) }
            try store.write(batch)
            batch.removeAll()
            next = end
        }
    }
}
