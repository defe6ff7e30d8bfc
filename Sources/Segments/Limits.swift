/// The bounds of this module.
public enum SegmentLimits {
    /// Size of a segment file unless said otherwise, in bytes. A file is made larger for a block that would not fit.
    public static let fileBytes = 64 << 20
    /// The smallest size of a segment file that can be asked for.
    public static let leastFileBytes = 4 << 10
    /// Most bytes in a block, its header included.
    public static let blockBytes = 4 << 20
    /// Most bytes of frames in a block.
    public static let blockFrameBytes = blockBytes - SegmentFormat.blockHeaderBytes
    /// Most frames in a block, and in a run that a scan lends.
    public static let blockFrames = 4_096
    /// The most that key and value of one record may take together, in bytes: a key of 1,024 and a value of 2 MiB.
    public static let recordBytes = (2 << 20) + 1_024
    /// Most segment files that a reader keeps open.
    public static let openFiles = 128
    /// Frames that lie this close together are read with one system call, in bytes.
    public static let readGapBytes = 4 << 10
    /// Most bytes that are read with one system call for several frames.
    public static let readBytes = 1 << 20
    /// What a scan reads at once, in bytes; more where one block is larger.
    public static let scanBytes = 2 << 20
    /// What recovery reads at once, in bytes; more where one block is larger.
    static let windowBytes = 256 << 10
    /// By so much a file in memory grows, in bytes.
    static let memoryPieceBytes = 256 << 10
    /// What recovery copies at once, in bytes.
    static let copyBytes = 1 << 20
    /// Most copies of torn tails of one place that are kept aside.
    static let tornCopies = 1_000
}
