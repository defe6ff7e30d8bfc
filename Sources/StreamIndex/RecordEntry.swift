import Segments

/// Where an accepted record lies and what it brought: under (stream number, last version), and, with its first
/// version, in the blocks of places.
struct RecordEntry: Equatable, Sendable {
    var place: SegmentPlace
    var firstSequence: Int64
    var firstVersion: Int64
    var eventCount: Int

    static let byteCount = 30

    func encode(into value: inout IndexKey) {
        value.add(place.file)
        value.add(place.position)
        value.add(place.length)
        value.add(UInt64(firstSequence))
        value.add(UInt64(firstVersion))
        value.add(UInt8(truncatingIfNeeded: eventCount >> 8))
        value.add(UInt8(truncatingIfNeeded: eventCount))
    }

    init(place: SegmentPlace, firstSequence: Int64, firstVersion: Int64, eventCount: Int) {
        self.place = place
        self.firstSequence = firstSequence
        self.firstVersion = firstVersion
        self.eventCount = eventCount
    }

    init?(_ value: Span<UInt8>, at offset: Int = 0) {
        guard value.count >= offset + Self.byteCount else { return nil }
        place = SegmentPlace(
            file: value.number32(at: offset), position: value.number32(at: offset + 4),
            length: value.number32(at: offset + 8))
        firstSequence = value.signed64(at: offset + 12)
        firstVersion = value.signed64(at: offset + 20)
        eventCount = Int(value[offset + 28]) << 8 | Int(value[offset + 29])
    }

    var lastVersion: Int64 { firstVersion + Int64(eventCount) - 1 }

    var lastSequence: Int64 { firstSequence + Int64(eventCount) - 1 }
}
