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

    /// An identity record for a channel other than the first.
    static func record(of channel: Int, _ identity: Identity) -> LogRecord {
        record(
            Identity(store: identity.store, partitions: identity.partitions, nonce: randomID()), channel: channel)
    }

    private static func randomID() -> RecordID {
        RecordID(high: UInt64.random(in: 1 ... .max), low: UInt64.random(in: 1 ... .max))
    }

    /// Makes an empty log a store.
    public static func begin(_ log: any RecordLog) async throws {
        _ = try await identity(of: log)
    }

    /// The store's identity; an empty log is made a store first. Offset 0 of channel 0 decides, whoever raced.
    static func identity(of log: any RecordLog) async throws -> Identity {
        let partitions = log.description.partitions
        let first = try await firstRecord(of: 0, in: log) { firstRecord(partitions: partitions).record }
        let identity = try check(first, partitions)
        for channel in 1..<max(1, log.description.channels) { try await begin(channel, of: log, identity) }
        return identity
    }

    /// Writes the identity record of a channel other than the first, where that is empty.
    private static func begin(_ channel: Int, of log: any RecordLog, _ identity: Identity) async throws {
        do {
            _ = try await firstRecord(of: channel, in: log) { record(of: channel, identity) }
        } catch let error as LogError where error.code == .damaged {
            // Delivery comes to it, and halts this channel alone.
        }
    }

    /// The first record of a channel. While there is none, one is written again and again: the log may lose some, and
    /// later ones are ignored.
    private static func firstRecord(
        of channel: Int, in log: any RecordLog, _ make: () -> LogRecord
    ) async throws -> StoredRecord {
        let deadline = ContinuousClock.now + IndexLimits.creationDeadline
        var writeAt = ContinuousClock.now
        var pause = IndexLimits.creationRewrite
        while true {
            let isLast = ContinuousClock.now >= deadline
            if let record = try await log.record(at: 0, in: channel) { return record }
            if isLast { break }
            if let refusal = log.description.writeRefusal { throw IndexError(.unavailable, refusal) }
            let bounds = try await log.bounds(of: channel)
            guard bounds.lowerBound == 0 else {
                throw IndexError(
                    .mismatch,
                    "\(log.description.name(of: channel)) begins at offset \(bounds.lowerBound): what stood before is gone, and with it "
                        + "what makes the log a store; restore the log")
            }
            if writeAt <= .now, bounds.isEmpty {
                log.append(make(), to: channel, tag: .none)
                writeAt = .now + pause
                pause *= 2
            }
            try await Task.sleep(for: IndexLimits.creationPause)
        }
        throw IndexError(.unavailable, "the log did not take the store's first record; try again")
    }

    static func check(_ identity: Identity, _ partitions: Int) throws(IndexError) {
        guard identity.partitions != partitions else { return }
        throw IndexError(
            .mismatch,
            "the store was made with \(identity.partitions) partitions and the log has \(partitions): the number is fixed "
                + "for a store's life; export what a node has (--offline) to a new store")
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
            try check(identity, partitions)
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
