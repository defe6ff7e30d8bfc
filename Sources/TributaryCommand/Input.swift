import Glibc
import JSONLines

/// A file or standard input, read in pieces.
final class Input: Sendable {
    /// Bytes that are asked for at once.
    static let pieceSize = 256 << 10

    /// Of the file, in bytes; nil where it is none.
    let size: Int64?
    private let name: String
    private let descriptor: Int32

    /// - Parameter path: `-` is standard input.
    init(_ path: [UInt8]) throws(Failure) {
        name =
            path == [UInt8(ascii: "-")]
            ? "standard input" : StandardError.printable(String(decoding: path, as: UTF8.self))
        if path == [UInt8(ascii: "-")] {
            descriptor = STDIN_FILENO
        } else {
            let terminated = path.map { CChar(bitPattern: $0) } + [0]
            descriptor = unsafe terminated.withUnsafeBufferPointer { path -> Int32 in
                guard let start = path.baseAddress else { return -1 }
                return unsafe open(start, O_RDONLY | O_CLOEXEC)
            }
            if descriptor < 0 { throw Failure(.badInput, "cannot open \(name): \(systemError(errno))") }
        }
        var status = stat()
        let isFile = unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        size = isFile ? Int64(status.st_size) : nil
    }

    static let standard: [UInt8] = [UInt8(ascii: "-")]

    /// The next bytes; none at the end. Blocks.
    func next() throws(Failure) -> [UInt8] {
        while true {
            var count = 0
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, initialized in
                count = unsafe read(descriptor, buffer.baseAddress, buffer.count)
                initialized = max(0, count)
            }
            if count >= 0 { return piece }
            if errno != EINTR { throw Failure(.badInput, "cannot read \(name): \(systemError(errno))") }
        }
    }

    /// All that there is, if it is no more than `maximum` bytes.
    func all(maximum: Int, for use: String = "one append") throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let piece = try next()
            if piece.isEmpty { return bytes }
            bytes += piece
            if bytes.count > maximum {
                throw Failure(.badInput, "\(name) holds more than \(maximum >> 20) MiB: too much for \(use)")
            }
        }
    }

    deinit {
        if descriptor != STDIN_FILENO { close(descriptor) }
    }
}
