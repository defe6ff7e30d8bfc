public import EventLog
import Foundation
public import Testing

/// A kind of log, and how to get one. A log joins the contract by one value of this:
/// ```swift
/// let shared = LogUnderTest(name: "memory, shared", channels: 5, isReopenable: true, takesSeveral: true) {
///     let records = InMemoryRecords(partitions: 4)
///     return LogPlace { InMemoryLog(records) }
/// }
/// @Test(arguments: [shared], ContractCheck.all)
/// func contract(_ log: LogUnderTest, _ check: ContractCheck) async throws { try await check.run(log) }
/// ```
public struct LogUnderTest: Sendable, CustomTestStringConvertible {
    public var name: String
    public var channels: Int
    /// Whether a place can be opened again after `close` and has its records.
    public var isReopenable: Bool
    /// Whether a place can be open several times at once.
    public var takesSeveral: Bool
    /// A fresh place without records.
    public var place: @Sendable () async throws -> LogPlace

    public init(
        name: String, channels: Int, isReopenable: Bool, takesSeveral: Bool = false,
        place: @escaping @Sendable () async throws -> LogPlace
    ) {
        self.name = name
        self.channels = channels
        self.isReopenable = isReopenable
        self.takesSeveral = takesSeveral
        self.place = place
    }

    public var testDescription: String { name }
}

/// Where one log keeps its records.
public struct LogPlace: Sendable {
    public var open: @Sendable () async throws -> any RecordLog
    /// Deletes what the test left.
    public var remove: @Sendable () async throws -> Void

    public init(
        open: @escaping @Sendable () async throws -> any RecordLog,
        remove: @escaping @Sendable () async throws -> Void = {}
    ) {
        self.open = open
        self.remove = remove
    }
}

/// The seed of a random test: TRIBUTARY_SEED, or a new one. It is printed, so that a failure can be repeated.
public func testSeed(_ test: String = #function) -> UInt64 {
    let seed =
        ProcessInfo.processInfo.environment["TRIBUTARY_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1 << 32)
    print("\(test): TRIBUTARY_SEED=\(seed)")
    return seed
}
