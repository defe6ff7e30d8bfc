/// What became of the appends of an open index, and how long that took.
public struct AppendFigures: Sendable {
    public enum Outcome: Int, CaseIterable, Sendable {
        case accepted, alreadyAccepted, conflict, cancelled, tombstoned, idReused, notWritten, withdrawn, unknown
        case tooLarge, failed

        init(_ outcome: CallOutcome) {
            self =
                switch outcome {
                case .accepted(_, _, _, let isRepeat): isRepeat ? .alreadyAccepted : .accepted
                case .conflict: .conflict
                case .cancelled: .cancelled
                case .tombstoned: .tombstoned
                case .idReused: .idReused
                case .notWritten: .notWritten
                case .withdrawn: .withdrawn
                case .unknown: .unknown
                case .tooLarge: .tooLarge
                case .failed: .failed
                }
        }
    }

    /// Upper bounds of the buckets, in seconds; one more bucket has what took longer.
    public static let bounds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]

    private var counts = [UInt64](repeating: 0, count: Outcome.allCases.count)
    /// Answers by how long they took; each is in one bucket.
    public private(set) var buckets = [UInt64](repeating: 0, count: bounds.count + 1)
    /// Of all answers together.
    public private(set) var seconds = 0.0

    public subscript(outcome: Outcome) -> UInt64 { counts[outcome.rawValue] }

    mutating func note(_ outcome: CallOutcome, after time: Duration) {
        counts[Outcome(outcome).rawValue] += 1
        let (whole, fraction) = time.components
        let taken = Double(whole) + Double(fraction) * 1e-18
        seconds += taken
        var bucket = 0
        while bucket < Self.bounds.count, taken > Self.bounds[bucket] { bucket += 1 }
        buckets[bucket] += 1
    }
}

/// What is under way in an open index, and what was read of it since it was opened.
public struct IndexActivity: Sendable {
    public var appends: AppendFigures
    public var appendsInFlight: Int
    public var bytesInFlight: Int
    /// Pages of events, and events in them.
    public var pagesRead: Int
    public var eventsRead: Int
}
