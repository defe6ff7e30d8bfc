/// An event's place in the order of the whole store: dense, from 0. Position 0 is the store's own creation record, so
/// users' events begin at 1.
public struct GlobalPosition: Hashable, Comparable, Sendable, Codable, ExpressibleByIntegerLiteral,
    CustomStringConvertible
{
    /// 0 or more.
    public let value: Int64

    /// - Parameter value: 0 or more.
    public init(_ value: Int64) {
        self.value = value
    }

    public init(integerLiteral value: Int64) {
        self.init(value)
    }

    public init(from decoder: any Decoder) throws {
        value = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    /// The first position, 0.
    public static let start = GlobalPosition(0)

    public static func < (one: GlobalPosition, other: GlobalPosition) -> Bool { one.value < other.value }

    public var description: String { String(value) }
}
