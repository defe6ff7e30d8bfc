import Glibc
import Tributary

@main struct Main {
    static let version = "0.1.0"

    /// The main thread waits for signals. (It is not asynchronous itself, for that would leave a thread behind in which
    /// signals are not blocked.)
    static func main() {
        openStandardStreams()
        let interruption = Interruption()
        interruption.blockSignals()
        let arguments = unsafe CommandLine.unsafeArgv.bytes(count: Int(CommandLine.argc))
        let task = Task.detached {
            let code = await run(arguments, interruption)
            // No exit handlers: a thread may be waiting for input that never comes.
            _exit(interruption.exitCode ?? code.rawValue)
        }
        interruption.waitForSignal { task.cancel() }
    }

    /// Runs the command line and says on standard error what went wrong.
    private static func run(_ arguments: [[UInt8]], _ interruption: Interruption) async -> ExitCode {
        do {
            let output = Output()
            let code = try await dispatch(arguments, output, interruption)
            try output.flush()
            return code
        } catch is OutputClosed {
            return .done
        } catch is CancellationError {
            return .done
        } catch {
            let failure = Failure(error)
            StandardError.line(failure.message)
            return failure.code
        }
    }

    private static func dispatch(
        _ arguments: [[UInt8]], _ output: Output, _ interruption: Interruption
    ) async throws -> ExitCode {
        let common: [Option] = [.data, .help, .version]
        let global = try Self.parse(arguments, common, of: nil, stopsAtOperand: true)
        if global.has(.help) {
            try output.text(Help.overview(commands, options: common))
            return .done
        }
        if global.has(.version) {
            try output.text("tributary \(version)\n")
            return .done
        }
        guard let first = global.operands.first else {
            throw Failure(.badInput, "no command given: see tributary --help")
        }
        let name = String(decoding: first, as: UTF8.self)
        guard let command = commands.first(where: { $0.name == name }) else {
            throw Failure(.badInput, "there is no command \"\(name)\": see tributary --help")
        }
        let own = try parse(Array(global.operands.dropFirst()), command.allOptions, of: command, stopsAtOperand: false)
        if own.has(.help) {
            try output.text(Help.of(command))
            return .done
        }
        try checkOperands(own.operands, of: command)
        let directory = try own.text(.data) ?? global.text(.data) ?? defaultDirectory()
        if directory.isEmpty { throw Failure(.badInput, "--data needs the name of a directory") }
        return try await command.run(own, Context(directory: directory, output: output, interruption: interruption))
    }

    private static func parse(
        _ arguments: [[UInt8]], _ options: [Option], of command: Command?, stopsAtOperand: Bool
    ) throws(Failure) -> Arguments {
        do {
            return try OptionParser.parse(arguments, options: options, stopsAtOperand: stopsAtOperand)
        } catch {
            let help = command.map { "tributary \($0.name) --help" } ?? "tributary --help"
            throw Failure(.badInput, "\(error.message): see \(help)")
        }
    }

    private static func checkOperands(_ operands: [[UInt8]], of command: Command) throws(Failure) {
        let help = "see tributary \(command.name) --help"
        if operands.count > command.operands.count {
            let surplus = String(decoding: operands[command.operands.count], as: UTF8.self)
            throw Failure(.badInput, "\(command.name) does not take \"\(surplus)\": \(help)")
        }
        for operand in command.operands.dropFirst(operands.count) where operand.isRequired {
            throw Failure(.badInput, "\(command.name) needs \(operand.name): \(help)")
        }
    }

    private static func defaultDirectory() throws(Failure) -> String {
        guard let named = unsafe getenv("TRIBUTARY_DATA") else { return "./tributary-data" }
        let bytes = unsafe Array(UnsafeRawBufferPointer(start: named, count: strlen(named)))
        guard let directory = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badInput, "TRIBUTARY_DATA is not valid UTF-8")
        }
        return directory.isEmpty ? "./tributary-data" : directory
    }

    /// Files of the store must not get the numbers of standard streams that our parent has closed.
    private static func openStandardStreams() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest number that is free: this one.
            _ = unsafe open("/dev/null", O_RDWR)
        }
    }
}

extension UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    /// The arguments after the program's name, as they were given: not all that is given is UTF-8.
    fileprivate func bytes(count: Int) -> [[UInt8]] {
        (1..<Swift.max(1, count)).map { index in
            guard let text = unsafe self[index] else { return [] }
            return unsafe Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
        }
    }
}

/// What a command works with.
struct Context {
    let directory: String
    let output: Output
    let interruption: Interruption

    var location: EventStore.Location { .directory(directory) }

    /// What the store has to say beyond the answer, where people should see it.
    private func options(_ progress: Progress) -> StoreOptions {
        StoreOptions(
            log: { line in
                guard line.level >= .warning else { return }
                let details = line.metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
                StandardError.line(line.message + details)
            },
            progress: { step in
                progress.show(step.recordsDone, of: step.recordsTotal, count: step.recordsDone, unit: "records")
            })
    }

    /// Opens the store, and closes it whatever happens.
    func withStore<R>(
        creating: EventStore.Creation = .never, _ body: (EventStore) async throws -> R
    ) async throws -> R {
        try await holdingStore {
            let progress = Progress("opening")
            let store = try await EventStore.open(location, creating: creating, options: options(progress))
            progress.end()
            do {
                try Task.checkCancellation()
                let result = try await body(store)
                try output.flush()
                await store.close()
                return result
            } catch {
                await store.close()
                throw error
            }
        }
    }

    /// Has signals wait until `body` has ended.
    func holdingStore<R>(_ body: () async throws -> R) async throws -> R {
        interruption.holdsStore(true)
        defer { interruption.holdsStore(false) }
        return try await body()
    }
}
