import GetOpt

/// The parsing of options by the tables.
enum OptionParser {
    /// - Parameter stopsAtOperand: whether what follows the first operand is left as it is.
    static func parse(
        _ arguments: [[UInt8]], options: [Option], stopsAtOperand: Bool = false
    ) throws(Failure) -> Arguments {
        let forms = options.map { OptionForm(name: $0.name, letter: $0.letter, takesValue: $0.argument != nil) }
        let scanned: ScannedArguments
        do {
            scanned = try OptionScanner.scan(arguments, options: forms, stopsAtOperand: stopsAtOperand)
        } catch {
            throw Failure(.badInput, message(error, options))
        }
        var given: [(option: Option, value: [UInt8])] = []
        for found in scanned.options {
            let option = options[found.option]
            if !option.isRepeated && given.contains(where: { $0.option == option }) {
                throw Failure(.badInput, "--\(option.name) is given twice")
            }
            given.append((option, found.value ?? []))
        }
        return Arguments(given, operands: scanned.operands)
    }

    private static func message(_ error: OptionError, _ options: [Option]) -> String {
        switch error {
        case .unknown(let text): "unknown or ambiguous option \(text)"
        case .missingValue(let place): "--\(options[place].name) needs a value"
        case .surplusValue(let place): "--\(options[place].name) takes no value"
        }
    }
}
