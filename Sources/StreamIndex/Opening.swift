// What is looked at, or made, before an index follows its log.

import AppendRule
import Envelope
public import EventLog
import KeyValue

/// The identity records that begin every channel.
public enum StoreCreation {
    /// A creation record for channel 0, and the UUID that it gives the store.
    public static func firstRecord(partitions: Int) -> (store: (high: UInt64, low: UInt64), record: LogRecord) {
        let identity = Identity(store: .random(), partitions: partitions, nonce: randomID())
        return ((identity.store.high, identity.store.low), record(identity, channel: 0))
    }

    private static func record(_ identity: Identity, channel: Int) -> LogRecord {
        let value = RecordEnvelope.encodeIdentity(
            identity, id: EventIDs.nextID(), partition: channel, writeID: UInt64.random(in: 1 ... .max))
        return LogRecord(key: [], value: value)
    }

    private static func randomID() -> RecordID {
        RecordID(high: UInt64.random(in: 1 ... .max), low: UInt64.random(in: 1 ... .max))
    }

    /// The store's identity; an empty log is made a store first. Offset 0 of channel 0 decides, whoever raced.
    static func identity(of log: any RecordLog) async throws -> Identity {
        let partitions = log.description.channels
        let first = try await firstRecord(of: 0, in: log) { firstRecord(partitions: partitions).record }
        let identity = try check(first, partitions)
        for channel in 1..<max(1, partitions) {
            _ = try await firstRecord(of: channel, in: log) {
                record(Identity(store: identity.store, partitions: partitions, nonce: randomID()), channel: channel)
            }
        }
        return identity
    }

    /// The first record of a channel. While there is none, one is written again and again: the log may lose some, and
    /// later ones are ignored.
    private static func firstRecord(
        of channel: Int, in log: any RecordLog, _ make: () -> LogRecord
    ) async throws -> StoredRecord {
        let deadline = ContinuousClock.now + IndexLimits.creationDeadline
        var writeAt = ContinuousClock.now
        var pause = IndexLimits.creationPause
        while true {
            let isLast = ContinuousClock.now >= deadline
            if let record = try await log.record(at: 0, in: channel) { return record }
            if isLast { break }
            if writeAt <= .now, try await log.bounds(of: channel).isEmpty {
                log.append(make(), to: channel, tag: .none)
                pause *= 2
                writeAt = .now + pause
            }
            try await Task.sleep(for: IndexLimits.creationPause)
        }
        throw IndexError(.unavailable, "the log did not take the store's first record; try again")
    }

    private static func check(_ first: StoredRecord, _ partitions: Int) throws(IndexError) -> Identity {
        let bytes = (first.record.key ?? []) + (first.record.value ?? [])
        let keyEnd = first.record.key?.count ?? 0
        let parsed = RecordEnvelope.parse(
            bytes: bytes.span, key: first.record.key.map { _ in 0..<keyEnd },
            value: first.record.value.map { _ in keyEnd..<bytes.count }, channel: 0, partitions: partitions, store: nil)
        switch parsed {
        case .store(let identity, _):
            guard identity.ruleVersion == ruleVersion, identity.hashName == Identity.murmur2 else {
                throw IndexError(
                    .newerFormat,
                    "the store is of rule version \(identity.ruleVersion) with hash \(identity.hashName), which this "
                        + "build does not know; use a newer build")
            }
            guard identity.partitions == partitions else {
                throw IndexError(
                    .mismatch,
                    "the store was made with \(identity.partitions) partitions and the log has \(partitions): the "
                        + "number is fixed for a store's life; export to a new store")
            }
            return identity
        case .halt(.formatVersion(let version)):
            throw IndexError(.newerFormat, "the store is of format version \(version); use a newer build")
        case .halt, .record, .barrier, .foreign:
            throw IndexError(.notOurs, "the log does not begin with a store's creation record: it is not a store")
        }
    }
}

/// RocksDB's files of an index.
enum IndexFiles {
    private static let metaKey = IndexKey.make(KeyPrefix.meta)

    /// Opens the files and checks that they belong to the store; empty ones are marked as its own.
    static func open(
        directory: String?, _ identity: Identity, limits: KeyValueLimits = KeyValueLimits()
    ) throws -> KeyValueStore {
        let place = directory.map { KeyValueStore.Place.directory($0) } ?? .memory
        let keyValue: KeyValueStore
        do {
            keyValue = try KeyValueStore(place, limits: limits)
        } catch {
            throw IndexError(
                .unavailable, "the index cannot be opened: \(error); \(advice(on: error))")
        }
        do {
            try inWordsOfTheIndex { try mark(keyValue, identity) }
            return keyValue
        } catch {
            keyValue.close()
            throw error
        }
    }

    /// A new index helps against damage, not against the machine.
    private static func advice(on error: KeyValueError) -> String {
        let causes = ["no space", "No space", "Permission denied", "Too many open files"]
        return causes.contains { error.message.contains($0) }
            ? "mend that and try again" : "`tributary rebuild-index` makes it anew"
    }

    private static func mark(_ keyValue: KeyValueStore, _ identity: Identity) throws {
        var value = IndexKey()
        value.add(IndexLimits.layoutVersion)
        value.add(identity.store.high)
        value.add(identity.store.low)
        value.add(UInt32(identity.partitions))
        guard let stored = try keyValue.get(metaKey) else {
            let batch = WriteBatch()
            batch.put(metaKey, value.bytes)
            return try keyValue.write(batch)
        }
        guard stored == value.bytes else {
            throw IndexError(
                .mismatch,
                "the index belongs to another store or is of another layout; `tributary rebuild-index` makes it anew")
        }
    }
}

/// Whether an index and a log are of one history.
enum LogComparison {
    /// Compares the log's creation record, as it is now, with the one that was applied.
    static func check(_ identity: Identity, _ state: PartitionState) throws(IndexError) {
        guard state.hasIdentity, state.nonceHigh != identity.nonce.high || state.nonceLow != identity.nonce.low else {
            return
        }
        throw IndexError(
            .mismatch,
            "the log begins with another creation record than the one that the index has applied: the log was made anew; "
                + "restore it, or run `tributary rebuild-index` to go on with this one")
    }

    static func check(
        _ log: any RecordLog, channel: Int, bounds: Range<Int64>, _ state: PartitionState
    ) async throws {
        guard state.nextOffset > 0 else { return }
        guard state.nextOffset <= bounds.upperBound else {
            throw IndexError(
                .mismatch,
                "the index has applied partition \(channel) up to offset \(state.nextOffset - 1), and the log ends at "
                    + "\(bounds.upperBound): the log has lost records; restore it, or run `tributary rebuild-index` to "
                    + "go on with what is left")
        }
        let newest = try await log.record(at: state.nextOffset - 1, in: channel)
        let (key, value) = (newest?.record.key ?? [], newest?.record.value ?? [])
        let bytes = key + value
        let found = Applier.fingerprint(key: 0..<key.count, value: key.count..<bytes.count, in: bytes.span)
        guard newest != nil, found == state.lastRecord else {
            throw IndexError(
                .mismatch,
                "offset \(state.nextOffset - 1) of partition \(channel) is not the record that the index has applied: "
                    + "the log was replaced; restore it, or run `tributary rebuild-index` to go on with this one")
        }
    }
}
