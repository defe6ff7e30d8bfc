import EventLog
import Foundation
import StreamIndex
import Synchronization
import Testing
import Tributary

/// A log that keeps no files, and nodes on it that keep their copies in directories.
struct NodeWorld {
    let records: InMemoryRecords
    let path: String

    init(_ path: String, partitions: Int = 3) {
        records = InMemoryRecords(partitions: partitions)
        self.path = path
    }

    /// - Parameter node: nil: with everything in memory.
    func location(_ node: String?) -> EventStore.Location {
        let records = records
        return .log(
            directory: node.map { path + "/" + $0 }, named: "test",
            copyAs: { CopyPlace($0, segmentBytes: 16 << 10, checkpointBytes: 8 << 10) },
            create: {},
            open: { _, _, _ in LocatedLog(log: InMemoryLog(records), notes: []) })
    }

    func open(_ node: String?, _ told: Told = Told()) async throws -> EventStore {
        let options = StoreOptions { line in
            told.lines.withLock { $0.append(line.message) }
        } progress: { progress in
            told.progress.withLock { $0.append(progress.recordsTotal) }
        }
        return try await EventStore.open(location(node), options: options)
    }

    /// Opens and closes the node, and says what it holds.
    func contents(_ node: String?, _ told: Told = Told()) async throws -> Contents {
        let store = try await open(node, told)
        let contents: Contents
        do {
            contents = try await Contents(store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
        return contents
    }

    /// The code of the error that opening the node throws; nil where it opens.
    func code(opening node: String) async -> StoreError.Code? {
        do {
            await (try await open(node)).close()
            return nil
        } catch {
            return (error as? StoreError)?.code
        }
    }

    /// Copies a directory, which may be in use: until its files were the same before and after.
    func copy(_ from: String, _ to: String) throws {
        func names() throws -> [String] {
            try FileManager.default.subpathsOfDirectory(atPath: path + "/" + from).sorted()
        }
        var before: [String]
        var isCopied = false
        repeat {
            before = try names()
            try? FileManager.default.removeItem(atPath: path + "/" + to)
            do {
                try FileManager.default.copyItem(atPath: path + "/" + from, toPath: path + "/" + to)
                isCopied = true
            } catch let error as CocoaError where error.code == .fileNoSuchFile || error.code == .fileReadNoSuchFile {
                isCopied = false
            }
        } while try !isCopied || names() != before
    }

    func files(_ node: String, _ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(node)/\(directory)").sorted()
    }

    /// What opening said.
    final class Told: Sendable {
        let lines = Mutex<[String]>([])
        /// Records that were to be worked through, as reported.
        let progress = Mutex<[Int64]>([])

        var replayed: Int64 { progress.withLock { Set($0) }.reduce(0, +) }
    }
}

/// All that a store answers with, and its digests.
struct Contents: Equatable {
    var digests: [UInt64]
    var offsets: [Int64]
    var events: [String]

    init(_ store: EventStore) async throws {
        let statistics = try await store.statistics()
        digests = statistics.partitions.map(\.digest)
        offsets = statistics.partitions.map(\.appliedOffset)
        events = []
        for stream in try await store.streams(limit: 1_000) {
            for try await event in store.read(stream.stream) {
                events.append(
                    "\(stream.stream) \(event.version) \(event.id) \(String(decoding: event.data, as: UTF8.self))")
            }
        }
    }
}

/// Appends of many kinds to few streams: some are repeats, some conflicts.
func load(_ store: EventStore, _ count: Int, _ random: inout SeededGenerator) async throws {
    for _ in 0..<count {
        let stream = try StreamName("S-\(Int.random(in: 0..<12, using: &random))")
        let events = (0...Int.random(in: 0..<3, using: &random)).map { _ in
            event(
                "T\(Int.random(in: 0..<4, using: &random))",
                String(repeating: "x", count: Int.random(in: 0..<400, using: &random)))
        }
        let expected: [ExpectedVersion] = [
            .any, .any, .noStream, .streamExists, .version(Int64.random(in: 0..<9, using: &random)),
        ]
        do {
            try await store.append(events, to: stream, expecting: expected.randomElement(using: &random)!)
            if Bool.random(using: &random) { try await store.append(events, to: stream) }
        } catch is AppendError {
            // A conflict is an answer too.
        }
    }
}
