import AppendRule
import SeededNumbers

/// Makes well-formed records that get in each other's way: few streams, few ids, many repeats.
struct RandomRecords {
    struct Sent {
        var name: String
        var header: RecordHeader
    }

    static let idPool = 24
    let names: [String]
    var random: SeededGenerator
    private var sent: [Sent] = []

    init(seed: UInt64, names: [String]) {
        random = SeededGenerator(seed: seed)
        self.names = names
    }

    /// Forgets what was sent.
    mutating func startAgain() {
        sent.removeAll(keepingCapacity: true)
    }

    /// - Parameter state: of a stream, so that expectations often come close.
    mutating func next(state: (String) -> StreamFacts) -> Sent {
        var record = sent.isEmpty || random.chance(45) ? fresh(state) : variation(state)
        record.header = Self.wellFormed(record.header)
        record.header.writeID = random.next()
        sent.append(record)
        return record
    }

    private mutating func fresh(_ state: (String) -> StreamFacts) -> Sent {
        let name = names[random.below(names.count)]
        let kind: RecordKind =
            switch random.below(100) {
            case 0..<78: .append
            case 78..<98: .metadata
            default: .tombstone
            }
        let expectedStream: ExpectedStream = random.chance(50) ? .stream : .metadataStream
        let ids = (0...random.below(3)).map { _ in anyID() }
        let header = RecordHeader(
            kind: kind, expectation: expectation(state(name)), expectedStream: expectedStream,
            attempt: UInt32(random.below(3)), eventCount: ids.count, ids: ids,
            firstReadable: firstReadable(state(name)))
        return Sent(name: name, header: header)
    }

    private mutating func variation(_ state: (String) -> StreamFacts) -> Sent {
        var record = sent[random.below(sent.count)]
        if record.header.kind == .cancel { record.header.kind = record.header.subject }
        switch random.below(10) {
        case 0, 1: break
        case 2: record.header.attempt += 1
        case 3, 4: record.header.kind = .cancel
        case 5: record.header.ids[record.header.ids.count - 1] = anyID()
        case 6: record.header.expectation = expectation(state(record.name))
        case 7: record.header.subject = random.chance(50) ? .append : .metadata
        case 8: record.header.ids.append(anyID())
        default: record.name = names[random.below(names.count)]
        }
        if record.header.kind != .cancel { record.header.kind = record.header.subject }
        return record
    }

    private mutating func anyID() -> RecordID {
        RecordID(high: 0x0197_0000_0000_7000, low: 0x8000_0000_0000_0000 | UInt64(random.below(Self.idPool)))
    }

    private mutating func expectation(_ state: StreamFacts) -> Expectation {
        switch random.below(10) {
        case 0, 1, 2: return .any
        case 3: return .noStream
        case 4: return .streamExists
        default:
            let near = random.chance(70) ? state.current : state.metadataCurrent
            return .exactly(max(0, near + Int64(random.below(5)) / 2 - 1 + (random.chance(60) ? 0 : 1)))
        }
    }

    private mutating func firstReadable(_ state: StreamFacts) -> Int64? {
        switch random.below(4) {
        case 0: nil
        case 1: Int64(random.below(Int(state.current) + 4))
        default: StreamFacts.softDeleted
        }
    }

    private static func wellFormed(_ header: RecordHeader) -> RecordHeader {
        var header = header
        if header.subject != .append { header.ids = [header.ids[0]] }
        if header.subject != .metadata {
            header.expectedStream = .stream
            header.firstReadable = nil
        }
        header.eventCount = header.ids.count
        return header
    }
}
