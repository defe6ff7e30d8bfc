import AppendRule
import Envelope
import SeededNumbers

/// How the golden log was made, and a reader of it that decides each record anew.
enum GoldenLog {
    static let store = StoreID(high: 0x1234_5678_9abc_4def, low: 0x8123_4567_89ab_cdef)
    static let channel = 2
    static let partitions = 4
    static let records = 3_000

    struct Entry: Equatable {
        var key: [UInt8]?
        var value: [UInt8]?
        var appendTime: Int64 = 0
        var code: UInt32 = 0
        var firstVersion: Int64 = -1
    }

    static func buffer(_ key: [UInt8]?, _ value: [UInt8]?) -> (bytes: [UInt8], key: Range<Int>?, value: Range<Int>?) {
        let bytes = (key ?? []) + (value ?? [])
        return (bytes, key.map { 0..<$0.count }, value.map { bytes.count - $0.count..<bytes.count })
    }

    /// What reads one channel from its start.
    struct Channel {
        private var facts = FactStore()
        private var hasIdentity = false

        func state(of name: String) -> StreamFacts { facts.state(of: name) }

        mutating func apply(key: [UInt8]?, value: [UInt8]?) -> (code: UInt32, firstVersion: Int64) {
            let (bytes, keyRange, valueRange) = GoldenLog.buffer(key, value)
            let parsed = RecordEnvelope.parse(
                bytes: bytes.span, key: keyRange, value: valueRange, channel: GoldenLog.channel,
                partitions: GoldenLog.partitions, store: GoldenLog.store)
            switch parsed {
            case .foreign(let reason): return (RecordCode.foreign(reason), -1)
            case .store:
                hasIdentity = true
                return (RecordCode.identity, -1)
            case _ where !hasIdentity: return (RecordCode.foreign(.beforeIdentity), -1)
            case .barrier: return (RecordCode.barrier, -1)
            case .halt(let reason): preconditionFailure("the golden log has nothing that halts: \(reason)")
            case .record(let header, _):
                let decision = facts.apply(header, to: String(decoding: key ?? [], as: UTF8.self))
                return (decision.code, decision.firstVersion)
            }
        }
    }

    static func make() -> [Entry] {
        var maker = Maker()
        maker.add(key: [1, 2, 3], value: nil)
        maker.add(key: [], value: RecordEnvelope.encodeBarrier(id: id(1), partition: channel, writeID: 1, store: store))
        maker.addIdentity()
        while maker.entries.count < records { maker.addNext() }
        maker.addIdentity()
        for _ in 0..<100 { maker.addNext() }
        return maker.entries
    }

    static func id(_ number: UInt64) -> RecordID {
        RecordID(high: 0x0197_0000_0000_7001, low: 0x8000_0000_0000_0000 | number)
    }

    /// Names of this channel.
    private static func names() -> [String] {
        (0..<100).map { "order-\($0)" }.filter {
            let name = [UInt8]($0.utf8)
            return partition(of: name.span, partitions: partitions) == channel
        }
    }

    private struct Maker {
        var entries: [Entry] = []
        private var channel = Channel()
        private var time: Int64 = 1_750_000_000_000
        private var random: RandomRecords

        init() {
            random = RandomRecords(seed: 1, names: GoldenLog.names())
        }

        mutating func add(key: [UInt8]?, value: [UInt8]?) {
            time += Int64(random.random.below(5))
            let (code, firstVersion) = channel.apply(key: key, value: value)
            entries.append(
                Entry(key: key, value: value, appendTime: time, code: code, firstVersion: firstVersion))
        }

        mutating func addIdentity() {
            let identity = Identity(
                store: GoldenLog.store, partitions: GoldenLog.partitions, ruleVersion: 1, nonce: GoldenLog.id(2))
            add(
                key: [],
                value: RecordEnvelope.encodeIdentity(
                    identity, id: GoldenLog.id(3), partition: GoldenLog.channel, writeID: 7))
        }

        mutating func addNext() {
            let sent = random.next { channel.state(of: $0) }
            var key: [UInt8]? = Array(sent.name.utf8)
            var value: [UInt8]? = encoded(sent.header, key: key!)
            switch random.random.below(400) {
            case 0: value = nil
            case 1: value = Array(value![..<17])
            case 2: value![0] ^= 1
            case 3: value![20] ^= 1
            case 4: value = encoded(sent.header, key: key!, store: StoreID(high: 1, low: 2))
            case 5:
                key = Array("elsewhere".utf8)
                value = encoded(sent.header, key: key!)
            case 6:
                key = nil
                value = encoded(sent.header, key: [])
            case 7:
                key = Array("$$a-3".utf8)
                value = encoded(sent.header, key: key!)
            case 8:
                // A cancel may not have a body.
                var header = sent.header
                header.kind = .append
                header.subject = .append
                value = encoded(header, key: key!)
                value![14] = RecordKind.cancel.rawValue
                RecordEnvelope.restamp(&value!, key: key!, attempt: 0, writeID: 0)
            case 9, 10:
                key = []
                value = RecordEnvelope.encodeBarrier(
                    id: GoldenLog.id(random.random.next() >> 8), partition: GoldenLog.channel, writeID: 1,
                    store: GoldenLog.store)
            default: break
            }
            add(key: key, value: value)
        }

        private mutating func encoded(
            _ header: RecordHeader, key: [UInt8], store: StoreID = GoldenLog.store
        ) -> [UInt8] {
            var events: [EventContent] = []
            if header.kind != .cancel {
                for _ in header.ids {
                    let data = (0..<random.random.below(40)).map { _ in UInt8(random.random.below(256)) }
                    events.append(
                        EventContent(
                            type: Array("OrderPlaced".utf8), contentType: Array("application/octet-stream".utf8),
                            data: data, metadata: random.random.chance(30) ? [] : nil))
                }
            }
            return RecordEnvelope.encode(header, events: events, key: key, store: store)
        }
    }
}
