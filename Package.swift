// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target: Swift 6 mode, warnings are errors, imports internal unless said otherwise.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Also for every target that does not face C or files: each use of an unsafe construct is marked.
let safe: [SwiftSetting] = strict + [.strictMemorySafety()]

let package = Package(
    name: "tributary",
    products: [
        .library(name: "Tributary", targets: ["Tributary"]),
        .library(name: "TributaryKafka", targets: ["TributaryKafka"]),
        .executable(name: "tributary", targets: ["TributaryCommand"]),
        .executable(name: "tributary-bench", targets: ["TributaryBench"]),
    ],
    targets: [
        // What the store is made of, upwards. CONTRIBUTING.md has a line on each.
        .target(name: "AppendRule", swiftSettings: safe),
        .target(name: "GlobalOrder", swiftSettings: safe),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .target(name: "Checksums", dependencies: ["CISAL"], swiftSettings: safe),
        .target(name: "Envelope", dependencies: ["AppendRule", "GlobalOrder", "Checksums"], swiftSettings: safe),
        .systemLibrary(name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
        .target(name: "KeyValue", dependencies: ["CRocksDB"], swiftSettings: strict),
        .target(
            name: "CSimdJSON",
            linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "JSONLines", dependencies: ["CSimdJSON"], swiftSettings: safe),
        .target(name: "Segments", dependencies: ["Checksums"], swiftSettings: strict),
        .target(name: "EventLog", swiftSettings: safe),
        .target(name: "EmbeddedEventLog", dependencies: ["EventLog", "Segments"], swiftSettings: safe),
        .target(
            name: "StreamIndex",
            dependencies: ["AppendRule", "GlobalOrder", "Envelope", "KeyValue", "Segments", "EventLog", "Checksums"],
            swiftSettings: safe),
        .systemLibrary(name: "CRdKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .target(name: "Kafka", dependencies: ["CRdKafka"], swiftSettings: strict),
        .target(name: "KafkaEventLog", dependencies: ["EventLog", "Kafka"], swiftSettings: safe),
        .target(
            name: "Tributary",
            dependencies: ["StreamIndex", "EmbeddedEventLog", "EventLog"],
            swiftSettings: safe),
        .systemLibrary(name: "CGetOpt"),
        .target(name: "GetOpt", dependencies: ["CGetOpt"], swiftSettings: safe),
        .target(name: "TributaryKafka", dependencies: ["Tributary", "KafkaEventLog", "EventLog"], swiftSettings: safe),
        .executableTarget(
            name: "TributaryCommand",
            dependencies: ["Tributary", "TributaryKafka", "JSONLines", "GetOpt"],
            swiftSettings: safe),

        // Figures, and what they are compared with.
        .executableTarget(
            name: "TributaryBench",
            dependencies: [
                "Tributary", "TributaryKafka", "StreamIndex", "EmbeddedEventLog", "EventLog", "Envelope", "AppendRule",
                "Segments", "KeyValue", "Kafka", "CRocksDB", "CRdKafka",
            ],
            path: "Benchmarks/TributaryBench",
            swiftSettings: strict),

        // Tests, and what several of them share.
        .testTarget(
            name: "AppendRuleTests",
            dependencies: ["AppendRule", "Envelope", "SeededNumbers"],
            exclude: ["Golden"],
            swiftSettings: safe),
        .testTarget(
            name: "EnvelopeTests",
            dependencies: ["Envelope", "AppendRule", "GlobalOrder", "Checksums", "SeededNumbers"],
            exclude: ["Golden", "GoldenOrder"],
            swiftSettings: safe),
        .testTarget(
            name: "GlobalOrderTests", dependencies: ["GlobalOrder", "SeededNumbers"], swiftSettings: safe),
        .target(name: "SeededNumbers", path: "Tests/Support/SeededNumbers", swiftSettings: safe),
        .target(
            name: "LogContract", dependencies: ["EventLog"], path: "Tests/Support/LogContract", swiftSettings: safe),
        .testTarget(name: "EventLogTests", dependencies: ["EventLog", "LogContract"], swiftSettings: safe),
        .target(
            name: "KafkaBrokers", dependencies: ["CRdKafka"], path: "Tests/Support/KafkaBrokers",
            swiftSettings: strict),
        .testTarget(name: "KafkaTests", dependencies: ["Kafka", "KafkaBrokers"], swiftSettings: strict),
        .testTarget(
            name: "KafkaEventLogTests",
            dependencies: ["KafkaEventLog", "Kafka", "EventLog", "LogContract", "KafkaBrokers"],
            swiftSettings: strict),
        .testTarget(
            name: "TributaryKafkaTests",
            dependencies: [
                "TributaryKafka", "Tributary", "StreamIndex", "Envelope", "AppendRule", "KafkaEventLog", "EventLog",
                "KafkaBrokers",
            ],
            swiftSettings: safe),
        .target(
            name: "StoreRace", dependencies: ["Tributary", "EventLog"], path: "Tests/Support/StoreRace",
            swiftSettings: safe),
        .executableTarget(
            name: "KafkaWriter", dependencies: ["StoreRace", "TributaryKafka", "Tributary", "EventLog"],
            path: "Tests/Support/KafkaWriter", swiftSettings: safe),
        .testTarget(
            name: "KafkaStoreTests",
            dependencies: [
                "StoreRace", "KafkaWriter", "KafkaBrokers", "TributaryKafka", "Tributary", "Kafka", "EventLog",
            ],
            swiftSettings: safe),
        .testTarget(
            name: "TributaryTests",
            dependencies: [
                "Tributary", "StreamIndex", "AppendRule", "Envelope", "GlobalOrder", "EventLog", "EmbeddedEventLog",
                "KeyValue",
            ],
            swiftSettings: safe),
        .testTarget(
            name: "StreamIndexTests",
            dependencies: [
                "StreamIndex", "AppendRule", "Checksums", "Envelope", "EventLog", "KeyValue", "Segments",
                "SegmentsTestSupport",
            ],
            swiftSettings: safe),
        .target(
            name: "KillLoad", dependencies: ["Tributary"], path: "Tests/Support/KillLoad", swiftSettings: safe),
        .executableTarget(
            name: "KilledWriter", dependencies: ["KillLoad", "Tributary", "EventLog"],
            path: "Tests/Support/KilledWriter", swiftSettings: safe),
        .testTarget(
            name: "KillTests", dependencies: ["Tributary", "EventLog", "KillLoad", "KilledWriter"],
            swiftSettings: safe),
        .testTarget(
            name: "RaceTests", dependencies: ["Tributary", "StreamIndex", "EventLog"], swiftSettings: safe),
        .testTarget(name: "TidyTests", swiftSettings: safe),
        .target(
            name: "SegmentsTestSupport", dependencies: ["Segments"], path: "Tests/Support/SegmentsTestSupport",
            swiftSettings: strict),
        .testTarget(name: "KeyValueTests", dependencies: ["KeyValue"], swiftSettings: strict),
        .testTarget(
            name: "SegmentsTests", dependencies: ["Segments", "SegmentsTestSupport"], exclude: ["Golden"],
            swiftSettings: strict),
        .testTarget(
            name: "EmbeddedEventLogTests",
            dependencies: ["EmbeddedEventLog", "EventLog", "LogContract", "Segments", "SegmentsTestSupport"],
            swiftSettings: strict),
        .testTarget(name: "JSONLinesTests", dependencies: ["JSONLines"], swiftSettings: strict),
        .testTarget(
            name: "TributaryCommandTests",
            dependencies: [
                "TributaryCommand", "Tributary", "TributaryKafka", "StreamIndex", "GlobalOrder", "KafkaBrokers",
            ],
            swiftSettings: strict),
        .testTarget(name: "ReadmeTests", dependencies: ["Tributary", "TributaryKafka"], swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx17
)
