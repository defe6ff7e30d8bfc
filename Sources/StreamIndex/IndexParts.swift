// What an index is made of, opened and compared. Blocking: for threads of their own.

import Envelope
import EventLog
import KeyValue
import Segments

/// The index at rest, what applies records to it, and where its own records go.
struct IndexParts: ~Copyable {
    var store: IndexStore
    var applier: Applier
    /// nil: the log keeps the records in files of its own.
    var writer: SegmentWriter?
    let companion: Companion

    static func open(_ source: IndexSource, _ identity: Identity) throws -> IndexParts {
        if let copy = source.opened.copy { return try NodeCopy.open(copy, identity, source) }
        let companion = Companion()
        let storage = source.opened.segments == nil ? BackgroundStorage(MemoryStorage(), companion) : nil
        let writer = try storage.map { try SegmentWriter.create(in: $0, store: StoreUUID(identity)) }
        guard let segments = source.opened.segments ?? writer?.reader else {
            preconditionFailure("the records are somewhere")
        }
        let keyValue = try IndexFiles.open(directory: source.opened.indexDirectory, identity)
        let store = IndexStore(
            keyValue: keyValue, segments: segments, identity: identity, isCopy: false,
            hasOrder: source.opened.log.description.hasOrderChannel, orderRules: source.orderRules)
        do {
            return IndexParts(
                store: store, applier: try Applier(store, records: storage), writer: writer, companion: companion)
        } catch {
            keyValue.close()
            throw error
        }
    }
}

/// A node's copy of the records and its index over them, each of which may be behind the other.
enum NodeCopy {
    /// Opens both and brings the index to the end of the copy. A copy in which something does not check is cut there;
    /// an index that is ahead of the copy, or of another history, is made anew from it. What then lacks comes from the
    /// log.
    static func open(_ copy: CopyPlace, _ identity: Identity, _ source: IndexSource) throws -> IndexParts {
        try copy.node.belong(to: identity)
        return try inWordsOfTheCopy {
            do {
                return try openOnce(copy, identity, source)
            } catch let error as SegmentError where error.code == .damaged {
                try cut(copy.node.log, identity, source.say)
                return try openOnce(copy, identity, source)
            }
        }
    }

    private static func openOnce(
        _ copy: CopyPlace, _ identity: Identity, _ source: IndexSource
    ) throws -> IndexParts {
        let companion = Companion()
        do {
            let storage = BackgroundStorage(DirectoryStorage(path: copy.node.log), companion)
            let writer = try opened(storage, copy, StoreUUID(identity))
            let store = try matching(copy, writer, identity, source)
            do {
                let applier = try Applier(store, records: storage)
                try replay(store, applier, copy.checkpointBytes, source.progress)
                return IndexParts(store: store, applier: applier, writer: writer, companion: companion)
            } catch {
                store.keyValue.close()
                throw error
            }
        } catch {
            // A torn tail that is written anew may be a large write.
            companion.close()
            throw error
        }
    }

    /// The index that is there, or an empty one in its place where it is not one of a first part of the copy.
    private static func matching(
        _ copy: CopyPlace, _ writer: SegmentWriter, _ identity: Identity, _ source: IndexSource
    ) throws -> IndexStore {
        let limits = KeyValueLimits.flushedByOwner(every: copy.checkpointBytes)
        func open() throws -> IndexStore {
            let keyValue = try IndexFiles.open(directory: copy.node.index, identity, limits: limits)
            return IndexStore(
                keyValue: keyValue, segments: writer.reader, identity: identity, isCopy: true,
                hasOrder: source.opened.log.description.hasOrderChannel, orderRules: source.orderRules)
        }
        let store = try open()
        do {
            if try agrees(store) { return store }
        } catch {
            store.keyValue.close()
            throw error
        }
        store.keyValue.close(flushing: false)
        source.say(.warning, "the index is not one of this node's copy of the log; it is made anew from that")
        try NodeDirectory.dropIndex(copy.node.index)
        return try open()
    }

    private static func opened(
        _ storage: BackgroundStorage, _ copy: CopyPlace, _ store: StoreUUID
    ) throws(SegmentError) -> SegmentWriter {
        let isNew = try storage.names().allSatisfy { !$0.hasSuffix(".seg") }
        return isNew
            ? try SegmentWriter.create(in: storage, store: store, fileBytes: copy.segmentBytes)
            : try SegmentWriter.open(
                in: storage, store: store, fileBytes: copy.segmentBytes, keepsTornTail: false)
    }

    /// Deletes everything from the first place on that does not check.
    static func cut(_ directory: String, _ identity: Identity, _ say: IndexSay) throws {
        let cut = try SegmentWriter.keepWhole(in: DirectoryStorage(path: directory), store: StoreUUID(identity))
        guard let cut else { return }
        say(
            .warning,
            "this node's copy of the log is kept up to position \(cut.position) of \(cut.file): \(cut.frames) records; "
                + "what lies behind comes from the log again")
    }

    /// Every record of the copy is applied once, in the copy's order: the offsets tell how many were.
    private static func appliedCount(_ store: IndexStore) throws(IndexError) -> Int64 {
        var count: Int64 = 0
        for channel in 0..<store.channels { count += try store.partitionState(channel).nextOffset }
        return count
    }

    /// Whether the index has applied a first part of the copy.
    private static func agrees(_ store: IndexStore) throws -> Bool {
        let count = try appliedCount(store)
        guard count > 0 else { return true }
        var bytes: [UInt8] = []
        guard let frame = try store.segments.frame(number: count - 1, into: &bytes),
            frame.channel < store.channels
        else { return false }
        let state = try store.partitionState(frame.channel)
        return frame.offset == state.nextOffset - 1
            && state.lastRecord == Applier.fingerprint(key: frame.key, value: frame.value, in: bytes.span)
    }

    private static func replay(
        _ store: IndexStore, _ applier: Applier, _ checkpointBytes: Int, _ progress: (Int64, Int64) -> Void
    ) throws {
        let start = try appliedCount(store)
        let total = store.segments.frameCount - start
        var done: Int64 = 0
        var next = applier.lanes.map(\.state.nextOffset)
        try store.segments.scan(from: start) { run in
            for frame in run.frames {
                guard next.indices.contains(frame.channel), frame.offset == next[frame.channel] else {
                    throw SegmentError(
                        .damaged, "record \(frame.offset) of partition \(frame.channel) is not the next one")
                }
                next[frame.channel] += 1
            }
            _ = try applier.apply(run.bytes.span, run.frames.map { RunEntry($0) }, reports: false)
            try applier.commit(run.bytes.span)
            if store.keyValue.unflushedBytes >= checkpointBytes { try store.keyValue.flush() }
            done += Int64(run.frames.count)
            progress(done, total)
            return true
        }
    }

    /// Runs `body` and says of its errors what helps a node.
    static func inWordsOfTheCopy<R: ~Copyable>(_ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as SegmentError {
            throw inWords(error)
        } catch let error as KeyValueError {
            throw IndexError(.unavailable, "the index cannot be read or written: \(error)")
        }
    }

    static func inWords(_ error: SegmentError) -> IndexError {
        let place = [error.file, error.position.map { "position \($0)" }].compactMap { $0 }.joined(separator: ", ")
        switch error.code {
        case .damaged, .notFound:
            return IndexError(
                .damaged,
                "this node's copy of the log is damaged (\(place.isEmpty ? error.message : place)): "
                    + "`tributary rebuild-index` makes it anew from what is whole and from the log")
        case .foreign:
            return IndexError(
                .mismatch,
                "the directory is a node's of another store (\(place)): name another, or remove it to begin anew")
        case .newerFormat, .noSpace, .noPermission, .locked, .io, .closed:
            return IndexError(error)
        }
    }
}

extension StoreUUID {
    init(_ identity: Identity) {
        self.init(high: identity.store.high, low: identity.store.low)
    }
}
