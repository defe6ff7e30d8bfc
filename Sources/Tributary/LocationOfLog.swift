package import EventLog
import StreamIndex

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
    /// A place of a log that keeps no files here: what of it is kept is in memory, and read anew at each opening.
    package static func log(
        create: @escaping @Sendable () async throws -> Void,
        open: @escaping @Sendable (EventStore.Creation, @escaping LineSink) async throws -> LocatedLog
    ) -> Self {
        Self(create: create) { creating, sink in
            let located = try await open(creating, sink)
            return OpenedLog(log: located.log, segments: nil, indexDirectory: nil, notes: located.notes)
        }
    }
}
