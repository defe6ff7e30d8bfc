import EventLog
import Foundation
import KillLoad
import Testing
import Tributary

/// Bits flip in what was synced long ago: it is refused by name and place, and nothing is touched.
@Suite(.serialized) struct DamageTests {
    @Test func aFlippedBitInWhatWasSyncedIsRefused() async throws {
        let seed = killSeed(for: "damage")
        var random = SeededGenerator(seed: seed)
        try await withTemporaryDirectory { path in
            let whole = path + "/whole"
            let end = try await Victim.run(
                "write", whole, seed: seed, segmentBytes: 16 << 10, until: .acknowledgements(300))
            var told = Told()
            for line in end.lines { told.take(line) }
            // What the kill left behind is settled.
            let store = try await EventStore.open(.directory(whole, segmentBytes: 16 << 10), creating: .never)
            await store.close()
            for round in 0..<12 {
                let copy = path + "/copy-\(round)"
                try FileManager.default.copyItem(atPath: whole, toPath: copy)
                let problems = try await flipAndLook(copy, told, &random)
                #expect(problems.isEmpty, "seed \(seed), round \(round): \(problems)")
                try FileManager.default.removeItem(atPath: copy)
            }
        }
    }

    private func flipAndLook(
        _ path: String, _ told: Told, _ random: inout SeededGenerator
    ) async throws -> [String] {
        let flipped = try flip(path, told, &random)
        let before = try files(path)
        // As it is found, and with the index made anew from the log.
        let location = EventStore.Location.directory(path, segmentBytes: 16 << 10)
        var problems = refusal(flipped, await error { _ = try await EventStore.rebuildIndex(location) }, "rebuild")
        var store: EventStore?
        let opening = await error { store = try await EventStore.open(location, creating: .never) }
        if let store {
            let reading = await error { _ = try await store.readAll().collected() }
            problems += refusal(flipped, reading, "read")
            let report = try? await store.verify()
            if report?.problems.isEmpty == true { problems.append("verify sees nothing") }
            await store.close()
        } else {
            problems += refusal(flipped, opening, "open")
        }
        let without = await error {
            try FileManager.default.removeItem(atPath: path + "/index")
            await (try EventStore.open(location, creating: .never)).close()
        }
        problems += refusal(flipped, without, "open without index")
        let after = try files(path)
        // The last file gets a new seal from each close.
        for (name, bytes) in before.sorted(by: { $0.key < $1.key }).dropLast() where after[name] != bytes {
            problems.append("\(name) was changed")
        }
        return problems
    }

    /// Flips a bit of an acknowledged event in a file that is not the last.
    private func flip(_ path: String, _ told: Told, _ random: inout SeededGenerator) throws -> (String, Int) {
        let names = try files(path).keys.sorted().dropLast()
        #expect(names.count >= 3)
        let name = try #require(names.randomElement(using: &random))
        let url = URL(fileURLWithPath: path + "/log/" + name)
        var data = try Data(contentsOf: url)
        let ids = told.acknowledged.keys.map(\.uuidString).sorted()
        let places = ids.compactMap { data.range(of: Data($0.utf8)) }
        let place =
            try #require(places.randomElement(using: &random)).lowerBound + Int.random(in: 0..<36, using: &random)
        data[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        try data.write(to: url)
        return (name, place)
    }

    private func files(_ path: String) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: path + "/log") {
            files[name] = try Data(contentsOf: URL(fileURLWithPath: path + "/log/" + name))
        }
        return files
    }

    private func error(_ body: () async throws -> Void) async -> (any Error)? {
        do {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    private func refusal(_ flipped: (file: String, position: Int), _ error: (any Error)?, _ what: String) -> [String] {
        var found = error as? StoreError
        if case .store(let inner)? = error as? ReadError { found = inner }
        guard let found else { return ["\(what) of \(flipped) gives \(String(describing: error))"] }
        guard found.code == .damaged, found.message.contains(flipped.file), found.message.contains("position") else {
            return ["\(what) of \(flipped) says \(found.code): \(found.message)"]
        }
        return []
    }
}
