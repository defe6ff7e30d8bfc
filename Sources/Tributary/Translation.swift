// The errors of the layers below, in the words of this one.

import EventLog
import StreamIndex

/// Runs `body` and gives its errors as `StoreError`; `CancellationError` and this module's own stay as they are.
package func translated<R>(_ body: () async throws -> R) async throws -> R {
    do {
        return try await body()
    } catch let error as LogError {
        throw StoreError(error)
    } catch let error as IndexError {
        throw StoreError(error)
    }
}

/// As `translated`, for reads.
func translatedRead<R>(_ body: () async throws -> R) async throws -> R {
    do {
        return try await translated(body)
    } catch let error as StoreError {
        throw ReadError.store(error)
    }
}

extension StoreError {
    init(_ error: LogError) {
        let code: Code =
            switch error.code {
            case .unavailable: .unavailable
            case .damaged: .damaged
            case .locked: .locked
            case .notAStore: .notAStore
            case .newerFormat: .newerFormat
            case .unfinishedCreation: .unfinishedCreation
            case .alreadyExists: .alreadyExists
            case .noPermission: .noPermission
            case .closed: .closed
            }
        self.init(code, error.message)
    }

    init(_ error: IndexError) {
        let code: Code =
            switch error.code {
            case .damaged: .damaged
            case .unavailable, .deadline: .unavailable
            case .closed: .closed
            case .mismatch: .indexMismatch
            case .halted: .halted
            case .notOurs: .notAStore
            case .newerFormat: .newerFormat
            case .locked: .locked
            case .noPermission: .noPermission
            case .disputed: .disputed
            }
        self.init(code, error.message)
    }
}
