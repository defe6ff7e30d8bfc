import GlobalOrder
import Testing

@Suite struct SimulationTests {
    @Test func nodesAgreeUnderFaults() {
        let seed = SeededGenerator.seed(for: "nodesAgreeUnderFaults")
        for run in 0..<30 {
            var random = SeededGenerator(seed: seed &+ UInt64(run))
            let plan = SimulationPlan(nodes: 2 + random.below(4), partitions: 1 + random.below(6))
            var simulation = Simulation(seed: seed &+ UInt64(run), plan: plan)
            simulation.run(steps: 3_000)
            simulation.compareReplicas()
            simulation.calmDown()
            let isServed = simulation.run(atMost: 8_000) { $0.isAllServed }
            simulation.compareReplicas()
            #expect(simulation.violations.isEmpty, "seed \(seed), run \(run): \(simulation.violations.prefix(3))")
            #expect(isServed, "seed \(seed), run \(run): not everything is ordered\n\(simulation.summary)")
        }
    }
}
