// Pages of all events of several partitions by global position, or of those of a category or some types.

import Envelope
import GlobalOrder
import KeyValue
import Segments

/// An event's place in its partition and in the store.
private struct OrderedPlace {
    var partition: Int
    var sequence: Int64
    var position: Int64
}

extension IndexStore {
    /// A page of a stream, with positions of one order.
    func streamPage(_ request: StreamPageRequest) throws(IndexError) -> StreamPage {
        try whileOrderStands { (_) throws(IndexError) in try page(request) }
    }

    /// A page by position; `partition` of the request means nothing.
    func orderedPage(_ request: SequencePageRequest) throws(IndexError) -> SequencePage {
        try whileOrderStands { (before) throws(IndexError) in
            if let voids = request.voids, voids != before.voids { throw Self.reordered }
            return try page(request, confirmed: before)
        }
    }

    private static var reordered: IndexError {
        IndexError(
            .disputed, "an order record was declared void while this was read: positions may have changed; read again")
    }

    /// Runs `body` on what may be told of the order; once more where positions were taken back meanwhile, since it may
    /// have seen them before and after.
    func whileOrderStands<R>(_ body: (OrderView.Contents) throws(IndexError) -> R) throws(IndexError) -> R {
        guard let order else { return try body(OrderView.Contents()) }
        while true {
            let before = order.contents
            do throws(IndexError) {
                let result = try body(before)
                if order.contents.voids == before.voids { return result }
            } catch {
                if order.contents.voids == before.voids { throw error }
            }
        }
    }

    private func page(
        _ request: SequencePageRequest, confirmed: OrderView.Contents
    ) throws(IndexError) -> SequencePage {
        var page = SequencePage()
        page.voids = confirmed.voids
        page.bound = min(request.bound ?? .max, confirmed.confirmed)
        let isForward = request.direction == .forward
        let first = isForward ? request.from ?? 0 : min(request.from ?? .max, page.bound - 1)
        let isAtFault = confirmed.fault != nil && page.bound == confirmed.confirmed
        guard first >= 0, first < page.bound else {
            if isAtFault, let fault = confirmed.fault { throw IndexError(.disputed, fault.message) }
            return page
        }
        // Backward from the end: what the end is nobody knows.
        if !isForward, isAtFault, request.from.map({ $0 >= page.bound }) ?? true, let fault = confirmed.fault {
            throw IndexError(.disputed, fault.message)
        }
        var walk = try OrderedWalk(self, request, from: first, bound: page.bound)
        var wanted: [OrderedPlace] = []
        while wanted.count < min(request.maxEvents, IndexLimits.pageEvents), let place = try walk.next() {
            wanted.append(place)
        }
        page.events = try readEvents(try entries(of: wanted), request.direction)
        let found = Set(wanted.map(\.position))
        page.events.removeAll { event in !(event.position.map(found.contains) ?? false) }
        if let last = wanted.last {
            let shown = page.events.last?.position ?? last.position
            page.next = isForward ? shown + 1 : shown - 1
        }
        if wanted.count == page.events.count, let resume = walk.resume { page.next = resume }
        // At a fault a next page, which throws, follows the last.
        let end = isAtFault && isForward ? page.bound + 1 : page.bound
        if !(page.next.map { $0 >= 0 && $0 < end } ?? false) { page.next = nil }
        if isAtFault, isForward, wanted.isEmpty, page.next == nil, let fault = confirmed.fault {
            throw IndexError(.disputed, fault.message)
        }
        return page
    }

    /// The entries of the records that hold the events, each once, in their order, up to a page of bytes.
    private func entries(of wanted: [OrderedPlace]) throws(IndexError) -> [RecordEntry] {
        var entries: [RecordEntry] = []
        var bytes = 0
        var blocks: [Int: (number: Int64, entries: [RecordEntry])] = [:]
        var last: (partition: Int, entry: RecordEntry)?
        for place in wanted {
            if let last, last.partition == place.partition, last.entry.holds(place.sequence) { continue }
            guard bytes < IndexLimits.pageBytes else { break }
            let number = place.sequence / IndexLimits.placeBlock
            if blocks[place.partition]?.number != number {
                blocks[place.partition] = (number, try places(place.partition, number))
            }
            guard let entry = blocks[place.partition]?.entries.first(where: { $0.holds(place.sequence) }) else {
                throw IndexError.damaged("no record holds event \(place.sequence) of partition \(place.partition)")
            }
            entries.append(entry)
            last = (place.partition, entry)
            bytes += Int(entry.place.length)
        }
        return entries
    }
}

extension RecordEntry {
    fileprivate func holds(_ sequence: Int64) -> Bool { firstSequence <= sequence && sequence <= lastSequence }
}

/// The events that match a request, by position.
private struct OrderedWalk {
    /// The next matching sequence of a partition.
    private struct Matches {
        var walk: SequenceWalk
        var next: Int64?
    }

    private let store: IndexStore
    private let request: SequencePageRequest
    private let bound: Int64
    private let isForward: Bool
    private let isFiltered: Bool
    private let ranges: KeyIterator
    private var lookup: PositionLookup
    /// The next position to look at.
    private var position: Int64
    private var range: PlacedRange?
    private var matches: [Int: Matches] = [:]
    private var looked = 0
    private var misses = 0
    /// Where to go on, where too many ranges were looked at.
    private(set) var resume: Int64?

    init(_ store: IndexStore, _ request: SequencePageRequest, from: Int64, bound: Int64) throws(IndexError) {
        self.store = store
        self.request = request
        self.bound = bound
        position = from
        isForward = request.direction == .forward
        isFiltered = request.category != nil || !request.types.isEmpty
        ranges = store.placedWalk()
        lookup = PositionLookup(store, confirmed: bound)
    }

    mutating func next() throws(IndexError) -> OrderedPlace? {
        while position >= 0, position < bound, resume == nil {
            if position == 0 {
                // The store's creation stands in no range.
                let isWanted = try isCreationWanted()
                position = isForward ? 1 : -1
                if isWanted { return OrderedPlace(partition: 0, sequence: 0, position: 0) }
                continue
            }
            guard let range = try rangeAtPosition() else { return nil }
            if let place = try nextPlace(in: range) {
                misses = 0
                position = isForward ? place.position + 1 : place.position - 1
                return place
            }
            position = isForward ? range.endPosition : range.firstPosition - 1
            misses += 1
            if isFiltered, misses >= IndexLimits.missedRanges, try !leap() { return nil }
        }
        return nil
    }

    private func isCreationWanted() throws(IndexError) -> Bool {
        guard isFiltered else { return true }
        var request = request
        request.partition = 0
        request.direction = .forward
        var walk = SequenceWalk(store, request, from: 0, bound: 1)
        return try walk.next() != nil
    }

    /// The range that holds the position at hand.
    private mutating func rangeAtPosition() throws(IndexError) -> PlacedRange? {
        if let range, range.firstPosition <= position, position < range.endPosition { return range }
        looked += 1
        guard looked <= IndexLimits.pageRanges else {
            resume = position
            return nil
        }
        if range == nil || !isForward {
            ranges.seekBackward(PlacedEntry.lastKey(position))
        } else {
            ranges.next()
        }
        while let entry = try store.placed(at: ranges) {
            if entry.range.events > 0, entry.range.endPosition > position {
                guard entry.range.firstPosition <= position else { break }
                range = entry.range
                return entry.range
            }
            if isForward { ranges.next() } else { ranges.previous() }
        }
        throw IndexError.damaged("no range holds position \(position)")
    }

    private mutating func nextPlace(in range: PlacedRange) throws(IndexError) -> OrderedPlace? {
        let here = range.firstSequence + position - range.firstPosition
        guard isFiltered else {
            return OrderedPlace(partition: range.partition, sequence: here, position: position)
        }
        var own: Matches
        if let known = matches[range.partition] {
            own = known
        } else {
            var request = request
            request.partition = range.partition
            var walk = SequenceWalk(store, request, from: here, bound: .max)
            own = Matches(walk: walk, next: try walk.next())
            own.walk = walk
        }
        // What is not ordered yet, or was passed.
        while let next = own.next, isForward ? next < here : next > here { own.next = try own.walk.next() }
        defer { matches[range.partition] = own }
        guard let next = own.next, range.firstSequence <= next, next < range.firstSequence + range.events else {
            return nil
        }
        return OrderedPlace(
            partition: range.partition, sequence: next, position: range.firstPosition + next - range.firstSequence)
    }

    /// Goes to the next match of any partition, where all of them are known; false: there is none.
    private mutating func leap() throws(IndexError) -> Bool {
        guard matches.count == store.identity.partitions else { return true }
        var nearest: Int64?
        for partition in 0..<store.identity.partitions {
            guard let found = try nextMatch(in: partition) else { continue }
            nearest = nearest.map { isForward ? min($0, found) : max($0, found) } ?? found
        }
        guard let nearest else { return false }
        if nearest != position {
            position = nearest
            range = nil
        }
        misses = 0
        return true
    }

    /// The position of a partition's next match; nil: there is none that has one.
    private mutating func nextMatch(in partition: Int) throws(IndexError) -> Int64? {
        guard var own = matches[partition] else { return nil }
        defer { matches[partition] = own }
        while let sequence = own.next {
            guard let found = try lookup.position(of: sequence, in: partition) else { return nil }
            if isForward ? found >= position : found <= position { return found }
            // It was passed.
            own.next = try own.walk.next()
        }
        return nil
    }
}
