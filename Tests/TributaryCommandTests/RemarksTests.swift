import Synchronization
import Testing

@testable import TributaryCommand

@Suite struct RemarksTests {
    private final class Said: Sendable {
        let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
    }

    @Test func whatRepeatsIsSaidNowAndThen() {
        let said = Said()
        let remarks = Remarks { line in said.lines.withLock { $0.append(line) } }
        let start = ContinuousClock.now
        for second in 0..<65 { remarks.remark("broker \(second) is down", at: start + .seconds(second)) }
        #expect(
            said.all == [
                "broker 0 is down", "broker 30 is down (and 29 lines like it before)",
                "broker 60 is down (and 29 lines like it before)",
            ])
        remarks.remark("something else", at: start + .seconds(65))
        #expect(said.all.count == 4)
    }

    @Test func remembersOnlySoManyKinds() {
        let said = Said()
        let remarks = Remarks { line in said.lines.withLock { $0.append(line) } }
        let now = ContinuousClock.now
        for kind in 0...Remarks.maximumKinds { remarks.remark(String(repeating: "x", count: kind), at: now) }
        remarks.remark("", at: now)
        #expect(said.all.count == Remarks.maximumKinds + 2)
    }

    @Test func kafkasLinesAreForPeople() {
        let said = Said()
        let remarks = Remarks { line in said.lines.withLock { $0.append(line) } }
        remarks.kafka("[thrd:main]: Failed to acquire idempotence PID: retrying")
        remarks.kafka("[thrd:h:1/bootstrap]: h:1/bootstrap: Connect failed: refused (after 0ms in state CONNECT)")
        remarks.kafka("nothing to leave out")
        #expect(said.all == ["Kafka: h:1/bootstrap: Connect failed: refused", "Kafka: nothing to leave out"])
    }
}
