/// The bounds of this module.
public enum LogLimits {
    /// Most records in one run.
    public static let runRecords = 4_096
    /// A run is closed once it holds this many bytes.
    public static let runBytes = 4 << 20
    /// Most records that a fault wrapper holds back; what comes while it holds as many is reported *not stored*.
    public static let heldRecords = 10_000
    /// Random numbers that are fetched from the system at once: 256 bytes.
    static let randomNumbers = 32
}
