import JSONLines
import Tributary

/// What the command ends with.
enum ExitCode: Int32, Sendable {
    case done = 0
    case internalError = 1
    /// Bad usage or input.
    case badInput = 2
    /// A conflict, an id used before, a tombstone.
    case refused = 3
    /// The storage or the log is unavailable or damaged, or nothing was written in time.
    case unavailable = 4
    case noSuchStream = 5
    case outcomeUnknown = 6
}

/// Why the command ends otherwise than well, in a line that says what to do.
struct Failure: Error, Equatable {
    let code: ExitCode
    let message: String

    init(_ code: ExitCode, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The one place where the store's errors become exit codes.
    init(_ error: any Error) {
        switch error {
        case let error as Failure: self = error
        case let error as InvalidInput: self.init(.badInput, error.message)
        case let error as JSONError: self.init(.badInput, error.description)
        case let error as StoreError: self.init(Self.code(error), error.message)
        case let error as AppendError: self.init(append: error)
        case let error as ReadError: self.init(read: error)
        case let error as OrderVoidError: self.init(void: error)
        case let error as OutputFailed: self.init(.internalError, "cannot write to standard output: \(error.reason)")
        default: self.init(.internalError, "internal error: \(error)")
        }
    }

    private init(append error: AppendError) {
        switch error {
        case .conflict(let conflict):
            let actual = conflict.actual < 0 ? "has no events" : "is at version \(conflict.actual)"
            self.init(
                .refused,
                "conflict: \(conflict.stream) \(actual), expected was \(conflict.expected.text); "
                    + "read the newer events and decide again")
        case .notStored(.cancelled): self.init(.unavailable, error.description)
        case .notStored: self.init(.refused, error.description)
        case .notWritten: self.init(.unavailable, error.description)
        case .outcomeUnknown: self.init(.outcomeUnknown, error.description)
        case .invalid(let problem): self.init(.badInput, problem.message)
        case .store(let problem): self.init(Self.code(problem), problem.message)
        }
    }

    private init(read error: ReadError) {
        switch error {
        case .tombstoned: self.init(.refused, error.description)
        case .invalid(let problem): self.init(.badInput, problem.message)
        case .store(let problem): self.init(Self.code(problem), problem.message)
        }
    }

    private init(void error: OrderVoidError) {
        switch error {
        case .nothingPlaced: self.init(.refused, error.description)
        case .outcomeUnknown: self.init(.outcomeUnknown, error.description)
        case .store(let problem): self.init(Self.code(problem), problem.message)
        }
    }

    private static func code(_ error: StoreError) -> ExitCode {
        switch error.code {
        case .alreadyExists: .refused
        case .notAStore, .unfinishedCreation, .newerFormat, .locked, .noPermission, .damaged, .indexMismatch, .halted,
            .disputed, .unavailable:
            .unavailable
        case .closed, .internal: .internalError
        }
    }
}
