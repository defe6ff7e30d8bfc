/// The name of a stream: 1 to 1,024 bytes of UTF-8 without control characters, compared byte by byte.
///
/// ```swift
/// let order = try StreamName("Order-42")
/// order.category                            // "Order"
/// ```
/// Names that begin with `$` belong to the store: they can be read, not appended to.
/// Nothing is normalised: two spellings of `é` are two names.
public struct StreamName: Hashable, Sendable, CustomStringConvertible {
    /// The name's bytes, valid UTF-8.
    public let utf8: [UInt8]

    /// - Throws: `InvalidInput` where the name is empty, over 1,024 bytes or has a control character
    ///   (U+0000–1F, 7F–9F).
    public init(_ name: String) throws(InvalidInput) {
        try self.init(utf8: Array(name.utf8))
    }

    /// - Parameter utf8: the name's bytes.
    /// - Throws: `InvalidInput`, also where the bytes are not UTF-8.
    public init(utf8: [UInt8]) throws(InvalidInput) {
        try InvalidInput.check(streamName: utf8)
        self.utf8 = utf8
    }

    /// A name that the store itself has read from its log.
    init(stored utf8: [UInt8]) {
        self.utf8 = utf8
    }

    public var description: String { String(decoding: utf8, as: UTF8.self) }

    /// What stands before the first `-`; nil where there is no `-`, where nothing stands before it, and for names
    /// that begin with `$`.
    public var category: String? {
        guard utf8.first != UInt8(ascii: "$"), let dash = utf8.firstIndex(of: UInt8(ascii: "-")), dash > 0 else {
            return nil
        }
        return String(decoding: utf8[..<dash], as: UTF8.self)
    }

    /// Whether the name begins with `$` and so belongs to the store.
    public var isSystem: Bool { utf8.first == UInt8(ascii: "$") }
}
