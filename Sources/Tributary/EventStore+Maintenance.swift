import EventLog
import Foundation
import StreamIndex

extension EventStore {
    /// Throws the index away and makes it anew from the log; the store must not be open. The new one takes the old
    /// one's place when it is complete. On a node of a log elsewhere it is made from the node's own copy of the
    /// records, which is checked and cut where something in it is damaged, and then from the log.
    ///
    /// - Parameter progress: called from a thread of the rebuild, after every few thousand records.
    /// - Throws: `StoreError`, as `open`; `unavailable` for a store that keeps no files.
    public static func rebuildIndex(
        _ location: Location, progress: @escaping @Sendable (StoreProgress) -> Void = { _ in }
    ) async throws -> RebuildReport {
        try await translated {
            let opened = try await location.open(.never) { _ in }
            do {
                let report =
                    opened.copy == nil
                    ? try await onOwnThread(named: "index-rebuild") { try rebuild(opened, progress) }
                    : try await rebuildNode(opened, progress)
                await opened.log.close()
                opened.release()
                return report
            } catch {
                await opened.log.close()
                opened.release()
                throw error
            }
        }
    }

    private static func rebuildNode(
        _ opened: OpenedLog, _ progress: @escaping @Sendable (StoreProgress) -> Void
    ) async throws -> RebuildReport {
        let source = IndexSource(
            opened, progress: { done, total in progress(StoreProgress(recordsDone: done, recordsTotal: total)) })
        let rebuilt = try await IndexRebuild.run(onNode: source)
        return RebuildReport(records: rebuilt.records, events: rebuilt.events, digests: rebuilt.digests)
    }

    private static func rebuild(
        _ opened: OpenedLog, _ progress: @Sendable (StoreProgress) -> Void
    ) throws -> RebuildReport {
        guard let directory = opened.indexDirectory else {
            throw StoreError(.unavailable, "a store in memory has no index to rebuild")
        }
        let (new, old) = (directory + ".new", directory + ".old")
        try removeIfThere(new)
        try removeIfThere(old)
        let rebuilt = try IndexRebuild.run(from: opened, directory: new) { done, total in
            progress(StoreProgress(recordsDone: done, recordsTotal: total))
        }
        try inWords("replace the index's files") {
            if FileManager.default.fileExists(atPath: directory) {
                try FileManager.default.moveItem(atPath: directory, toPath: old)
            }
            try FileManager.default.moveItem(atPath: new, toPath: directory)
        }
        try removeIfThere(old)
        return RebuildReport(records: rebuilt.records, events: rebuilt.events, digests: rebuilt.digests)
    }

    private static func removeIfThere(_ path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        try inWords("delete \(path)") { try FileManager.default.removeItem(atPath: path) }
    }

    private static func inWords(_ what: String, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as CocoaError {
            let isRefused = error.code == .fileWriteNoPermission || error.code == .fileReadNoPermission
            throw StoreError(
                isRefused ? .noPermission : .unavailable,
                "cannot \(what): \(error.localizedDescription); mend that and try again")
        }
    }

    /// Makes the index anew beside the one in use and compares them: digests, offsets, every entry; with several
    /// partitions also the order: positions without gaps, each accepted event once, each stream's order kept.
    ///
    /// - Throws: `StoreError`; damage that is found is no error but a problem in the report.
    public func verify(
        progress: @escaping @Sendable (StoreProgress) -> Void = { _ in }
    ) async throws -> VerifyReport {
        let copy = opened.indexDirectory.map { $0 + ".verify" }
        return try await translated {
            await index.lookAtOrder()
            let order = index.orderSummary
            let summaries = try await index.partitionSummaries()
            let comparison = try await index.compare(directory: copy) {
                if let copy { try Self.removeIfThere(copy) }
            } progress: { done, total in
                progress(StoreProgress(recordsDone: done, recordsTotal: total))
            }
            return VerifyReport(
                partitions: summaries.map {
                    VerifyReport.Partition(
                        partition: $0.partition, offset: $0.appliedOffset, digest: $0.digest,
                        records: $0.appliedOffset + 1)
                }, events: summaries.reduce(0) { $0 + $1.events }, streams: summaries.reduce(0) { $0 + $1.streams },
                entriesCompared: comparison.entries, problems: comparison.problems,
                order: index.hasGlobalOrder ? try orderStatus(order, summaries) : nil)
        }
    }

    /// Figures of the store.
    ///
    /// - Throws: `StoreError`.
    public func statistics() async throws -> StoreStatistics {
        try await translated {
            let order = index.orderSummary
            let summaries = try await index.partitionSummaries()
            let halts = index.halts
            let partitions = summaries.map { summary in
                StoreStatistics.Partition(
                    partition: summary.partition, appliedOffset: summary.appliedOffset, digest: summary.digest,
                    events: summary.events,
                    decisions: Dictionary(uniqueKeysWithValues: summary.decisions.map { ($0.name, $0.count) }),
                    halted: halts[summary.partition]?.message)
            }
            return StoreStatistics(
                store: index.storeID, location: opened.log.description.name, partitions: partitions,
                events: summaries.reduce(0) { $0 + $1.events }, streams: summaries.reduce(0) { $0 + $1.streams },
                logBytes: index.logBytes, indexBytes: try await index.indexBytes(),
                order: index.hasGlobalOrder ? try orderStatus(order, summaries) : nil)
        }
    }

    /// The raw records of a partition, in log order, with what was decided of each.
    ///
    /// - Parameters:
    ///   - partition: 0 for a store of one.
    ///   - offset: the first to show, 0 or more.
    public func logRecords(partition: Int = 0, from offset: Int64 = 0) -> LogRecordSequence {
        LogRecordSequence(store: self, partition: partition, offset: offset)
    }
}

/// Records of the log, read page by page.
public struct LogRecordSequence: AsyncSequence, Sendable {
    let store: EventStore
    let partition: Int
    let offset: Int64

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let store: EventStore
        private let partition: Int
        private var offset: Int64
        private var page = ExplainedPage(nextFrame: 0)
        private var positions: [Int64?] = []
        private var place = 0

        init(_ sequence: LogRecordSequence) {
            store = sequence.store
            partition = sequence.partition
            offset = sequence.offset
        }

        /// The next record; nil after the last that was applied.
        ///
        /// - Throws: `StoreError`, `CancellationError`.
        public mutating func next() async throws -> LogEntry? {
            if place == page.records.count {
                let (index, partition, offset, frame) = (store.index, partition, offset, page.nextFrame)
                guard (0..<index.partitions).contains(partition) else {
                    throw StoreError(.unavailable, "the store has no partition \(partition)")
                }
                let read = try await translated {
                    let page = try await index.records(partition: partition, from: offset, frame: frame)
                    return (page, try await index.positions(of: page.records))
                }
                (page, positions) = read
                place = 0
                guard let last = page.records.last else { return nil }
                self.offset = last.offset + 1
            }
            defer { place += 1 }
            return LogEntry(page.records[place], firstPosition: positions[place])
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}

extension LogEntry {
    init(_ record: ExplainedRecord, firstPosition: Int64?) {
        let events = Int64(max(1, record.eventCount))
        positions = firstPosition.map { GlobalPosition($0)...GlobalPosition($0 + events - 1) }
        partition = record.partition
        offset = record.offset
        createdMilliseconds = record.appendTime
        key = record.key
        value = record.value
        kind = record.kind
        decision = record.decision
        firstVersion = record.firstVersion
        eventCount = record.eventCount
        ids = record.ids.map { UUID(high: $0.high, low: $0.low).uuidString.lowercased() }
        expected = record.expected
        attempt = record.attempt
    }
}
