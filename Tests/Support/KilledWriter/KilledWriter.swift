// A process that is killed: it opens a store, appends from many tasks, closes it, and says each step on its output.
//
//     KilledWriter write|rebuild|verify DIRECTORY SEED SEGMENT-BYTES TASKS APPENDS-PER-TASK

import EventLog
import Foundation
import KillLoad
import Synchronization
import Tributary

@main enum KilledWriter {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 7, let seed = UInt64(arguments[3]), let segmentBytes = Int(arguments[4]),
            let tasks = Int(arguments[5]), let appends = Int(arguments[6])
        else {
            say(.failed("usage: write|rebuild|verify DIRECTORY SEED SEGMENT-BYTES TASKS APPENDS-PER-TASK"))
            exit(2)
        }
        let location = EventStore.Location.directory(arguments[2], segmentBytes: segmentBytes)
        do {
            say(.phase("opening"))
            switch arguments[1] {
            case "rebuild": _ = try await EventStore.rebuildIndex(location)
            case "verify":
                let store = try await EventStore.open(location, creating: .never)
                say(.phase("open"))
                _ = try await store.verify()
                await store.close()
            default:
                let store = try await EventStore.open(location)
                say(.phase("open"))
                await Load(store: store, seed: seed).run(tasks: tasks, appends: appends)
                say(.phase("closing"))
                await store.close()
            }
            say(.phase("closed"))
        } catch {
            say(.failed("\(error)"))
            exit(1)
        }
    }
}

private let output = Mutex(FileHandle.standardOutput)

/// One write for a line: a kill leaves whole lines.
private func say(_ line: Line) {
    output.withLock { $0.write(Data((line.text + "\n").utf8)) }
}

/// Appends of all expectations to few streams.
private final class Load: Sendable {
    private let store: EventStore
    private let seed: UInt64
    private let versions = Mutex<[String: Int64]>([:])

    init(store: EventStore, seed: UInt64) {
        self.store = store
        self.seed = seed
    }

    func run(tasks: Int, appends: Int) async {
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<tasks {
                group.addTask { [self] in await append(task, appends) }
            }
        }
    }

    private func append(_ task: Int, _ appends: Int) async {
        var random = SeededGenerator(seed: seed &+ UInt64(task) << 32)
        for number in 0..<appends {
            let intent = next(&random, "Own-\(seed)-\(task)-\(number)")
            say(.intent(intent))
            do {
                let done = try await store.append(
                    intent.newEvents(), to: try StreamName(intent.stream), expecting: intent.expected)
                say(.acknowledged(AcknowledgedAppend(intent.id, done)))
                versions.withLock { $0[intent.stream] = max($0[intent.stream] ?? -1, done.versions.upperBound) }
            } catch AppendError.conflict(let conflict) {
                say(.refused(intent.id))
                versions.withLock { $0[intent.stream] = conflict.actual }
            } catch {
                say(.failed("\(error)"))
                return
            }
        }
    }

    private func next(_ random: inout SeededGenerator, _ newStream: String) -> Intent {
        let stream = "Shared-\(Int.random(in: 0..<6, using: &random))"
        let id = Intent.newID()
        let count = random.chance(0.6) ? 1 : Int.random(in: 1...(random.chance(0.1) ? 60 : 6), using: &random)
        let fate = Int.random(in: 0..<10, using: &random)
        if fate == 0 { return Intent(id: id, stream: newStream, count: count, expected: .noStream) }
        if fate < 5, let version = versions.withLock({ $0[stream] }) {
            return Intent(id: id, stream: stream, count: count, expected: .version(version))
        }
        return Intent(id: id, stream: stream, count: count, expected: .any)
    }
}
