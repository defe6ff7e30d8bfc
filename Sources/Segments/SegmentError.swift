/// What went wrong with segment files. The message names the file and the position and says what to do.
public struct SegmentError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// What was stored is not what is read back, or a file is missing.
        case damaged
        /// A file belongs to another store.
        case foreign
        /// A file is of a version that this build does not know.
        case newerFormat
        /// The disk is full. Nothing was changed, so trying again may help.
        case noSpace
        case noPermission
        /// There is no such file.
        case notFound
        /// Another process or another part of this one holds the lock.
        case locked(pid: Int32?)
        /// The system refused to read, write or sync; `errno` says why.
        case io(errno: Int32)
        /// The writer failed earlier or was closed: the files must be opened again.
        case closed
    }

    public var code: Code
    /// Name of the file, without its directory.
    public var file: String?
    /// The byte in it.
    public var position: Int?
    public var message: String

    public init(_ code: Code, file: String? = nil, position: Int? = nil, _ message: String) {
        self.code = code
        self.file = file
        self.position = position
        self.message = message
    }

    public var description: String {
        let place = [file, position.map { "position \($0)" }].compactMap { $0 }.joined(separator: ", ")
        return place.isEmpty ? message : "\(place): \(message)"
    }

    static func damaged(_ file: String, _ position: Int, _ what: String) -> SegmentError {
        SegmentError(
            .damaged, file: file, position: position,
            "\(what). What was stored is damaged and nothing was changed; restore the directory from a backup, "
                + "and check the disk.")
    }
}
