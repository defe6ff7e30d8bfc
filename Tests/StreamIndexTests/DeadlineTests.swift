import AppendRule
import EventLog
import Testing

@testable import StreamIndex

/// Deadlines, callers that leave, turns, and ends.
@Suite struct DeadlineTests {
    @Test func atThreeQuartersItIsWithdrawn() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1, deadline: 4_000))
        let record = try machine.takeOne()
        machine.withdrawable = [record.tag]
        machine.advance(2_999)
        #expect(machine.outcome(call) == nil)
        machine.advance(1)
        guard case .notWritten = machine.outcome(call) else {
            Issue.record("\(String(describing: machine.outcome(call)))")
            return
        }
        #expect(machine.written.isEmpty && machine.calls.isAtRest)
    }

    @Test func atThreeQuartersItIsElseCancelledAndWritesNoMore() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1, deadline: 4_000))
        let record = try machine.takeOne()
        machine.advance(3_000)
        let cancel = try machine.takeOne()
        #expect(cancel.header.kind == .cancel)
        machine.decide(cancel)
        #expect(machine.outcome(call) == .cancelled)
        #expect(machine.written.isEmpty && machine.calls.isAtRest)
        #expect(machine.decide(record)[0].decision == .killed)
    }

    @Test func acceptedBeforeItsCancelIsAccepted() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1, deadline: 4_000))
        let record = try machine.takeOne()
        machine.advance(3_000)
        machine.decide(record)
        #expect(machine.outcome(call) == .accepted(firstVersion: 0, firstSequence: 1, offset: 1, isRepeat: false))
        #expect(machine.calls.isAtRest)
    }

    @Test func atTheDeadlineItIsUnknownAndSettledLater() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1, deadline: 4_000))
        let record = try machine.takeOne()
        machine.advance(3_000)
        let cancel = try machine.takeOne()
        machine.advance(999)
        #expect(machine.outcome(call) == nil)
        machine.advance(1)
        #expect(machine.outcome(call) == .unknown)
        #expect(machine.releases[call] == nil)
        // The same call again waits for what is being settled, and joins it.
        let joined = machine.submit(machine.request("S", 1, check: true))
        let behind = machine.submit(machine.request("S", 2))
        #expect(machine.written.isEmpty && machine.checks.isEmpty)
        machine.decide(record)
        #expect(machine.outcome(joined) == .accepted(firstVersion: 0, firstSequence: 1, offset: 1, isRepeat: true))
        machine.decide(cancel)
        machine.decide(try machine.takeOne())
        #expect(machine.outcome(behind) == .accepted(firstVersion: 1, firstSequence: 2, offset: 3, isRepeat: false))
        #expect(machine.answers[call] == [.unknown])
        #expect(machine.releases == [call: 1, joined: 1, behind: 1])
        #expect(machine.calls.isAtRest)
    }

    @Test func aSettledOneThatWasKilledLetsTheNextCallWriteTheNextAttempt() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1, deadline: 4_000))
        _ = try machine.takeOne()
        machine.advance(4_000)
        let cancel = try machine.takeOne()
        #expect(machine.outcome(call) == .unknown)
        let joined = machine.submit(machine.request("S", 1, check: true))
        machine.decide(cancel)
        machine.answerChecks()
        let record = try machine.takeOne()
        #expect(record.header.attempt == 1)
        machine.decide(record)
        #expect(machine.outcome(joined) == .accepted(firstVersion: 0, firstSequence: 1, offset: 2, isRepeat: false))
        #expect(machine.calls.isAtRest)
    }

    @Test func aCancelThatIsNotStoredOrUnknownIsWrittenAgain() throws {
        for outcome in [TagOutcome.unknown, .notStored(.temporary("full"))] {
            var machine = Machine()
            let call = machine.submit(machine.request("S", 1, deadline: 4_000))
            machine.report(try machine.takeOne().tag, .unknown)
            machine.report(try machine.takeOne().tag, outcome)
            #expect(machine.written.isEmpty)
            machine.advance(50)
            let again = try machine.takeOne()
            #expect(again.header.kind == .cancel)
            machine.advance(2_950)
            machine.decide(again)
            #expect(machine.outcome(call) == .cancelled)
            #expect(machine.calls.isAtRest)
        }
    }

    @Test func aCallerThatLeavesGetsWhatIsTrue() throws {
        var machine = Machine()
        let first = machine.submit(machine.request("S", 1, .noStream, check: true))
        let waiting = machine.submit(machine.request("S", 2))
        machine.leave(waiting)
        #expect(machine.outcome(waiting) == .withdrawn)
        machine.leave(first)
        #expect(machine.outcome(first) == .withdrawn)
        machine.answerChecks()
        #expect(machine.written.isEmpty)
        let held = machine.submit(machine.request("S", 3))
        machine.withdrawable = [try machine.takeOne().tag]
        machine.leave(held)
        #expect(machine.outcome(held) == .withdrawn)
        let paused = machine.submit(machine.request("S", 4))
        machine.report(try machine.takeOne().tag, .notStored(.temporary("full")))
        machine.leave(paused)
        #expect(machine.outcome(paused) == .withdrawn)
        #expect(machine.calls.isAtRest)
        let written = machine.submit(machine.request("S", 5))
        let record = try machine.takeOne()
        machine.leave(written)
        #expect(machine.outcome(written) == .unknown)
        let cancel = try machine.takeOne()
        machine.leave(written)
        machine.advance(10_000)
        #expect(machine.written.isEmpty && machine.answers[written]?.count == 1)
        machine.decide(record, cancel)
        #expect(machine.answers[written]?.count == 1 && machine.releases[written] == 1)
        #expect(machine.calls.isAtRest)
    }

    @Test func conditionalOnesWaitTheirTurnAndLaterOnesBehindThem() throws {
        var machine = Machine()
        let any = machine.submit(machine.request("S", 1))
        let exact = machine.submit(machine.request("S", 2, .exactly(0), check: true))
        let behind = machine.submit(machine.request("S", 3))
        let elsewhere = machine.submit(machine.request("T", 4))
        #expect(machine.written.map(\.stream) == [name("S"), name("T")] && machine.checks.isEmpty)
        let records = machine.written
        machine.written = []
        machine.decide(records[0], records[1])
        // The version is remembered: the index is not asked.
        #expect(machine.checks.isEmpty)
        let record = try machine.takeOne()
        machine.decide(record)
        machine.decide(try machine.takeOne())
        #expect(machine.outcome(exact) == .accepted(firstVersion: 1, firstSequence: 3, offset: 3, isRepeat: false))
        for call in [any, behind, elsewhere] { #expect(machine.answers[call]?.count == 1) }
        #expect(machine.calls.isAtRest)
    }

    @Test func tombstonesAndMetadataAreExclusiveToo() throws {
        for kind in [RecordKind.tombstone, .metadata] {
            var machine = Machine()
            _ = machine.submit(machine.request("S", 1, kind: kind))
            _ = machine.submit(machine.request("S", 2))
            machine.decide(try machine.takeOne())
            machine.decide(try machine.takeOne())
            #expect(machine.calls.isAtRest)
        }
    }

    @Test func unconditionalOnesArePipelinedButNotWithOneID() throws {
        var machine = Machine()
        _ = machine.submit(machine.request("S", 1))
        _ = machine.submit(machine.request("S", 2))
        let same = machine.submit(machine.request("S", 1))
        let behind = machine.submit(machine.request("S", 3))
        _ = machine.submit(machine.request("T", 1))
        #expect(machine.written.map(\.header.appendID) == [id(1_000), id(2_000), id(1_000)])
        let records = machine.written
        machine.written = []
        machine.decide(records[0])
        #expect(machine.outcome(same) == .accepted(firstVersion: 0, firstSequence: 1, offset: 1, isRepeat: true))
        machine.decide(try machine.takeOne(), records[1], records[2])
        #expect(machine.answers[behind]?.count == 1 && machine.calls.isAtRest)
    }

    @Test func afterTroubleLaterOnesWaitUntilItIsSettled() throws {
        var machine = Machine()
        _ = machine.submit(machine.request("S", 1))
        let first = try machine.takeOne()
        machine.report(first.tag, .unknown)
        let cancel = try machine.takeOne()
        let later = machine.submit(machine.request("S", 2))
        #expect(machine.written.isEmpty)
        machine.decide(cancel)
        #expect(machine.written.map(\.header.attempt) == [1, 0])
        let records = machine.written
        machine.decide(records[0], records[1])
        #expect(machine.outcome(later) == .accepted(firstVersion: 1, firstSequence: 2, offset: 3, isRepeat: false))
        #expect(machine.calls.isAtRest)
    }

    @Test func aFailureAnswersEverybodyAtOnceAndSaysOnlyWhatIsSure() throws {
        var machine = Machine()
        let written = machine.submit(machine.request("S", 1, .noStream))
        let waiting = machine.submit(machine.request("S", 2))
        let checking = machine.submit(machine.request("T", 3, .exactly(4), check: true))
        let other = machine.submit(machine.request("U", 4, channel: 1))
        machine.written = []
        let error = IndexError(.halted, "halted at offset 7")
        machine.calls.fail(channel: 0, error) { _ in false }
        machine.take()
        // What was written may be accepted by a build that knows more.
        #expect(machine.outcome(written) == .unknown)
        #expect(machine.outcome(waiting) == .failed(error) && machine.outcome(checking) == .failed(error))
        #expect(machine.outcome(other) == nil && machine.written.isEmpty)
        let later = machine.submit(machine.request("S", 5))
        #expect(machine.outcome(later) == .failed(error) && machine.written.isEmpty)
        machine.calls.fail(channel: nil, error) { _ in false }
        machine.take()
        #expect(machine.outcome(other) == .unknown)
        #expect(machine.releases.count == 5 && machine.releases.values.allSatisfy { $0 == 1 })
        #expect(machine.calls.isAtRest)
    }

    @Test func aStopEndsWhatWasNotWrittenAndStartsNothing() throws {
        var machine = Machine()
        let written = machine.submit(machine.request("S", 1, .noStream))
        let record = try machine.takeOne()
        let waiting = machine.submit(machine.request("S", 2))
        let checking = machine.submit(machine.request("T", 3, .exactly(4), check: true))
        let behind = machine.submit(machine.request("T", 4))
        let error = IndexError(.closed, "closed")
        machine.calls.failUnwritten(error)
        machine.take()
        for call in [waiting, checking, behind] { #expect(machine.outcome(call) == .failed(error)) }
        #expect(machine.written.isEmpty)
        machine.decide(record)
        #expect(machine.outcome(written) != .unknown)
        let open = machine.submit(machine.request("S", 5))
        #expect(machine.outcome(open) == .failed(error))
        #expect(machine.calls.isAtRest)
    }

    @Test func whatTheClosedLogLeavesIsUnknown() throws {
        var machine = Machine()
        let call = machine.submit(machine.request("S", 1))
        machine.calls.failRest()
        machine.take()
        #expect(machine.outcome(call) == .unknown && machine.calls.isAtRest)
    }
}
