// Sends records and says of each what became of it.

import CRdKafka
import Glibc
import Synchronization

/// What became of a record.
public enum KafkaOutcome: Sendable, Equatable {
    /// It is in the log, on all in-sync replicas. Where the broker's answer did not tell the offset it is -1, and 0, 1, 2
    /// and so on for those behind it in the batch; after a retry it may be that of a second copy.
    case stored(offset: Int64)
    /// It is not in the log and never will be.
    case notStored(KafkaError)
    /// It may be in the log, now or later.
    case unknown(KafkaError)
}

public struct KafkaReport: Sendable, Equatable {
    public var tag: UInt64
    public var topic: Int
    public var partition: Int
    public var outcome: KafkaOutcome
}

/// An idempotent producer that waits for all in-sync replicas.
///
/// ```swift
/// let producer = try KafkaProducer(kafka, topics: ["shop.events"], maxMessageBytes: 2 << 20)
/// let outcome = await producer.send(KafkaRecord(key: nil, value: [1], partition: 0))
/// producer.close(within: .seconds(10))    // blocks: not on a task's thread
/// ```
/// Each record gets exactly one answer, whatever happens. Records of one partition are written in the order in which
/// they were sent. A client that ends with a fatal error is replaced.
///
/// Threads: one of its own serves the client and calls `onReports` and `onStored`; any thread sends.
public final class KafkaProducer: Sendable {
    private struct State: Sendable {
        /// nil: being replaced, or closed.
        var client: KafkaClient?
        var madeAt = ContinuousClock.now
        var outbox = Outbox()
        /// When what gathers goes; nil: nothing does.
        var gatherEnd: ContinuousClock.Instant?
        /// What was refused without the library.
        var refused: [KafkaReport] = []
        /// Set by `close`: until when it waits for what is outstanding.
        var closeBy: ContinuousClock.Instant?
        var awaited: [UInt64: Awaited] = [:]

        var isIdle: Bool { outbox.waitingCount == 0 && outbox.inFlightRecords == 0 && refused.isEmpty }
    }

    /// A send that somebody waits for, or waited for until its task was cancelled.
    private struct Awaited: Sendable {
        var continuation: CheckedContinuation<KafkaOutcome, Never>?
    }

    private let configuration: KafkaConfiguration
    private let topics: [String]
    private let maxMessageBytes: Int
    private let onReports: @Sendable ([KafkaReport]) -> Void
    private let onStored: @Sendable (borrowing KafkaMessage) -> Void
    private let state: Mutex<State>
    private let thread = Mutex<KafkaThread?>(nil)

    /// Makes the client; connecting goes on in the background.
    ///
    /// - Parameters:
    ///   - topics: those that it can send to, which should exist.
    ///   - maxMessageBytes: the topics' `max.message.bytes`.
    ///   - onReports: called on the producer's thread with what became of records that were sent with a tag, and,
    ///     where they were stored, also of those without.
    ///   - onStored: called before that, on the same thread, with a record that was stored, where few were at once
    ///     (`KafkaLimits.lentAtOnce`), the broker said at which offset, and the producer is not in trouble. While it runs
    ///     nothing else is reported or gathered.
    public init(
        _ configuration: KafkaConfiguration, topics: [String], maxMessageBytes: Int,
        onReports: @escaping @Sendable ([KafkaReport]) -> Void = { _ in },
        onStored: @escaping @Sendable (borrowing KafkaMessage) -> Void = { _ in }
    ) throws(KafkaError) {
        self.configuration = configuration
        self.topics = topics
        self.maxMessageBytes = maxMessageBytes
        self.onReports = onReports
        self.onStored = onStored
        let client = try KafkaClient(configuration, .producer(maxMessageBytes: maxMessageBytes), topics: topics)
        state = Mutex(State(client: client))
        thread.withLock { $0 = KafkaThread(name: "kafka-producer") { [self] in serve() } }
    }

    // MARK: - Sending

    /// Enqueues a record; never blocks.
    ///
    /// - Parameter tag: names it in its report, which never comes from within this call; 0: its failure is not
    ///   reported.
    /// - Returns: false once the producer is closed: the record was not taken, and nothing is reported of it.
    public func send(_ record: KafkaRecord, tag: UInt64) -> Bool {
        state.withLock { enqueue(record, tag, &$0) }
    }

    /// Sends a record and waits until it is known what became of it.
    ///
    /// Cancelling the task gives *not stored* where the record can be withdrawn, else *unknown*.
    public func send(_ record: KafkaRecord) async -> KafkaOutcome {
        // Among the caller's own tags, which may be any; 64 random bits meet none of them.
        let tag = UInt64.random(in: 1 ... .max)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let refused = state.withLock { state -> KafkaOutcome? in
                    if Task.isCancelled { return .notStored(Self.cancelled) }
                    state.awaited[tag] = Awaited(continuation: continuation)
                    if enqueue(record, tag, &state) { return nil }
                    state.awaited[tag] = nil
                    return .notStored(Self.closed)
                }
                if let refused { continuation.resume(returning: refused) }
            }
        } onCancel: {
            let (continuation, isWithdrawn) = state.withLock { state in
                let continuation = state.awaited[tag]?.continuation
                let isWithdrawn = state.outbox.remove(tag)
                // Its report will still come.
                if continuation != nil { state.awaited[tag] = isWithdrawn ? nil : Awaited(continuation: nil) }
                return (continuation, isWithdrawn)
            }
            continuation?.resume(returning: isWithdrawn ? .notStored(Self.cancelled) : .unknown(Self.cancelled))
        }
    }

    /// Takes a record back that the client library does not have yet. True: it will never be stored, and nothing is
    /// reported of it.
    public func withdraw(_ tag: UInt64) -> Bool {
        state.withLock { tag != 0 && $0.outbox.remove(tag) }
    }

    /// Keeps records from the client library, where they could not be withdrawn any more: for as long as no broker
    /// answers. `close` refuses what is kept so.
    public func hold(_ isHeld: Bool) {
        state.withLock {
            $0.outbox.hold(isHeld)
            flush(&$0)
        }
    }

    /// Gives the client library what is of one partition, though others are held.
    public func release(topic: Int, partition: Int) {
        state.withLock {
            $0.outbox.release(Outbox.Place(topic: topic, partition: partition))
            pump(&$0)
        }
    }

    private func enqueue(_ record: KafkaRecord, _ tag: UInt64, _ state: inout State) -> Bool {
        precondition(topics.indices.contains(record.topic), "no such topic")
        guard state.closeBy == nil else { return false }
        if state.outbox.add(record, tag) {
            pump(&state)
        } else if state.gatherEnd == nil {
            state.gatherEnd = .now + KafkaLimits.gatherTime
            state.client?.queue.wake()
        }
        return true
    }

    /// Gives the library all that it may have, what gathers too.
    private func flush(_ state: inout State) {
        state.gatherEnd = nil
        state.outbox.fallDue()
        pump(&state)
    }

    /// Gives the library what it may have.
    private func pump(_ state: inout State) {
        guard let client = state.client else { return }
        var refused: [KafkaReport] = []
        let hand = { (batch: [Outbox.Sent]) -> [Outbox.Handed] in
            zip(batch, Self.produce(batch, client)).map { sent, code in
                switch code {
                case RD_KAFKA_RESP_ERR_NO_ERROR: return .taken
                // Against its limits the library counts records until their reports are served.
                case RD_KAFKA_RESP_ERR__QUEUE_FULL where rd_kafka_outq_len(client.handle.pointer) > 0: return .notNow
                case RD_KAFKA_RESP_ERR__FATAL:
                    // The client is about to be replaced.
                    client.queue.wake()
                    return .notNow
                default:
                    if let report = Self.refusal(of: sent.record, sent.tag, KafkaError(code)) { refused.append(report) }
                    return .refused
                }
            }
        }
        state.outbox.pump(hand)
        if !refused.isEmpty { refuse(refused, &state) }
    }

    /// Hands records of one partition to the library, as fast as can be: its thread sends what it sees when it wakes
    /// for the first.
    private static func produce(_ batch: [Outbox.Sent], _ client: KafkaClient) -> [rd_kafka_resp_err_t] {
        guard batch.count > 1 else { return batch.map { produce($0.record, $0.tag, client) } }
        var messages = batch.map { record, tag in
            var message = rd_kafka_message_t()
            (message.payload, message.len) = copy(record.value)
            (message.key, message.key_len) = copy(record.key)
            message._private = UnsafeMutableRawPointer(bitPattern: UInt(tag))
            return message
        }
        let (topic, partition) = (batch[0].record.topic, Int32(clamping: batch[0].record.partition))
        // The library takes the values as they are, and frees them; keys it copies.
        rd_kafka_produce_batch(
            client.topics[topic].pointer, partition, RD_KAFKA_MSG_F_FREE, &messages, Int32(messages.count))
        for message in messages {
            free(message.key)
            if message.err != RD_KAFKA_RESP_ERR_NO_ERROR { free(message.payload) }
        }
        return messages.map(\.err)
    }

    /// Memory of C's; null for nil only.
    private static func copy(_ bytes: [UInt8]?) -> (UnsafeMutableRawPointer?, Int) {
        guard let bytes else { return (nil, 0) }
        guard let memory = malloc(max(1, bytes.count)) else { preconditionFailure("there is no memory") }
        bytes.withUnsafeBytes { if let start = $0.baseAddress { memory.copyMemory(from: start, byteCount: $0.count) } }
        return (memory, bytes.count)
    }

    private static func produce(_ record: KafkaRecord, _ tag: UInt64, _ client: KafkaClient) -> rd_kafka_resp_err_t {
        withBytes(record.value) { value, valueCount in
            withBytes(record.key) { key, keyCount in
                let result = rd_kafka_produce(
                    client.topics[record.topic].pointer, Int32(clamping: record.partition), RD_KAFKA_MSG_F_COPY, value,
                    valueCount, key, keyCount, UnsafeMutableRawPointer(bitPattern: UInt(tag)))
                // Of this thread, so it is read at once.
                return result == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error()
            }
        }
    }

    private static func refusal(of record: KafkaRecord, _ tag: UInt64, _ error: KafkaError) -> KafkaReport? {
        guard tag != 0 else { return nil }
        return KafkaReport(tag: tag, topic: record.topic, partition: record.partition, outcome: .notStored(error))
    }

    private func refuse(_ reports: [KafkaReport], _ state: inout State) {
        guard !reports.isEmpty else { return }
        state.refused += reports
        state.client?.queue.wake()
    }

    /// Refuses what the producer does not take along when it is closed.
    private func refuse(_ left: [Outbox.Sent], _ state: inout State) {
        refuse(left.compactMap { Self.refusal(of: $0.record, $0.tag, Self.closed) }, &state)
    }

    // MARK: - Serving

    private func serve() {
        var purgedAt: ContinuousClock.Instant?
        while let client = nextClient() {
            serveEvents(client)
            if client.fatalError != nil { replace(client) }
            state.withLock { if let end = $0.gatherEnd, end <= .now { flush(&$0) } }
            reportRefused()
            guard let closeBy = state.withLock({ $0.closeBy }) else { continue }
            state.withLock { refuse($0.outbox.takeHeld(), &$0) }
            if state.withLock({ $0.isIdle }) { break }
            let now = ContinuousClock.now
            if let purgedAt, now >= purgedAt + KafkaLimits.purgePatience { break }
            if purgedAt == nil, now >= closeBy {
                purgedAt = now
                giveUp()
            }
        }
        end()
    }

    /// How long the thread may wait for the library.
    private var untilGathered: Duration {
        guard let end = state.withLock({ $0.gatherEnd }) else { return KafkaLimits.poll }
        // The library takes whole milliseconds.
        return min(max(ContinuousClock.now.duration(to: end), .zero) + .microseconds(999), KafkaLimits.poll)
    }

    /// Waits for an event and handles it and what else is there, up to a limit.
    private func serveEvents(_ client: KafkaClient) {
        for number in 0..<KafkaLimits.eventsPerTurn {
            guard let event = Event(of: client.queue, within: number == 0 ? untilGathered : .zero) else { return }
            let (lends, hasGathered) = state.withLock { ($0.closeBy == nil, $0.gatherEnd.map { $0 <= .now } ?? false) }
            handle(event, client, lends: lends)
            // Whoever is called may take a while.
            if hasGathered { return }
        }
    }

    /// The client; a new one where there is none. nil: it cannot be made and the producer is being closed.
    private func nextClient() -> KafkaClient? {
        while true {
            let (client, isClosing) = state.withLock { ($0.client, $0.closeBy != nil) }
            if let client { return client }
            do throws(KafkaError) {
                let client = try KafkaClient(
                    configuration, .producer(maxMessageBytes: maxMessageBytes), topics: topics)
                state.withLock {
                    $0.client = client
                    $0.madeAt = .now
                    pump(&$0)
                }
            } catch {
                if isClosing { return nil }
                configuration.log(KafkaLogLine(level: 3, facility: "REPLACE", message: error.description))
                pause(KafkaLimits.replacePause)
            }
        }
    }

    private func pause(_ time: Duration) {
        var pause = timespec(tv_sec: 0, tv_nsec: Int(time.milliseconds32) * 1_000_000)
        nanosleep(&pause, nil)
    }

    private func handle(_ event: borrowing Event, _ client: KafkaClient, lends: Bool) {
        if event.type == RD_KAFKA_EVENT_DR { return reported(event, client, lends: lends) }
        if client.isHousekeeping(event) { return }
        if let error = event.error {
            // The loss of one broker is everyday; a fatal error is asked for after each event.
            let error = configuration.explained(error)
            client.say(error.kind == .authentication ? 3 : 5, "ERROR", error.description)
        } else {
            client.say(5, "EVENT", "an event of unknown type \(event.type) was dropped")
        }
    }

    private func reported(_ event: borrowing Event, _ client: KafkaClient, lends: Bool) {
        let count = rd_kafka_event_message_count(event.pointer)
        let areLent = lends && count <= KafkaLimits.lentAtOnce
        var reports: [KafkaReport] = []
        reports.reserveCapacity(count)
        var sizes: [Int] = []
        sizes.reserveCapacity(count)
        while let message = rd_kafka_event_message_next(event.pointer) {
            sizes.append(message.pointee.len + message.pointee.key_len)
            let report = Self.report(message, client)
            if areLent, case .stored(let offset) = report.outcome, offset >= 0 { onStored(KafkaMessage(message)) }
            reports.append(report)
        }
        answer(reports) { [self] state in
            for (report, bytes) in zip(reports, sizes) {
                let place = Outbox.Place(topic: report.topic, partition: report.partition)
                state.outbox.landed(place, report.tag, bytes: bytes)
            }
            pump(&state)
        }
    }

    private static func report(_ message: UnsafePointer<rd_kafka_message_t>, _ client: KafkaClient) -> KafkaReport {
        let code = message.pointee.err
        let outcome: KafkaOutcome
        switch rd_kafka_message_status(message) {
        case RD_KAFKA_MSG_STATUS_PERSISTED: outcome = .stored(offset: message.pointee.offset)
        case RD_KAFKA_MSG_STATUS_NOT_PERSISTED:
            // "Purged" says nothing of the cause.
            let cause = code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ? client.fatalError : nil
            outcome = .notStored(cause ?? KafkaError(code))
        default: outcome = .unknown(KafkaError(code))
        }
        let topic = message.pointee.rkt.map { Int(bitPattern: rd_kafka_topic_opaque($0)) - 1 } ?? 0
        return KafkaReport(
            tag: UInt64(UInt(bitPattern: message.pointee._private)), topic: max(0, topic),
            partition: Int(message.pointee.partition), outcome: outcome)
    }

    private func reportRefused() {
        let refused = state.withLock { state in
            defer { state.refused = [] }
            return state.refused
        }
        if !refused.isEmpty { answer(refused) { _ in } }
    }

    /// Answers whoever waits and reports the rest; nobody is called under the lock.
    private func answer(_ reports: [KafkaReport], _ update: (inout State) -> Void) {
        let (answers, others) = state.withLock { state in
            update(&state)
            var answers: [(CheckedContinuation<KafkaOutcome, Never>, KafkaOutcome)] = []
            if state.awaited.isEmpty { return (answers, reports) }
            var others: [KafkaReport] = []
            for report in reports {
                if let awaited = state.awaited.removeValue(forKey: report.tag) {
                    if let continuation = awaited.continuation { answers.append((continuation, report.outcome)) }
                } else {
                    others.append(report)
                }
            }
            return (answers, others)
        }
        for (continuation, outcome) in answers { continuation.resume(returning: outcome) }
        if !others.isEmpty { onReports(others) }
    }

    // MARK: - Ends

    /// After a fatal error the client answers for what it has, and another takes over.
    private func replace(_ client: KafkaClient) {
        let error = client.fatalError
        if let error { client.say(3, "FATAL", "the producer is replaced: \(error)") }
        // What waits stays, and goes to the new client.
        let madeAt = state.withLock { state in
            state.client = nil
            return state.madeAt
        }
        purge(client)
        let end = ContinuousClock.now + KafkaLimits.purgePatience
        while state.withLock({ $0.outbox.inFlightRecords > 0 }), ContinuousClock.now < end {
            if let event = Event(of: client.queue, within: KafkaLimits.poll) {
                // There is no time for whoever is called.
                handle(event, client, lends: false)
            }
        }
        answerForFlight(error)
        client.destroy(patience: .zero)
        // Another that fails at once, as without permission, is not made again and again without a breath.
        if ContinuousClock.now < madeAt + KafkaLimits.shortLife { pause(KafkaLimits.replacePause) }
    }

    /// At the deadline of `close`: what waits is not stored; what the library has, it has to answer for now.
    private func giveUp() {
        let client = state.withLock { state in
            refuse(state.outbox.takeWaiting(), &state)
            return state.client
        }
        if let client { purge(client) }
    }

    /// Has the library answer for all that it has. It does so on threads that may be busy, as with names of brokers that
    /// nobody resolves.
    private func purge(_ client: KafkaClient) {
        rd_kafka_purge(
            client.handle.pointer,
            RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
    }

    /// Says of what the library has not answered for in time that it may be stored.
    private func answerForFlight(_ error: KafkaError?) {
        let left = state.withLock { $0.outbox.takeFlight() }
        answer(
            left.map {
                KafkaReport(
                    tag: $0.tag, topic: $0.place.topic, partition: $0.place.partition,
                    outcome: .unknown(error ?? Self.closed))
            }
        ) { _ in }
    }

    private func end() {
        state.withLock { refuse($0.outbox.takeWaiting(), &$0) }
        reportRefused()
        answerForFlight(nil)
        let client = state.withLock { $0.client.take() }
        client?.destroy()
    }

    /// Refuses new records and those that are held, waits until each other that was sent has its answer, and ends the
    /// client. At the deadline what the client library had not sent yet becomes *not stored*, what it had sent
    /// *unknown*.
    ///
    /// Blocks: not to be called on a thread of Swift's pool, nor from `onReports`.
    public func close(within patience: Duration) {
        state.withLock {
            $0.closeBy = $0.closeBy ?? ContinuousClock.now + patience
            flush(&$0)
            $0.client?.queue.wake()
        }
        thread.withLock { $0 }?.join()
    }

    private static let closed = KafkaError(.closed, "the producer was closed")
    private static let cancelled = KafkaError(.cancelled, "the task was cancelled")

    /// Records that wait here, and those that the client library has.
    public var outstanding: (waiting: Int, inFlight: Int) {
        state.withLock { ($0.outbox.waitingCount, $0.outbox.inFlightRecords) }
    }

    /// Makes the client fail as after a broken sequence, for tests.
    package func injectFatalError() {
        // Under the lock: else the client may be given up and gone before the call returns.
        state.withLock { state in
            guard let client = state.client else { return }
            rd_kafka_test_fatal_error(client.handle.pointer, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test")
        }
    }
}
