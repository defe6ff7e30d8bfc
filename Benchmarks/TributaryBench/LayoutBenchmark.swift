enum LayoutBenchmark: Benchmark {
    static let name = "layout"
    static let summary = ""
    static let options: [BenchmarkOption] = []

    static func run(_ settings: Settings, in directory: ScratchDirectory) async throws {}
}
