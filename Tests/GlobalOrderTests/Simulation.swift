import GlobalOrder
import SeededNumbers

/// How a simulation goes; faults in percent of the occasions.
struct SimulationPlan {
    var nodes = 3
    var partitions = 4
    var appends = 35
    var lost = 4
    var reportedFailed = 4
    var late = 4
    var duplicated = 4
    var stops = 1
    var hangs = 1
    /// Voids that a person writes by mistake, and records that say anything.
    var strays = 1
    /// How long a step takes, at most; in a healthy store all goes round many times within the take-over delay.
    var longestStep = 5
    var judgesFirstOffset = true
    var compares = true

    static let healthy = SimulationPlan(
        appends: 15, lost: 0, reportedFailed: 0, late: 0, duplicated: 0, stops: 0, hangs: 0, strays: 0, longestStep: 2)
}

/// Several nodes over several partitions and one order channel, each at its own pace; everything is decided by a seed.
struct Simulation {
    private enum Happening {
        case stored(OrderEntry)
        case failed(node: Int, number: UInt64)
    }

    static let timing = ProposerTiming(
        takeOverDelay: 1_000_000_000, flightTime: 4_000_000_000, pauseAfterFailure: 20_000_000)

    var plan: SimulationPlan
    private(set) var random: SeededGenerator
    private(set) var step = 0
    private var now: Int64 = 0
    var nodes: [SimulatedNode] = []
    private(set) var truth: Truth
    private(set) var channel: [OrderEntry] = []
    /// A replica that applies each entry as soon as it is stored, and its state at each order offset.
    private(set) var oracle: OrderReplica
    private var states: [OrderState]
    private var pending: [(step: Int, happening: Happening)] = []
    private var nextWriteID = 0
    private(set) var history: ServedHistory
    /// Records written, by node; and ranges that stand in the channel.
    private(set) var written: [Int]
    private(set) var rangesWritten = 0
    /// Nodes whose records are lost.
    var silent: [Int] = []

    init(seed: UInt64, plan: SimulationPlan) {
        self.plan = plan
        random = SeededGenerator(seed: seed)
        truth = Truth(seed: seed, ends: Array(repeating: 0, count: plan.partitions))
        truth.ends[0] = 1
        oracle = OrderReplica(partitions: plan.partitions, judgesFirstOffset: plan.judgesFirstOffset)
        states = [oracle.state]
        history = ServedHistory(partitions: plan.partitions)
        written = Array(repeating: 0, count: plan.nodes)
        history.appendBegins(0)
        for number in 0..<plan.nodes {
            nodes.append(
                SimulatedNode(number: number, index: emptyIndex, random: random.next(), timing: Self.timing))
            nodes[number].pace = plan.stops == 0 ? 100 : 30 + random.below(70)
        }
        store(.other)
    }

    private var emptyIndex: NodeIndex {
        var index = NodeIndex(
            applied: Array(repeating: 0, count: plan.partitions),
            order: OrderReplica(partitions: plan.partitions, judgesFirstOffset: plan.judgesFirstOffset))
        index.check.compares = plan.compares
        return index
    }

    var violations: [String] { history.violations }

    // MARK: Steps

    mutating func run(steps: Int) {
        let end = step + steps
        while step < end, violations.isEmpty { takeStep() }
    }

    /// Runs until this holds; false where it never does within so many steps.
    mutating func run(atMost steps: Int, until holds: (Simulation) -> Bool) -> Bool {
        let end = step + steps
        while step < end, violations.isEmpty {
            if holds(self) { return true }
            for _ in 0..<20 { takeStep() }
        }
        return holds(self)
    }

    private mutating func takeStep() {
        step += 1
        now += Int64(1 + random.below(plan.longestStep)) * 1_000_000
        if random.chance(plan.appends) { append() }
        if random.below(300) < plan.strays { stray() }
        let due = pending.filter { $0.step <= step }
        pending.removeAll { $0.step <= step }
        for item in due {
            switch item.happening {
            case .stored(let entry): store(entry)
            case .failed(let node, let number):
                guard nodes[node].inFlight?.number == number else { continue }
                nodes[node].proposer.settled(number, .failed, at: now)
            }
        }
        let node = random.below(nodes.count)
        disturb(node)
        guard nodes[node].stoppedUntil <= step, random.chance(nodes[node].pace) else { return }
        let before = nodes[node].index.check.confirmedPosition
        let epoch = nodes[node].index.order.epoch
        switch random.below(4) {
        case 0: for _ in 0..<1 + random.below(plan.partitions) { applyPartition(node) }
        case 1: applyOrder(node, atMost: 1 + random.below(4))
        case 2: compare(node)
        default: propose(node)
        }
        if nodes[node].index.check.confirmedPosition < before, nodes[node].index.order.epoch == epoch {
            history.violated("node \(node): the served head went back from \(before) without a void")
        }
    }

    private mutating func append() {
        // The first partition is fast, the last slow.
        let partition = random.chance(60) ? 0 : random.below(plan.partitions)
        for _ in 0..<1 + random.below(partition == 0 ? 4 : 1) {
            history.appendBegins(partition)
            truth.ends[partition] += 1
        }
    }

    private mutating func disturb(_ node: Int) {
        if random.below(200) < plan.stops { restart(node) }
        if random.below(200) < plan.hangs {
            nodes[node].hungUntil[random.below(plan.partitions)] = step + random.below(1_500)
        }
        if random.below(200) < plan.stops { nodes[node].pace = 10 + random.below(90) }
        if random.chance(1) { nodes[node].checkpoint = nodes[node].index }
    }

    /// It dies between two steps, whatever is in flight, and comes back later with its index, an older one, or none.
    mutating func restart(_ number: Int) {
        var index = nodes[number].index
        if random.chance(30) { index = nodes[number].checkpoint }
        if random.chance(15) { index = emptyIndex }
        let old = nodes[number]
        nodes[number] = SimulatedNode(number: number, index: index, random: random.next(), timing: Self.timing)
        for (partition, next) in index.applied.enumerated() {
            nodes[number].proposer.applied(partition: partition, next: next, at: now)
        }
        nodes[number].pace = old.pace
        nodes[number].bug = old.bug
        nodes[number].stoppedUntil = step + random.below(random.chance(20) ? 1_000 : 50)
    }

    /// As after `rebuild-index`: its decisions are right again, and it begins from nothing.
    mutating func repair(_ number: Int) {
        let old = nodes[number]
        nodes[number] = SimulatedNode(number: number, index: emptyIndex, random: random.next(), timing: Self.timing)
        nodes[number].pace = old.pace
    }

    // MARK: A node's steps

    private mutating func applyPartition(_ node: Int) {
        let behind = truth.ends.indices.filter {
            nodes[node].hungUntil[$0] <= step && nodes[node].index.applied[$0] < truth.ends[$0]
        }
        guard !behind.isEmpty else { return }
        let partition = behind[random.below(behind.count)]
        let from = nodes[node].index.applied[partition]
        let next = min(truth.ends[partition], from + Int64(1 + random.below(random.chance(30) ? 60 : 12)))
        nodes[node].index.applied[partition] = next
        nodes[node].proposer.applied(partition: partition, next: next, at: now)
    }

    private mutating func applyOrder(_ node: Int, atMost count: Int) {
        for _ in 0..<count {
            let offset = Int(nodes[node].index.order.state.nextOrderOffset)
            guard offset < channel.count else { return }
            let voided = nodes[node].index.order.applyNext(of: channel)
            if let voided { nodes[node].index.check.goBack(to: voided) }
            if nodes[node].index.order.state != states[offset + 1] {
                history.violated("node \(node) differs from another at order offset \(offset + 1)")
            }
            nodes[node].proposer.ordered(nodes[node].index.order.state, at: now)
            nodes[node].proposer.faultyPartition = nodes[node].index.check.fault?.range.partition
            if let voided, voided.proposer == nodes[node].id {
                nodes[node].proposer.ownRangeWasVoided(partition: voided.partition)
            }
            if case .record(_, let writeID) = channel[offset], let own = nodes[node].inFlight, own.writeID == writeID {
                nodes[node].proposer.settled(own.number, .seen, at: now)
            }
        }
    }

    private mutating func compare(_ node: Int) {
        while nodes[node].index.check.fault == nil {
            let index = nodes[node].index
            let first = index.order.firstIndex(from: index.check.next)
            guard first < index.order.placed.count else { return }
            let range = index.order.placed[first]
            guard case .record(let record, _) = channel[Int(range.orderOffset)] else { return }
            if index.applied[range.partition] > range.lastOffset {
                let claimed = record.ranges[range.place.index].content
                nodes[node].index.check.compare(
                    range, claimed: claimed,
                    own: nodes[node].decided(truth, range.partition, range.firstOffset...range.lastOffset))
                guard nodes[node].index.check.fault == nil else { break }
                if !nodes[node].servesWrong {
                    history.serve(range, claimed: claimed, epoch: index.order.epoch, truth: truth, node: node)
                }
            } else {
                nodes[node].index.check.compare(range, partitionEnd: truth.ends[range.partition])
                break
            }
        }
        nodes[node].proposer.faultyPartition = nodes[node].index.check.fault?.range.partition
    }

    private mutating func propose(_ node: Int) {
        guard case .propose(let proposal) = nodes[node].proposer.step(at: now) else { return }
        for range in proposal.ranges where range.last >= nodes[node].index.applied[range.partition] {
            history.violated("node \(node) proposes \(range), which it has not applied")
        }
        let ranges = proposal.ranges.map { nodes[node].proposed($0, truth) }
        let record = OrderRecord(proposer: nodes[node].id, ranges: ranges)
        nodes[node].inFlight = (proposal.number, nextWriteID)
        write(.record(record, writeID: nextWriteID), by: node, number: proposal.number)
        nextWriteID += 1
        written[node] += 1
    }

    // MARK: The order channel

    private mutating func write(_ entry: OrderEntry, by node: Int, number: UInt64) {
        guard !silent.contains(node) else { return }
        let soon = step + 1 + random.below(15)
        let isLate = random.chance(plan.late)
        if random.chance(plan.reportedFailed) {
            pending.append((step + 1 + random.below(40), .failed(node: node, number: number)))
        }
        if !random.chance(plan.lost) { pending.append((isLate ? step + random.below(1_500) : soon, .stored(entry))) }
        if random.chance(plan.duplicated) {
            pending.append((random.chance(50) ? soon : step + random.below(1_500), .stored(entry)))
        }
    }

    private mutating func store(_ entry: OrderEntry) {
        channel.append(entry)
        if case .record(let record, _) = entry { rangesWritten += record.ranges.count }
        if let voided = oracle.applyNext(of: channel) { history.cut(from: voided.firstPosition) }
        states.append(oracle.state)
    }

    /// What a person writes.
    mutating func void(_ void: OrderVoid) {
        store(.void(void))
    }

    private mutating func stray() {
        switch random.below(4) {
        case 0: store(.other)
        case 1:
            // Far back, and often of nothing; each costs all that follows.
            let back = random.below(min(channel.count, 60))
            void(OrderVoid(orderOffset: Int64(channel.count - 1 - back), partition: random.below(plan.partitions)))
        case 2:
            // An old record again.
            store(channel[random.below(channel.count)])
        default:
            let ranges = (0..<random.below(4)).map { _ in
                let partition = random.below(plan.partitions + 1)
                let first = Int64(random.below(50))
                return OrderRange(
                    partition: partition, first: first, last: first + Int64(random.below(5)) - 1,
                    content: RangeContent(events: Int64(random.below(9)), empty: [Int64(random.below(60))]))
            }
            // Their first offset is long ordered, or they contradict themselves.
            guard ranges.allSatisfy({ isInvalid($0) }) else { return }
            store(.record(OrderRecord(proposer: ProposerID(high: 9, low: 9), ranges: ranges), writeID: -1))
        }
    }

    private func isInvalid(_ range: OrderRange) -> Bool {
        guard oracle.state.partitions.indices.contains(range.partition) else { return true }
        return !range.isWellFormed(partitions: plan.partitions)
    }

    // MARK: What must hold

    /// All replicas that have read the whole channel have the same table, and so has one rebuilt from nothing.
    mutating func compareReplicas() {
        var rebuilt = OrderReplica(partitions: plan.partitions, judgesFirstOffset: plan.judgesFirstOffset)
        for offset in channel.indices {
            rebuilt.applyNext(of: channel)
            if rebuilt.state != states[offset + 1] { history.violated("a rebuilt replica differs after \(offset)") }
        }
        if rebuilt != oracle { history.violated("a rebuilt replica has another table") }
        for node in nodes where Int(node.index.order.state.nextOrderOffset) == channel.count {
            if node.index.order != oracle { history.violated("node \(node.number) has another table") }
        }
        guard plan.judgesFirstOffset else { return }
        let naive = NaiveOrder.placed(channel, partitions: plan.partitions)
        let own = oracle.placed.map {
            NaiveOrder.Placed(
                position: $0.firstPosition, sequence: $0.firstSequence, partition: $0.partition,
                offsets: $0.firstOffset...$0.lastOffset, place: $0.place)
        }
        if naive != own { history.violated("the table is not what the rule says") }
    }

    /// Whether a node has applied everything there is, and compared what it can.
    func hasReadAll(_ node: SimulatedNode) -> Bool {
        guard node.index.applied == truth.ends, Int(node.index.order.state.nextOrderOffset) == channel.count,
            oracle.state.partitions.indices.allSatisfy({
                oracle.state.partitions[$0].nextOffset >= truth.ends[$0] || node.index.check.fault != nil
            })
        else { return false }
        return node.index.check.fault != nil || node.index.check.confirmedPosition == oracle.state.nextPosition
    }

    /// Every node serves everything that was appended.
    var isAllServed: Bool {
        history.isComplete(truth)
            && nodes.allSatisfy {
                $0.index.check.fault == nil && $0.index.check.confirmedPosition == oracle.state.nextPosition
            }
    }

    /// For people, when a test fails.
    var summary: String {
        var text = "ends \(truth.ends), channel \(channel.count), \(oracle.state)\n"
        for node in nodes {
            text +=
                "node \(node.number): applied \(node.index.applied), order \(node.index.order.state.nextOrderOffset)"
            text += ", \(node.index.check), in flight \(node.proposer.isInFlight)\n"
        }
        return text
    }

    /// Faults end: who is stopped comes back, what hangs goes on, nothing is appended.
    mutating func calmDown() {
        plan = SimulationPlan.healthy.with(plan)
        plan.appends = 0
        for node in nodes.indices {
            nodes[node].stoppedUntil = 0
            nodes[node].pace = 100
            nodes[node].hungUntil = Array(repeating: 0, count: plan.partitions)
        }
    }
}

extension SimulationPlan {
    /// The same store.
    func with(_ other: SimulationPlan) -> SimulationPlan {
        var plan = self
        plan.nodes = other.nodes
        plan.partitions = other.partitions
        plan.judgesFirstOffset = other.judgesFirstOffset
        plan.compares = other.compares
        return plan
    }
}
