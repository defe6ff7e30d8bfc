import Foundation
import KeyValue
import Testing
import Tributary

/// An index that does not belong to its log, or was changed behind its back.
@Suite struct IndexDamageTests {
    private func fill(_ path: String, from: Int = 0, _ count: Int) async throws {
        let store = try await EventStore.open(.directory(path))
        for number in from..<from + count { try await store.append(event("N"), to: try StreamName("S-\(number % 5)")) }
        await store.close()
    }

    private func code(opening path: String) async throws -> StoreError.Code? {
        do {
            let store = try await EventStore.open(.directory(path))
            await store.close()
            return nil
        } catch let error as StoreError {
            return error.code
        }
    }

    private func copy(_ from: String, _ to: String) throws {
        try? FileManager.default.removeItem(atPath: to)
        try FileManager.default.copyItem(atPath: from, toPath: to)
    }

    @Test func verifyFindsAChangedAMissingAndAStrangeEntry() async throws {
        try await withTemporaryDirectory { path in
            try await fill(path + "/a", 300)
            let index = try KeyValueStore(.directory(path + "/a/index"))
            let batch = WriteBatch()
            let state = Array("sS-3".utf8)
            var value = try #require(try index.get(state))
            value[15] ^= 1
            batch.put(state, value)
            batch.delete(firstKey(of: index, prefix: "v"))
            batch.put(Array("cStrange".utf8), [1])
            try index.write(batch)
            index.close()
            let store = try await EventStore.open(.directory(path + "/a"))
            let problems = try await store.verify().problems
            #expect(problems.count == 3, "\(problems)")
            await store.close()
            let report = try await EventStore.rebuildIndex(.directory(path + "/a"))
            #expect(report.events == 301)
            let again = try await EventStore.open(.directory(path + "/a"))
            #expect(try await again.verify().problems == [])
            await again.close()
        }
    }

    private func firstKey(of index: KeyValueStore, prefix: String) -> [UInt8] {
        let walk = KeyIterator(index, prefix: Array(prefix.utf8))
        walk.seekToFirst()
        return walk.key
    }

    @Test func anIndexOfAnotherStoreIsRefused() async throws {
        try await withTemporaryDirectory { path in
            try await fill(path + "/a", 10)
            try await fill(path + "/b", 10)
            try copy(path + "/b/index", path + "/a/index")
            #expect(try await code(opening: path + "/a") == .indexMismatch)
            _ = try await EventStore.rebuildIndex(.directory(path + "/a"))
            #expect(try await code(opening: path + "/a") == nil)
        }
    }

    @Test func aLogThatBeginsWithAnotherRecordIsRefused() async throws {
        try await withTemporaryDirectory { path in
            try await fill(path + "/a", 10)
            let index = try KeyValueStore(.directory(path + "/a/index"))
            let batch = WriteBatch()
            let partition: [UInt8] = Array("p".utf8) + [0, 0, 0, 0]
            var value = try #require(try index.get(partition))
            // The last byte of the creation record's random ones, as Docs/index-layout.md places them.
            value[71] ^= 1
            batch.put(partition, value)
            try index.write(batch)
            index.close()
            #expect(try await code(opening: path + "/a") == .indexMismatch)
            _ = try await EventStore.rebuildIndex(.directory(path + "/a"))
            #expect(try await code(opening: path + "/a") == nil)
        }
    }

    @Test func aLogThatLostRecordsIsRefused() async throws {
        try await withTemporaryDirectory { path in
            try await fill(path + "/a", 10)
            try copy(path + "/a", path + "/old")
            try await fill(path + "/a", 10)
            try copy(path + "/a/index", path + "/old/index")
            #expect(try await code(opening: path + "/old") == .indexMismatch)
        }
    }

    @Test func aLogThatTookAnotherTurnIsRefused() async throws {
        try await withTemporaryDirectory { path in
            try await fill(path + "/a", 10)
            try copy(path + "/a", path + "/b")
            try await fill(path + "/a", from: 10, 10)
            try await fill(path + "/b", from: 11, 10)
            try copy(path + "/a/index", path + "/b/index")
            let code = try await code(opening: path + "/b")
            #expect(code == .indexMismatch)
        }
    }
}
