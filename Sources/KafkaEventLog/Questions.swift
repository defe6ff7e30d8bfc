// What the index asks of the log, with one client as long as one question follows the other: to make a client takes
// longer than an answer.

import EventLog
import Kafka

/// Asks one question after the other.
final class Questions: Sendable {
    private struct State: Sendable {
        var inquiry: KafkaInquiry?
        var usedAt = ContinuousClock.now
        var isBusy = false
    }

    private let state = Monitor(State())
    private let kafka: KafkaConfiguration
    private let topics: [String]
    private let patience: Duration
    private let isCancelled: @Sendable () -> Bool

    init(
        _ kafka: KafkaConfiguration, topics: [String], patience: Duration, isCancelled: @escaping @Sendable () -> Bool
    ) {
        self.kafka = kafka
        self.topics = topics
        self.patience = patience
        self.isCancelled = isCancelled
    }

    /// Waits for its turn, and for the answer. Where the turn does not come, since a leader does not answer another, it
    /// asks with a client of its own. Blocks.
    func ask<R>(_ body: (KafkaInquiry) throws(KafkaError) -> R) throws(KafkaError) -> R {
        let end = ContinuousClock.now + patience
        let turn: KafkaInquiry?? = state.wait(until: .now + KafkaLogLimits.turn) { state -> KafkaInquiry?? in
            guard !state.isBusy else { return nil }
            state.isBusy = true
            defer { state.inquiry = nil }
            return .some(state.inquiry)
        }
        guard let kept = turn else {
            let inquiry = try usable(nil, until: end)
            defer { inquiry.close() }
            return try body(inquiry)
        }
        var next: KafkaInquiry?
        defer {
            state.withLock {
                $0.inquiry = next
                $0.usedAt = .now
                $0.isBusy = false
            }
        }
        let inquiry = try usable(kept, until: end)
        do throws(KafkaError) {
            let answer = try body(inquiry)
            next = inquiry
            return answer
        } catch {
            inquiry.close()
            throw error
        }
    }

    private func usable(_ kept: KafkaInquiry?, until end: ContinuousClock.Instant) throws(KafkaError) -> KafkaInquiry {
        let left = ContinuousClock.now.duration(to: end)
        if let kept {
            if state.read({ $0.usedAt }) + KafkaLogLimits.inquiryKept > .now {
                kept.allow(left)
                return kept
            }
            kept.close()
        }
        return try KafkaInquiry(kafka, topics: topics, within: left, isCancelled: isCancelled)
    }

    /// Ends the client; no question may be open. Blocks.
    func close() {
        let inquiry = state.withLock { state in
            defer { state.inquiry = nil }
            return state.inquiry
        }
        inquiry?.close()
    }
}
