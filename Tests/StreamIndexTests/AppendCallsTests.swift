import AppendRule
import EventLog
import Testing

@testable import StreamIndex

/// The life of one append, input by input.
@Suite struct AppendCallsTests {
    private func accepted(_ outcome: CallOutcome?) -> Int64? {
        guard case .accepted(let first, _, _, _) = outcome else { return nil }
        return first
    }

    private func isRepeat(_ outcome: CallOutcome?) -> Bool? {
        guard case .accepted(_, _, _, let isRepeat) = outcome else { return nil }
        return isRepeat
    }

    /// Nothing is left, and every call was answered and released once.
    private func expectRest(_ machine: Machine, _ calls: CallID...) {
        #expect(machine.calls.isAtRest)
        for id in calls {
            #expect(machine.answers[id]?.count == 1)
            #expect(machine.releases[id] == 1)
        }
    }

    @Test func aFreshAppendIsWrittenAtOnceAndAnsweredWhenApplied() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1))
        let record = try machine.takeOne()
        #expect(record.header.attempt == 0)
        #expect(record.header.writeID == record.tag)
        #expect(machine.answers.isEmpty)
        machine.decide(record)
        #expect(
            machine.outcome(call) == .accepted(firstVersion: 0, firstSequence: 1, offset: 1, isRepeat: false))
        expectRest(machine, call)
    }

    @Test func aConditionalAppendAsksTheIndexFirst() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1, .noStream, check: true))
        #expect(machine.written.isEmpty && machine.checks.count == 1)
        machine.answerChecks()
        machine.decide(try machine.takeOne())
        #expect(accepted(machine.outcome(call)) == 0)
        expectRest(machine, call)
    }

    @Test func theIndexAnswersWhatIsCertain() throws {
        var machine = Machine()
        let first = machine.submit(machine.request("S", 1, .noStream, check: true))
        machine.answerChecks()
        machine.decide(try machine.takeOne())
        let again = machine.submit(machine.request("S", 1, .noStream, check: true))
        machine.answerChecks()
        #expect(isRepeat(machine.outcome(again)) == true)
        let next = machine.submit(machine.request("S", 2, .exactly(0), check: true))
        machine.answerChecks()
        machine.decide(try machine.takeOne())
        let late = machine.submit(machine.request("S", 3, .exactly(0), check: true))
        machine.answerChecks()
        #expect(machine.outcome(late) == .conflict(actual: 1))
        // Not certain: a late copy of something may still make a stream there, or end it.
        let open = machine.submit(machine.request("S", 4, .noStream, check: true))
        machine.answerChecks()
        #expect(machine.outcome(open) == nil)
        machine.decide(try machine.takeOne())
        #expect(machine.outcome(open) == .conflict(actual: 1))
        // To the only writer it is certain.
        let sure = machine.submit(machine.request("S", 5, .noStream, check: true))
        machine.answerChecks(isOnlyWriter: true)
        #expect(machine.outcome(sure) == .conflict(actual: 1))
        #expect(machine.written.isEmpty)
        expectRest(machine, first, again, next, late, open, sure)
    }

    @Test func notStoredIsWrittenAgainAsTheSameAttempt() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1))
        let record = try machine.takeOne()
        machine.report(record.tag, .notStored(.temporary("full")))
        #expect(machine.written.isEmpty)
        machine.advance(49)
        #expect(machine.written.isEmpty)
        machine.advance(1)
        let again = try machine.takeOne()
        #expect(again.header.attempt == 0)
        // It was never stored, so it is the same record.
        #expect(again.header.writeID == record.header.writeID)
        machine.decide(again)
        #expect(isRepeat(machine.outcome(call)) == false)
        expectRest(machine, call)
    }

    @Test func whatWasNotStoredComesAgainInTheOrderOfTheStream() throws {
        var machine = Machine()
        let calls = (0..<4).map { machine.submit(machine.request("S", $0)) }
        let records = machine.written
        machine.written = []
        // The log still has the third; the second's report comes before the first's, which comes later.
        machine.withdrawable = [records[2].tag]
        machine.report(records[1].tag, .notStored(.temporary("full")))
        machine.advance(20)
        machine.report(records[0].tag, .notStored(.temporary("full")))
        machine.report(records[3].tag, .notStored(.temporary("full")))
        // A later one waits behind them.
        let later = machine.submit(machine.request("S", 9))
        for _ in 0..<40 { machine.advance(10) }
        #expect(machine.written.map(\.header.appendID) == [0, 1, 2, 3, 9].map { id($0 * 1_000) })
        #expect(machine.withdrawn == [records[2].tag])
        for record in machine.written { machine.decide(record) }
        #expect((calls + [later]).map { accepted(machine.outcome($0)) } == [0, 1, 2, 3, 4])
        #expect(machine.calls.isAtRest)
    }

    @Test func tooLargeAndFailedAreAnsweredAtOnce() throws {
        var machine = Machine()
        let large = machine.submit(machine.request("S", 1))
        machine.report(try machine.takeOne().tag, .notStored(.tooLarge))
        #expect(machine.outcome(large) == .tooLarge)
        let failed = machine.submit(machine.request("S", 2))
        machine.report(try machine.takeOne().tag, .notStored(.failed("no disk")))
        #expect(machine.outcome(failed) == .failed(IndexError(.unavailable, "no disk")))
        expectRest(machine, large, failed)
    }

    @Test func unknownIsCancelledAndWrittenAsTheNextAttempt() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1))
        let lost = try machine.takeOne()
        machine.report(lost.tag, .unknown)
        let cancel = try machine.takeOne()
        #expect(cancel.header.kind == .cancel && cancel.header.attempt == 0)
        #expect(cancel.header.ids == lost.header.ids)
        machine.decide(cancel)
        let next = try machine.takeOne()
        #expect(next.header.kind == .append && next.header.attempt == 1)
        machine.decide(next)
        #expect(accepted(machine.outcome(call)) == 0)
        // The lost one comes after all.
        #expect(machine.decide(lost)[0].decision == .alreadyAccepted(firstVersion: 0))
        expectRest(machine, call)
    }

    @Test func unknownButThereIsAnsweredWithYes() throws {
        for cancelFirst in [false, true] {
            var machine = Machine()
            let call = machine.submit(machine.request("S", 1))
            let record = try machine.takeOne()
            machine.report(record.tag, .unknown)
            let cancel = try machine.takeOne()
            if cancelFirst {
                machine.decide(cancel)
                let next = try machine.takeOne()
                machine.decide(record, next)
                #expect(machine.outcome(call) != nil)
            } else {
                machine.decide(record)
                #expect(isRepeat(machine.outcome(call)) == false)
                #expect(machine.decide(cancel)[0].decision == .cancelled(accepted: 0))
            }
            #expect(accepted(machine.outcome(call)) == 0)
            expectRest(machine, call)
        }
    }

    @Test func aKilledAttemptIsFollowedByTheOneAboveTheHighestKilled() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1))
        let record = try machine.takeOne()
        var foreign = record
        foreign.header.kind = .cancel
        foreign.header.attempt = 7
        foreign.header.writeID = 999_999
        machine.decide(foreign)
        #expect(machine.outcome(call) == nil)
        machine.decide(record)
        let next = try machine.takeOne()
        #expect(next.header.attempt == 8)
        machine.decide(next)
        #expect(accepted(machine.outcome(call)) == 0)
        expectRest(machine, call)
    }

    @Test func aCancelOfTheHighestAttemptEndsItWithoutATrap() throws {
        for isChecked in [false, true] {
            var machine = Machine()
            var cancel = WrittenRecord(
                header: machine.request("S", 1).header, stream: name("S"), tag: 5)
            cancel.header.kind = .cancel
            cancel.header.attempt = .max
            cancel.header.writeID = 999_999
            machine.decide(cancel)
            let call = machine.submit(machine.request("S", 1, check: isChecked))
            machine.answerChecks()
            if !isChecked { machine.decide(try machine.takeOne()) }
            #expect(machine.outcome(call) == .cancelled)
            expectRest(machine, call)
        }
    }

    @Test func yesFromAnybodyNoOnlyFromItsOwn() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1, .exactly(3), check: true))
        machine.answerChecks()
        let own = try machine.takeOne()
        // A copy that somebody else wrote, of the same attempt, says no.
        var copy = own
        copy.header.writeID = 777
        #expect(machine.decide(copy)[0].decision == .conflict(actual: -1, killsAttempt: true))
        #expect(machine.outcome(call) == nil)
        // Its own says no: killed by that copy, so it comes again; by then the stream is there.
        machine.decide(own)
        let second = try machine.takeOne()
        #expect(second.header.attempt == 1)
        for number in 10..<14 {
            machine.decide(
                WrittenRecord(
                    header: RecordHeader(kind: .append, writeID: 5_000, eventCount: 1, ids: [id(number)]),
                    stream: name("S"), tag: 0))
        }
        copy = second
        copy.header.writeID = 778
        machine.decide(copy)
        #expect(accepted(machine.outcome(call)) == 4)
        #expect(isRepeat(machine.outcome(call)) == true)
        expectRest(machine, call)
    }

    @Test func anotherExpectationOrOtherIdsAreNoAnswer() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1, .noStream, check: true))
        machine.answerChecks()
        let own = try machine.takeOne()
        var other = own
        other.header.expectation = .any
        other.header.writeID = 777
        machine.decide(other)
        #expect(machine.outcome(call) == nil)
        // Its own record then finds the same append accepted.
        machine.decide(own)
        #expect(isRepeat(machine.outcome(call)) == true)
        let reused = machine.submit(machine.request("S", 1, .any, events: 2))
        machine.decide(try machine.takeOne())
        #expect(machine.outcome(reused) == .idReused)
        var tomb = own
        tomb.header = RecordHeader(kind: .tombstone, writeID: 779, eventCount: 1, ids: [id(77)])
        machine.decide(tomb)
        let late = machine.submit(machine.request("S", 3))
        machine.decide(try machine.takeOne())
        #expect(machine.outcome(late) == .tombstoned)
        expectRest(machine, call, reused, late)
    }
}
