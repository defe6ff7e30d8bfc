import JSONLines
import Tributary

func runOrder(_ arguments: Arguments, _ context: Context) async throws -> ExitCode {
    try await context.withStore { store in
        let order = try await store.orderStatus()
        if arguments.has(.table) {
            try context.output.text(OrderTable.text(order))
        } else {
            try context.output.order(order)
        }
        try context.output.flush()
        if let fault = order.fault { throw Failure(.unavailable, fault.forPeople) }
        if let halted = order.halted { throw Failure(.unavailable, halted) }
        return .done
    }
}

/// The records of the order channel, as `cat` shows those of partitions.
func catOrder(_ from: Int64, _ limit: Int, _ context: Context) async throws -> ExitCode {
    try await context.withStore { store in
        if try await store.orderStatus().isOrderOfOnePartition {
            throw Failure(.badInput, "a store of one partition has no order records: its order is the partition's")
        }
        var left = limit
        for try await entry in store.orderRecords(from: from) {
            try Task.checkCancellation()
            try context.output.orderRecord(entry)
            left -= 1
            if left == 0 { break }
        }
        return .done
    }
}

extension GlobalOrderStatus.Fault {
    /// What is wrong, and the command for it.
    var forPeople: String {
        "\(message). Look at it with: tributary cat --partition order --from \(record) --limit 1; declare it void with: "
            + "tributary order void --record \(record) --partition \(partition)"
    }
}

extension Output {
    fileprivate func order(_ order: GlobalOrderStatus) throws {
        json.beginObject()
        orderHead(order)
        json.field("node", order.node)
        json.field("records", order.records)
        json.field("validRanges", order.validRanges)
        json.field("ignoredRanges", order.ignoredRanges)
        json.beginArray("partitions")
        for partition in order.partitions {
            json.beginObject()
            json.field("partition", partition.partition)
            json.field("nextOffset", partition.nextOffset)
            json.field("appliedOffset", partition.appliedOffset)
            json.field("lag", partition.lag)
            json.field("proposer", partition.proposer)
            json.field("isProposedHere", partition.isProposedHere)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        try endLine()
    }

    /// The order in a few words, where other things are shown too.
    func orderSummary(_ order: GlobalOrderStatus?) {
        guard let order else { return json.null() }
        json.beginObject()
        orderHead(order)
        json.endObject()
    }

    private func orderHead(_ order: GlobalOrderStatus) {
        json.field("head", order.head.value)
        json.field("lag", order.lag)
        json.field("by", order.isOrderOfOnePartition ? "partition" : "order-records")
        json.field("halted", order.halted)
        json.key("fault")
        guard let fault = order.fault else { return json.null() }
        json.beginObject()
        json.field("record", fault.record)
        json.field("partition", fault.partition)
        json.field("proposer", fault.proposer)
        json.field("message", fault.message)
        json.endObject()
    }

    fileprivate func orderRecord(_ entry: OrderLogEntry) throws {
        json.beginObject()
        json.field("partition", "order")
        json.field("offset", entry.offset)
        json.field("created", Timestamp.text(milliseconds: entry.createdMilliseconds))
        json.field("kind", entry.content.kind)
        json.field("node", entry.author)
        switch entry.content {
        case .order(let ranges):
            json.beginArray("ranges")
            for range in ranges { self.range(range) }
            json.endArray()
        case .void(let record, let partition, let tookEffect):
            json.beginObject("voids")
            json.field("record", record)
            json.field("partition", partition)
            json.field("tookEffect", tookEffect)
            json.endObject()
        case .foreign(let reason):
            json.field("reason", reason)
        case .identity: break
        }
        key(entry.key)
        json.key("valueBase64")
        if let value = entry.value { json.base64(value) } else { json.null() }
        json.endObject()
        try endLine()
    }

    private func range(_ range: OrderLogEntry.Range) {
        json.beginObject()
        json.field("partition", range.partition)
        json.field("firstOffset", range.firstOffset)
        json.field("lastOffset", range.lastOffset)
        json.field("events", range.claimed.events)
        json.beginArray("emptyOffsets")
        for offset in range.claimed.emptyOffsets { json.integer(offset) }
        json.endArray()
        json.field("state", range.state.text)
        json.key("firstPosition")
        if case .placed(let position) = range.state { json.integer(position.value) } else { json.null() }
        json.key("agrees")
        if let own = range.own { json.boolean(own == range.claimed) } else { json.null() }
        json.endObject()
    }
}

extension OrderLogEntry.Content {
    fileprivate var kind: String? {
        switch self {
        case .order: "order"
        case .void: "void"
        case .identity: "store"
        case .foreign: nil
        }
    }
}

extension OrderLogEntry.State {
    var text: String {
        switch self {
        case .placed: "placed"
        case .ignored: "ignored"
        case .void: "void"
        }
    }
}

/// The order for people.
enum OrderTable {
    static func text(_ order: GlobalOrderStatus) -> String {
        var lines = ["next position \(order.head), \(order.lag) accepted events without one yet"]
        if order.isOrderOfOnePartition { lines.append("one partition: its order is the global order") }
        if let node = order.node { lines.append("this node is \(node)") }
        if let fault = order.fault { lines.append("FAULT: \(fault.message)") }
        if let halted = order.halted { lines.append("HALTED: \(halted)") }
        var rows = [["partition", "applied up to", "ordered up to", "lag", "proposer"]]
        rows += order.partitions.map { partition in
            let proposer = partition.proposer.map { $0 + (partition.isProposedHere ? " (this node)" : "") }
            return [
                "\(partition.partition)", "\(partition.appliedOffset)", "\(partition.nextOffset - 1)",
                "\(partition.lag)", proposer ?? "-",
            ]
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { cell, width in
                String(repeating: " ", count: width - cell.count) + cell
            }
            lines.append(cells.joined(separator: "  "))
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
