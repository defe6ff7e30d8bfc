/// Cuts bytes that come in pieces into lines that end in LF or CR LF, and counts them. A byte order mark before the
/// first is dropped. Holds one line and one piece at most, however long a line is.
///
/// ```swift
/// var splitter = LineSplitter()
/// splitter.add(piece)
/// while case .line(let number, let range) = splitter.next() { use(splitter.buffer[range], number) }
/// ```
public struct LineSplitter: Sendable {
    public enum Item: Equatable, Sendable {
        /// A line, counted from 1, and where in `buffer` it stands until the next call.
        case line(number: Int, range: Range<Int>)
        /// A line of more than the allowed bytes, which was dropped.
        case tooLong(number: Int)
        /// The rest is no whole line: add a piece, or call `finish`.
        case needsMore
        /// After `finish`: there is no more.
        case end
    }

    /// Of a line, in bytes, unless told otherwise.
    public static let defaultMaximum = 4 << 20

    public private(set) var buffer: [UInt8] = []

    private let maximum: Int
    private var start = 0
    /// Up to here there is no line end.
    private var searched = 0
    private var number = 0
    private var isDropping = false
    private var isFinished = false
    private var isAtFirstByte = true

    /// - Parameter maximum: bytes of a line, without its end.
    public init(maximum: Int = LineSplitter.defaultMaximum) {
        self.maximum = maximum
    }

    public mutating func add(_ piece: some Collection<UInt8>) {
        if start > 0 {
            buffer.removeSubrange(..<start)
            searched -= start
            start = 0
        }
        buffer.append(contentsOf: piece)
    }

    /// No more pieces come: what is left is the last line.
    public mutating func finish() {
        isFinished = true
    }

    public mutating func next() -> Item {
        dropByteOrderMark()
        if isAtFirstByte { return isFinished ? .end : .needsMore }
        if let end = buffer[searched...].firstIndex(of: 0x0a) {
            return take(to: end, next: end + 1) ?? next()
        }
        searched = buffer.count
        if isFinished {
            let isEmpty = start == buffer.count && !isDropping
            return isEmpty ? .end : take(to: buffer.count, next: buffer.count) ?? .end
        }
        // One byte more may be the CR of the line's end.
        if buffer.count - start > maximum + 1 || isDropping {
            start = buffer.count
            if !isDropping {
                isDropping = true
                number += 1
                return .tooLong(number: number)
            }
        }
        return .needsMore
    }

    /// The line that ends before `end`; nil where it is the rest of one that was dropped.
    private mutating func take(to end: Int, next: Int) -> Item? {
        let first = start
        start = next
        searched = next
        if isDropping {
            isDropping = false
            return nil
        }
        number += 1
        var last = end
        if last > first && buffer[last - 1] == 0x0d { last -= 1 }
        return last - first > maximum ? .tooLong(number: number) : .line(number: number, range: first..<last)
    }

    private mutating func dropByteOrderMark() {
        guard isAtFirstByte else { return }
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        if buffer.count < 3 && !isFinished && mark.starts(with: buffer) { return }
        if buffer.isEmpty { return }
        isAtFirstByte = false
        if buffer.starts(with: mark) {
            start = 3
            searched = 3
        }
    }
}
