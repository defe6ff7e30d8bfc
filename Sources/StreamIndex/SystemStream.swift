/// Names that belong to the store.
enum SystemStream {
    static let storeName = Array("$store".utf8)
    static let storeCreated = Array("$store-created".utf8)

    /// What stands before the first `-`; nil where there is none, where nothing stands before it, and for `$…`.
    static func category(of name: [UInt8]) -> ArraySlice<UInt8>? {
        guard name.first != UInt8(ascii: "$"), let dash = name.firstIndex(of: UInt8(ascii: "-")), dash > 0 else {
            return nil
        }
        return name[..<dash]
    }

    /// NAME of `$$NAME`; nil for any other name.
    static func subject(ofMetadataStream name: [UInt8]) -> [UInt8]? {
        let dollar = UInt8(ascii: "$")
        guard name.count > 2, name[0] == dollar, name[1] == dollar else { return nil }
        return Array(name[2...])
    }

    static func metadataStream(of name: [UInt8]) -> [UInt8] {
        Array("$$".utf8) + name
    }
}

extension Span<UInt8> {
    /// A copy of a part.
    func array(_ range: Range<Int>) -> [UInt8] {
        let part = extracting(range)
        return unsafe part.withUnsafeBufferPointer { unsafe Array($0) }
    }

    func hasSameBytes(as other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }
}
