/// What the rule says of one record.
public enum Decision: Equatable, Sendable {
    /// The events take `firstVersion` and the versions after it.
    case accepted(firstVersion: Int64)
    /// The same append was accepted before, at `firstVersion`.
    case alreadyAccepted(firstVersion: Int64)
    /// The append id was used for something else.
    case idReused
    /// This attempt was killed before.
    case killed
    case tombstoned
    /// The expectation does not hold. `killsAttempt`: a later record could make it hold, so this attempt
    /// must never be accepted.
    case conflict(actual: Int64, killsAttempt: Bool)
    /// A cancel: its attempt and all below are killed. `accepted` is the first version of the record that it
    /// came too late for.
    case cancelled(accepted: Int64?)

    /// The number that stands for the decision in digests and in the index; never reused.
    public var code: UInt32 {
        switch self {
        case .accepted: 1
        case .alreadyAccepted: 2
        case .idReused: 3
        case .killed: 4
        case .tombstoned: 5
        case .conflict: 6
        case .cancelled: 7
        }
    }

    /// The first version that a digest holds: of what was accepted now or before, else −1.
    public var firstVersion: Int64 {
        switch self {
        case .accepted(let version), .alreadyAccepted(let version): version
        case .cancelled(let version): version ?? -1
        case .idReused, .killed, .tombstoned, .conflict: -1
        }
    }
}
