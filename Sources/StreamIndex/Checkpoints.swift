import EventLog
import KeyValue
import Segments

/// Writes the records of a log that keeps none, and keeps RocksDB's files behind them: nothing is flushed before the
/// records that it points to are synced.
///
/// Used by the thread that delivers only, and not under the applier's lock: it waits for the disk.
struct Checkpoints: Sendable {
    let writer: SegmentWriter
    let keyValue: KeyValueStore
    /// nil: in memory.
    private let limit: Int?
    /// Of records, since the last checkpoint.
    private var bytes = 0
    private var places: [SegmentPlace] = []

    init(writer: SegmentWriter, keyValue: KeyValueStore, every bytes: Int?) {
        self.writer = writer
        self.keyValue = keyValue
        limit = bytes
    }

    /// Writes the records and gives them their places.
    mutating func write(_ entries: inout [RunEntry], of run: [UInt8]) throws(IndexError) {
        let frames = entries.map {
            SegmentFrame(
                channel: $0.channel, offset: $0.offset, appendTime: $0.appendTime, key: $0.key, value: $0.value,
                place: SegmentPlace(file: 0, position: 0, length: 0))
        }
        places.removeAll(keepingCapacity: true)
        do throws(SegmentError) {
            try writer.append(frames, of: run, places: &places)
        } catch {
            throw IndexError(.unavailable, "the records cannot be kept: \(error)")
        }
        for (index, place) in places.enumerated() {
            entries[index].place = FramePlace(file: place.file, position: place.position, length: place.length)
            bytes += Int(place.length)
        }
    }

    /// Whether records and index are to be brought to the disk.
    var isDue: Bool {
        // The index is far smaller than the records: few large files of it cost less than many small ones.
        guard let limit else { return false }
        return keyValue.unflushedBytes >= limit || bytes >= IndexLimits.recordsInACheckpoint * limit
    }

    /// Does so where it is due: of the index what is written there.
    mutating func passed() throws(IndexError) {
        guard isDue else { return }
        bytes = 0
        do throws(SegmentError) { try writer.sync() } catch {
            throw IndexError(.unavailable, "the records cannot be kept: \(error)")
        }
        do throws(KeyValueError) { try keyValue.flush(waits: false) } catch {
            throw IndexError(.unavailable, "the index cannot be written: \(error); open the store again after that")
        }
    }
}
