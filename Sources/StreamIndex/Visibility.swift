import EventLog
import Synchronization

/// Callers are answered when their records are decided, a moment before what was decided can be read in RocksDB. Who
/// reads waits for that moment, so that nobody misses what anybody was told.
final class Visibility: Sendable {
    private struct Runs: Sendable {
        var begun = 0
        var ended = 0
    }

    private let isBehind = Atomic<Bool>(false)
    private let runs = Monitor(Runs())

    /// Answers follow.
    func begin() {
        runs.read { $0.begun += 1 }
        isBehind.store(true, ordering: .releasing)
    }

    /// What was answered can be read.
    func end() {
        isBehind.store(false, ordering: .releasing)
        runs.withLock { $0.ended = $0.begun }
    }

    /// The newest run of which anybody may have been told.
    var newest: Int { runs.read { $0.begun } }

    /// Blocks until everything that was answered can be read.
    func wait() {
        guard isBehind.load(ordering: .acquiring) else { return }
        wait(for: newest)
    }

    /// Blocks until a run can be read. Under load the next one has begun before who waits is awake: it is not waited
    /// for.
    func wait(for run: Int) {
        runs.wait { $0.ended >= run ? () : nil }
    }
}
