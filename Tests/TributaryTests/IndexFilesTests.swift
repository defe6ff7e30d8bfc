import Foundation
import Testing
import Tributary

@Suite struct IndexFilesTests {
    @Test func openingAgainAndAgainLeavesNothingBehind() async throws {
        try await withTemporaryDirectory { path in
            var counts: [Int] = []
            for _ in 0..<6 {
                let store = try await EventStore.open(.directory(path + "/store"))
                #expect(try await store.readAll().collected().count == 1)
                await store.close()
                counts.append(try FileManager.default.contentsOfDirectory(atPath: path + "/store/index").count)
            }
            #expect(counts[5] <= counts[2], "\(counts)")
        }
    }

    @Test func theCreationEventHasAnIDOfVersion7() async throws {
        let store = try await EventStore.open(.inMemory())
        let first = try #require(try await store.lastEvent(of: try StreamName("$store")))
        #expect(Array(first.id.uuidString)[14] == "7")
        await store.close()
    }
}
