// What the index holds, read: RocksDB's entries and the records in the segments. Everything here may touch the disk.

import AppendRule
import Envelope
import EventLog
import KeyValue
import Segments

/// An accepted record that may be the same as one at hand, with what its caller was told.
struct EarlierRecord: Sendable, Equatable {
    var record: AcceptedRecord
    var firstSequence: Int64
    var offset: Int64
}

/// Everything that is known of a stream and an append id.
struct GatheredFacts: Sendable, Equatable {
    var facts: Facts
    var earlier: EarlierRecord?
}

/// The index at rest. Safe from any thread; used on the thread that delivers and on the readers'.
final class IndexStore: Sendable {
    let keyValue: KeyValueStore
    let segments: SegmentReader
    let identity: Identity
    /// The segments are this node's copy of a log that keeps none.
    let isCopy: Bool
    /// nil: the log has no order channel.
    let order: OrderView?
    let orderRules: OrderRules

    init(
        keyValue: KeyValueStore, segments: SegmentReader, identity: Identity, isCopy: Bool, hasOrder: Bool = false,
        orderRules: OrderRules = OrderRules()
    ) {
        self.orderRules = orderRules
        order = hasOrder ? OrderView() : nil
        self.keyValue = keyValue
        self.segments = segments
        self.identity = identity
        self.isCopy = isCopy
    }

    /// The partitions, and the order channel where there is one.
    var channels: Int { identity.partitions + (order == nil ? 0 : 1) }

    /// What people call a channel.
    func name(of channel: Int) -> String {
        channel == identity.partitions ? "the order topic" : "partition \(channel)"
    }

    func state(of name: [UInt8]) throws(IndexError) -> StreamState? {
        let key = IndexKey.name(KeyPrefix.stream, name)
        guard let found = try value(of: key, { StreamState($0) }) else { return nil }
        guard let state = found else { throw IndexError.damaged("the state of a stream cannot be read") }
        return state
    }

    func partitionState(_ partition: Int) throws(IndexError) -> PartitionState {
        guard let found = try value(of: IndexKey.partition(partition), { PartitionState($0) }) else {
            return PartitionState()
        }
        guard let state = found else { throw IndexError.damaged("the state of \(name(of: partition)) cannot be read") }
        return state
    }

    /// The entry of the record that holds version `version` of the stream, or else the next one.
    func entry(of number: UInt64, atOrAfter version: Int64) throws(IndexError) -> RecordEntry? {
        let key = IndexKey.version(number, version)
        let walk = KeyIterator(keyValue, from: key, to: KeyIterator.end(of: Array(key[..<9])))
        walk.seek(key)
        guard walk.isValid else {
            try check(walk)
            return nil
        }
        guard let entry = walk.withValue({ RecordEntry($0) }) else {
            throw IndexError.damaged("the place of a record cannot be read")
        }
        return entry
    }

    /// Gathers what the rule needs for `header` on a stream in `state`.
    func gather(_ header: RecordHeader, _ state: StreamState?) throws(IndexError) -> GatheredFacts {
        guard let state else { return GatheredFacts(facts: Facts(stream: .none)) }
        let earlier = try earlier(header, state)
        var killed: UInt32?
        if state.facts.hasKills {
            let key = IndexKey.id(KeyPrefix.killed, state.number, header.appendID)
            killed = try value(of: key) { $0.count == 4 ? $0.number32(at: 0) : nil } ?? nil
        }
        let facts = Facts(stream: state.facts, earlier: earlier?.record, highestKilled: killed)
        return GatheredFacts(facts: facts, earlier: earlier)
    }

    private func earlier(_ header: RecordHeader, _ state: StreamState) throws(IndexError) -> EarlierRecord? {
        if !header.isFoundByID, case .exactly(let version) = header.expectation {
            guard version < state.facts.current,
                let entry = try entry(of: state.number, atOrAfter: version + 1), entry.firstVersion == version + 1
            else { return nil }
            let found = try record(entry)
            return found.record.kind == .append ? found : nil
        }
        let key = IndexKey.id(KeyPrefix.appendID, state.number, header.appendID)
        let place = try value(of: key) { value in
            value.count == 9
                ? (isMetadata: value[0] == RecordKind.metadata.rawValue, version: value.signed64(at: 1)) : nil
        }
        guard let place else { return nil }
        guard let place,
            let entry = try entry(of: place.isMetadata ? state.metadataNumber : state.number, atOrAfter: place.version),
            entry.firstVersion == place.version
        else { throw IndexError.damaged("an append id leads to no record") }
        return try record(entry)
    }

    /// Reads an accepted record's header from the segments.
    private func record(_ entry: RecordEntry) throws(IndexError) -> EarlierRecord {
        var page: [UInt8] = []
        let frame = try frames([entry.place], into: &page)[0]
        let parsed = RecordEnvelope.parse(
            bytes: page.span, key: frame.key, value: frame.value, channel: frame.channel,
            partitions: identity.partitions, store: identity.store)
        switch parsed {
        case .record(let header, _):
            return EarlierRecord(
                record: AcceptedRecord(kind: header.kind, ids: header.ids, firstVersion: entry.firstVersion),
                firstSequence: entry.firstSequence, offset: frame.offset)
        case .barrier, .store, .foreign, .halt:
            throw IndexError.damaged("the record at \(entry.place) is not the one that was accepted")
        }
    }

    // MARK: - Errors of the layers below

    /// Runs `body` and says of its errors what helps here.
    func inItsWords<R>(_ body: () throws -> R) throws -> R {
        isCopy ? try NodeCopy.inWordsOfTheCopy(body) : try inWordsOfTheIndex(body)
    }

    func value<R>(of key: [UInt8], _ body: (Span<UInt8>) -> R) throws(IndexError) -> R? {
        do throws(KeyValueError) {
            return try keyValue.withValue(of: key, body)
        } catch {
            throw IndexError(.unavailable, "the index cannot be read: \(error); rebuild it")
        }
    }

    func check(_ walk: KeyIterator) throws(IndexError) {
        do throws(KeyValueError) {
            try walk.check()
        } catch {
            throw IndexError(.unavailable, "the index cannot be read: \(error); rebuild it")
        }
    }

    func frames(_ places: [SegmentPlace], into page: inout [UInt8]) throws(IndexError) -> [SegmentFrame] {
        do throws(SegmentError) {
            var frames: [SegmentFrame] = []
            try segments.read(places, into: &page, frames: &frames)
            return frames
        } catch {
            throw isCopy ? NodeCopy.inWords(error) : IndexError(error)
        }
    }
}

/// Runs `body` and gives the errors of files and RocksDB as `IndexError`.
func inWordsOfTheIndex<R>(_ body: () throws -> R) throws -> R {
    do {
        return try body()
    } catch let error as SegmentError {
        throw IndexError(error)
    } catch let error as KeyValueError {
        throw IndexError(.unavailable, "the index cannot be read or written: \(error); rebuild it")
    }
}

/// What went wrong in the index. The message says what to do.
public struct IndexError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        case damaged, unavailable, closed, mismatch, halted, notOurs, newerFormat, deadline, locked, noPermission
        /// Two nodes differ about the order.
        case disputed
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: SegmentError) {
        let code: Code =
            switch error.code {
            case .damaged, .foreign, .notFound: .damaged
            case .newerFormat: .newerFormat
            case .closed: .closed
            case .locked: .locked
            case .noPermission: .noPermission
            case .noSpace, .io: .unavailable
            }
        self.init(code, error.description)
    }

    static func damaged(_ what: String) -> IndexError {
        IndexError(.damaged, "the index is damaged: \(what); close the store and rebuild the index")
    }

    public var description: String { message }
}
