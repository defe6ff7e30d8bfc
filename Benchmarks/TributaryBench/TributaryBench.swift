// tributary-bench: figures, each beside what it is compared with in the same run.

import Foundation

@main
enum TributaryBenchCommand {
    private static let benchmarks: [any Benchmark.Type] = [
        AppendBenchmark.self, KafkaBenchmark.self, OrderBenchmark.self, RebuildBenchmark.self, ReadBenchmark.self,
        LayoutBenchmark.self,
    ]

    static func main() async {
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch let error as UsageError {
            end("\(error.text); see tributary-bench --help", 2)
        } catch {
            end("\(error)", 1)
        }
    }

    private static func end(_ message: String, _ code: Int32) {
        FileHandle.standardError.write(Data("tributary-bench: \(message)\n".utf8))
        exit(code)
    }

    private static func run(_ arguments: [String]) async throws {
        if arguments.contains("--help") || arguments.contains("-h") { return print(help(), terminator: "") }
        guard let command = arguments.first, !command.hasPrefix("--") else {
            for benchmark in benchmarks where !benchmark.isOnKafka {
                let quick = benchmark.options.compactMap { option in option.quick.map { "--\(option.name)=\($0)" } }
                try await run(benchmark, quick + arguments)
            }
            return
        }
        let isOnKafka = arguments.contains { $0 == "--kafka" || $0.hasPrefix("--kafka=") }
        let named = benchmarks.filter { $0.name == command }
        guard let benchmark = named.first(where: { $0.isOnKafka == isOnKafka }) ?? named.first else {
            throw UsageError("there is no command \(command)")
        }
        try await run(benchmark, Array(arguments.dropFirst()))
    }

    private static func run(_ benchmark: any Benchmark.Type, _ arguments: [String]) async throws {
        let settings = try Settings(benchmark.options, arguments)
        let directory = try ScratchDirectory(under: settings.directory)
        defer { directory.remove() }
        print("== \(benchmark.name): \(benchmark.summary)")
        print("   \(Machine.description(settings.directory))\n   \(settings.description)\n")
        fflush(nil)
        try await benchmark.run(settings, in: directory)
        print("")
        fflush(nil)
    }

    private static func help() -> String {
        var text = """
            Usage: tributary-bench [COMMAND] [OPTIONS]

            Prints figures of this build on this machine, each beside a raw limit or a peer that was measured in the
            same run, in turns, so that noise meets both. Ratios are of medians over the rounds. Without a command: all
            that need no Kafka, in sizes that take a few minutes.

            Every command takes
              --directory DIR  where files are made, in a new directory that is removed at the end
                               (default .build/bench; it should be on the disk that is to be measured)

            """
        for benchmark in benchmarks {
            text += "\n\(benchmark.name)\(benchmark.isOnKafka ? " --kafka" : ""): \(benchmark.summary)\n"
            for option in benchmark.options {
                let value = option.isFlag ? "" : " \(option.word ?? "N")"
                let isNumber = !option.isFlag && option.word == nil
                text += pad("  --\(option.name)\(value)", 19) + " " + option.text
                text += isNumber ? " (default \(option.value))\n" : "\n"
            }
        }
        return text
    }
}
