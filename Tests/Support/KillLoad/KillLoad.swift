// What the process that is killed says before it appends and after, and what its events look like.

public import Foundation
public import Tributary

/// An append as it is announced before it is made.
public struct Intent: Sendable, Equatable {
    /// Of its first event; the others' end in their place.
    public var id: UUID
    public var stream: String
    public var count: Int
    public var expected: ExpectedVersion

    public init(id: UUID, stream: String, count: Int, expected: ExpectedVersion) {
        self.id = id
        self.stream = stream
        self.count = count
        self.expected = expected
    }

    /// A random id whose last two bytes are zero.
    public static func newID() -> UUID { eventID(UUID(), 0) }

    public static func eventID(_ id: UUID, _ index: Int) -> UUID {
        var bytes = id.uuid
        bytes.14 = UInt8(index >> 8)
        bytes.15 = UInt8(index & 0xFF)
        return UUID(uuid: bytes)
    }

    public func newEvents() -> [NewEvent] {
        (0..<count).map { index in
            let pad = String(repeating: "x", count: 10 + Int(id.uuid.0) * (index % 3 + 1) / 2)
            return NewEvent(
                type: "Killed", data: Array("\(id.uuidString) \(index) \(count) \(pad)".utf8),
                contentType: .octetStream, id: Self.eventID(id, index))
        }
    }
}

/// What the killed process was told.
public struct AcknowledgedAppend: Sendable, Equatable {
    public var id: UUID
    public var firstVersion: Int64
    public var lastVersion: Int64
    public var firstPosition: Int64
    public var isRepeat: Bool

    public init(id: UUID, firstVersion: Int64, lastVersion: Int64, firstPosition: Int64, isRepeat: Bool) {
        self.id = id
        self.firstVersion = firstVersion
        self.lastVersion = lastVersion
        self.firstPosition = firstPosition
        self.isRepeat = isRepeat
    }

    public init(_ id: UUID, _ result: AppendResult) {
        self.init(
            id: id, firstVersion: result.versions.lowerBound, lastVersion: result.versions.upperBound,
            firstPosition: result.positions?.lowerBound.value ?? -1, isRepeat: result.isRepeat)
    }
}

/// One line of the process.
public enum Line: Sendable, Equatable {
    case phase(String)
    case intent(Intent)
    case acknowledged(AcknowledgedAppend)
    case refused(UUID)
    case failed(String)

    public var text: String {
        switch self {
        case .phase(let name): return "P \(name)"
        case .intent(let intent):
            let expected =
                switch intent.expected {
                case .any: "any"
                case .noStream: "none"
                case .streamExists: "exists"
                case .version(let version): "\(version)"
                }
            return "T \(intent.id.uuidString) \(intent.stream) \(intent.count) \(expected)"
        case .acknowledged(let done):
            return "A \(done.id.uuidString) \(done.firstVersion) \(done.lastVersion) \(done.firstPosition) "
                + (done.isRepeat ? "again" : "new")
        case .refused(let id): return "C \(id.uuidString)"
        case .failed(let why): return "E \(why)"
        }
    }

    /// nil: no whole line.
    public init?(_ text: Substring) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        switch (parts[0], parts.count) {
        case ("P", 2): self = .phase(parts[1])
        case ("T", 5):
            guard let id = UUID(uuidString: parts[1]), let count = Int(parts[3]) else { return nil }
            let expected: ExpectedVersion? =
                switch parts[4] {
                case "any": .any
                case "none": .noStream
                case "exists": .streamExists
                default: Int64(parts[4]).map { .version($0) }
                }
            guard let expected else { return nil }
            self = .intent(Intent(id: id, stream: parts[2], count: count, expected: expected))
        case ("A", 6):
            guard let id = UUID(uuidString: parts[1]), let first = Int64(parts[2]), let last = Int64(parts[3]),
                let position = Int64(parts[4])
            else { return nil }
            self = .acknowledged(
                AcknowledgedAppend(
                    id: id, firstVersion: first, lastVersion: last, firstPosition: position,
                    isRepeat: parts[5] == "again"))
        case ("C", 2): self = UUID(uuidString: parts[1]).map { .refused($0) } ?? .failed("what was refused?")
        case ("E", 2...): self = .failed(String(text.dropFirst(2)))
        default: return nil
        }
    }
}
