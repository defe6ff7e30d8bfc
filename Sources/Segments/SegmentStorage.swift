// What the files of a log lie on: a directory, memory, or a test's disk that loses what was not synced.

/// A set of files by name. Safe from any thread.
public protocol SegmentStorage: Sendable {
    /// The names of all files, in no order.
    func names() throws(SegmentError) -> [String]

    /// Opens a file for reading and writing.
    ///
    /// - Throws: `notFound` where there is none.
    func open(_ name: String) throws(SegmentError) -> any SegmentFile

    /// Makes a file of zeros, in place of any that has the name, with room on the disk for all of it.
    ///
    /// - Throws: `noSpace` where there is no room.
    func create(_ name: String, byteCount: Int) throws(SegmentError) -> any SegmentFile

    /// Gives a file another name, in place of any that has it.
    func rename(_ name: String, to other: String) throws(SegmentError)

    func remove(_ name: String) throws(SegmentError)

    /// Makes the names as durable as `SegmentFile.sync` makes bytes.
    func syncNames() throws(SegmentError)
}

/// An open file; it is closed when nobody refers to it any more. Safe from any thread.
public protocol SegmentFile: AnyObject, Sendable {
    func byteCount() throws(SegmentError) -> Int

    /// Fills `bytes` from `position` on.
    ///
    /// - Throws: `damaged` where the file ends before.
    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int) throws(SegmentError)

    /// A place at or behind `position` before which all bytes from `position` on are zeros that need not be read: the
    /// file's size where nothing else follows, `position` itself where that is not known.
    func skipZeros(from position: Int) throws(SegmentError) -> Int

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SegmentError)

    /// Returns once everything written is durable. After an error it is not known what is.
    func sync() throws(SegmentError)
}
