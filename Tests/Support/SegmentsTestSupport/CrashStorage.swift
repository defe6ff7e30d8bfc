import Glibc
public import Segments
import Synchronization

/// A disk in memory that tells what is durable from what is only written.
///
/// A power cut keeps, of what was not synced, any sectors of 512 bytes and any first part of the changes of names. A
/// failed sync keeps any sectors and then thinks that all are clean, as Linux does.
public final class CrashStorage: SegmentStorage {
    /// What can be made to fail, or to be the last thing before the power goes.
    public enum Step: Sendable, Equatable {
        case create, write, sync, rename, remove, syncNames
    }

    struct Node: Sendable {
        var durable: [UInt8]
        var current: [UInt8]
        var dirty: Set<Int> = []
        var isSizeDurable = false
    }

    enum NameChange: Sendable {
        case set(String, Int?)
        case move(String, String)
    }

    struct State: Sendable {
        var nodes: [Node] = []
        var durableNames: [String: Int] = [:]
        var names: [String: Int] = [:]
        var changes: [NameChange] = []
        var random: SeededRandom
        var steps: [Step] = []
        /// The step with this number and all later ones fail: the power is off.
        var powerOffAt: Int?
        /// The step with this number fails once.
        var fault: (step: Int, error: SegmentError)?
        /// Room for new files, each.
        var freeBytes = Int.max
    }

    let state: Mutex<State>

    public init(seed: UInt64) {
        state = Mutex(State(random: SeededRandom(seed: seed)))
    }

    private init(_ state: sending State) {
        self.state = Mutex(state)
    }

    // What tests do to it.

    /// Steps so far.
    public var steps: [Step] { state.withLock { $0.steps } }

    /// The power goes during the step with this number, counted from 0 over the storage's life.
    public func cutPower(at step: Int) {
        state.withLock { $0.powerOffAt = step }
    }

    /// The step with this number, counted from 0 over the storage's life, fails once.
    public func fail(step: Int, with error: SegmentError = SegmentError(.io(errno: 5), "an injected fault")) {
        state.withLock { $0.fault = (step, error) }
    }

    /// Room for new files.
    public func setFreeBytes(_ count: Int) {
        state.withLock { $0.freeBytes = count }
    }

    /// The disk as it is found after the power came back.
    public func afterPowerCut() -> CrashStorage {
        state.withLock { old in
            var names = old.durableNames
            for change in old.changes.prefix(old.random.below(old.changes.count + 1)) { Self.apply(change, to: &names) }
            var new = State(random: SeededRandom(seed: old.random.next()))
            for (name, index) in names.sorted(by: { $0.key < $1.key }) {
                var node = old.nodes[index]
                for sector in node.dirty.sorted() where old.random.chance(50) { node.keep(sector) }
                if !node.isSizeDurable, old.random.chance(50) { node.durable = [] }
                new.names[name] = new.nodes.count
                new.nodes.append(Node(durable: node.durable, current: node.durable, isSizeDurable: true))
            }
            new.durableNames = new.names
            return CrashStorage(new)
        }
    }

    /// The disk as another process finds it after this one was killed: nothing is lost, and nothing more is durable.
    public func afterKill() -> CrashStorage {
        state.withLock { old in
            var new = old
            new.powerOffAt = nil
            new.fault = nil
            new.steps = []
            return CrashStorage(new)
        }
    }

    /// What programs read of the file.
    public func contents(_ name: String) -> [UInt8]? {
        state.withLock { state in state.names[name].map { state.nodes[$0].current } }
    }

    /// All files as programs read them.
    public var all: [String: [UInt8]] {
        state.withLock { state in state.names.mapValues { state.nodes[$0].current } }
    }

    /// Puts a file there, durable.
    public func put(_ name: String, _ bytes: [UInt8]?) {
        state.withLock { state in
            state.names[name] = bytes.map { _ in state.nodes.count }
            state.durableNames[name] = state.names[name]
            if let bytes { state.nodes.append(Node(durable: bytes, current: bytes, isSizeDurable: true)) }
        }
    }

    /// Changes bits of what is durable.
    public func flip(_ name: String, at position: Int, mask: UInt8 = 1) {
        state.withLock { state in
            let index = state.names[name]!
            state.nodes[index].durable[position] ^= mask
            state.nodes[index].current[position] ^= mask
        }
    }

    // SegmentStorage

    public func names() throws(SegmentError) -> [String] { state.withLock { Array($0.names.keys) } }

    public func open(_ name: String) throws(SegmentError) -> any SegmentFile {
        guard let index = state.withLock({ $0.names[name] }) else {
            throw SegmentError(.notFound, file: name, "there is no such file.")
        }
        return CrashFile(self, index)
    }

    public func create(_ name: String, byteCount: Int) throws(SegmentError) -> any SegmentFile {
        let index = try state.withLock { state throws(SegmentError) in
            try state.step(.create)
            let index = state.nodes.count
            let fits = byteCount <= state.freeBytes
            let zeros = [UInt8](repeating: 0, count: fits ? byteCount : 0)
            state.nodes.append(Node(durable: zeros, current: zeros))
            state.change(.set(name, index))
            guard fits else { throw SegmentError(.noSpace, file: name, "the disk is full.") }
            return index
        }
        return CrashFile(self, index)
    }

    public func rename(_ name: String, to other: String) throws(SegmentError) {
        try state.withLock { state throws(SegmentError) in
            try state.step(.rename)
            state.change(.move(name, other))
        }
    }

    public func remove(_ name: String) throws(SegmentError) {
        try state.withLock { state throws(SegmentError) in
            try state.step(.remove)
            state.change(.set(name, nil))
        }
    }

    public func syncNames() throws(SegmentError) {
        try state.withLock { state throws(SegmentError) in
            try state.step(.syncNames)
            state.durableNames = state.names
            state.changes = []
        }
    }

    fileprivate static func apply(_ change: NameChange, to names: inout [String: Int]) {
        switch change {
        case .set(let name, let index): names[name] = index
        case .move(let name, let other): names[other] = names.removeValue(forKey: name)
        }
    }
}

extension CrashStorage.State {
    /// Counts a step; throws where it is to fail.
    mutating func step(_ kind: CrashStorage.Step) throws(SegmentError) {
        let number = steps.count
        steps.append(kind)
        if let powerOffAt, number >= powerOffAt { throw SegmentError(.io(errno: 5), "the power is off") }
        if let fault, number == fault.step { throw fault.error }
    }

    /// Whether the power went at an earlier step.
    var isDead: Bool { powerOffAt.map { steps.count - 1 > $0 } ?? false }

    mutating func change(_ change: CrashStorage.NameChange) {
        changes.append(change)
        CrashStorage.apply(change, to: &names)
    }
}

extension CrashStorage.Node {
    static let sector = 512

    mutating func keep(_ sector: Int) {
        let range = (sector * Self.sector)..<min((sector + 1) * Self.sector, current.count)
        durable.replaceSubrange(range, with: current[range])
    }
}

final class CrashFile: SegmentFile {
    private let storage: CrashStorage
    private let index: Int
    private static let zeros = [UInt8](repeating: 0, count: 512)

    init(_ storage: CrashStorage, _ index: Int) {
        self.storage = storage
        self.index = index
    }

    func byteCount() throws(SegmentError) -> Int { storage.state.withLock { $0.nodes[index].current.count } }

    func read(into bytes: UnsafeMutableRawBufferPointer, at position: Int) throws(SegmentError) {
        try storage.state.withLock { state throws(SegmentError) in
            guard position + bytes.count <= state.nodes[index].current.count else {
                throw SegmentError(.damaged, position: position, "the file ends too early")
            }
            bytes.copyBytes(from: state.nodes[index].current[position..<(position + bytes.count)])
        }
    }

    func skipZeros(from position: Int) throws(SegmentError) -> Int {
        storage.state.withLock { state in
            // File systems tell it by whole sectors.
            state.nodes[index].current.withUnsafeBytes { bytes in
                var sector = position / 512 * 512
                while sector < bytes.count,
                    memcmp(bytes.baseAddress! + sector, Self.zeros, min(512, bytes.count - sector)) == 0
                {
                    sector += 512
                }
                return min(max(position, sector), bytes.count)
            }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SegmentError) {
        try storage.state.withLock { state throws(SegmentError) in
            var failure: SegmentError?
            do throws(SegmentError) { try state.step(.write) } catch { failure = error }
            if let failure, state.isDead { throw failure }
            // A write that fails may have done a part.
            let count = failure == nil ? bytes.count : state.random.below(bytes.count + 1)
            state.nodes[index].current.replaceSubrange(
                position..<(position + count), with: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            let sectors = (position / CrashStorage.Node.sector)..<((position + count + 511) / CrashStorage.Node.sector)
            state.nodes[index].dirty.formUnion(sectors)
            if let failure { throw failure }
        }
    }

    func sync() throws(SegmentError) {
        try storage.state.withLock { state throws(SegmentError) in
            var failure: SegmentError?
            do throws(SegmentError) { try state.step(.sync) } catch { failure = error }
            if let failure, state.isDead { throw failure }
            for sector in state.nodes[index].dirty.sorted() where failure == nil || state.random.chance(50) {
                state.nodes[index].keep(sector)
            }
            // The system calls every page clean, also those that it could not write.
            state.nodes[index].dirty = []
            if failure == nil { state.nodes[index].isSizeDurable = true }
            if let failure { throw failure }
        }
    }
}
