import JSONLines
import Tributary

func runRead(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let stream = try arguments.stream
    let from = try arguments.number(.fromVersion, minimum: 0)
    let limit = try arguments.limit
    return try await context.withStore { store in
        var isEmpty = true
        for try await event in store.read(stream, from: from, direction: arguments.direction, limit: limit) {
            isEmpty = false
            try Task.checkCancellation()
            try context.output.event(event)
        }
        if isEmpty { try await checkExistence(of: stream, in: store) }
        return .done
    }
}

/// A stream that has events may still have none where a read begins.
private func checkExistence(of stream: StreamName, in store: EventStore) async throws {
    switch try await store.info(of: stream).state {
    case .live: break
    case .missing: throw Failure(.noSuchStream, "there is no stream \(stream): see tributary streams")
    case .softDeleted: throw Failure(.noSuchStream, "\(stream) was deleted: an append brings it back")
    case .tombstoned: throw ReadError.tombstoned(stream)
    }
}

func runReadAll(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let from = try arguments.number(.fromPosition, minimum: 0).map { GlobalPosition($0) }
    let limit = try arguments.limit
    let filter = EventFilter(category: try arguments.text(.category), types: try arguments.all(.types))
    return try await context.withStore { store in
        let unordered = try await waitForOrder(of: store, context)
        for try await event in store.readAll(from: from, direction: arguments.direction, limit: limit, where: filter) {
            try Task.checkCancellation()
            try context.output.event(event)
        }
        guard let unordered else { return .done }
        if unordered.isForGood {
            try context.output.flush()
            throw Failure(.unavailable, unordered.notShown)
        }
        StandardError.line(unordered.notShown)
        return .done
    }
}

/// How long a read of everything waits for what is accepted to be ordered.
private let orderPatience = Duration.seconds(10)

/// What a read of everything leaves out.
private struct Unordered {
    let events: Int64
    let why: String
    /// Positions have stopped until somebody does something about it.
    let isForGood: Bool

    var notShown: String {
        "\(events) accepted event\(events == 1 ? " is" : "s are") not ordered yet and not shown (read gives each stream): "
            + why
    }
}

/// Waits until all that this node has applied has its positions; offline nobody gives it any.
///
/// - Returns: what is left out all the same; nil: nothing.
private func waitForOrder(of store: EventStore, _ context: Context) async throws -> Unordered? {
    var why = "offline nothing is ordered"
    if !context.place.isOffline {
        do {
            try await store.waitUntilOrdered(deadline: orderPatience)
            return nil
        } catch let error as StoreError where error.code != .closed {
            // Where positions have stopped, the read says so at that place.
            why = error.message
        }
    }
    let order = try await store.orderStatus()
    if order.lag == 0 { return nil }
    return Unordered(events: order.lag, why: why, isForGood: order.fault != nil || order.halted != nil)
}

func runExport(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let from = try arguments.number(.fromPosition, minimum: 0).map { GlobalPosition($0) }
    return try await context.withStore { store in
        let unordered = try await waitForOrder(of: store, context)
        for try await event in store.readAll(from: from) where !event.stream.isSystem {
            try Task.checkCancellation()
            try context.output.importable(event)
        }
        guard let unordered else { return .done }
        try context.output.flush()
        throw Failure(.unavailable, "the export is incomplete: \(unordered.notShown)")
    }
}

func runStreams(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let prefix = try arguments.text(.prefix) ?? ""
    let limit = try arguments.limit
    let isByName = try arguments.choice(.sort, of: ["name", "events"]) == "name"
    if !isByName && arguments.has(.after) {
        throw Failure(.badInput, "--after goes with --sort name only")
    }
    let after = try arguments[.after].map { name throws(Failure) in
        do throws(InvalidInput) { return try StreamName(utf8: name) } catch { throw Failure(error) }
    }
    return try await context.withStore { store in
        if isByName {
            try await listByName(store, prefix, after, limit, context.output)
        } else {
            for info in try await store.streams(prefix: prefix, limit: limit, sortedBy: .events) {
                try context.output.stream(info)
            }
        }
        return .done
    }
}

private let streamsPerPage = 1_000

private func listByName(
    _ store: EventStore, _ prefix: String, _ after: StreamName?, _ limit: Int, _ output: Output
) async throws {
    var after = after
    var left = limit
    while left > 0 {
        try Task.checkCancellation()
        let asked = min(left, streamsPerPage)
        let page = try await store.streams(prefix: prefix, after: after, limit: asked)
        for info in page { try output.stream(info) }
        guard page.count == asked, let last = page.last else { return }
        after = last.stream
        left -= page.count
    }
}

extension Output {
    fileprivate func stream(_ info: StreamInfo) throws {
        json.beginObject()
        json.field("stream", info.stream.utf8)
        json.field("events", info.eventCount)
        json.field("currentVersion", info.currentVersion)
        json.field("firstVersion", info.firstVersion)
        json.field("state", info.state.text)
        json.endObject()
        try endLine()
    }
}

extension StreamInfo.State {
    fileprivate var text: String {
        switch self {
        case .missing: "missing"
        case .live: "live"
        case .softDeleted: "soft-deleted"
        case .tombstoned: "tombstoned"
        }
    }
}
