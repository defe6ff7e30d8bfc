import Synchronization
import Tributary

/// What the store and the Kafka client have to say beyond the answer: warnings and errors, on standard error. What
/// repeats itself, as that a broker is down, is said now and then.
final class Remarks: Sendable {
    /// Between two lines that differ in nothing but numbers.
    static let interval = Duration.seconds(30)
    /// Most different lines that are remembered.
    static let maximumKinds = 64

    private struct Kind {
        var said: ContinuousClock.Instant
        var suppressed = 0
    }

    private let kinds = Mutex<[String: Kind]>([:])
    private let say: @Sendable (String) -> Void

    init(say: @escaping @Sendable (String) -> Void = { StandardError.line($0) }) {
        self.say = say
    }

    func store(_ line: LogLine) {
        guard line.level >= .warning else { return }
        if line.label == "kafka" { return kafka(line.message) }
        let details = line.metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        remark(line.message + details)
    }

    /// What the client deals with itself, as a broker that is just starting, concerns nobody.
    func kafka(_ text: String) {
        if !text.hasSuffix(": retrying") { remark("Kafka: " + Self.words(text)) }
    }

    /// The client library's line without what is only for its developers: the thread, the connection's state.
    static func words(_ text: String) -> String {
        var text = text[...]
        if text.hasPrefix("[thrd:"), let end = text.firstRange(of: "]: ") { text = text[end.upperBound...] }
        if let state = text.firstRange(of: " (after ") { text = text[..<state.lowerBound] }
        return String(text)
    }

    /// - Parameter now: for tests.
    func remark(_ text: String, at now: ContinuousClock.Instant = .now) {
        let key = text.filter { !$0.isNumber }
        let suppressed = kinds.withLock { kinds -> Int? in
            if var kind = kinds[key], kind.said.duration(to: now) < Self.interval {
                kind.suppressed += 1
                kinds[key] = kind
                return nil
            }
            let before = kinds[key]?.suppressed ?? 0
            if kinds.count >= Self.maximumKinds { kinds = [:] }
            kinds[key] = Kind(said: now)
            return before
        }
        guard let suppressed else { return }
        say(suppressed == 0 ? text : "\(text) (and \(suppressed) lines like it before)")
    }
}
