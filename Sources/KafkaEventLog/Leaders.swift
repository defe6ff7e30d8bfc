// What the log asks the partitions' leaders when something is odd: on threads of its own, since a broker may not answer.

import EventLog
import Kafka

/// Asks for bounds until there is an answer or the log is being closed.
struct Leaders: Sendable {
    enum Answer: Sendable {
        /// For a channel that was asked for from `offset`.
        case bounds(channel: Int, offset: Int64, Range<Int64>)
        /// All leaders answer.
        case contact
        case failed(String)
    }

    let kafka: KafkaConfiguration
    let place: KafkaPlace
    let shared: SharedState
    /// The topic's settings were not looked at when the log was opened.
    let isUnseen: Bool
    /// Makes the log's thread look at the answer.
    let wake: @Sendable () -> Void

    /// Asks where a channel begins and ends, because its reader was told that `offset` is out of range. A leader that
    /// has just been replaced says so too: what does not fit is asked again.
    func askBounds(of channel: Int, for offset: Int64) {
        shared.probe {
            guard var bounds = bounds(of: channel) else { return }
            if offset > bounds.upperBound || offset >= 0 && offset < bounds.lowerBound {
                guard shared.pause(KafkaLogLimits.secondOpinion), let second = self.bounds(of: channel) else { return }
                bounds = second
            }
            shared.answer([.bounds(channel: channel, offset: offset, bounds)])
            wake()
        }
    }

    private func bounds(of channel: Int) -> Range<Int64>? {
        repeat {
            if let bounds = ask({ inquiry throws(KafkaError) in try inquiry.bounds(of: channel) }) { return bounds }
        } while shared.pause(KafkaLogLimits.probePause)
        return nil
    }

    /// Waits until the cluster answers, and the leader of some partition. Others may be without one: each is asked for by
    /// itself.
    func waitForContact(channels: Int) {
        if place.isOffline { return }
        shared.probe {
            repeat {
                let found = ask { inquiry throws(KafkaError) -> Answer? in
                    guard let partitions = try inquiry.partitions(), !partitions.isEmpty else { return nil }
                    guard partitions.count == channels else {
                        return .failed(Self.recounted(channels, partitions.count))
                    }
                    guard let led = partitions.filter({ $0.leader >= 0 }).randomElement() else { return nil }
                    _ = try inquiry.bounds(of: led.number)
                    if isUnseen, let report = try KafkaTopic.report(inquiry, place),
                        let refusal = KafkaLog.refusal(report, place)
                    {
                        return .failed(refusal + "; then open the store again")
                    }
                    return .contact
                }
                if let answer = found ?? nil {
                    shared.answer([answer])
                    return wake()
                }
            } while shared.pause(KafkaLogLimits.probePause)
        }
    }

    private static func recounted(_ was: Int, _ now: Int) -> String {
        "the topic has \(now) partitions now, and the store was made with \(was): streams would move between "
            + "partitions; make the topic as it was from a backup, or export what a node has (--offline) to a new store"
    }

    private func ask<R>(_ body: (KafkaInquiry) throws(KafkaError) -> R) -> R? {
        let shared = shared
        guard
            let inquiry = try? KafkaInquiry(
                kafka, topic: place.topic, within: KafkaLogLimits.patience, isCancelled: { shared.isClosed })
        else { return nil }
        defer { inquiry.close() }
        return try? body(inquiry)
    }
}
