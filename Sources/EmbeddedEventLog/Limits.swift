import Segments

/// The bounds of this module.
public enum EmbeddedLimits {
    /// The most that key and value of one record may take together, in bytes.
    public static let recordBytes = SegmentLimits.recordBytes
    /// Most bytes that wait to be written, frame headers included. Over it, `append` reports *not stored, temporary*.
    public static let queuedBytes = 64 << 20
    /// Fewer records than this are delivered before the next block is begun: handing a block to the second thread costs
    /// more than it gains.
    static let pipelinedRecords = 8
    /// The longest `format` file that is read, in bytes.
    static let formatFileBytes = 4_096
}
