import Foundation
import Testing
import Tributary

@Suite struct DurabilityTests {
    @Test func whatWasAppendedIsThereAfterReopening() async throws {
        try await withTemporaryDirectory { path in
            let location = EventStore.Location.directory(path + "/store")
            var digest: UInt64?
            for round in 0..<4 {
                let store = try await EventStore.open(location)
                let before = try await store.statistics()
                if let digest { #expect(before.partitions[0].digest == digest) }
                for number in 0..<400 {
                    try await store.append(event("R\(round)"), to: try StreamName("S-\(number % 13)"))
                }
                digest = try await store.statistics().partitions[0].digest
                #expect(try await store.readAll(where: .types("R\(round)")).collected().count == 400)
                let report = try await store.verify()
                #expect(report.problems == [])
                #expect(report.events == Int64(1 + 400 * (round + 1)))
                await store.close()
            }
            let rebuilt = try await EventStore.rebuildIndex(location)
            #expect(rebuilt.digests == [digest])
            #expect(rebuilt.events == 1_601)
            let store = try await EventStore.open(location, creating: .never)
            #expect(try await store.verify().problems == [])
            #expect(try await store.readAll().collected().count == 1_601)
            let records = try await store.logRecords().collected()
            #expect(records.count == 1_601)
            #expect(records[0].kind == "store")
            #expect(records[1].kind == "append")
            #expect(records[1].firstVersion == 0)
            await store.close()
        }
    }

    @Test(arguments: TestPlace.allCases)
    func theIndexAgreesWithItsLog(_ place: TestPlace) async throws {
        try await place.withStore { store in
            for number in 0..<600 {
                let stream = try StreamName("S-\(number % 17)")
                try await store.append([event("A"), event("B")], to: stream)
                _ = try? await store.append(event(), to: stream, expecting: .noStream)
            }
            let report = try await store.verify()
            #expect(report.problems == [])
            #expect(report.events == 1_201)
            #expect(report.streams == 18)
            #expect(report.entriesCompared > 600)
            var records = 0
            for partition in report.partitions.map(\.partition) {
                let entries = try await store.logRecords(partition: partition).collected()
                #expect(entries.map(\.offset) == entries.indices.map(Int64.init))
                records += entries.filter { $0.decision == "accepted" }.count
            }
            #expect(records == 600)
        }
    }

    @Test func severalVerifyAtOnce() async throws {
        try await withTemporaryDirectory { path in
            let store = try await EventStore.open(.directory(path + "/store"))
            for number in 0..<200 { try await store.append(event(), to: try StreamName("S-\(number % 7)")) }
            try await withThrowingTaskGroup(of: VerifyReport.self) { group in
                for _ in 0..<4 { group.addTask { try await store.verify() } }
                for try await report in group { #expect(report.problems == []) }
            }
            await store.close()
            let left = try FileManager.default.contentsOfDirectory(atPath: path + "/store").sorted()
            #expect(left == ["format", "index", "lock", "log"])
        }
    }

    @Test func anIndexThatIsGoneIsMadeAgain() async throws {
        try await withTemporaryDirectory { path in
            let location = EventStore.Location.directory(path + "/store")
            var store = try await EventStore.open(location)
            for number in 0..<100 { try await store.append(event(), to: try StreamName("S-\(number % 7)")) }
            let digest = try await store.statistics().partitions[0].digest
            await store.close()
            try FileManager.default.removeItem(atPath: path + "/store/index")
            store = try await EventStore.open(location)
            #expect(try await store.statistics().partitions[0].digest == digest)
            #expect(try await store.verify().problems == [])
            await store.close()
        }
    }

    @Test func onlyOneOpensADirectory() async throws {
        try await withTemporaryDirectory { path in
            let location = EventStore.Location.directory(path + "/store")
            let store = try await EventStore.open(location)
            do {
                _ = try await EventStore.open(location)
                Issue.record("opened twice")
            } catch let error as StoreError {
                #expect(error.code == .locked)
            }
            await store.close()
            do {
                try await store.append(event(), to: try StreamName("S"))
                Issue.record("appended after close")
            } catch AppendError.store(let error) {
                #expect(error.code == .closed)
            }
            let again = try await EventStore.open(location)
            await again.close()
        }
    }
}
