import EventLog
import Foundation
import Testing

@testable import Tributary

@Suite struct MetricsTests {
    @Test func textFormat() {
        let histogram = StoreMetrics.Histogram(bounds: [0.0005, 0.1, 30], counts: [1, 3, 3, 4], sum: 31.25)
        let metrics = StoreMetrics([
            StoreMetrics.Family(
                "things", "A \"quote\", a \\ and\na line", .counter,
                [(["b": "2", "a": "x\"y\\z\nw"], 5), ([:], 1e15)]),
            StoreMetrics.Family("size_bytes", "Size", unit: "bytes", .gauge, [([:], -1.5)]),
            StoreMetrics.Family(
                name: "tributary_time_seconds", help: "Time", unit: "seconds", kind: .histogram,
                samples: [StoreMetrics.Sample(labels: ["p": "0"], value: .histogram(histogram))]),
        ])
        #expect(
            metrics.openMetricsText == """
                # TYPE tributary_size_bytes gauge
                # UNIT tributary_size_bytes bytes
                # HELP tributary_size_bytes Size
                tributary_size_bytes -1.5
                # TYPE tributary_things counter
                # HELP tributary_things A \\"quote\\", a \\\\ and\\na line
                tributary_things_total{a="x\\"y\\\\z\\nw",b="2"} 5
                tributary_things_total 1000000000000000
                # TYPE tributary_time_seconds histogram
                # UNIT tributary_time_seconds seconds
                # HELP tributary_time_seconds Time
                tributary_time_seconds_bucket{p="0",le="0.0005"} 1
                tributary_time_seconds_bucket{p="0",le="0.1"} 3
                tributary_time_seconds_bucket{p="0",le="30.0"} 3
                tributary_time_seconds_bucket{p="0",le="+Inf"} 4
                tributary_time_seconds_count{p="0"} 4
                tributary_time_seconds_sum{p="0"} 31.25
                # EOF

                """)
    }

    @Test(arguments: TestPlace.allCases) func whatAStoreDidIsCounted(_ place: TestPlace) async throws {
        try await place.withStore { store in
            let stream = try StreamName("Order-1")
            let first = event(id: UUID())
            try await store.append(first, to: stream, expecting: .noStream)
            try await store.append(first, to: stream, expecting: .noStream)
            try await store.append([event(), event()], to: stream)
            _ = try? await store.append(event(), to: stream, expecting: .noStream)
            #expect(try await store.read(stream).collected().count == 3)
            let metrics = await store.metrics()
            #expect(value(metrics, "appends", ["outcome": "accepted"]) == 2)
            #expect(value(metrics, "appends", ["outcome": "alreadyAccepted"]) == 1)
            #expect(value(metrics, "appends", ["outcome": "conflict"]) == 1)
            #expect(value(metrics, "appends", ["outcome": "unknown"]) == 0)
            #expect(value(metrics, "appends_in_flight") != nil)
            #expect(value(metrics, "read_pages").map { $0 >= 1 } == true)
            #expect(value(metrics, "read_events").map { $0 >= 3 } == true)
            let statistics = try await store.statistics()
            for partition in statistics.partitions {
                let label = ["partition": "\(partition.partition)"]
                #expect(value(metrics, "applied_offset", label) == Double(partition.appliedOffset))
                #expect(value(metrics, "events", label) == Double(partition.events))
                #expect(value(metrics, "partition_halted", label) == 0)
                for (decision, count) in partition.decisions {
                    #expect(
                        value(metrics, "records", label.merging(["decision": decision]) { $1 }) == Double(count))
                }
            }
            #expect(value(metrics, "streams") == 2)
            #expect(value(metrics, "log_size_bytes") == Double(statistics.logBytes))
            let times = try #require(histogram(metrics, "append_duration_seconds"))
            #expect(times.counts.last == 4 && times.counts == times.counts.sorted() && times.sum > 0)
            check(metrics.openMetricsText)
            await store.close()
            let closed = await store.metrics()
            #expect(value(closed, "appends", ["outcome": "accepted"]) == 2)
            #expect(!closed.families.contains { $0.name == "tributary_events" })
        }
    }

    private func samples(_ metrics: StoreMetrics, _ name: String) -> [StoreMetrics.Sample] {
        metrics.families.first { $0.name == "tributary_" + name }?.samples ?? []
    }

    private func value(_ metrics: StoreMetrics, _ name: String, _ labels: [String: String] = [:]) -> Double? {
        guard case .number(let number)? = samples(metrics, name).first(where: { $0.labels == labels })?.value else {
            return nil
        }
        return number
    }

    private func histogram(_ metrics: StoreMetrics, _ name: String) -> StoreMetrics.Histogram? {
        guard case .histogram(let histogram)? = samples(metrics, name).first?.value else { return nil }
        return histogram
    }

    /// The rules of the format for any text: each family once, described before its samples, and nothing else.
    private func check(_ text: String) {
        #expect(text.hasSuffix("\n# EOF\n"))
        var families: Set<Substring> = []
        var family: Substring = ""
        for line in text.split(separator: "\n").dropLast() {
            let words = line.split(separator: " ", maxSplits: 3)
            if words[0] == "#" {
                if words[1] == "TYPE" {
                    #expect(families.insert(words[2]).inserted, "\(line)")
                    family = words[2]
                }
                #expect(words[2] == family && ["TYPE", "UNIT", "HELP"].contains(words[1]), "\(line)")
                if words[1] == "UNIT" { #expect(family.hasSuffix("_" + words[3]), "\(line)") }
            } else {
                let sample = /[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+/
                #expect(line.wholeMatch(of: sample) != nil && line.hasPrefix(family), "\(line)")
            }
        }
        #expect(families.count > 10)
    }
}
