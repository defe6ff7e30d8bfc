import EventLog
import Synchronization

/// The applier under its lock, and whether what it applied can be read in RocksDB yet.
///
/// Callers are answered when their records are decided. The entries gather meanwhile: they are written when somebody
/// wants to read, or when they are many, since one batch of many runs costs far less than one each. Nothing is lost by
/// it: what RocksDB has in memory would be gone with the process too.
final class SharedApplier: Sendable {
    struct State {
        var applier: Applier
        /// Where the records of a log without files are kept.
        var checkpoints: Checkpoints?
        /// How often in a row a channel was read again because of a gap.
        var restarts: [Int]
        var failure: IndexError?
        /// Whether a run is half applied: nothing can be written then.
        var isTorn = false
        /// Nothing of a channel is applied until it is known that its log is still the same: the number of the doubt.
        var holds: [Int?]
        var lastHold = 0
        var isLost = false
    }

    let state: Mutex<State>
    private let isBehind = Atomic<Bool>(false)

    init(_ applier: sending Applier, checkpoints: sending Checkpoints?) {
        let channels = applier.lanes.count
        state = Mutex(
            State(
                applier: applier, checkpoints: checkpoints, restarts: Array(repeating: 0, count: channels),
                failure: nil, holds: Array(repeating: nil, count: channels)))
    }

    /// Something was applied that may not be in RocksDB; to be called under the lock, before anybody is told of it.
    func fallBehind() {
        isBehind.store(true, ordering: .releasing)
    }

    /// Blocks until everything that was answered can be read.
    ///
    /// - Throws: why it cannot be. Who does not read it would miss what somebody was told.
    func show() throws(IndexError) {
        guard isBehind.load(ordering: .acquiring) else { return }
        let failure: IndexError? = state.withLock { state in
            do throws(IndexError) {
                try write(&state)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Writes what has gathered.
    func write(_ state: inout State) throws(IndexError) {
        if state.isTorn {
            throw state.failure ?? IndexError(.unavailable, "a run is half applied; open the store again")
        }
        try state.applier.write()
        try state.checkpoints?.shown()
        isBehind.store(false, ordering: .releasing)
    }
}
