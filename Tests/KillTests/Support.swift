import Foundation

/// The seed in TRIBUTARY_SEED, else a random one; printed, so that a failure can be repeated as far as timing allows.
func killSeed(for test: String) -> UInt64 {
    let given = ProcessInfo.processInfo.environment["TRIBUTARY_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 0..<1_000_000_000)
    print("\(test): TRIBUTARY_SEED=\(seed)")
    return seed
}

let soakSeconds = ProcessInfo.processInfo.environment["TRIBUTARY_SOAK_SECONDS"].flatMap { Int($0) }

func withTemporaryDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("kills-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

extension AsyncSequence {
    func collected() async throws -> [Element] {
        var all: [Element] = []
        for try await element in self { all.append(element) }
        return all
    }
}
