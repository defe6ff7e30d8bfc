import StreamIndex

/// Events, read page by page as they are asked for. Each iteration reads anew.
public struct EventSequence: AsyncSequence, Sendable {
    enum Source: Sendable {
        case stream(StreamName, StreamPageRequest)
        case all(SequencePageRequest)
    }

    let store: EventStore
    let source: Source
    let limit: Int
    let consistency: ReadConsistency
    let problem: ReadError?

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let sequence: EventSequence
        private var source: Source
        private var page: [IndexedEvent] = []
        private var place = 0
        private var left: Int
        private var hasBegun = false
        private var hasMore = true

        init(_ sequence: EventSequence) {
            self.sequence = sequence
            source = sequence.source
            left = sequence.limit
        }

        /// The next event; nil after the last.
        ///
        /// - Throws: `ReadError`, `CancellationError`.
        public mutating func next() async throws -> RecordedEvent? {
            if let problem = sequence.problem { throw problem }
            while place == page.count {
                guard hasMore, left > 0 else { return nil }
                try await readPage()
            }
            defer { place += 1 }
            return RecordedEvent(page[place])
        }

        private mutating func readPage() async throws {
            try Task.checkCancellation()
            switch source {
            case .stream(let name, var request):
                if !hasBegun { try await sequence.store.reach(sequence.consistency, stream: name) }
                request.maxEvents = Swift.min(left, IndexLimits.pageEvents)
                let asked = request
                let index = sequence.store.index
                let read = try await translatedRead { try await index.page(asked) }
                if read.isTombstoned { throw ReadError.tombstoned(name) }
                page = read.events
                request.from = read.next
                request.bound = read.bound
                hasMore = read.next != nil
                source = .stream(name, request)
            case .all(var request):
                if !hasBegun { try await sequence.store.reach(sequence.consistency, stream: nil) }
                request.maxEvents = Swift.min(left, IndexLimits.pageEvents)
                let asked = request
                let index = sequence.store.index
                let read = try await translatedRead { try await index.page(asked) }
                page = read.events
                request.from = read.next
                request.bound = read.bound
                request.voids = read.voids
                hasMore = read.next != nil
                source = .all(request)
            }
            hasBegun = true
            left -= page.count
            place = 0
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
