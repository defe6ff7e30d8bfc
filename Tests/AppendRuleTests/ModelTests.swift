import AppendRule
import Foundation
import SeededNumbers
import Testing

/// A record's identity, but for what the rule never looks at.
private struct Delivered: Hashable {
    var name: String
    var kind: RecordKind
    var expectation: AppendRule.Expectation
    var expectedStream: ExpectedStream
    var attempt: UInt32
    var ids: [RecordID]

    init(_ sent: RandomRecords.Sent) {
        name = sent.name
        kind = sent.header.kind
        expectation = sent.header.expectation
        expectedStream = sent.header.expectedStream
        attempt = sent.header.attempt
        ids = sent.header.ids
    }
}

@Suite struct ModelTests {
    static let names = ["order-1", "order-2", "cart"]
    /// Streams begin anew after so many records: the model reads its whole history for each.
    static let episode = 120

    /// TRIBUTARY_RULE_RECORDS sets the number of records.
    @Test func theRuleAgreesWithTheModel() {
        let environment = ProcessInfo.processInfo.environment
        let total = environment["TRIBUTARY_RULE_RECORDS"].flatMap { Int($0) } ?? 2_000_000
        let seed = SeededGenerator.seed(for: "theRuleAgreesWithTheModel")
        var records = RandomRecords(seed: seed, names: Self.names)
        var counts: [UInt32: Int] = [:]
        var done = 0
        while done < total {
            records.startAgain()
            guard agree(&records, &counts, seed: seed) else { return }
            done += Self.episode
        }
        // Each decision must have been common, else the run has shown nothing of it.
        for code in UInt32(1)...7 {
            #expect(counts[code, default: 0] > total / 1_000, "decision \(code), seed \(seed): \(counts)")
        }
    }

    private func agree(_ records: inout RandomRecords, _ counts: inout [UInt32: Int], seed: UInt64) -> Bool {
        var facts = FactStore()
        var model = ReferenceModel()
        for number in 0..<Self.episode {
            let sent = records.next { facts.state(of: $0) }
            let expected = model.apply(sent.header, to: sent.name)
            let decision = facts.apply(sent.header, to: sent.name)
            counts[decision.code, default: 0] += 1
            let state = facts.state(of: sent.name)
            if decision == expected, state == model.state(of: sent.name) { continue }
            Issue.record(
                """
                seed \(seed), record \(number) of its episode, \(sent): \(decision), \(state)
                the model: \(expected), \(model.state(of: sent.name))
                """)
            return false
        }
        return true
    }

    /// What a caller was told stays true, whatever copies of records come later.
    @Test func aLateCopyChangesNoAnswer() {
        let seed = SeededGenerator.seed(for: "aLateCopyChangesNoAnswer")
        var records = RandomRecords(seed: seed, names: Self.names)
        var copies = 0
        for _ in 0..<150 {
            records.startAgain()
            var facts = FactStore()
            var answers: [Delivered: Decision] = [:]
            for _ in 0..<Self.episode {
                let sent = records.next { facts.state(of: $0) }
                let decision = facts.apply(sent.header, to: sent.name)
                if sent.header.kind == .cancel { continue }
                let delivered = Delivered(sent)
                guard let answer = answers[delivered] else {
                    answers[delivered] = decision
                    continue
                }
                copies += 1
                switch answer {
                case .accepted(let first), .alreadyAccepted(let first):
                    #expect(decision == .alreadyAccepted(firstVersion: first), "seed \(seed): \(sent)")
                default:
                    if case .accepted = decision { Issue.record("seed \(seed): \(answer), then accepted: \(sent)") }
                }
            }
        }
        #expect(copies > 500)
    }
}
