import AppendRule
import EventLog
import Testing

@testable import StreamIndex

@Suite(.timeLimit(.minutes(1))) struct AppliedWaitsTests {
    private func isReached(_ outcome: AppliedWaits.Outcome) -> Bool {
        if case .reached = outcome { true } else { false }
    }

    @Test func moreWaitersThanTheLimitAreRefused() async throws {
        let waits = AppliedWaits(nextOffsets: [0], limit: 2)
        let first = (0..<2).map { _ in Task { await waits.offset(0, in: 0, until: .distant) } }
        while waits.waiting < 2 { await Task.yield() }
        guard case .failed(let error) = await waits.offset(0, in: 0, until: .distant) else {
            throw CancellationError()
        }
        #expect(error.code == .unavailable)
        waits.applied(nextOffsets: [1], barriers: []).tell()
        for task in first { #expect(isReached(await task.value)) }
        #expect(isReached(await waits.offset(0, in: 0, until: .distant)))
    }

    /// Only those whose time has come, each once told so.
    @Test func theRestGoOnWaiting() async throws {
        let waits = AppliedWaits(nextOffsets: [0, 0])
        let tasks = (0..<6).map { number in
            Task { await waits.offset(Int64(number / 2), in: number % 2, until: .distant) }
        }
        while waits.waiting < 6 { await Task.yield() }
        let ended = waits.applied(nextOffsets: [2, 1], barriers: [])
        #expect(waits.waiting == 3)
        ended.tell()
        for number in [0, 1, 2] { #expect(isReached(await tasks[number].value)) }
        waits.fail(channel: 0, IndexError(.halted, "a test"))
        #expect(waits.waiting == 2)
        waits.fail(channel: nil, IndexError(.closed, "a test"))
        for number in [3, 4, 5] {
            guard case .failed(let error) = await tasks[number].value else { throw CancellationError() }
            #expect(error.code == (number == 4 ? .halted : .closed))
        }
    }
}
