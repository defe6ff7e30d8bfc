import Glibc
import JSONLines

/// Whoever reads standard output has closed it: there is nothing more to do, and nothing to say.
struct OutputClosed: Error {}

/// Standard output cannot be written to.
struct OutputFailed: Error {
    let reason: String
}

/// JSON lines to standard output through one buffer.
final class Output {
    /// Bytes that are gathered before they are written.
    static let bufferSize = 64 << 10

    var json = JSONWriter()
    /// Says whether data can be shown as it is. Larger data, which no store takes, never is.
    let reader = JSONReader(maximumBytes: 16 << 20)
    private let descriptor: Int32

    init(descriptor: Int32 = STDOUT_FILENO) {
        self.descriptor = descriptor
    }

    func endLine() throws {
        json.endLine()
        if json.bytes.count >= Self.bufferSize { try flush() }
    }

    func flush() throws {
        defer { json.removeAll() }
        try write(json.bytes[...], to: descriptor)
    }

    /// Text that is no JSON: help.
    func text(_ text: String) throws {
        try flush()
        try write(Array(text.utf8)[...], to: descriptor)
    }
}

private func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) throws {
    var rest = bytes
    while !rest.isEmpty {
        let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if written >= 0 {
            rest = rest.dropFirst(written)
        } else if errno == EPIPE {
            throw OutputClosed()
        } else if errno != EINTR {
            throw OutputFailed(reason: systemError(errno))
        }
    }
}

/// What the system calls an error.
func systemError(_ number: Int32) -> String {
    unsafe String(cString: strerror(number))
}

/// Lines for people, on standard error.
enum StandardError {
    static let isTerminal = isatty(STDERR_FILENO) == 1

    /// One line, whatever the text holds.
    static func line(_ text: String) {
        raw(lineStart + "tributary: " + printable(text) + "\n")
    }

    static func raw(_ text: String) {
        // Nobody is left to be told where this fails.
        try? write(Array(text.utf8)[...], to: STDERR_FILENO)
    }

    /// Control characters of names or data must not reach a terminal.
    static func printable(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            scalars.append(isControl ? "?" : scalar)
        }
        return String(scalars)
    }

    /// Clears a progress bar that may stand there.
    private static let lineStart = isTerminal ? "\r\u{1b}[K" : ""
}
