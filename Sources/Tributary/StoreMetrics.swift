/// Figures of an open store for monitoring, as they were when it was asked: see `EventStore.metrics()`.
///
/// ```swift
/// let metrics = await store.metrics()
/// for family in metrics.families { print(family.name, family.samples.count) }
/// respond(metrics.openMetricsText, type: StoreMetrics.contentType)
/// ```
public struct StoreMetrics: Sendable {
    /// Figures of one name.
    public struct Family: Sendable {
        /// As `tributary_appends`; all begin with `tributary_`.
        public let name: String
        /// What it counts, for people.
        public let help: String
        /// `bytes` or `seconds`, which the name then ends with; nil: a number of things.
        public let unit: String?
        /// What its values are.
        public let kind: Kind
        /// One for each combination of labels.
        public let samples: [Sample]
    }

    /// What the values of a family are.
    public enum Kind: String, Sendable {
        /// It only grows while the store is open.
        case counter
        /// It may grow and fall.
        case gauge
        /// How many were how large.
        case histogram
    }

    /// One figure.
    public struct Sample: Sendable {
        /// Its labels, as `partition` and `0`; may be empty.
        public let labels: [String: String]
        /// As the family's kind says.
        public let value: Value
    }

    /// The value of a sample.
    public enum Value: Sendable {
        /// Of a counter or a gauge.
        case number(Double)
        /// Of a histogram.
        case histogram(Histogram)
    }

    /// How many were how large.
    public struct Histogram: Sendable {
        /// Upper bounds of the buckets, inclusive and rising.
        public let bounds: [Double]
        /// For each bound how many were at most so large, and last how many there were: one more than `bounds`.
        public let counts: [UInt64]
        /// Of all values.
        public let sum: Double
    }

    /// By name.
    public let families: [Family]

    init(_ families: [Family]) {
        self.families = families.sorted { $0.name < $1.name }
    }
}

extension StoreMetrics.Family {
    init(
        _ name: String, _ help: String, unit: String? = nil, _ kind: StoreMetrics.Kind,
        _ values: [(labels: [String: String], value: Double)]
    ) {
        self.init(
            name: "tributary_" + name, help: help, unit: unit, kind: kind,
            samples: values.map { StoreMetrics.Sample(labels: $0.labels, value: .number($0.value)) })
    }
}
