import AppendRule
import Testing

private func id(_ number: UInt64) -> RecordID { RecordID(high: 0, low: number) }

private func append(
    _ expectation: AppendRule.Expectation, _ numbers: UInt64..., attempt: UInt32 = 0
) -> RecordHeader {
    RecordHeader(
        kind: .append, expectation: expectation, attempt: attempt, eventCount: numbers.count, ids: numbers.map(id))
}

private func metadata(
    _ expectation: AppendRule.Expectation, of stream: ExpectedStream = .stream, _ number: UInt64,
    firstReadable: Int64? = nil
) -> RecordHeader {
    RecordHeader(
        kind: .metadata, expectation: expectation, expectedStream: stream, eventCount: 1, ids: [id(number)],
        firstReadable: firstReadable)
}

private func tombstone(_ expectation: AppendRule.Expectation, _ number: UInt64) -> RecordHeader {
    RecordHeader(kind: .tombstone, expectation: expectation, eventCount: 1, ids: [id(number)])
}

private func cancel(_ record: RecordHeader) -> RecordHeader {
    var header = record
    header.kind = .cancel
    return header
}

/// One stream, with what an index would keep of it.
private struct OneStream {
    var facts = FactStore()
    var state: StreamFacts { facts.state(of: "s") }

    mutating func apply(_ header: RecordHeader) -> Decision {
        facts.apply(header, to: "s")
    }

    /// A stream with events 0, 1 and 2 of ids 1, 2 and 3.
    static func withThreeEvents() -> OneStream {
        var stream = OneStream()
        for number in UInt64(1)...3 { _ = stream.apply(append(.any, number)) }
        return stream
    }
}

@Suite struct StepTests {
    @Test func eventsTakeConsecutiveVersionsFromZero() {
        var stream = OneStream()
        #expect(stream.apply(append(.noStream, 1, 2)) == .accepted(firstVersion: 0))
        #expect(stream.apply(append(.exactly(1), 3)) == .accepted(firstVersion: 2))
        #expect(stream.apply(append(.streamExists, 4, 5, 6)) == .accepted(firstVersion: 3))
        #expect(stream.apply(append(.any, 7)) == .accepted(firstVersion: 6))
        #expect(stream.state.current == 6)
    }

    @Test func aCancelKillsItsAttemptAndThoseBelow() {
        var stream = OneStream()
        let record = append(.any, 1, attempt: 1)
        #expect(stream.apply(cancel(record)) == .cancelled(accepted: nil))
        #expect(stream.state.hasKills)
        #expect(stream.apply(append(.any, 1, attempt: 0)) == .killed)
        #expect(stream.apply(record) == .killed)
        #expect(stream.apply(append(.any, 1, attempt: 2)) == .accepted(firstVersion: 0))
    }

    @Test func aCancelBelowTheHighestLowersNothing() {
        var stream = OneStream()
        _ = stream.apply(cancel(append(.any, 1, attempt: 5)))
        _ = stream.apply(cancel(append(.any, 1, attempt: 2)))
        #expect(stream.apply(append(.any, 1, attempt: 5)) == .killed)
    }

    @Test func aCancelComesTooLateForWhatWasAccepted() {
        var stream = OneStream.withThreeEvents()
        #expect(stream.apply(cancel(append(.any, 2))) == .cancelled(accepted: 1))
        #expect(stream.apply(cancel(append(.any, 2, 9))) == .cancelled(accepted: nil))
        #expect(stream.apply(append(.any, 2)) == .alreadyAccepted(firstVersion: 1))
    }

    @Test func aRepeatGetsTheFirstAnswerWhateverItExpects() {
        var stream = OneStream.withThreeEvents()
        for expectation in [AppendRule.Expectation.any, .noStream, .streamExists] {
            #expect(stream.apply(append(expectation, 1)) == .alreadyAccepted(firstVersion: 0))
        }
        #expect(stream.apply(append(.any, 1, 2)) == .idReused)
        #expect(stream.apply(metadata(.any, 1)) == .idReused)
        #expect(stream.apply(tombstone(.any, 1)) == .idReused)
    }

    @Test func exactlyFindsItsRepeatAtItsPlace() {
        var stream = OneStream.withThreeEvents()
        #expect(stream.apply(append(.exactly(2), 4, 5)) == .accepted(firstVersion: 3))
        #expect(stream.apply(append(.exactly(2), 4, 5)) == .alreadyAccepted(firstVersion: 3))
        #expect(stream.apply(append(.exactly(2), 4)) == .idReused)
        // Version 4 is inside a record: nothing begins there.
        #expect(stream.apply(append(.exactly(3), 5)) == .conflict(actual: 4, killsAttempt: false))
        // Each *exactly n* is an append of its own, and *any* another.
        #expect(stream.apply(append(.exactly(4), 4, 5)) == .accepted(firstVersion: 5))
        #expect(stream.apply(append(.any, 4, 5)) == .accepted(firstVersion: 7))
    }

    @Test func aRepeatIsAnsweredBeforeKillsAndTombstone() {
        var stream = OneStream.withThreeEvents()
        _ = stream.apply(cancel(append(.any, 1)))
        #expect(stream.apply(tombstone(.exactly(2), 4)) == .accepted(firstVersion: 3))
        #expect(stream.apply(append(.any, 1)) == .alreadyAccepted(firstVersion: 0))
        #expect(stream.apply(tombstone(.any, 4)) == .alreadyAccepted(firstVersion: 3))
        #expect(stream.apply(append(.any, 9)) == .tombstoned)
        #expect(stream.apply(metadata(.any, of: .metadataStream, 10)) == .tombstoned)
        _ = stream.apply(cancel(append(.any, 9)))
        #expect(stream.apply(append(.any, 9)) == .killed)
    }

    @Test func aConflictThatMayPassKillsTheAttempt() {
        var stream = OneStream()
        #expect(stream.apply(append(.streamExists, 1)) == .conflict(actual: -1, killsAttempt: true))
        #expect(stream.apply(append(.exactly(0), 2)) == .conflict(actual: -1, killsAttempt: true))
        _ = stream.apply(append(.any, 3))
        #expect(stream.apply(append(.noStream, 4)) == .conflict(actual: 0, killsAttempt: true))
        #expect(stream.apply(append(.streamExists, 1)) == .killed)
        #expect(stream.apply(append(.exactly(0), 2)) == .killed)
        #expect(stream.apply(append(.exactly(0), 2, attempt: 1)) == .accepted(firstVersion: 1))
    }

    @Test func aLostRaceNeedsNoMemory() {
        var stream = OneStream.withThreeEvents()
        #expect(stream.apply(append(.exactly(1), 4)) == .conflict(actual: 2, killsAttempt: false))
        #expect(!stream.state.hasKills)
    }

    @Test func aSoftDeletedStreamComesBackWithItsVersions() {
        var stream = OneStream.withThreeEvents()
        let gone = metadata(.exactly(2), 4, firstReadable: StreamFacts.softDeleted)
        #expect(stream.apply(gone) == .accepted(firstVersion: 0))
        #expect(stream.state.isSoftDeleted)
        #expect(stream.apply(append(.streamExists, 5)) == .conflict(actual: 2, killsAttempt: true))
        #expect(stream.apply(append(.noStream, 6)) == .accepted(firstVersion: 3))
        #expect(stream.state.firstReadable == 3)

        _ = stream.apply(metadata(.any, 7, firstReadable: StreamFacts.softDeleted))
        #expect(stream.apply(append(.exactly(3), 8)) == .accepted(firstVersion: 4))
    }

    @Test func metadataTakesAVersionOfTheMetadataStream() {
        var stream = OneStream.withThreeEvents()
        #expect(stream.apply(metadata(.noStream, of: .metadataStream, 4)) == .accepted(firstVersion: 0))
        #expect(stream.state.firstReadable == 0)
        #expect(stream.apply(metadata(.exactly(2), 5, firstReadable: 2)) == .accepted(firstVersion: 1))
        #expect(
            stream.apply(metadata(.exactly(0), of: .metadataStream, 6))
                == .conflict(actual: 1, killsAttempt: false))
        #expect(stream.apply(metadata(.exactly(1), of: .metadataStream, 7)) == .accepted(firstVersion: 2))
        #expect(
            stream.state
                == StreamFacts(
                    current: 2, metadataCurrent: 2, firstReadable: 2, isTombstoned: false, hasKills: false))
        // A repeat of one that expected a version goes by its id, as every metadata record.
        #expect(stream.apply(metadata(.exactly(2), 5, firstReadable: 2)) == .alreadyAccepted(firstVersion: 1))
    }

    @Test func aFirstReadableVersionAboveTheCurrentOnlyHides() {
        var stream = OneStream.withThreeEvents()
        _ = stream.apply(metadata(.any, 4, firstReadable: 100))
        #expect(stream.apply(append(.noStream, 5)) == .conflict(actual: 2, killsAttempt: true))
        #expect(stream.apply(append(.streamExists, 6)) == .accepted(firstVersion: 3))
        #expect(stream.state.firstReadable == 100)
        _ = stream.apply(metadata(.any, 7, firstReadable: 1))
        #expect(stream.state.firstReadable == 1)
    }

    @Test func aTombstoneMayBeTheFirstEvent() {
        var stream = OneStream()
        #expect(stream.apply(tombstone(.noStream, 1)) == .accepted(firstVersion: 0))
        #expect(stream.state.isTombstoned)
    }
}
