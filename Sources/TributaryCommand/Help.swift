/// Help, from the tables.
enum Help {
    static let width = 100

    static func overview(_ commands: [Command], options: [Option]) -> String {
        var lines = ["Usage: tributary COMMAND [OPTION]… [OPERAND]…", ""]
        lines += ["An event store in one directory, or on Apache Kafka.", ""]
        lines += list(commands)
        lines += [""] + table("Options", options)
        lines += [""] + table(whereTheStoreIs, Option.ofStore)
        lines += [""] + wrap(exitCodes, indent: 0, column: 0)
        lines += ["", "tributary COMMAND --help says more."]
        return lines.joined(separator: "\n") + "\n"
    }

    /// Help for the first word of commands of two.
    static func group(_ commands: [Command]) -> String {
        let word = commands.first?.words.first ?? ""
        let lines = ["Usage: tributary \(word) COMMAND [OPTION]…", ""] + list(commands)
        return (lines + ["", "tributary \(word) COMMAND --help says more."]).joined(separator: "\n") + "\n"
    }

    private static func list(_ commands: [Command]) -> [String] {
        let widest = commands.map(\.name.count).max() ?? 0
        return ["Commands:"] + commands.flatMap { entry($0.name, $0.summary, indent: 2, column: widest + 4) }
    }

    static func of(_ command: Command) -> String {
        let operands = command.operands.map { $0.isRequired ? " \($0.name)" : " [\($0.name)]" }.joined()
        var lines = ["Usage: tributary \(command.name) [OPTION]…\(operands)", "", command.summary, ""]
        for paragraph in command.details {
            if paragraph.hasPrefix(" ") {
                lines.append(paragraph)
            } else {
                lines += wrap(paragraph, indent: 0, column: 0)
            }
        }
        if !command.details.isEmpty { lines.append("") }
        lines += table("Options", command.options + [.help])
        lines += [""] + table(whereTheStoreIs, Option.ofStore)
        return lines.joined(separator: "\n") + "\n"
    }

    private static let exitCodes =
        "Results are JSON lines on standard output; what goes wrong is a line on standard error. Exit codes: 0 done, 1 "
        + "internal error, 2 bad usage or input, 3 refused (conflict, id used before, tombstoned), 4 storage unavailable "
        + "or damaged, or nothing written in time, 5 no such stream, 6 outcome unknown (repeat with the same id)."

    private static let whereTheStoreIs = "Where the store is"

    private static func table(_ title: String, _ options: [Option]) -> [String] {
        let heads = options.map(head)
        let column = (heads.map(\.count).max() ?? 0) + 4
        var lines = [title + ":"]
        for (option, head) in zip(options, heads) { lines += entry(head, option.text, indent: 2, column: column) }
        return lines
    }

    private static func head(_ option: Option) -> String {
        let letter = option.letter.map { "-\($0), " } ?? "    "
        return letter + "--" + option.name + (option.argument.map { " \($0)" } ?? "")
    }

    private static func entry(_ head: String, _ text: String, indent: Int, column: Int) -> [String] {
        var lines = wrap(text, indent: column, column: column)
        let start = String(repeating: " ", count: indent) + head
        lines[0] = start + lines[0].dropFirst(start.count)
        return lines
    }

    /// Lines of at most `width`, all begun with `indent` blanks.
    private static func wrap(_ text: String, indent: Int, column: Int) -> [String] {
        let blanks = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = blanks
        for word in text.split(separator: " ") {
            if line.count > indent && line.count + 1 + word.count > width {
                lines.append(line)
                line = blanks
            }
            if line.count > indent { line += " " }
            line += word
        }
        return lines + [line]
    }
}
