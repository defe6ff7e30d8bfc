// Keeps each channel dense and tells the handler everything in one order.

import EventLog
import Kafka

/// What a log delivers, and how far it is; see `SharedDelivery` for the threads.
struct Delivery: ~Copyable {
    private struct Channel {
        /// The offset that comes next.
        var next: Int64
        /// How often it was read again from `next`.
        var rereads = 0
        var isAsking = false
        /// What comes next cannot be read: it is left alone until it is asked for again.
        var isDamaged = false
        /// What was stored before may not be there any more: `close` does not wait for it.
        var isCut = false
        /// Delivered on their acknowledgement, and still to come through the reader.
        var unread: [StoredRecord] = []
    }

    /// What follows from something odd, once the reader is not being read.
    private enum Action {
        /// Read the channel again.
        case again(Int)
        case ask(Int)
        case tell(LogEvent)
        case lost(String)
        /// What comes next may be of another log.
        case doubt
        case failed(String)
    }

    private let description: LogDescription
    private let reader: KafkaReader
    private let producer: KafkaProducer
    private let shared: SharedState
    private let leaders: Leaders
    private let handler: any LogHandler
    private var channels: [Channel]
    /// Channels that are to be read from elsewhere: what comes of them is of before.
    private var moved: Set<Int> = []
    private var isLost = false
    /// The handler was told to compare, and the log was being closed: it does not, and takes nothing more.
    private var isInVain = false
    private var writesAfterRestart = false
    private var hasFailed = false
    private var records = RecordRun()
    private var actions: [Action] = []

    init(
        _ description: LogDescription, reader: KafkaReader, producer: KafkaProducer, shared: SharedState,
        leaders: Leaders, handler: any LogHandler, offsets: [Int64]
    ) {
        self.description = description
        self.reader = reader
        self.producer = producer
        self.shared = shared
        self.leaders = leaders
        self.handler = handler
        channels = offsets.map { Channel(next: $0) }
    }

    /// - Parameter writesAfterRestart: see `KafkaPlace`.
    mutating func begin(writesAfterRestart: Bool) {
        self.writesAfterRestart = writesAfterRestart
        if description.isAway { lose("no broker has answered yet") }
        for channel in channels.indices { begin(channel) }
    }

    /// Does what was asked of the log's thread; false: the log is closed, and what it stored is delivered.
    mutating func heed() -> Bool {
        let inbox = shared.takeInbox()
        moved = []
        if !inbox.reports.isEmpty { handler.handle(.tags(inbox.reports)) }
        for (channel, offset) in inbox.restarts {
            if !isLost {
                // Others may not have been compared yet.
                let place = description.place(of: channel)
                producer.release(topic: place.topic, partition: place.partition)
            }
            channels[channel] = Channel(next: offset)
            begin(channel)
        }
        for answer in inbox.answers { heard(answer) }
        deliver(inbox.acknowledged)
        guard let ends = inbox.ends, let deadline = inbox.drainBy else { return true }
        return !isOver(ends, deadline)
    }

    mutating func end() {
        reader.endAll()
        while let reports = shared.nextReports() { handler.handle(.tags(reports)) }
    }

    private func isOver(_ ends: [Int64], _ deadline: ContinuousClock.Instant) -> Bool {
        // What stands behind a loss of contact would have to be compared first, and nobody does any more.
        if hasFailed || isLost || isInVain { return true }
        // Nobody asks leaders any more.
        return zip(channels, ends).allSatisfy { $0.next >= $1 || $0.isDamaged || $0.isCut || $0.isAsking }
            || ContinuousClock.now >= deadline
    }

    private mutating func begin(_ channel: Int) {
        guard !isLost, !hasFailed, !channels[channel].isDamaged else { return }
        channels[channel].isAsking = false
        // What was acknowledged is still to be compared.
        let next = channels[channel].unread.first?.offset ?? channels[channel].next
        // The library means something else by these.
        if next < 0 { return ask(channel) }
        do throws(KafkaError) {
            try reader.begin(description.place(of: channel), at: next)
        } catch {
            fail("\(description.name(of: channel)) cannot be read: \(error)")
        }
    }

    // MARK: - Reading

    /// - Parameter all: lends what there is to read, until it is told to stop.
    mutating func read(_ all: ((borrowing KafkaReading) -> Bool) -> Void) {
        moved = shared.moved
        records.removeAll()
        all { reading in
            switch reading {
            case .record(let message): take(message)
            case .end(let place, let offset): reachedEnd(of: place, at: offset)
            case .trouble(let place, let error): trouble(place, error)
            }
            return actions.isEmpty && records.entries.count < LogLimits.runRecords
                && records.bytes.count < LogLimits.runBytes
        }
        if !records.entries.isEmpty { handler.handle(records) }
        for action in actions { act(action) }
        actions = []
    }

    mutating func deliverAcknowledged() {
        let acknowledged: [(channel: Int, record: StoredRecord)]
        (acknowledged, moved) = shared.takeAcknowledged()
        deliver(acknowledged)
    }

    /// What this log wrote need not come back first: all in-sync replicas have it, so it stands at its offset, and where
    /// that is the next one, everything before it was delivered. Should they lose it all the same, it is noticed when
    /// it is read: until then nothing behind it is delivered, so that it is the newest that the handler has, which the
    /// handler compares.
    private mutating func deliver(_ acknowledged: [(channel: Int, record: StoredRecord)]) {
        guard !acknowledged.isEmpty else { return }
        records.removeAll()
        var begun: [Int] = []
        for (channel, record) in acknowledged where record.offset == channels[channel].next {
            guard isRead(channel), channels[channel].unread.isEmpty || begun.contains(channel) else { continue }
            begun.append(channel)
            records.append(record.record, channel: channel, offset: record.offset, appendTime: record.appendTime)
            channels[channel].unread.append(record)
            channels[channel].next += 1
            channels[channel].rereads = 0
        }
        if !records.entries.isEmpty { handler.handle(records) }
    }

    private mutating func take(_ message: borrowing KafkaMessage) {
        guard let channel = read(message.place) else { return }
        let offset = message.offset
        guard isAsDelivered(message, channel) else { return actions.append(.doubt) }
        // It was acknowledged; or an old version of the library delivers it twice.
        if offset < channels[channel].next { return }
        if offset > channels[channel].next { return missing(channel, foundAt: offset) }
        let key = message.appendKey(to: &records.bytes)
        let value = message.appendValue(to: &records.bytes)
        records.entries.append(
            RunEntry(
                channel: channel, offset: offset, appendTime: message.timestamp, key: key, value: value, place: nil))
        channels[channel].next += 1
        channels[channel].rereads = 0
    }

    /// False: what was delivered on its acknowledgement is another, or gone, so the log is not what it was then. What
    /// comes behind it is left until the handler has compared.
    private mutating func isAsDelivered(_ message: borrowing KafkaMessage, _ channel: Int) -> Bool {
        var isSame = true
        while let first = channels[channel].unread.first, first.offset <= message.offset {
            channels[channel].unread.removeFirst()
            if !message.isSame(as: first) { isSame = false }
        }
        return isSame
    }

    private mutating func reachedEnd(of place: TopicPartition, at offset: Int64) {
        guard let channel = read(place), offset > channels[channel].next else { return }
        missing(channel, foundAt: offset)
    }

    /// The channel, where it is one of ours and what comes of it is what was asked for last.
    private func read(_ place: TopicPartition) -> Int? {
        guard let channel = description.channel(of: place), isRead(channel) else { return nil }
        return channel
    }

    private func isRead(_ channel: Int) -> Bool {
        !channels[channel].isAsking && !channels[channel].isDamaged && !isLost && !hasFailed
            && !moved.contains(channel)
    }

    /// Old versions of the library have skipped records: the channel is read again before it is believed.
    private mutating func missing(_ channel: Int, foundAt offset: Int64) {
        if channels[channel].rereads < KafkaLogLimits.rereads {
            channels[channel].rereads += 1
        } else {
            actions.append(.tell(.gap(channel: channel, expected: channels[channel].next, found: offset)))
            channels[channel] = Channel(next: offset)
        }
        actions.append(.again(channel))
    }

    private mutating func trouble(_ place: TopicPartition?, _ error: KafkaError) {
        if let place {
            guard let channel = read(place) else { return }
            switch error.kind {
            case .outOfRange: return actions.append(.ask(channel))
            // Without the order, streams and appends go on.
            case .notAuthorized where channel == description.orderChannel,
                .unknownTopic where channel == description.orderChannel:
                leaders.place.log(3, "ORDER", "the order topic cannot be read, positions wait: \(error)")
                return actions.append(.ask(channel))
            case .damaged: return damaged(channel, error)
            default: break
            }
        }
        switch error.kind {
        case .fatal: actions.append(.failed("the Kafka client has failed: \(error); open the store again"))
        // One broker that is away is not a loss of contact: others may lead. But it may come back with other records,
        // and the library says that all are away only where it has tried all.
        case .unreachable where error.name != "_ALL_BROKERS_DOWN": if !isLost { actions.append(.doubt) }
        case .unreachable, .authentication, .notAuthorized, .unknownTopic:
            if !isLost { actions.append(.lost(error.description)) }
        default: break
        }
    }

    private mutating func damaged(_ channel: Int, _ error: KafkaError) {
        // It may have been the way, not the disk.
        if channels[channel].rereads < KafkaLogLimits.rereads {
            channels[channel].rereads += 1
            return actions.append(.again(channel))
        }
        channels[channel].isDamaged = true
        let offset = channels[channel].unread.first?.offset ?? channels[channel].next
        actions.append(
            .tell(
                .damaged(
                    channel: channel,
                    Self.damage(offset, description.name(of: channel), error.description))))
    }

    /// - Parameter channel: its name.
    static func damage(_ offset: Int64, _ channel: String, _ error: String) -> String {
        "the record at offset \(offset) of \(channel) does not match its checksum (\(error)): the broker's copy is damaged; "
            + "let another replica lead there and open the store again, or, where there is none, export to a new store"
    }

    // MARK: - Acting

    private mutating func act(_ action: Action) {
        switch action {
        case .again(let channel): begin(channel)
        case .ask(let channel): ask(channel)
        case .tell(let event):
            if case .damaged(let channel?, _) = event { reader.end(description.place(of: channel)) }
            handler.handle(event)
        case .lost(let why): lose(why)
        case .doubt: if !isLost, !hasFailed { askToCompare() }
        case .failed(let why): fail(why)
        }
    }

    private mutating func ask(_ channel: Int) {
        reader.end(description.place(of: channel))
        channels[channel].isAsking = true
        leaders.askBounds(of: channel, for: channels[channel].next)
    }

    private mutating func askToCompare() {
        if shared.isClosed { isInVain = true }
        handler.handle(.contactRegained)
    }

    private mutating func lose(_ why: String) {
        guard !isLost, !hasFailed else { return }
        isLost = true
        shared.lost(true)
        reader.endAll()
        // What the library does not have can be withdrawn.
        producer.hold(true)
        handler.handle(.contactLost(why))
        leaders.waitForContact()
    }

    private mutating func fail(_ why: String) {
        guard !hasFailed else { return }
        hasFailed = true
        reader.endAll()
        handler.handle(.failed(why))
    }

    private mutating func heard(_ answer: Leaders.Answer) {
        switch answer {
        case .contact:
            isLost = false
            shared.lost(false)
            if !writesAfterRestart { producer.hold(false) }
            askToCompare()
            for channel in channels.indices { begin(channel) }
        case .failed(let why):
            fail(why)
        case .bounds(let channel, let offset, let bounds):
            // With contact every channel begins anew, and is asked for again.
            guard !isLost else { return }
            guard channels[channel].isAsking, channels[channel].next == offset else { return }
            // The handler compares, whatever the answer is.
            channels[channel].unread = []
            if offset < bounds.lowerBound {
                channels[channel].next = bounds.lowerBound
                handler.handle(.startMoved(channel: channel, start: bounds.lowerBound))
            } else if offset > bounds.upperBound {
                channels[channel].next = bounds.upperBound
                channels[channel].isCut = true
                handler.handle(.shortened(channel: channel, end: bounds.upperBound))
            } else {
                // It may have been shorter, and have grown since.
                askToCompare()
            }
            begin(channel)
        }
    }
}

extension KafkaMessage {
    fileprivate func isSame(as record: StoredRecord) -> Bool {
        offset == record.offset && timestamp == record.appendTime
            && isSame(key: record.record.key, value: record.record.value)
    }
}
