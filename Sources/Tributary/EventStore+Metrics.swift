import EventLog
import StreamIndex

extension EventStore {
    /// Figures for monitoring, as they are now: appends by outcome and how long they took, what is in flight, how far
    /// each partition is applied and ordered and whether it is halted, reads, sizes, and what the log itself counts.
    ///
    /// ```swift
    /// print(await store.metrics().openMetricsText)
    /// ```
    /// Counters count from the opening of the store, but for `tributary_records`, `tributary_events` and
    /// `tributary_order_…`, which count what the index holds. Once the store is closed, figures that need its files are
    /// left out.
    public func metrics() async -> StoreMetrics {
        let activity = index.activity
        let order = index.orderSummary
        let summaries = (try? await index.partitionSummaries()) ?? []
        let indexBytes = try? await index.indexBytes()
        return StoreMetrics(
            Self.appends(activity) + Self.partitions(summaries, index.halts) + Self.reads(activity)
                + (index.hasGlobalOrder ? Self.order(try? orderStatus(order, summaries)) : []) + sizes(indexBytes)
                + Self.families(of: opened.log.figures))
    }

    private static func appends(_ activity: IndexActivity) -> [StoreMetrics.Family] {
        let figures = activity.appends
        var sum: UInt64 = 0
        let counts = figures.buckets.map { count in
            sum += count
            return sum
        }
        let times = StoreMetrics.Histogram(bounds: AppendFigures.bounds, counts: counts, sum: figures.seconds)
        return [
            StoreMetrics.Family(
                "appends", "Appends by outcome", .counter,
                AppendFigures.Outcome.allCases.map { (["outcome": "\($0)"], Double(figures[$0])) }),
            StoreMetrics.Family(
                name: "tributary_append_duration_seconds", help: "From the call of an append to its answer",
                unit: "seconds", kind: .histogram,
                samples: [StoreMetrics.Sample(labels: [:], value: .histogram(times))]),
            StoreMetrics.Family(
                "appends_in_flight", "Appends under way", .gauge, [([:], Double(activity.appendsInFlight))]),
            StoreMetrics.Family(
                "append_in_flight_bytes", "Bytes of the appends under way", unit: "bytes", .gauge,
                [([:], Double(activity.bytesInFlight))]),
        ]
    }

    private static func partitions(_ all: [PartitionSummary], _ halts: [IndexError?]) -> [StoreMetrics.Family] {
        func label(_ partition: Int) -> [String: String] { ["partition": "\(partition)"] }
        var families = [
            StoreMetrics.Family(
                "partition_halted", "1 where a partition takes no records any more", .gauge,
                halts.enumerated().map { (label($0), $1 == nil ? 0 : 1) })
        ]
        guard !all.isEmpty else { return families }
        families += [
            StoreMetrics.Family(
                "records", "Records applied, by what was decided", .counter,
                all.flatMap { summary in
                    summary.decisions.map {
                        (label(summary.partition).merging(["decision": $0.name]) { $1 }, Double($0.count))
                    }
                }),
            StoreMetrics.Family(
                "applied_offset", "Offset of the newest record applied; -1 where there is none", .gauge,
                all.map { (label($0.partition), Double($0.appliedOffset)) }),
            StoreMetrics.Family(
                "events", "Events accepted", .counter, all.map { (label($0.partition), Double($0.events)) }),
            StoreMetrics.Family(
                "streams", "Streams that have ever taken an event", .gauge,
                [([:], Double(all.reduce(0) { $0 + $1.streams }))]),
        ]
        return families
    }

    /// - Parameter status: nil: the index can no longer be asked.
    private static func order(_ status: GlobalOrderStatus?) -> [StoreMetrics.Family] {
        guard let status else { return [] }
        func perPartition(_ value: (GlobalOrderStatus.Partition) -> Double) -> [([String: String], Double)] {
            status.partitions.map { (["partition": "\($0.partition)"], value($0)) }
        }
        return [
            StoreMetrics.Family(
                "order_head", "The next global position", .gauge, [([:], Double(status.head.value))]),
            StoreMetrics.Family(
                "order_lag_events", "Events accepted and without a position yet", .gauge, [([:], Double(status.lag))]),
            StoreMetrics.Family(
                "order_lag_records", "Records applied and not ordered yet", .gauge, perPartition { Double($0.lag) }),
            StoreMetrics.Family(
                "order_proposed_here", "1 where this node proposed a partition's newest range", .gauge,
                perPartition { $0.isProposedHere ? 1 : 0 }),
            StoreMetrics.Family(
                "order_records", "Records of the order channel applied", .counter, [([:], Double(status.records))]),
            StoreMetrics.Family(
                "order_ranges", "Ranges of order records, by whether they were placed when they came", .counter,
                [
                    (["state": "placed"], Double(status.validRanges)),
                    (["state": "ignored"], Double(status.ignoredRanges)),
                ]),
            StoreMetrics.Family(
                "order_stopped", "1 where positions have stopped: at a false order record, or a halt", .gauge,
                [([:], status.fault == nil && status.halted == nil ? 0 : 1)]),
        ]
    }

    private static func reads(_ activity: IndexActivity) -> [StoreMetrics.Family] {
        [
            StoreMetrics.Family("read_pages", "Pages of events read", .counter, [([:], Double(activity.pagesRead))]),
            StoreMetrics.Family("read_events", "Events read", .counter, [([:], Double(activity.eventsRead))]),
        ]
    }

    private func sizes(_ indexBytes: Int64?) -> [StoreMetrics.Family] {
        var families = [
            StoreMetrics.Family(
                "log_size_bytes", "Size of the log's own files", unit: "bytes", .gauge,
                [([:], Double(index.logBytes))])
        ]
        if let indexBytes {
            families.append(
                StoreMetrics.Family(
                    "index_size_bytes", "Size of the index's own files, about", unit: "bytes", .gauge,
                    [([:], Double(indexBytes))]))
        }
        return families
    }

    /// Figures of one name are one family.
    private static func families(of figures: [LogFigure]) -> [StoreMetrics.Family] {
        Dictionary(grouping: figures, by: \.name).compactMap { name, figures in
            guard let first = figures.first else { return nil }
            return StoreMetrics.Family(
                name, first.help, unit: first.unit, first.isCounter ? .counter : .gauge,
                figures.map { ($0.labels, $0.value) })
        }
    }
}
