// Between the words of the segment files and those of record logs.

import EventLog
import Segments

extension LogError {
    /// - Parameter place: the directory, or what else people know the log by.
    init(_ error: SegmentError, in place: String) {
        let code: Code =
            switch error.code {
            case .damaged, .foreign: .damaged
            case .newerFormat: .newerFormat
            case .noPermission: .noPermission
            case .locked(let pid): .locked(pid: pid)
            case .closed: .closed
            case .noSpace, .notFound, .io: .unavailable
            }
        self.init(code, "\(place): \(error.description)")
    }
}

extension FramePlace {
    init(_ place: SegmentPlace) {
        self.init(file: place.file, position: place.position, length: place.length)
    }
}

extension RunEntry {
    init(_ frame: SegmentFrame) {
        self.init(
            channel: frame.channel, offset: frame.offset, appendTime: frame.appendTime, key: frame.key,
            value: frame.value, place: FramePlace(frame.place))
    }
}

extension StoredRecord {
    init(_ frame: SegmentFrame, in bytes: [UInt8]) {
        let record = LogRecord(key: frame.key.map { Array(bytes[$0]) }, value: frame.value.map { Array(bytes[$0]) })
        self.init(offset: frame.offset, appendTime: frame.appendTime, record: record)
    }
}
