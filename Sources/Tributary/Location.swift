import EmbeddedEventLog
import EventLog
package import StreamIndex

extension EventStore {
    /// Where a store is.
    public struct Location: Sendable {
        let create: @Sendable () async throws -> Void
        let open: @Sendable (Creation, @escaping LineSink) async throws -> OpenedLog

        /// - Parameters:
        ///   - create: makes the store; throws where there is one.
        ///   - open: opens the log, making it first where it is missing and that is allowed; what it has to say while
        ///     it is open goes to the sink.
        package init(
            create: @escaping @Sendable () async throws -> Void,
            open: @escaping @Sendable (Creation, @escaping LineSink) async throws -> OpenedLog
        ) {
            self.create = create
            self.open = open
        }

        /// A directory of this machine, for one process at a time.
        ///
        /// - Parameter path: absent or empty where the store is made.
        public static func directory(_ path: String) -> Location {
            directory(path, segmentBytes: 64 << 20)
        }

        /// - Parameter segmentBytes: size of the segment files made from now on.
        package static func directory(_ path: String, segmentBytes: Int) -> Location {
            Location {
                try await onOwnThread(named: "store-create") { try createDirectory(path, segmentBytes) }
            } open: { creating, _ in
                try await onOwnThread(named: "store-open") { try openDirectory(path, creating, segmentBytes) }
            }
        }

        /// Memory of this process: for tests. Each opening makes a new, empty store.
        ///
        /// - Parameter partitions: 1 or more. With several, events get their global position a little after they are
        ///   accepted.
        public static func inMemory(partitions: Int = 1) -> Location {
            Location {
            } open: { _, _ in
                OpenedLog(log: InMemoryLog(partitions: partitions), segments: nil, indexDirectory: nil)
            }
        }
    }

    /// Whether `open` may make a store.
    public enum Creation: Sendable {
        /// It makes one where there is none.
        case ifMissing
        /// It throws `StoreError` with `notAStore` where there is none.
        case never
    }
}

private func createDirectory(_ path: String, _ fileBytes: Int) throws(LogError) {
    let first = StoreCreation.firstRecord(partitions: 1)
    try EmbeddedLog.create(at: path, storeID: first.store, firstRecord: first.record, fileBytes: fileBytes)
}

private func openDirectory(
    _ path: String, _ creating: EventStore.Creation, _ fileBytes: Int
) throws -> OpenedLog {
    let log: EmbeddedLog
    do throws(LogError) {
        log = try EmbeddedLog.open(at: path, fileBytes: fileBytes)
    } catch {
        // An unfinished creation is completed by `create`, and by nothing else.
        guard creating == .ifMissing, error.code == .notAStore else { throw error }
        do throws(LogError) {
            try createDirectory(path, fileBytes)
        } catch {
            // Somebody else may have been quicker.
            guard error.code == .alreadyExists else { throw error }
        }
        log = try EmbeddedLog.open(at: path, fileBytes: fileBytes)
    }
    log.keepLock()
    return OpenedLog(
        log: log, segments: log.segments, indexDirectory: log.indexDirectory, notes: log.openingNotes
    ) {
        log.releaseLock()
    }
}
