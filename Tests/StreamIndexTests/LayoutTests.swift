import Checksums
import Testing

@testable import StreamIndex

/// Layout 2 of the index and rule 1 are frozen: the same records give these entries and digests in every release.
@Suite struct LayoutTests {
    /// Where this fails on purpose, `IndexLimits.layoutVersion` is raised, so that older indexes are made anew; a
    /// digest never changes.
    @Test func theLayoutIsTheOneThatIsFrozen() throws {
        let book = try RecordBook(seed: 2_026, count: 6_000, partitions: 2)
        let index = try book.index { $0 = 512 }
        defer { index.close() }
        var entries: UInt64 = 0
        for (key, value) in index.entries() {
            entries = crc64(entries, key.span)
            entries = crc64(entries, value.span)
        }
        #expect(IndexLimits.layoutVersion == 2)
        #expect(index.entries().count == 10_855)
        #expect(entries == 17_396_872_122_094_206_754)
        #expect(index.states.map(\.digest) == [7_732_793_705_635_984_967, 7_963_474_728_373_017_010])
    }
}
