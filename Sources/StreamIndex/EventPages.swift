// Pages of events: which records, where they lie, what is in them. Everything here may touch the disk.

import AppendRule
import Envelope
import KeyValue
import Segments

/// Which way a page goes.
public enum PageDirection: Sendable {
    case forward
    case backward
}

/// What a page of a stream may hold.
public struct StreamPageRequest: Sendable {
    public var stream: [UInt8]
    /// The first version to show; nil: the beginning, or the end where it goes backward.
    public var from: Int64?
    public var direction: PageDirection
    /// 1 or more.
    public var maxEvents: Int
    public var maxBytes: Int
    /// No version above it is shown; nil: all there are now.
    public var bound: Int64?

    public init(
        stream: [UInt8], from: Int64?, direction: PageDirection, maxEvents: Int,
        maxBytes: Int = IndexLimits.pageBytes, bound: Int64? = nil
    ) {
        self.stream = stream
        self.from = from
        self.direction = direction
        self.maxEvents = maxEvents
        self.maxBytes = maxBytes
        self.bound = bound
    }
}

/// A page of a stream.
public struct StreamPage: Sendable {
    public var events: [IndexedEvent] = []
    public var isTombstoned = false
    /// Where the next page begins; nil: there is none.
    public var next: Int64?
    /// What the next page must be asked with, so that the whole read is bounded by what there was when it began.
    public var bound: Int64 = -1

    /// An empty one, without a next.
    public init() {}
}

/// What is known of one stream.
public struct StreamSummary: Sendable, Equatable {
    public var stream: [UInt8]
    /// −1: none.
    public var current: Int64
    public var firstReadable: Int64
    public var isSoftDeleted: Bool
    public var isTombstoned: Bool
}

extension IndexStore {
    /// A page of one stream, from its first readable version on.
    func page(_ request: StreamPageRequest) throws(IndexError) -> StreamPage {
        var page = StreamPage()
        guard let view = try view(of: request.stream) else { return page }
        page.isTombstoned = view.isTombstoned
        guard !view.isTombstoned, view.firstReadable <= view.current else { return page }
        let last = min(view.current, request.bound ?? .max)
        page.bound = last
        switch request.direction {
        case .forward:
            let first = max(request.from ?? 0, view.firstReadable)
            guard first <= last else { return page }
            try fill(&page, view.number, first...last, request)
        case .backward:
            let end = min(request.from ?? .max, last)
            guard view.firstReadable <= end else { return page }
            try fill(&page, view.number, view.firstReadable...end, request)
        }
        return page
    }

    /// A stream as reads see it: NAME, or `$$NAME`.
    private struct View {
        var number: UInt64
        var current: Int64
        var firstReadable: Int64
        var isTombstoned: Bool
    }

    private func view(of name: [UInt8]) throws(IndexError) -> View? {
        if let subject = SystemStream.subject(ofMetadataStream: name) {
            guard let state = try state(of: subject) else { return nil }
            return View(
                number: state.metadataNumber, current: state.facts.metadataCurrent, firstReadable: 0,
                isTombstoned: state.facts.isTombstoned)
        }
        guard let state = try state(of: name) else { return nil }
        return View(
            number: state.number, current: state.facts.current, firstReadable: state.facts.firstReadable,
            isTombstoned: state.facts.isTombstoned)
    }

    func summary(of name: [UInt8]) throws(IndexError) -> StreamSummary {
        let view = try view(of: name)
        return StreamSummary(
            stream: name, current: view?.current ?? -1, firstReadable: view?.firstReadable ?? 0,
            isSoftDeleted: view?.firstReadable == StreamFacts.softDeleted, isTombstoned: view?.isTombstoned ?? false)
    }

    /// Finds the records of the versions, as many as fit, and reads them.
    private func fill(
        _ page: inout StreamPage, _ number: UInt64, _ versions: ClosedRange<Int64>, _ request: StreamPageRequest
    ) throws(IndexError) {
        let isForward = request.direction == .forward
        let prefix = Array(IndexKey.version(number, 0)[..<9])
        let walk = KeyIterator(keyValue, from: prefix, to: KeyIterator.end(of: prefix))
        walk.seek(IndexKey.version(number, isForward ? versions.lowerBound : versions.upperBound))
        var entries: [RecordEntry] = []
        var events = 0
        var bytes = 0
        while walk.isValid, events < request.maxEvents, bytes < request.maxBytes || entries.isEmpty {
            guard let entry = walk.withValue({ RecordEntry($0) }) else {
                throw IndexError.damaged("the place of a record cannot be read")
            }
            let low = max(entry.firstVersion, versions.lowerBound)
            let high = min(entry.lastVersion, versions.upperBound)
            guard low <= high else { break }
            entries.append(entry)
            events += Int(high - low) + 1
            bytes += Int(entry.place.length)
            if isForward { walk.next() } else { walk.previous() }
        }
        try check(walk)
        let read = try readEvents(entries, request.direction)
        page.events = Array(read.lazy.filter { versions.contains($0.version) }.prefix(request.maxEvents))
        guard let shown = page.events.last?.version else { return }
        let next = isForward ? shown + 1 : shown - 1
        page.next = versions.contains(next) ? next : nil
    }

    /// Reads records and gives their events: record by record in the order of `entries`, and within each by version,
    /// rising or falling as the direction says.
    func readEvents(
        _ entries: [RecordEntry], _ direction: PageDirection
    ) throws(IndexError) -> [IndexedEvent] {
        var bytes: [UInt8] = []
        let frames = try frames(entries.map(\.place), into: &bytes)
        var events: [IndexedEvent] = []
        var lookup = order.map { PositionLookup(self, confirmed: $0.contents.confirmed) }
        for (entry, frame) in zip(entries, frames) {
            let start = events.count
            try add(entry, frame, bytes, to: &events)
            // A record's events have consecutive positions.
            if lookup != nil, let first = try lookup?.position(of: entry.firstSequence, in: frame.channel) {
                for index in start..<events.count { events[index].position = first + Int64(index - start) }
            }
            if direction == .backward { events[start...].reverse() }
        }
        return events
    }

    private func add(
        _ entry: RecordEntry, _ frame: SegmentFrame, _ bytes: [UInt8], to events: inout [IndexedEvent]
    ) throws(IndexError) {
        let parsed = RecordEnvelope.parse(
            bytes: bytes.span, key: frame.key, value: frame.value, channel: frame.channel,
            partitions: identity.partitions, store: identity.store)
        let key = frame.key ?? 0..<0
        let start = frame.value?.lowerBound ?? 0
        switch parsed {
        case .record(let header, let body) where header.eventCount == entry.eventCount:
            var cursor = EventCursor(body: body)
            var index = 0
            let value = bytes.span.extracting(frame.value ?? 0..<0)
            while let event = cursor.next(in: value) {
                events.append(
                    IndexedEvent(
                        page: bytes, key: key, eventID: header.ids[index], isMetadata: header.kind == .metadata,
                        sequence: entry.firstSequence + Int64(index),
                        version: entry.firstVersion + Int64(index), position: position(entry, index),
                        appendTime: frame.appendTime, ranges: IndexedEvent.Ranges(event, at: start)))
                index += 1
            }
        case .store(let identity, let id):
            events.append(creation(identity, id, frame))
        case .record, .barrier, .foreign, .halt:
            throw IndexError.damaged("the record at \(entry.place) is not the one that was accepted")
        }
    }

    /// With one partition its order is the order of the whole store.
    private func position(_ entry: RecordEntry, _ index: Int) -> Int64? {
        identity.partitions == 1 ? entry.firstSequence + Int64(index) : nil
    }

    /// The store's creation record as the event that it is by definition.
    private func creation(_ identity: Identity, _ id: RecordID, _ frame: SegmentFrame) -> IndexedEvent {
        let type = Array("$store-created".utf8)
        let contentType = Array("application/json".utf8)
        let data = Array(
            """
            {"store":"\(identity.store)","partitions":\(identity.partitions),"hash":"\(identity.hashName)",\
            "rule":\(identity.ruleVersion)}
            """.utf8)
        return IndexedEvent(
            page: type + contentType + data, key: 0..<0, eventID: id, isMetadata: false, sequence: 0, version: 0,
            position: 0,
            appendTime: frame.appendTime,
            ranges: IndexedEvent.Ranges(
                type: type.count, contentType: contentType.count, data: data.count, at: 0))
    }
}
