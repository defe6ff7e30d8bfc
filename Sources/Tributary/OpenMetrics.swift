// Metrics in the text that monitoring systems read.

extension StoreMetrics {
    /// The media type of `openMetricsText`.
    public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    /// The figures in OpenMetrics' text format, version 1.0.
    public var openMetricsText: String {
        var text = ""
        for family in families {
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            if let unit = family.unit { text += "# UNIT \(family.name) \(unit)\n" }
            text += "# HELP \(family.name) \(Self.escaped(family.help))\n"
            for sample in family.samples { Self.add(sample, of: family, to: &text) }
        }
        return text + "# EOF\n"
    }

    private static func add(_ sample: Sample, of family: Family, to text: inout String) {
        let name = family.name
        switch sample.value {
        case .number(let value):
            let suffix = family.kind == .counter ? "_total" : ""
            text += "\(name)\(suffix)\(labels(sample.labels)) \(number(value))\n"
        case .histogram(let histogram):
            for (index, count) in histogram.counts.enumerated() {
                let isLast = index == histogram.bounds.count
                let bound = isLast ? "+Inf" : "\(histogram.bounds[index])"
                text += "\(name)_bucket\(labels(sample.labels, bound)) \(count)\n"
            }
            text += "\(name)_count\(labels(sample.labels)) \(histogram.counts.last ?? 0)\n"
            text += "\(name)_sum\(labels(sample.labels)) \(number(histogram.sum))\n"
        }
    }

    private static func labels(_ labels: [String: String], _ bound: String? = nil) -> String {
        var pairs = labels.sorted { $0.key < $1.key }.map { "\($0)=\"\(escaped($1))\"" }
        if let bound { pairs.append("le=\"\(bound)\"") }
        return pairs.isEmpty ? "" : "{" + pairs.joined(separator: ",") + "}"
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"": escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // Whole numbers as such, as far as a double has them.
        return value == value.rounded() && abs(value) < 0x1p53 ? "\(Int64(value))" : "\(value)"
    }
}
