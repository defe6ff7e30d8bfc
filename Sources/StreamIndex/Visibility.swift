import EventLog
import Synchronization

/// Callers are answered when their records are decided, a moment before what was decided can be read in RocksDB. Who
/// reads waits for that moment, so that nobody misses what anybody was told.
final class Visibility: Sendable {
    private let isBehind = Atomic<Bool>(false)
    private let behind = Monitor(false)

    /// Answers follow.
    func begin() {
        behind.withLock { $0 = true }
        isBehind.store(true, ordering: .releasing)
    }

    /// What was answered can be read.
    func end() {
        isBehind.store(false, ordering: .releasing)
        behind.withLock { $0 = false }
    }

    /// Blocks until everything that was answered can be read.
    func wait() {
        guard isBehind.load(ordering: .acquiring) else { return }
        behind.wait { $0 ? nil : () }
    }
}
