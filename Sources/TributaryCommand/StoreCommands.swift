import JSONLines
import Tributary

func runCreate(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    switch context.place {
    case .directory:
        for option: Option in [.partitions, .replication] where arguments.has(option) {
            throw Failure(.badInput, "--\(option.name) goes with --kafka: a store in a directory has one of each")
        }
        try await context.holdingStore { try await EventStore.create(context.location) }
    case .kafka:
        try await createOnKafka(arguments, context)
    }
    context.output.json.beginObject()
    context.output.json.field("location", context.place.name)
    context.output.json.endObject()
    try context.output.endLine()
    return .done
}

func runStats(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    try await context.withStore { store in
        try context.output.statistics(try await store.statistics())
        return .done
    }
}

func runVerify(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    if let peer = try arguments.text(.peer) { return try await verify(peer, context) }
    return try await context.withStore { store in
        let progress = Progress("verifying")
        let report = try await store.verify { step in
            progress.show(step.recordsDone, of: step.recordsTotal, count: step.recordsDone, unit: "records")
        }
        progress.end()
        let written = Result { try context.output.verified(report) }
        for problem in report.problems { StandardError.line(problem) }
        if report.problems.isEmpty {
            try written.get()
            if let fault = report.order?.fault { throw Failure(.unavailable, fault.forPeople) }
            if let halted = report.order?.halted { throw Failure(.unavailable, halted) }
            return .done
        }
        throw Failure(
            .unavailable,
            "index and log differ in \(report.problems.count) places: keep a copy of the directory, then try "
                + "tributary rebuild-index")
    }
}

func runRebuildIndex(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    try await context.holdingStore {
        let progress = Progress("rebuilding")
        let report = try await EventStore.rebuildIndex(context.location) { step in
            progress.show(step.recordsDone, of: step.recordsTotal, count: step.recordsDone, unit: "records")
        }
        progress.end()
        try context.output.rebuilt(report)
        return .done
    }
}

func runCat(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    let from = try arguments.number(.fromOffset, minimum: 0) ?? 0
    let limit = try arguments.limit
    let place = try arguments.text(.partition)
    if place == "order" { return try await catOrder(from, limit, context) }
    let wanted = place.flatMap(Arguments.digits)
    if let place, wanted == nil {
        throw Failure(.badInput, "--partition takes a whole number, 0 or more, or order; it was \"\(place)\"")
    }
    return try await context.withStore { store in
        var partitions = try await store.statistics().partitions.map(\.partition)
        if let wanted {
            guard let only = Int(exactly: wanted), partitions.contains(only) else {
                throw Failure(
                    .badInput, "there is no partition \(wanted): the store has \(partitions.count), counted from 0")
            }
            partitions = [only]
        }
        var left = limit
        for partition in partitions where left > 0 {
            for try await entry in store.logRecords(partition: partition, from: from) {
                try Task.checkCancellation()
                try context.output.record(entry)
                left -= 1
                if left == 0 { break }
            }
        }
        return .done
    }
}

extension Output {
    fileprivate func statistics(_ statistics: StoreStatistics) throws {
        json.beginObject()
        json.field("store", statistics.store)
        json.field("location", statistics.location)
        json.field("events", statistics.events)
        json.field("streams", statistics.streams)
        json.field("logBytes", statistics.logBytes)
        json.field("indexBytes", statistics.indexBytes)
        json.beginArray("partitions")
        for partition in statistics.partitions {
            json.beginObject()
            json.field("partition", partition.partition)
            json.field("appliedOffset", partition.appliedOffset)
            json.key("digest")
            json.hexadecimal(partition.digest)
            json.field("events", partition.events)
            json.beginObject("decisions")
            for (decision, count) in partition.decisions.sorted(by: { $0.key < $1.key }) {
                json.key(decision)
                json.integer(count)
            }
            json.endObject()
            json.field("halted", partition.halted)
            json.endObject()
        }
        json.endArray()
        json.key("order")
        orderSummary(statistics.order)
        json.endObject()
        try endLine()
    }

    fileprivate func verified(_ report: VerifyReport) throws {
        json.beginObject()
        json.beginArray("partitions")
        for partition in report.partitions {
            json.beginObject()
            json.field("partition", partition.partition)
            json.field("offset", partition.offset)
            json.key("digest")
            json.hexadecimal(partition.digest)
            json.field("records", partition.records)
            json.endObject()
        }
        json.endArray()
        json.field("events", report.events)
        json.field("streams", report.streams)
        json.field("entriesCompared", report.entriesCompared)
        json.key("order")
        orderSummary(report.order)
        json.beginArray("problems")
        for problem in report.problems { json.string(problem) }
        json.endArray()
        json.endObject()
        try endLine()
        try flush()
    }

    fileprivate func rebuilt(_ report: RebuildReport) throws {
        json.beginObject()
        json.field("records", report.records)
        json.field("events", report.events)
        json.beginArray("digests")
        for digest in report.digests { json.hexadecimal(digest) }
        json.endArray()
        json.endObject()
        try endLine()
    }

    fileprivate func record(_ entry: LogEntry) throws {
        json.beginObject()
        json.field("partition", entry.partition)
        json.field("offset", entry.offset)
        json.field("created", Timestamp.text(milliseconds: entry.createdMilliseconds))
        json.field("kind", entry.kind)
        json.field("decision", entry.decision)
        json.key("expected")
        if let expected = entry.expected.flatMap(ExpectedVersion.init) { json.expected(expected) } else { json.null() }
        json.field("attempt", entry.attempt.map(Int64.init))
        json.field("firstVersion", entry.firstVersion)
        json.field("eventCount", entry.eventCount)
        json.field("firstPosition", entry.positions?.lowerBound.value)
        json.beginArray("ids")
        for id in entry.ids { json.string(id) }
        json.endArray()
        key(entry.key)
        json.key("valueBase64")
        if let value = entry.value { json.base64(value) } else { json.null() }
        json.endObject()
        try endLine()
    }

    func key(_ key: [UInt8]?) {
        if let key, String(validating: key, as: UTF8.self) == nil {
            json.key("keyBase64")
            json.base64(key)
        } else {
            json.key("key")
            if let key { json.string(key) } else { json.null() }
        }
    }
}
