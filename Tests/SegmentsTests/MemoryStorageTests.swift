import Segments
import SegmentsTestSupport
import Testing

@Suite struct MemoryStorageTests {
    /// Over many of the pieces that a file in memory consists of.
    @Test func readsWhatWasWrittenAnywhere() throws {
        var random = SeededRandom()
        let size = 2 << 20
        let file = try MemoryStorage().create("a", byteCount: size)
        var model = [UInt8](repeating: 0, count: size)
        for _ in 0..<20 {
            let position = random.below(size)
            let first = random.below(251)
            let bytes = (0..<random.below(min(size - position, 700_000))).map { UInt8(($0 + first) % 251) }
            try bytes.withUnsafeBytes { try file.write($0, at: position) }
            model.replaceSubrange(position..<position + bytes.count, with: bytes)
            let start = random.below(size)
            let count = random.below(size - start)
            var read = [UInt8](repeating: 0xAA, count: count)
            try read.withUnsafeMutableBytes { try file.read(into: $0, at: start) }
            #expect(read == Array(model[start..<start + count]))
        }
    }
}
