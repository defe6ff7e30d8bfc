import GlobalOrder

/// What stands at one offset of the order channel.
enum OrderEntry: Equatable {
    case record(OrderRecord, writeID: Int)
    case void(OrderVoid)
    /// Identity or foreign.
    case other
}

/// The order as a node keeps it: the state, and a table of what was placed and what is void.
struct OrderReplica: Equatable {
    var state: OrderState
    /// In the order of their places.
    var placed: [PlacedRange] = []
    var voids: [OrderVoid] = []
    /// Voids that took effect.
    var epoch: Int { voids.count }

    init(partitions: Int, judgesFirstOffset: Bool = true) {
        state = OrderState(partitions: partitions)
        state.judgesFirstOffset = judgesFirstOffset
    }

    /// Applies the next entry; returns the first range that a void took.
    @discardableResult
    mutating func applyNext(of channel: [OrderEntry]) -> PlacedRange? {
        let offset = state.nextOrderOffset
        switch channel[Int(offset)] {
        case .record(let record, _):
            placed += state.apply(record, at: offset, without: voidedPartitions(at: offset))
            return nil
        case .other:
            state.skip(offset)
            return nil
        case .void(let void):
            let start = firstIndex(from: OrderPlace(orderOffset: void.orderOffset, index: 0))
            guard let first = state.void(void, at: offset, placed: placed[start...]) else { return nil }
            voids.append(void)
            placed.removeSubrange(start...)
            for place in void.orderOffset..<offset {
                guard case .record(let record, _) = channel[Int(place)] else { continue }
                placed += state.apply(record, at: place, without: voidedPartitions(at: place))
            }
            state.skip(offset)
            return first
        }
    }

    private func voidedPartitions(at offset: Int64) -> [Int] {
        voids.filter { $0.orderOffset == offset }.map(\.partition)
    }

    /// The first placed range at this place or after it.
    func firstIndex(from place: OrderPlace) -> Int {
        var low = 0
        var high = placed.count
        while low < high {
            let middle = (low + high) / 2
            if placed[middle].place < place { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// The order from the document's words, with nothing kept from one entry to the next.
enum NaiveOrder {
    struct Placed: Equatable {
        var position: Int64
        var sequence: Int64
        var partition: Int
        var offsets: ClosedRange<Int64>
        var place: OrderPlace
    }

    static func placed(_ channel: [OrderEntry], partitions: Int) -> [Placed] {
        var voided: [OrderVoid] = []
        for (offset, entry) in channel.enumerated() {
            guard case .void(let void) = entry else { continue }
            let before = judge(channel[..<offset], without: voided, partitions: partitions)
            if before.contains(where: { $0.place.orderOffset == void.orderOffset && $0.partition == void.partition }) {
                voided.append(void)
            }
        }
        return judge(channel[...], without: voided, partitions: partitions)
    }

    private static func judge(
        _ channel: ArraySlice<OrderEntry>, without voided: [OrderVoid], partitions: Int
    ) -> [Placed] {
        var next = [0: (offset: Int64(1), sequence: Int64(1))]
        var position: Int64 = 1
        var placed: [Placed] = []
        for (offset, entry) in channel.enumerated() {
            guard case .record(let record, _) = entry else { continue }
            for (index, range) in record.ranges.enumerated() {
                let void = OrderVoid(orderOffset: Int64(offset), partition: range.partition)
                let at = next[range.partition] ?? (0, 0)
                guard (0..<partitions).contains(range.partition), range.first == at.offset, range.last >= range.first,
                    !voided.contains(void)
                else { continue }
                let empty = range.content.empty
                let filled = Int(range.last - range.first) + 1 - empty.count
                guard empty == Set(empty).sorted(), empty.allSatisfy({ (range.first...range.last).contains($0) }),
                    range.content.events >= filled, (range.content.events == 0) == (filled == 0)
                else { continue }
                placed.append(
                    Placed(
                        position: position, sequence: at.sequence, partition: range.partition,
                        offsets: range.first...range.last,
                        place: OrderPlace(orderOffset: Int64(offset), index: index)))
                position += range.content.events
                next[range.partition] = (range.last + 1, at.sequence + range.content.events)
            }
        }
        return placed
    }
}
