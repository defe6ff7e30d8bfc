// Times, percentiles, ratios, and how they are printed.

import Foundation

/// What something took: on the clock, and of all processors together, which other programs disturb less.
struct Effort: Sendable {
    var seconds: Double
    var processor: Double

    static func of(_ body: () throws -> Void) rethrows -> Effort {
        let (start, used) = (ContinuousClock.now, processorSeconds)
        try body()
        return Effort(seconds: (ContinuousClock.now - start) / .seconds(1), processor: processorSeconds - used)
    }

    static func ofAsync(_ body: () async throws -> Void) async rethrows -> Effort {
        let (start, used) = (ContinuousClock.now, processorSeconds)
        try await body()
        return Effort(seconds: (ContinuousClock.now - start) / .seconds(1), processor: processorSeconds - used)
    }

    /// Of this process, all threads.
    private static var processorSeconds: Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1_000_000 }
    }
}

func fixed(_ number: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", number) }

func median(_ numbers: [Double]) -> Double {
    let sorted = numbers.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// What one phase of one round did.
struct Sample: Sendable {
    /// Nanoseconds of each operation.
    var latencies: [Int64] = []
    /// How long all of it took.
    var seconds = 0.0
    /// Of all processors together, also for what the process did in the background.
    var processor = 0.0
    /// Events in one operation.
    var eventsEach = 1

    var perSecond: Double { Double(latencies.count) / seconds }
    var eventsPerSecond: Double { perSecond * Double(eventsEach) }

    var processorMicroseconds: Double { processor / Double(max(1, latencies.count)) * 1_000_000 }

    init(_ latencies: [Int64], _ effort: Effort, eventsEach: Int = 1) {
        self.latencies = latencies
        seconds = effort.seconds
        processor = effort.processor
        self.eventsEach = eventsEach
    }

    var medianNanoseconds: Double { median(latencies.map(Double.init)) }
}

/// All rounds of one row.
struct Row: Sendable {
    var name: String
    var samples: [Sample] = []

    init(_ name: String) {
        self.name = name
    }

    /// Medians over the rounds.
    var medianNanoseconds: Double { median(samples.map(\.medianNanoseconds)) }
    var perSecond: Double { median(samples.map(\.perSecond)) }

    /// Of the latencies of all rounds together, in microseconds.
    private func percentiles(_ parts: [Double]) -> [Double] {
        let sorted = samples.flatMap(\.latencies).sorted()
        guard !sorted.isEmpty else { return parts.map { _ in 0 } }
        return parts.map { Double(sorted[min(sorted.count - 1, Int($0 * Double(sorted.count)))]) / 1_000 }
    }

    static func header(_ operation: String) -> String {
        pad("", 44)
            + ["\(operation)s/s", "events/s", "CPU us/\(operation)", "p50 us", "p90 us", "p99 us", "max us"]
            .map { right($0, $0.hasPrefix("CPU") ? 14 : 11) }.joined()
    }

    /// Without latencies.
    var rateLine: String {
        let rates = [perSecond, perSecond * Double(samples.first?.eventsEach ?? 1)].map { fixed($0, 0) }
        let processor = fixed(median(samples.map(\.processorMicroseconds)), 1)
        return pad(name, 44) + rates.map { right($0, 11) }.joined() + right(processor, 14)
    }

    var line: String {
        rateLine + percentiles([0.5, 0.9, 0.99, 1]).map { right(fixed($0, 0), 11) }.joined()
    }
}

/// A ratio that is asked for, beside the one that was measured: that of the medians over the rounds. The quartiles of
/// the rounds' own ratios show how steady it is.
struct Floor {
    private let name: String
    private let ratio: Double
    private let rounds: [Double]
    private var least: Double?
    private var most: Double?

    init(
        name: String, _ row: Row, _ other: Row, _ figure: (Sample) -> Double, least: Double? = nil,
        most: Double? = nil
    ) {
        self.init(
            name: name, row.samples.map(figure), other.samples.map(figure), least: least, most: most)
    }

    /// - Parameters:
    ///   - figures: one a round.
    ///   - others: what they are compared with, of the same rounds.
    init(name: String, _ figures: [Double], _ others: [Double], least: Double? = nil, most: Double? = nil) {
        self.name = name
        ratio = median(figures) / median(others)
        rounds = zip(figures, others).map { $0 / $1 }.sorted()
        self.least = least
        self.most = most
    }

    var line: String {
        let isMet = ratio >= least ?? -.infinity && ratio <= most ?? .infinity
        let asked = least.map { "at least \(fixed($0, 2))" } ?? most.map { "at most \(fixed($0, 2))" }
        let verdict = asked.map { "  \($0): \(isMet ? "met" : "NOT MET")" } ?? ""
        let quartiles = [rounds[rounds.count / 4], rounds[rounds.count * 3 / 4]].map { fixed($0, 2) }
        return pad(name, 56) + right(fixed(ratio, 2), 8) + verdict
            + "  (rounds: middle half \(quartiles.joined(separator: " to ")))"
    }
}

func pad(_ text: String, _ width: Int) -> String {
    text.count >= width ? text : text + String(repeating: " ", count: width - text.count)
}

func right(_ text: String, _ width: Int) -> String {
    text.count >= width ? text : String(repeating: " ", count: width - text.count) + text
}

/// Times operations, until a time has passed where one is given.
struct Stopwatch {
    private let end: ContinuousClock.Instant?
    private var last = ContinuousClock.now
    private(set) var latencies: [Int64] = []

    init(seconds: Double? = nil) {
        end = seconds.map { .now + .seconds($0) }
    }

    var isRunning: Bool { end.map { last < $0 } ?? true }

    mutating func begin() {
        last = .now
    }

    mutating func note() {
        let now = ContinuousClock.now
        latencies.append(Int64((now - last) / .nanoseconds(1)))
        last = now
    }
}
