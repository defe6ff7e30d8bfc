enum ReadBenchmark: Benchmark {
    static let name = "read"
    static let summary = ""
    static let options: [BenchmarkOption] = []

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {}
}
