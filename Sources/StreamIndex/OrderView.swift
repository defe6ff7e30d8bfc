import Envelope
import GlobalOrder
import Synchronization

/// For the tests that have to fail without these.
package struct OrderRules: Sendable {
    /// A range must begin at its partition's next unordered offset.
    package var judgesFirstOffset = true
    /// What a range says is compared with this node's own decisions.
    package var compares = true

    package init() {}
}

/// How much of the global order may be told, for readers of any thread.
final class OrderView: Sendable {
    struct Contents: Sendable {
        /// The first position that may not be told.
        var confirmed: Int64 = 1
        /// How often positions were taken back. A page during which that happened is read again.
        var voids = 0
        var fault: OrderFault?
    }

    private let state = Mutex(Contents())

    var contents: Contents { state.withLock { $0 } }

    /// Before the entries of positions from this one on change.
    func takeBack(from position: Int64) {
        state.withLock {
            $0.confirmed = min($0.confirmed, position)
            $0.voids += 1
        }
    }

    func set(_ check: OrderCheck) {
        state.withLock {
            $0.confirmed = check.confirmedPosition
            $0.fault = check.fault
        }
    }
}

extension ProposerID {
    /// As UUIDs are written.
    var text: String { StoreID(high: high, low: low).description }

    /// Reads what `text` gives, with or without a line's end.
    init?(_ text: String) {
        guard let id = StoreID(text.hasSuffix("\n") ? String(text.dropLast()) : text) else { return nil }
        self.init(high: id.high, low: id.low)
    }

    static func random() -> ProposerID {
        let id = StoreID.random()
        return ProposerID(high: id.high, low: id.low)
    }
}

extension OrderFault {
    /// For people.
    var message: String {
        let what =
            switch reason {
            case .events: "\(events(claimed)), and this node's index has \(events(own))"
            case .empty: difference
            case .beyondEnd: "records that the partition does not have"
            }
        return "positions stop before \(range.firstPosition): order record \(range.orderOffset), written by node "
            + "\(range.proposer.text), says of offsets \(range.firstOffset) to \(range.lastOffset) of partition "
            + "\(range.partition): \(what); find out which is wrong, then declare what the record says of that partition "
            + "void and rebuild the wrong node's index"
    }

    private func events(_ content: RangeContent?) -> String {
        content.map { $0.events == 1 ? "1 event" : "\($0.events) events" } ?? "nothing"
    }

    /// The first offset of which the two say different things.
    private var difference: String {
        let (claimed, own) = (claimed?.empty ?? [], own?.empty ?? [])
        let place = zip(claimed, own).prefix { $0 == $1 }.count
        let ours = place < own.count ? own[place] : .max
        let theirs = place < claimed.count ? claimed[place] : .max
        return theirs < ours
            ? "offset \(theirs) brought no event, and in this node's index it did"
            : "offset \(ours) brought an event, and in this node's index it did not"
    }
}
