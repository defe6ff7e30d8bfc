import EventLog
import Foundation
import StreamIndex
import Testing

@testable import Tributary

/// A log of several partitions as it was before there was an order.
private final class OrderlessLog: RecordLog {
    private let log: InMemoryLog
    let description: LogDescription

    init(_ records: InMemoryRecords) {
        log = InMemoryLog(records)
        var description = log.description
        description.hasOrderChannel = false
        self.description = description
    }

    func append(_ record: LogRecord, to channel: Int, tag: LogTag) { log.append(record, to: channel, tag: tag) }

    func withdraw(_ tag: LogTag) -> Bool { log.withdraw(tag) }

    func start(from offsets: [Int64], handler: any LogHandler) throws {
        // Nobody writes to the order channel.
        try log.start(from: offsets + [0], handler: handler)
    }

    func restart(channel: Int, from offset: Int64) { log.restart(channel: channel, from: offset) }

    func bounds(of channel: Int) async throws(LogError) -> Range<Int64> { try await log.bounds(of: channel) }

    func record(at offset: Int64, in channel: Int) async throws(LogError) -> StoredRecord? {
        try await log.record(at: offset, in: channel)
    }

    func close() async { await log.close() }
}

/// A node that has applied a store without an order opens it when it has an empty order topic: that begins, and all
/// that was there is ordered.
@Test(.timeLimit(.minutes(1))) func aStoreGetsItsOrderLater() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("late-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let records = InMemoryRecords(partitions: 3)
    func open(_ log: @escaping @Sendable () -> any RecordLog) async throws -> EventStore {
        try await EventStore.open(
            .log(directory: directory, named: "test", create: {}) { _, _, _ in LocatedLog(log: log(), notes: []) })
    }
    func append(_ store: EventStore, _ number: Int, _ acknowledge: Acknowledgement) async throws -> GlobalPosition? {
        let event = NewEvent(type: "Tested", data: [1], id: nil)
        return try await store.append(event, to: try StreamName("S-\(number % 7)"), acknowledge: acknowledge)
            .positions?.lowerBound
    }
    let before = try await open { OrderlessLog(records) }
    for number in 0..<20 { #expect(try await append(before, number, .accepted) == nil) }
    await before.close()
    #expect(records.count(of: 3) == 0)
    let store = try await open { InMemoryLog(records) }
    #expect(try await append(store, 20, .ordered)?.value == 21)
    var positions: [Int64] = []
    for try await event in store.readAll() { positions.append(event.position?.value ?? -1) }
    #expect(positions == Array(0...21))
    #expect(try await store.verify().problems == [])
    await store.close()
}
