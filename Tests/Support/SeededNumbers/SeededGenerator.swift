import Foundation

/// SplitMix64: the same numbers from the same seed, everywhere.
public struct SeededGenerator: Sendable {
    private var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    /// The seed in TRIBUTARY_SEED, else a random one; printed, so that a failure can be repeated.
    public static func seed(for test: String) -> UInt64 {
        let given = ProcessInfo.processInfo.environment["TRIBUTARY_SEED"].flatMap { UInt64($0) }
        let seed = given ?? UInt64.random(in: 0..<1_000_000_000)
        print("\(test): TRIBUTARY_SEED=\(seed)")
        return seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// 0 ..< bound
    public mutating func below(_ bound: Int) -> Int {
        Int(next() >> 1) % bound
    }

    public mutating func chance(_ percent: Int) -> Bool {
        below(100) < percent
    }
}
