import Tributary
import TributaryKafka

/// What a command works with.
struct Context {
    let place: StorePlace
    let output: Output
    let interruption: Interruption
    let remarks = Remarks()

    var location: EventStore.Location { place.location }

    /// Where the store is on Kafka; elsewhere `what` makes no sense.
    func kafka(for what: String) throws(Failure) -> KafkaLocation {
        guard case .kafka(let location) = place else {
            throw Failure(.badInput, "\(what) needs --kafka HOST:PORT (or TRIBUTARY_KAFKA): only Kafka has topics")
        }
        return location
    }

    private func options(_ progress: Progress) -> StoreOptions {
        StoreOptions(
            log: { [remarks] line in remarks.store(line) },
            progress: { step in
                progress.show(step.recordsDone, of: step.recordsTotal, count: step.recordsDone, unit: "records")
            })
    }

    /// Opens the store, and closes it whatever happens.
    func withStore<R>(
        creating: EventStore.Creation = .never, _ body: (EventStore) async throws -> R
    ) async throws -> R {
        let progress = Progress("opening")
        defer { progress.end() }
        // Brokers can let one wait; a node's opening may be cut short at any moment.
        if case .directory = place { interruption.holdsStore(true) }
        defer { interruption.holdsStore(false) }
        let store = try await EventStore.open(location, creating: creating, options: options(progress))
        progress.end()
        return try await holdingStore {
            do {
                try Task.checkCancellation()
                let result = try await body(store)
                try output.flush()
                await store.close()
                return result
            } catch {
                // What came before the error is true.
                try? output.flush()
                await store.close()
                throw error
            }
        }
    }

    /// Has signals wait until `body` has ended.
    func holdingStore<R>(_ body: () async throws -> R) async throws -> R {
        interruption.holdsStore(true)
        defer { interruption.holdsStore(false) }
        return try await body()
    }
}
