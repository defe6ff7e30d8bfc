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
    private let topic: String
    private let patience: Duration
    private let isCancelled: @Sendable () -> Bool

    init(
        _ kafka: KafkaConfiguration, topic: String, patience: Duration, isCancelled: @escaping @Sendable () -> Bool
    ) {
        self.kafka = kafka
        self.topic = topic
        self.patience = patience
        self.isCancelled = isCancelled
    }

    /// Waits for its turn, and for the answer. Blocks.
    func ask<R>(_ body: (KafkaInquiry) throws(KafkaError) -> R) throws(KafkaError) -> R {
        let end = ContinuousClock.now + patience
        let kept: KafkaInquiry?? = state.wait(until: end) { state -> KafkaInquiry?? in
            guard !state.isBusy else { return nil }
            state.isBusy = true
            defer { state.inquiry = nil }
            return .some(state.inquiry)
        }
        guard let kept else { throw KafkaError(.timedOut, "other questions took all the time") }
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
        return try KafkaInquiry(kafka, topic: topic, within: left, isCancelled: isCancelled)
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
