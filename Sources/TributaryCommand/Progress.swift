import Synchronization

/// A bar on a terminal, redrawn a few times a second; elsewhere nothing.
final class Progress: Sendable {
    static let interval = Duration.milliseconds(200)
    static let width = 30

    private let label: String
    private let started = ContinuousClock.now
    private let drawn: Mutex<ContinuousClock.Instant?> = Mutex(nil)

    init(_ label: String) {
        self.label = label
    }

    /// - Parameters:
    ///   - total: nil where it is not known.
    ///   - count: of what the rate is made.
    ///   - unit: what is counted.
    func show(_ done: Int64, of total: Int64?, count: Int64, unit: String) {
        guard StandardError.isTerminal else { return }
        let now = ContinuousClock.now
        let isDue = drawn.withLock { drawn in
            if let last = drawn, last.duration(to: now) < Self.interval { return false }
            drawn = now
            return true
        }
        guard isDue else { return }
        let seconds = started.duration(to: now) / .seconds(1)
        StandardError.raw(
            "\r\u{1b}[K" + Self.line(label, done, of: total, count: count, unit: unit, seconds: seconds))
    }

    /// Takes the bar away.
    func end() {
        let wasDrawn = drawn.withLock { drawn in
            defer { drawn = nil }
            return drawn != nil
        }
        guard StandardError.isTerminal, wasDrawn else { return }
        StandardError.raw("\r\u{1b}[K")
    }

    static func line(
        _ label: String, _ done: Int64, of total: Int64?, count: Int64, unit: String, seconds: Double
    ) -> String {
        let rate = seconds > 0 ? ", \(Int64(Double(count) / seconds)) \(unit)/s" : ""
        guard let total, total > 0 else { return "\(label) \(count) \(unit)\(rate)" }
        let share = min(1, max(0, Double(done) / Double(total)))
        let filled = Int(share * Double(width))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        return "\(label) [\(bar)] \(Int(share * 100)) % \(count) \(unit)\(rate)"
    }
}
