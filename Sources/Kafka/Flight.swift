/// Records that the client library has, by their tags, in the order in which it got them.
struct Flight: Sendable {
    private var tags: [UInt64] = []
    private var head = 0

    /// - Parameter tag: 0: nobody waits for an answer.
    mutating func add(_ tag: UInt64) {
        if tag != 0 { tags.append(tag) }
    }

    /// The library answers mostly in order.
    mutating func remove(_ tag: UInt64) {
        guard tag != 0, let index = tags[head...].firstIndex(of: tag) else { return }
        tags[index] = 0
        while head < tags.count, tags[head] == 0 { head += 1 }
        if head == tags.count || head > 1_024 && head * 2 >= tags.count {
            tags.removeFirst(head)
            head = 0
        }
    }

    /// Those that were not answered.
    mutating func takeAll() -> [UInt64] {
        defer { self = Flight() }
        return tags[head...].filter { $0 != 0 }
    }
}
