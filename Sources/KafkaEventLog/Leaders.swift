// What the log asks the partitions' leaders when something is odd: on threads of its own, since a broker may not
// answer.

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
    let description: LogDescription
    let shared: SharedState
    /// Makes the log's thread look at the answer.
    let wake: @Sendable () -> Void

    /// Asks where a channel begins and ends, because its reader was told that `offset` is out of range. A leader that
    /// has just been replaced says so too: what does not fit is asked again. One thread asks for a channel, and answers
    /// what was asked last.
    func askBounds(of channel: Int, for offset: Int64) {
        guard shared.want(channel, offset) else { return }
        shared.probe {
            while let offset = shared.wanted(channel) {
                guard var bounds = bounds(of: channel) else { return }
                if offset > bounds.upperBound || offset >= 0 && offset < bounds.lowerBound {
                    guard shared.pause(KafkaLogLimits.secondOpinion), let second = self.bounds(of: channel) else {
                        return
                    }
                    bounds = second
                }
                if shared.answer(channel, offset, bounds) { return wake() }
            }
        }
    }

    private func bounds(of channel: Int) -> Range<Int64>? {
        let place = description.place(of: channel)
        var pause = KafkaLogLimits.probePause
        repeat {
            if let bounds = ask({ inquiry throws(KafkaError) in try inquiry.bounds(of: place) }) { return bounds }
            pause = min(pause * 2, KafkaLogLimits.longestProbePause)
        } while shared.pause(pause)
        return nil
    }

    /// Waits until the cluster answers, and the leader of some partition of the events. Others may be without one: each
    /// is asked for by itself.
    func waitForContact() {
        if place.isOffline { return }
        shared.probe {
            repeat {
                let found = ask { inquiry throws(KafkaError) -> Answer? in
                    guard let partitions = try inquiry.partitions(of: place.eventsTopic), !partitions.isEmpty else {
                        return nil
                    }
                    guard partitions.count == description.partitions else {
                        return .failed(Self.recounted(description.partitions, partitions.count))
                    }
                    guard let led = partitions.filter({ $0.leader >= 0 }).randomElement() else { return nil }
                    _ = try inquiry.bounds(of: TopicPartition(led.number))
                    // What could not be looked at when the log was opened.
                    if description.isAway,
                        let refusal = KafkaLog.refusal(try KafkaTopics.reports(inquiry, place), place)
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
                kafka, topics: place.topics(partitions: description.partitions), within: KafkaLogLimits.patience,
                isCancelled: { shared.isClosed })
        else { return nil }
        defer { inquiry.close() }
        return try? body(inquiry)
    }
}
