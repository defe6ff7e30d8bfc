package import EventLog
package import StreamIndex

/// A log that was opened for a store, and what opening has to say to people.
package struct LocatedLog: Sendable {
    package var log: any RecordLog
    package var notes: [String]

    package init(log: any RecordLog, notes: [String]) {
        self.log = log
        self.notes = notes
    }
}

extension EventStore.Location {
    /// A place of a log that keeps no files here.
    ///
    /// - Parameters:
    ///   - directory: of this node, where its copy of the records and its index are; nil: in memory, and read
    ///     anew at each opening.
    ///   - name: what people call the store: a directory is one store's.
    ///   - place: how the copy is kept in its directory.
    ///   - create: makes the log, which may be empty.
    ///   - open: is given the partitions of the store that the directory is of, if any: then it may open a log that
    ///     cannot be reached yet.
    package static func log(
        directory: String? = nil, named name: String,
        copyAs place: @escaping @Sendable (NodeDirectory) -> CopyPlace = { CopyPlace($0) },
        create: @escaping @Sendable () async throws -> Void,
        open: @escaping @Sendable (EventStore.Creation, _ known: Int?, @escaping LineSink) async throws -> LocatedLog
    ) -> Self {
        Self {
            try await create()
            let log = try await open(.ifMissing, nil, { _ in }).log
            do {
                try await StoreCreation.begin(log)
            } catch {
                await log.close()
                throw error
            }
            await log.close()
        } open: { creating, sink in
            guard let directory else {
                let located = try await open(creating, nil, sink)
                return OpenedLog(log: located.log, segments: nil, indexDirectory: nil, notes: located.notes)
            }
            let node = try await onOwnThread(named: "node-open") { try NodeDirectory(directory, of: name) }
            do {
                let located = try await open(creating, node.partitions, sink)
                return OpenedLog(
                    log: located.log, segments: nil, indexDirectory: node.index, copy: place(node),
                    notes: located.notes
                ) {
                    node.release()
                }
            } catch {
                node.release()
                throw error
            }
        }
    }
}
