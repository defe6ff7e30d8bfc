import EventLog
import Foundation
import KafkaBrokers
import StoreRace
import Testing
import Tributary
import TributaryKafka

/// What an imitated cluster does wrong.
enum MockFault: String, CaseIterable, CustomTestStringConvertible {
    /// Records are stored and nobody says so before the client asks again: each becomes two.
    case lateAcknowledgements
    /// The connection closes instead of an answer.
    case lostRequests
    case leaderMoves
    case brokerDown
    case allBrokersDown
    case slowBrokers
    case requestErrors

    var testDescription: String { rawValue }
}

/// Stores on one imitated cluster, each with a load, while the cluster misbehaves.
@Suite(.serialized) struct MockFaultTests {
    @Test(arguments: MockFault.allCases) func nothingIsLostOrDoubled(_ fault: MockFault) async throws {
        var shape = RaceShape(seed: raceSeed(for: "\(fault)"))
        shape.tasks = 3
        shape.orderedTasks = 1
        shape.appends = 1_000_000
        // So that whatever is accepted already is a copy that the cluster made.
        shape.repeats = fault != .lateAcknowledgements
        if fault == .allBrokersDown { shape.deadlineMilliseconds = 1_000 }
        let race = try await MockRace(shape: shape, isImpatient: fault == .lateAcknowledgements)
        var random = SeededGenerator(seed: shape.seed)
        for round in 0..<(fault == .lateAcknowledgements ? 30 : 6) {
            // What comes late may as well be an append that is refused, or of the order.
            if fault == .lateAcknowledgements, round >= 2, try await race.hasCopies { break }
            try await race.waitForProgress(20)
            try await race.commit(fault, &random)
        }
        try await race.waitForProgress(20)
        let verdict = try await race.finish()
        #expect(verdict.problems.isEmpty, "seed \(shape.seed): \(verdict.problems.prefix(4))")
        if fault == .lateAcknowledgements {
            #expect(verdict.referee.unknown == 0)
            #expect(verdict.state.decided("alreadyAccepted") > 0, "no acknowledgement was late thirty times")
        }
    }

    /// The referee sees what must not be.
    @Test func theRefereeCanFail() async throws {
        var shape = RaceShape(seed: raceSeed(for: "referee"))
        shape.tasks = 3
        shape.orderedTasks = 2
        shape.appends = 60
        let race = try await MockRace(shape: shape)
        let verdict = try await race.finish(isStopped: false)
        #expect(verdict.problems == [])
        func isCaught(_ steps: [Step], _ events: [String: [RacedEvent]]) -> Bool {
            !RaceReferee(steps).problems(of: events).isEmpty
        }
        let (steps, events) = (verdict.steps, verdict.events)
        #expect(!isCaught(steps, events))
        let stream = try #require(events.first { $0.value.count > 10 }?.key)
        var changed = events
        changed[stream]?.removeLast()
        #expect(isCaught(steps, changed), "an event was lost")
        changed = events
        if let event = events[stream]?[3] { changed[stream]?.append(event) }
        #expect(isCaught(steps, changed), "an event is there twice")
        changed = events
        changed[stream]?.swapAt(2, 3)
        #expect(isCaught(steps, changed), "two events changed places")
        changed = events
        changed[stream]?[1].data[0] ^= 1
        #expect(isCaught(steps, changed), "an event was changed")
        func altered(_ matches: (Step) -> Bool, _ change: (inout Step) -> Void) throws -> [Step] {
            var altered = steps
            let index = altered.firstIndex(where: matches)
            change(&altered[try #require(index)])
            return altered
        }
        let isAccepted: (Step) -> Bool = { if case .accepted(_, _, false) = $0.what { true } else { false } }
        let isConflict: (Step) -> Bool = { if case .conflict = $0.what { true } else { false } }
        // Of an append that was called again, another call may have stored it.
        let isCalledOnce: (Step) -> Bool = { step in
            isAccepted(step) && steps.count { $0.intent == step.intent } == 2
        }
        #expect(isCaught(try altered(isCalledOnce) { $0.what = .conflict(actual: 1 << 40) }, events))
        #expect(
            isCaught(
                try altered(isAccepted) { $0.what = .accepted(first: 7_000, last: 7_000, isRepeat: false) }, events))
        #expect(isCaught(try altered(isConflict) { $0.what = .accepted(first: 0, last: 0, isRepeat: false) }, events))
        #expect(isCaught(try altered(isAccepted) { $0.what = .wrong("an error") }, events))
        // The whole call is moved behind all others.
        let first = try #require(steps.first { isAccepted($0) && $0.intent.stream == stream })
        var late = steps
        for index in late.indices where late[index].intent == first.intent { late[index].at += 1 << 50 }
        #expect(isCaught(late, events), "an append came before one that was answered before it began")
    }

    /// Also where it is about positions.
    @Test func theRefereeOfTheOrderCanFail() async throws {
        var shape = RaceShape(seed: raceSeed(for: "referee of the order"))
        shape.tasks = 3
        shape.orderedTasks = 2
        shape.appends = 60
        let verdict = try await MockRace(shape: shape).finish(isStopped: false)
        let (steps, events, order) = (verdict.steps, verdict.events, verdict.order)
        func isCaught(_ steps: [Step], _ order: [PlacedEvent]) -> Bool {
            !RaceReferee(steps).problems(of: order, and: events).isEmpty
        }
        #expect(verdict.problems == [] && !isCaught(steps, order))
        #expect(isCaught(steps, order.dropLast()), "an event has no position")
        var changed = order
        changed.append(order[5])
        #expect(isCaught(steps, changed), "an event has two positions")
        changed = order
        let stream = try #require(events.first { $0.value.count > 10 }?.key)
        let places = order.indices.filter { order[$0].stream == stream }
        changed.swapAt(places[2], places[3])
        for place in [places[2], places[3]] { changed[place].position = Int64(place) }
        #expect(isCaught(steps, changed), "two events of a stream changed places")
        changed = order
        changed[7].position += 1
        #expect(isCaught(steps, changed), "a position is missing")
        var told = steps
        let index = try #require(steps.firstIndex { $0.position != nil })
        told[index].position! += 1
        #expect(isCaught(told, order), "a node was told another position")
        // The first append that was told a position began after all others were told theirs.
        let first = try #require(steps.filter { $0.position != nil }.min { $0.position! < $1.position! })
        var late = steps
        for index in late.indices where late[index].intent == first.intent { late[index].at += 1 << 50 }
        #expect(isCaught(late, order), "an append came before one that was ordered before it began")
    }
}

/// The race itself.
private final class MockRace: Sendable {
    private static let brokers: Int32 = 3
    private static let partitions = 3

    private let cluster: MockCluster
    private let stores: [EventStore]
    private let loads: [RaceLoad]
    private let running: Task<Void, Never>
    private let steps: Monitor<[Step]>
    private let location: KafkaLocation

    /// - Parameter isImpatient: the client asks again before a slow broker answers.
    init(shape: RaceShape, isImpatient: Bool = false) async throws {
        cluster = MockCluster(brokers: Self.brokers)
        cluster.createStore("shop", partitions: Self.partitions, replication: 3)
        // See mockPlace in KafkaEventLogTests: the imitation takes a batch also where the one before it failed.
        var properties = ["fetch.wait.max.ms": "5", "max.in.flight": "1"]
        if isImpatient { properties["socket.timeout.ms"] = "1000" }
        var location = KafkaLocation(cluster.servers, store: "shop", properties: properties)
        location.allowsUnverifiedTopics = true
        location.patience = .seconds(30)
        self.location = location
        var stores: [EventStore] = []
        for _ in 0..<2 { stores.append(try await EventStore.open(.kafka(location))) }
        self.stores = stores
        let steps = Monitor<[Step]>([])
        self.steps = steps
        let loads = stores.enumerated().map { node, store in
            RaceLoad(store, node: node, shape: shape) { step in steps.withLock { $0.append(step) } }
        }
        self.loads = loads
        running = Task {
            await withTaskGroup(of: Void.self) { group in
                for load in loads { group.addTask { await load.run() } }
            }
        }
    }

    /// Until there are so many answers more, of all nodes together.
    func waitForProgress(_ count: Int) async throws {
        let steps = steps
        try await onOwnThread(named: "wait-race") {
            let before = steps.read { $0.count }
            let isDone: Void? = steps.wait(until: .now + .seconds(120)) { $0.count >= before + 2 * count ? () : nil }
            if isDone == nil { throw RaceTrouble("no progress in two minutes") }
        }
    }

    /// What is wrong for a while is right again when it returns.
    func commit(_ fault: MockFault, _ random: inout SeededGenerator) async throws {
        let broker = Int32.random(in: 1...Self.brokers, using: &random)
        switch fault {
        case .lateAcknowledgements:
            // The client looks for requests that are overdue once a second.
            cluster.delay(.produce, milliseconds: 4_000)
        case .lostRequests:
            cluster.fail(.produce, [.transport, .requestTimedOut, .transport])
            cluster.fail(.fetch, [.transport])
        case .leaderMoves:
            for partition in 0..<Self.partitions { cluster.lead("shop.events", partition, by: broker) }
            cluster.lead("shop.order", 0, by: broker)
        case .brokerDown:
            cluster.stop(broker)
            for partition in 0..<Self.partitions {
                cluster.lead("shop.events", partition, by: broker % Self.brokers + 1)
            }
            cluster.lead("shop.order", 0, by: broker % Self.brokers + 1)
            try await waitForProgress(10)
            cluster.start(broker)
        case .allBrokersDown:
            cluster.stop()
            try await waitForUncertainty()
            cluster.start()
        case .slowBrokers:
            cluster.slow(broker, milliseconds: 150)
            try await waitForProgress(10)
            cluster.slow(broker, milliseconds: 0)
        case .requestErrors:
            cluster.fail(.produce, [.notLeader, .requestTimedOut, .notLeader, .notLeader])
            cluster.fail(.fetch, [.notLeader, .transport, .outOfRange])
            cluster.fail(.metadata, [.transport])
            cluster.fail(.listOffsets, [.notLeader, .transport])
            cluster.fail(.initProducerID, [.transport])
        }
    }

    /// Until another call has had no certain answer.
    private func waitForUncertainty() async throws {
        let steps = steps
        try await onOwnThread(named: "wait-race") {
            let before = steps.read { $0.count }
            let isDone: Void? = steps.wait(until: .now + .seconds(120)) {
                $0[before...].contains { $0.what == .unknown || $0.what == .notWritten } ? () : nil
            }
            if isDone == nil { throw RaceTrouble("every call was answered for two minutes") }
        }
    }

    /// Whether an accepted append was seen again.
    var hasCopies: Bool {
        get async throws { NodeState(try await stores[0].statistics()).decided("alreadyAccepted") > 0 }
    }

    struct Verdict {
        var referee: RaceReferee
        var steps: [Step]
        var events: [String: [RacedEvent]]
        var order: [PlacedEvent]
        var problems: [String]
        var state: NodeState
    }

    func finish(isStopped: Bool = true) async throws -> Verdict {
        if isStopped { for load in loads { load.stop() } }
        await running.value
        // A node that reads everything anew.
        let nodes = stores + [try await EventStore.open(.kafka(location), creating: .never)]
        var problems: [String] = []
        let order = try await nodes[2].placed()
        for node in nodes.prefix(2) where try await node.placed() != order {
            problems.append("a node has other positions than one that reads everything anew")
        }
        let states = try await agreed(nodes)
        for state in states where state != states[0] { problems.append("the nodes differ: \(state) and \(states[0])") }
        problems += states[0].partitions.compactMap(\.halted)
        let all = steps.read { $0 }
        let referee = RaceReferee(all)
        let events = try await nodes[2].raced(referee.streams)
        problems += referee.problems(of: events) + referee.problems(of: order, and: events)
        let count = events.values.reduce(0) { $0 + $1.count }
        if states[0].events != Int64(count) + 1 { problems.append("\(states[0].events) events, \(count) were read") }
        for node in nodes { await node.close() }
        cluster.close()
        print("race: \(referee.summary), decided: \(states[0].partitions.map(\.decisions))")
        return Verdict(
            referee: referee, steps: all, events: events, order: order, problems: problems, state: states[0])
    }

    private func agreed(_ nodes: [EventStore]) async throws -> [NodeState] {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            var states: [NodeState] = []
            for node in nodes { states.append(NodeState(try await node.statistics())) }
            let offsets = states.map { $0.partitions.map(\.offset) }
            if offsets.allSatisfy({ $0 == offsets[0] }) { return states }
            if ContinuousClock.now > end { throw RaceTrouble("the nodes are at \(offsets) for a minute") }
            await Task.yield()
        }
    }
}
