/// Records on their way to the client library, and which of them may go.
///
/// Most go at once: nobody should wait. But behind some of its partition that are in flight the library would keep a
/// record until those are acknowledged, and burn a processor meanwhile; and what may gather waits for company, since a
/// small batch costs a broker as much as a large one. Both stay here, by partition, so that one which nobody leads
/// holds up no other.
struct Outbox: Sendable {
    private struct Lane: Sendable {
        var waiting = WaitingRecords()
        var waitingBytes = 0
        var inFlight = 0
        var flight = Flight()
        /// Whether what waits has gathered long enough, or something behind it may not wait.
        var isDue = false
        /// Nothing of it goes.
        var isHeld: Bool
    }

    struct Place: Hashable, Sendable {
        var topic: Int
        var partition: Int
    }

    typealias Sent = (record: KafkaRecord, tag: UInt64)

    /// What became of a record that was handed to the library.
    enum Handed {
        case taken, refused
        /// It takes none now.
        case notNow
    }

    private var lanes: [Lane] = []
    /// Whether lanes that are new are held.
    private var holdsNew = false
    private var numbers: [Place: Int] = [:]
    /// The lane to begin with when there is room again, so that each gets its turn.
    private var turn = 0
    private(set) var waitingCount = 0
    private(set) var inFlightRecords = 0
    private(set) var inFlightBytes = 0

    /// False: the record gathers, until the next `fallDue`.
    mutating func add(_ record: KafkaRecord, _ tag: UInt64) -> Bool {
        let number = number(of: Place(topic: record.topic, partition: record.partition))
        lanes[number].waiting.add(record, tag)
        lanes[number].waitingBytes += record.byteCount
        waitingCount += 1
        if !record.mayGather || lanes[number].waitingBytes >= KafkaLimits.gatheredBytes { lanes[number].isDue = true }
        return lanes[number].isDue
    }

    private mutating func number(of place: Place) -> Int {
        if let number = numbers[place] { return number }
        lanes.append(Lane(isHeld: holdsNew))
        numbers[place] = lanes.count - 1
        return lanes.count - 1
    }

    /// Hands nothing over, or all again.
    mutating func hold(_ isHeld: Bool) {
        holdsNew = isHeld
        for number in lanes.indices { lanes[number].isHeld = isHeld }
    }

    /// Hands over what is of this partition, though others are held.
    mutating func release(_ place: Place) {
        let number = number(of: place)
        lanes[number].isHeld = false
        if lanes[number].waiting.count > 0 { lanes[number].isDue = true }
    }

    /// Everything has gathered long enough.
    mutating func fallDue() {
        for number in lanes.indices where lanes[number].waiting.count > 0 { lanes[number].isDue = true }
    }

    /// False: it is not here.
    mutating func remove(_ tag: UInt64) -> Bool {
        for number in lanes.indices {
            guard let record = lanes[number].waiting.remove(tag) else { continue }
            left(number, record)
            return true
        }
        return false
    }

    private mutating func left(_ number: Int, _ record: KafkaRecord) {
        lanes[number].waitingBytes -= record.byteCount
        waitingCount -= 1
        if lanes[number].waiting.count == 0 { lanes[number].isDue = false }
    }

    /// Hands over what may go, together what is of one partition; `hand` says what the library made of each.
    mutating func pump(_ hand: ([Sent]) -> [Handed]) {
        guard waitingCount > 0 else { return }
        for step in lanes.indices {
            let number = (turn + step) % lanes.count
            let before = waitingCount
            guard pump(number, hand) else {
                // One that had its turn goes behind the others.
                turn = waitingCount < before ? number + 1 : number
                return
            }
        }
    }

    /// False: the library takes no more, of no partition.
    private mutating func pump(_ number: Int, _ hand: ([Sent]) -> [Handed]) -> Bool {
        while lanes[number].isDue, !lanes[number].isHeld, lanes[number].inFlight < KafkaLimits.flightOfAPartition {
            let (batch, hasRoom) = nextBatch(number)
            var left: [Sent] = []
            for (sent, outcome) in zip(batch, batch.isEmpty ? [] : hand(batch)) {
                switch outcome {
                case .taken:
                    lanes[number].inFlight += 1
                    lanes[number].flight.add(sent.tag)
                    inFlightRecords += 1
                    inFlightBytes += sent.record.byteCount
                case .refused: break
                case .notNow: left.append(sent)
                }
            }
            guard left.isEmpty else {
                for sent in left + take(number) { _ = add(sent.record, sent.tag) }
                lanes[number].isDue = true
                return false
            }
            guard hasRoom else { return false }
        }
        return true
    }

    /// Takes out what goes together; false: more would be over the limits.
    private mutating func nextBatch(_ number: Int) -> (batch: [Sent], hasRoom: Bool) {
        var batch: [Sent] = []
        var bytes = 0
        while batch.count < KafkaLimits.batchRecords, let (record, tag) = lanes[number].waiting.first {
            if !batch.isEmpty, bytes + record.byteCount > KafkaLimits.handedBytes { break }
            let (records, all) = (inFlightRecords + batch.count, inFlightBytes + bytes + record.byteCount)
            guard records < KafkaLimits.inFlightRecords, records == 0 || all <= KafkaLimits.inFlightBytes else {
                return (batch, false)
            }
            lanes[number].waiting.removeFirst()
            left(number, record)
            bytes += record.byteCount
            batch.append((record, tag))
        }
        return (batch, true)
    }

    /// The library has answered for a record.
    mutating func landed(_ place: Place, _ tag: UInt64, bytes: Int) {
        if let number = numbers[place] {
            lanes[number].inFlight -= 1
            lanes[number].flight.remove(tag)
        }
        inFlightRecords -= 1
        inFlightBytes -= bytes
    }

    /// The library is gone with all that it had: the tags of what it did not answer for.
    mutating func takeFlight() -> [(place: Place, tag: UInt64)] {
        var left: [(place: Place, tag: UInt64)] = []
        for (place, number) in numbers {
            lanes[number].inFlight = 0
            left += lanes[number].flight.takeAll().map { (place, $0) }
        }
        inFlightRecords = 0
        inFlightBytes = 0
        return left
    }

    /// Takes out what waits, in order within a partition.
    mutating func takeWaiting() -> [Sent] {
        var taken: [Sent] = []
        for number in lanes.indices { taken += take(number) }
        return taken
    }

    /// Takes out what is held.
    mutating func takeHeld() -> [Sent] {
        var taken: [Sent] = []
        for number in lanes.indices where lanes[number].isHeld { taken += take(number) }
        return taken
    }

    private mutating func take(_ number: Int) -> [Sent] {
        var taken: [Sent] = []
        while let first = lanes[number].waiting.first {
            taken.append(first)
            lanes[number].waiting.removeFirst()
            left(number, first.record)
        }
        return taken
    }
}
