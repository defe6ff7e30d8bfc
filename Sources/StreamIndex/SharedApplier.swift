import EventLog
import Segments
import Synchronization

/// The applier under its lock, and whether what it applied can be read in RocksDB yet.
///
/// Callers are answered when their records are decided. The entries gather meanwhile: they are written when somebody
/// wants to read, or when they are many, since one batch of many runs costs far less than one each. Nothing is lost by
/// it: what RocksDB has in memory would be gone with the process too.
final class SharedApplier: Sendable {
    struct State {
        var applier: Applier
        /// How often in a row a channel was read again because of a gap.
        var restarts: [Int]
        var failure: IndexError?
        /// Whether a run is half applied: nothing can be written until it is whole.
        var isTorn = false
        /// Nothing of a channel is applied until it is known that its log is still the same: the number of the doubt.
        var holds: [Int?]
        var lastHold = 0
        var isLost = false
    }

    let state: Mutex<State>
    /// Has the records in memory, which a scan shows once they are synced, at no cost; nil: they are on the disk.
    private let inMemory: SegmentWriter?
    /// Changed under the lock.
    private let isBehind = Atomic<Bool>(false)

    init(_ applier: sending Applier, inMemory: SegmentWriter?) {
        let channels = applier.lanes.count
        self.inMemory = inMemory
        state = Mutex(
            State(
                applier: applier, restarts: Array(repeating: 0, count: channels), failure: nil,
                holds: Array(repeating: nil, count: channels)))
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
                try show(state)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// The same for who has the lock.
    func show(_ state: borrowing State) throws(IndexError) {
        guard isBehind.load(ordering: .acquiring) else { return }
        if state.isTorn, let failure = state.failure { throw failure }
        try state.applier.write()
        try caughtUp()
    }

    /// Writes what has gathered, and compares the order with it.
    func commit(_ state: borrowing State) throws(IndexError) {
        try state.applier.commit()
        try caughtUp()
    }

    private func caughtUp() throws(IndexError) {
        do throws(SegmentError) { try inMemory?.sync() } catch {
            throw IndexError(.unavailable, "the records cannot be kept: \(error)")
        }
        isBehind.store(false, ordering: .releasing)
    }
}
