import EventLog
import Foundation
import Testing
import Tributary

/// Where the contract of the store is tested: each a fresh one.
enum TestPlace: String, CaseIterable, CustomTestStringConvertible {
    case memory, memoryOfFour, directory

    var testDescription: String { rawValue }

    /// Runs `body` on a store that is closed and removed afterwards.
    @discardableResult func withStore<R>(
        options: StoreOptions = StoreOptions(), _ body: (EventStore) async throws -> R
    ) async throws -> R {
        switch self {
        case .memory: try await Self.use(.inMemory(), options, body)
        case .memoryOfFour: try await Self.use(.inMemory(partitions: 4), options, body)
        case .directory:
            try await withTemporaryDirectory { try await Self.use(.directory($0 + "/store"), options, body) }
        }
    }

    /// Whether what is accepted has its positions at once.
    var ordersAtOnce: Bool { self != .memoryOfFour }

    private static func use<R>(
        _ location: EventStore.Location, _ options: StoreOptions, _ body: (EventStore) async throws -> R
    ) async throws -> R {
        let store = try await EventStore.open(location, options: options)
        do {
            let result = try await body(store)
            await store.close()
            return result
        } catch {
            await store.close()
            throw error
        }
    }
}

/// Runs `body` with a directory of its own, which is removed afterwards.
func withTemporaryDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("tributary-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

func event(_ type: String = "Tested", _ data: String = "{}", id: UUID? = nil) -> NewEvent {
    NewEvent(type: type, data: Array(data.utf8), id: id)
}

extension AsyncSequence {
    func collected() async throws -> [Element] {
        var all: [Element] = []
        for try await element in self { all.append(element) }
        return all
    }
}

/// Random numbers for one test. The seed is printed; the environment variable TRIBUTARY_SEED sets it.
func seededRandom(for test: String = #function) -> SeededGenerator {
    let given = ProcessInfo.processInfo.environment["TRIBUTARY_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 0..<1 << 32)
    print("\(test): TRIBUTARY_SEED=\(seed)")
    return SeededGenerator(seed: seed)
}
