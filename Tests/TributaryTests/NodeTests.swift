import EventLog
import Foundation
import StreamIndex
import Synchronization
import Testing
import Tributary

/// A node that keeps its copy of the records and its index in a directory.
@Suite struct NodeTests {
    @Test func openingAppliesOnlyWhatIsNew() async throws {
        try await withTemporaryDirectory { path in
            var random = seededRandom()
            let world = NodeWorld(path)
            let first = NodeWorld.Told()
            let store = try await world.open("a", first)
            try await load(store, 200, &random)
            let before = try await Contents(store)
            await store.close()
            let again = NodeWorld.Told()
            #expect(try await world.contents("a", again) == before)
            #expect(again.replayed == 0)
            let orderBefore = world.records.count(of: 3)

            let other = try await world.open("b")
            try await load(other, 50, &random)
            let after = try await Contents(other)
            await other.close()
            let ordered = world.records.count(of: 3) - orderBefore
            let third = NodeWorld.Told()
            #expect(try await world.contents("a", third) == after)
            #expect(third.replayed == zip(after.offsets, before.offsets).reduce(ordered) { $0 + $1.0 - $1.1 })
            #expect(try await world.contents(nil) == after)
            #expect(again.lines.withLock { $0 } == [])
        }
    }

    /// What a killed process leaves: records are in the files, and of the index what was flushed.
    @Test func afterAKillTheIndexIsBroughtToTheCopysEnd() async throws {
        try await withTemporaryDirectory { path in
            var random = seededRandom()
            let world = NodeWorld(path)
            let store = try await world.open("a")
            try await load(store, 150, &random)
            // One of the two is not just behind a checkpoint.
            var replayed: Int64 = 0
            for _ in 0..<2 {
                try await store.append(event(), to: try StreamName("S-1"))
                try world.copy("a", "killed")
                let contents = try await Contents(store)
                let told = NodeWorld.Told()
                #expect(try await world.contents("killed", told) == contents)
                // Less than all of it: there were checkpoints.
                #expect(told.replayed < contents.offsets.reduce(0, +))
                replayed += told.replayed
            }
            #expect(replayed > 0)
            await store.close()
            let killed = try await world.open("killed")
            #expect(try await killed.verify().problems == [])
            await killed.close()
        }
    }

    @Test func nothingOfTheIndexIsOnTheDiskBeforeTheRecordsItPointsTo() async throws {
        try await withTemporaryDirectory { path in
            let world = NodeWorld(path, partitions: 1)
            let store = try await world.open("a")
            // Less than between two checkpoints.
            for number in 0..<8 { try await store.append(event(), to: try StreamName("S-\(number)")) }
            #expect(try world.files("a", "index").allSatisfy { !$0.hasSuffix(".sst") })
            for number in 0..<200 {
                try await store.append(event("N", "{\"number\":\(number)}"), to: try StreamName("S-1"))
            }
            await store.close()
            #expect(try world.files("a", "index").contains { $0.hasSuffix(".sst") })
        }
    }

    @Test func aDirectoryBelongsToOneStoreAndOneProcess() async throws {
        try await withTemporaryDirectory { path in
            let world = NodeWorld(path)
            let store = try await world.open("a")
            #expect(await world.code(opening: "a") == .locked)
            await store.close()
            #expect(await world.code(opening: "a") == nil)
            // Another log's store.
            #expect(await NodeWorld(path).code(opening: "a") == .indexMismatch)
            #expect(await world.code(opening: "a") == nil)
        }
    }

    @Test func aStrangersDirectoryIsLeftAlone() async throws {
        try await withTemporaryDirectory { path in
            let world = NodeWorld(path)
            try FileManager.default.createDirectory(atPath: path + "/mine", withIntermediateDirectories: true)
            try Data("x".utf8).write(to: URL(fileURLWithPath: path + "/mine/thesis.txt"))
            #expect(await world.code(opening: "mine") == .notAStore)
            #expect(try world.files("mine", "") == ["thesis.txt"])
            await (try await EventStore.open(.directory(path + "/embedded"))).close()
            let before = try world.files("embedded", "")
            #expect(await world.code(opening: "embedded") == .notAStore)
            #expect(try world.files("embedded", "") == before)
            // The beginnings of a node are as good as nothing; a newer one is not touched.
            try FileManager.default.createDirectory(atPath: path + "/begun", withIntermediateDirectories: true)
            try Data("tribu".utf8).write(to: URL(fileURLWithPath: path + "/begun/node.new"))
            #expect(await world.code(opening: "begun") == nil)
            try Data("tributary node format 2\n".utf8).write(to: URL(fileURLWithPath: path + "/begun/node"))
            #expect(await world.code(opening: "begun") == .newerFormat)
            try Data("x".utf8).write(to: URL(fileURLWithPath: path + "/file"))
            #expect(await world.code(opening: "file") != nil)
        }
    }

    /// A record of a newer format is not in the copy, however often the node is opened.
    @Test func aHaltedPartitionsRecordsAreNotKept() async throws {
        try await withTemporaryDirectory { path in
            let world = NodeWorld(path, partitions: 1)
            var store = try await world.open("a")
            let done = try await store.append(event(), to: try StreamName("S-1"))
            var record = try await newest(world)
            var value = try #require(record.value)
            value[4] = 9
            // The CRC-32C of key and value is over what was changed.
            record.value = reseal(key: record.key ?? [], value)
            let log = InMemoryLog(world.records)
            log.append(record, to: 0, tag: .none)
            await log.close()
            await store.close()
            for _ in 0..<3 {
                store = try await world.open("a")
                let statistics = try await store.statistics()
                #expect(statistics.partitions[0].halted?.contains("format version 9") == true)
                #expect(statistics.partitions[0].appliedOffset == done.versions.upperBound + 1)
                var entries = 0
                for try await _ in store.logRecords() { entries += 1 }
                #expect(entries == 2)
                await #expect(throws: (any Error).self) { try await store.append(event(), to: try StreamName("S-1")) }
                await store.close()
            }
        }
    }

    private func newest(_ world: NodeWorld) async throws -> LogRecord {
        let log = InMemoryLog(world.records)
        let end = try await log.bounds(of: 0).upperBound
        let found = try await log.record(at: end - 1, in: 0)
        await log.close()
        return try #require(found).record
    }

    private func reseal(key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        var crc = ~UInt32(0)
        for byte in key + value.dropLast(4) {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        let sealed = ~crc
        return value.dropLast(4) + (0..<4).map { UInt8(truncatingIfNeeded: sealed >> (8 * UInt32($0))) }
    }

    @Test func peersAreCompared() async throws {
        try await withTemporaryDirectory { path in
            var random = seededRandom()
            let world = NodeWorld(path, partitions: 2)
            let store = try await world.open("a")
            try await load(store, 60, &random)
            await (try await world.open("b")).close()
            var report = try await store.verify(peer: path + "/b")
            #expect(report.agrees && report.partitions.allSatisfy { $0.compared == 1 && $0.offset == $0.peerOffset })
            // Now here is more, and nothing in common that has a digest.
            try await load(store, 30, &random)
            report = try await store.verify(peer: path + "/b")
            #expect(report.agrees && report.partitions.contains { $0.compared == 0 && $0.offset > $0.peerOffset })
            await #expect { _ = try await store.verify(peer: path + "/none") } throws: {
                ($0 as? StoreError)?.code == .notAStore
            }
            await (try await NodeWorld(path, partitions: 2).open("c")).close()
            await #expect { _ = try await store.verify(peer: path + "/c") } throws: {
                ($0 as? StoreError)?.code == .indexMismatch
            }
            await store.close()
        }
    }
}
