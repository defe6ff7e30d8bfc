import GlobalOrder
import Synchronization

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

extension OrderFault {
    /// For people.
    var message: String {
        let what =
            switch reason {
            case .events: "another number of events than this node's index"
            case .empty: "other records without events than this node's index"
            case .beyondEnd: "records that the partition does not have"
            }
        let id = String(range.proposer.high, radix: 16) + "-" + String(range.proposer.low, radix: 16)
        return "positions stop before \(range.firstPosition): order record \(range.orderOffset), written by node "
            + "\(id), says of offsets \(range.firstOffset) to \(range.lastOffset) of partition \(range.partition) "
            + "\(what); find out which is wrong, then declare what the record says of that partition void and "
            + "rebuild the wrong node's index"
    }
}
