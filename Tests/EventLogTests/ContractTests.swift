import EventLog
import LogContract
import Testing

/// The logs of this module, and what of them the contract may ask.
private let logs = [
    LogUnderTest(name: "memory, one channel", channels: 1, isReopenable: false) {
        LogPlace { InMemoryLog() }
    },
    LogUnderTest(name: "memory, four channels", channels: 4, isReopenable: false) {
        LogPlace { InMemoryLog(channels: 4) }
    },
    LogUnderTest(name: "memory, shared", channels: 3, isReopenable: true, takesSeveral: true) {
        let records = InMemoryRecords(channels: 3)
        return LogPlace { InMemoryLog(records) }
    },
    LogUnderTest(name: "without faults", channels: 4, isReopenable: true, takesSeveral: true) {
        let records = InMemoryRecords(channels: 4)
        return LogPlace { FaultInjectingLog(InMemoryLog(records), seed: 1) }
    },
]

@Test(arguments: logs, ContractCheck.all)
func contract(_ log: LogUnderTest, _ check: ContractCheck) async throws {
    try await check.run(log)
}
