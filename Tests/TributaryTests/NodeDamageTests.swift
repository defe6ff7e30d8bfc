import EventLog
import Foundation
import KeyValue
import StreamIndex
import Synchronization
import Testing
import Tributary

/// A node after a power cut: of its copy of the records some is lost or damaged. What is whole is used, the rest comes
/// from the log, and the digests are those of a node that lost nothing.
@Suite struct NodeDamageTests {
    /// The copy is what it was some time ago and the index is newer: the records behind the last sync are lost.
    @Test func anIndexAheadOfTheCopyIsMadeAnew() async throws {
        try await withTemporaryDirectory { path in
            var random = seededRandom()
            let world = NodeWorld(path)
            var store = try await world.open("a")
            try await load(store, 60, &random)
            await store.close()
            try world.copy("a", "early")
            store = try await world.open("a")
            try await load(store, 60, &random)
            let contents = try await Contents(store)
            await store.close()
            try world.copy("a", "cut")
            try world.copy("early/log", "cut/log")
            let told = NodeWorld.Told()
            #expect(try await world.contents("cut", told) == contents)
            #expect(told.lines.withLock { $0 }.contains { $0.contains("made anew") })
            // An index of as many records as the copy has, and of others.
            try world.copy("early", "mixed")
            let index = try KeyValueStore(.directory(path + "/mixed/index"))
            let batch = WriteBatch()
            for partition in 0..<4 as Range<UInt8> {
                let key = Array("p".utf8) + [0, 0, 0, partition]
                guard var value = try index.get(key) else { continue }
                value[55] ^= 1
                batch.put(key, value)
            }
            try index.write(batch)
            index.close()
            #expect(try await world.contents("mixed") == contents)
        }
    }

    /// Sectors of the copy are zeros, noise, flipped or cut off, in the last file and in others.
    @Test(arguments: 0..<12) func damagedCopiesAreMendedFromTheLog(_ round: Int) async throws {
        try await withTemporaryDirectory { path in
            var random = seededRandom(for: "damagedCopiesAreMendedFromTheLog(\(round))")
            let world = NodeWorld(path)
            let store = try await world.open("a")
            try await load(store, 120, &random)
            // Killed, or closed.
            let isKilled = round % 2 == 0
            if isKilled { try world.copy("a", "b") }
            let contents = try await Contents(store)
            await store.close()
            if !isKilled { try world.copy("a", "b") }
            let files = try world.files("b", "log")
            #expect(files.count > 2)
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                try damage(path + "/b/log/" + files.randomElement(using: &random)!, &random)
            }
            let told = NodeWorld.Told()
            do {
                #expect(try await world.contents("b", told) == contents)
            } catch {
                // Opening reads the last file and the ends of the others; damage elsewhere is found when it is read.
                let code = (error as? StoreError)?.code ?? (error as? ReadError)?.storeCode
                #expect(code == .damaged, "\(error)")
                let rebuilt = try await EventStore.rebuildIndex(world.location("b"))
                #expect(rebuilt.digests == contents.digests)
                #expect(try await world.contents("b") == contents)
            }
            let mended = try await world.open("b")
            try await load(mended, 5, &random)
            let after = try await Contents(mended)
            await mended.close()
            #expect(try await world.contents(nil) == after)
            let report = try await EventStore.rebuildIndex(world.location("b"))
            #expect(report.digests == after.digests)
            let last = try await world.open("b")
            #expect(try await last.verify().problems == [])
            await last.close()
        }
    }

    private func damage(_ path: String, _ random: inout SeededGenerator) throws {
        guard let handle = FileHandle(forUpdatingAtPath: path) else { return }
        defer { try? handle.close() }
        let size = try handle.seekToEnd()
        let sector = UInt64.random(in: 0..<max(1, size / 512), using: &random) * 512
        switch Int.random(in: 0..<5, using: &random) {
        case 0:
            try handle.truncate(atOffset: sector)
        case 1:
            try FileManager.default.removeItem(atPath: path)
        case 2:
            try handle.seek(toOffset: sector)
            try handle.write(contentsOf: Data(repeating: 0, count: Int(min(2_048, size - sector))))
        case 3:
            try handle.seek(toOffset: sector)
            let noise = (0..<min(512, size - sector)).map { _ in UInt8.random(in: 0...255, using: &random) }
            try handle.write(contentsOf: Data(noise))
        default:
            let place = UInt64.random(in: 0..<max(1, size), using: &random)
            try handle.seek(toOffset: place)
            guard let byte = try handle.read(upToCount: 1)?.first else { return }
            try handle.seek(toOffset: place)
            try handle.write(contentsOf: Data([byte ^ 0x10]))
        }
    }

    @Test func aReadOfADamagedRecordNamesThePlaceAndTheCure() async throws {
        try await withTemporaryDirectory { path in
            let world = NodeWorld(path, partitions: 1)
            let store = try await world.open("a")
            for number in 0..<300 { try await store.append(event("N", "\"\(number)\""), to: try StreamName("S-1")) }
            let contents = try await Contents(store)
            await store.close()
            let file = path + "/a/log/0000000000.seg"
            let handle = try #require(FileHandle(forUpdatingAtPath: file))
            try handle.seek(toOffset: 5_000)
            try handle.write(contentsOf: Data(repeating: 7, count: 100))
            try handle.close()
            let damaged = try await world.open("a")
            await #expect {
                for try await _ in damaged.read(try StreamName("S-1")) {}
            } throws: { error in
                guard case .store(let error)? = error as? ReadError else { return false }
                return error.code == .damaged && error.message.contains("0000000000.seg")
                    && error.message.contains("rebuild-index")
            }
            await damaged.close()
            let report = try await EventStore.rebuildIndex(world.location("a"))
            #expect(report.digests == contents.digests)
            #expect(try await world.contents("a") == contents)
        }
    }
}

extension ReadError {
    fileprivate var storeCode: StoreError.Code? {
        if case .store(let error) = self { return error.code }
        return nil
    }
}
