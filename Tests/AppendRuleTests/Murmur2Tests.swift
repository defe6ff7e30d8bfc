import AppendRule
import Testing

/// Known values of Kafka's Java client.
@Test(
    arguments: [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] as [(String, Int32)])
func murmur2IsThatOfKafka(text: String, expected: Int32) {
    let bytes = [UInt8](text.utf8)
    #expect(Int32(bitPattern: murmur2(bytes.span)) == expected)
    #expect(partition(of: bytes.span, partitions: 12) == Int(expected & 0x7fff_ffff) % 12)
}
