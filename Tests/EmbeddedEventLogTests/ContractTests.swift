import EmbeddedEventLog
import EventLog
import Foundation
import LogContract
import Testing

@Suite struct EmbeddedContractTests {
    static let embedded = LogUnderTest(name: "embedded", channels: 1, isReopenable: true) {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("contract-\(UUID().uuidString)").path
        try EmbeddedLog.create(at: path, storeID: (1, 2), firstRecord: nil)
        return LogPlace {
            try EmbeddedLog.open(at: path)
        } remove: {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    /// Small files, so that every few blocks begin a new one.
    static let smallFiles = LogUnderTest(name: "embedded, small files", channels: 1, isReopenable: true) {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("contract-\(UUID().uuidString)").path
        try EmbeddedLog.create(at: path, storeID: (1, 2), firstRecord: nil, fileBytes: 8 << 10)
        return LogPlace {
            try EmbeddedLog.open(at: path, fileBytes: 8 << 10)
        } remove: {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    @Test(arguments: [embedded, smallFiles], ContractCheck.all)
    func contract(_ log: LogUnderTest, _ check: ContractCheck) async throws { try await check.run(log) }
}
