/// A record to send.
public struct KafkaRecord: Sendable, Equatable {
    /// nil and empty differ, in the key and in the value.
    public var key: [UInt8]?
    public var value: [UInt8]?
    /// As the producer was given the topics, from 0.
    public var topic: Int
    public var partition: Int
    /// It may wait a little for others to go along with it (`KafkaLimits.gatherTime`).
    public var mayGather: Bool

    public init(key: [UInt8]?, value: [UInt8]?, topic: Int = 0, partition: Int, mayGather: Bool = false) {
        self.key = key
        self.value = value
        self.topic = topic
        self.partition = partition
        self.mayGather = mayGather
    }

    var byteCount: Int { (key?.count ?? 0) + (value?.count ?? 0) }
}

/// Records that the client library does not have yet, in order; any can be taken out by its tag.
struct WaitingRecords: Sendable {
    private var slots: [(record: KafkaRecord, tag: UInt64)?] = []
    /// The number of the first slot: numbers count on while slots are dropped from the front.
    private var base = 0
    private var head = 0
    private var numbers: [UInt64: Int] = [:]
    private(set) var count = 0

    mutating func add(_ record: KafkaRecord, _ tag: UInt64) {
        if tag != 0 { numbers[tag] = base + slots.count }
        slots.append((record, tag))
        count += 1
    }

    var first: (record: KafkaRecord, tag: UInt64)? {
        mutating get {
            while head < slots.count {
                if let slot = slots[head] { return slot }
                head += 1
            }
            return nil
        }
    }

    mutating func removeFirst() {
        guard let slot = first else { return }
        if numbers[slot.tag] == base + head { numbers[slot.tag] = nil }
        slots[head] = nil
        head += 1
        count -= 1
        compact()
    }

    /// nil: it is not here.
    mutating func remove(_ tag: UInt64) -> KafkaRecord? {
        guard let number = numbers.removeValue(forKey: tag) else { return nil }
        let record = slots[number - base]?.record
        slots[number - base] = nil
        count -= 1
        compact()
        return record
    }

    private mutating func compact() {
        if count == 0 { head = slots.count }
        // While nothing is taken from the front, what is withdrawn leaves holes anywhere.
        if slots.count > 2 * count + KafkaLimits.waitingHoles { return closeHoles() }
        guard head > 1_024 || head == slots.count, head * 2 >= slots.count else { return }
        slots.removeFirst(head)
        base += head
        head = 0
    }

    private mutating func closeHoles() {
        slots = slots[head...].filter { $0 != nil }
        head = 0
        for (place, slot) in slots.enumerated() {
            if let tag = slot?.tag, tag != 0 { numbers[tag] = base + place }
        }
    }

    /// Places that are kept, holes included.
    var keptCount: Int { slots.count }
}
