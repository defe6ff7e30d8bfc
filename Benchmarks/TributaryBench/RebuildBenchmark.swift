enum RebuildBenchmark: Benchmark {
    static let name = "rebuild"
    static let summary = ""
    static let options: [BenchmarkOption] = []

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {}
}
