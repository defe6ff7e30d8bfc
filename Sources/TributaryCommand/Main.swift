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
        let common: [Option] = [.help, .version]
        let global = try Self.parse(arguments, Option.ofStore + common, of: nil, stopsAtOperand: true)
        if global.has(.help) {
            try output.text(Help.overview(commands, options: common))
            return .done
        }
        if global.has(.version) {
            try output.text("tributary \(version)\n")
            return .done
        }
        guard let command = try command(of: global.operands) else {
            let group = commands.filter { $0.words.count > 1 && Array($0.words[0].utf8) == global.operands[0] }
            try output.text(Help.group(group))
            return .done
        }
        let rest = Array(global.operands.dropFirst(command.words.count))
        let own = try parse(rest, command.allOptions, of: command, stopsAtOperand: false)
        if own.has(.help) {
            try output.text(Help.of(command))
            return .done
        }
        try checkOperands(own.operands, of: command)
        let place = try StorePlace(StoreOptionValues(own: own, global: global), StorePlace.environment)
        return try await command.run(own, Context(place: place, output: output, interruption: interruption))
    }

    /// The command that the first words name; nil: help is wanted for the first of two words.
    private static func command(of operands: [[UInt8]]) throws(Failure) -> Command? {
        let words = operands.prefix(2).map { String(decoding: $0, as: UTF8.self) }
        guard let first = words.first else { throw Failure(.badInput, "no command given: see tributary --help") }
        let group = commands.filter { $0.words[0] == first }
        if group.isEmpty { throw Failure(.badInput, "there is no command \"\(first)\": see tributary --help") }
        let named = group.filter { $0.words.elementsEqual(words.prefix($0.words.count)) { $0 == $1 } }
        if let command = named.max(by: { $0.words.count < $1.words.count }) { return command }
        if words.count > 1, ["--help", "-h"].contains(words[1]) { return nil }
        let names = group.map(\.name).joined(separator: " or ")
        throw Failure(.badInput, "say \(names): see tributary \(first) --help")
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
