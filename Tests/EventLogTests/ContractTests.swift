import EventLog
import LogContract
import Testing

/// The logs of this module, and what of them the contract may ask.
private let logs = [
    LogUnderTest(name: "memory, one partition", channels: 1, isReopenable: false) {
        LogPlace { InMemoryLog() }
    },
    LogUnderTest(name: "memory, four partitions", channels: 5, isReopenable: false) {
        LogPlace { InMemoryLog(partitions: 4) }
    },
    LogUnderTest(name: "memory, shared", channels: 4, isReopenable: true, takesSeveral: true) {
        let records = InMemoryRecords(partitions: 3)
        return LogPlace { InMemoryLog(records) }
    },
    LogUnderTest(name: "without faults", channels: 5, isReopenable: true, takesSeveral: true) {
        let records = InMemoryRecords(partitions: 4)
        return LogPlace { FaultInjectingLog(InMemoryLog(records), seed: 1) }
    },
]

@Test(arguments: logs, ContractCheck.all)
func contract(_ log: LogUnderTest, _ check: ContractCheck) async throws {
    try await check.run(log)
}
