/// The bounds of this module, and the constants of its layout.
public enum IndexLimits {
    /// The layout of the index; another one is refused, with the advice to rebuild it from the log.
    static let layoutVersion: UInt32 = 2
    /// Sequences in one block of places.
    static let placeBlock: Int64 = 64
    /// Sequences in one bitmap of a category or an event type, and between two time entries.
    static let bitmapBlock: Int64 = 256
    /// Bytes of its index after which a node syncs its segments and flushes the index.
    public static let checkpointBytes = 32 << 20
    /// How many times as many bytes of records come to the same.
    static let recordsInACheckpoint = 8
    /// Bytes of a run's records from which on they are written beside the thread that delivers: to wake one for fewer costs
    /// more than it saves.
    static let companionBytes = 32 << 10
    /// Records from which on callers are answered so.
    static let companionAnswers = 64
    /// Entries of the index that gather before they are written though nobody reads.
    static let gatheredEntries = 512
    /// The most bytes that entries take in a batch, with their keys: a stream's state and an open bitmap besides their
    /// names, a partition's state and open places, and what a record brings besides twice its own size.
    static let stateEntryBytes = 80
    static let bitmapEntryBytes = 80
    static let laneEntriesBytes = 2_400
    static let recordEntriesBytes = 512
    /// Offsets between two digests that are kept.
    static let digestEvery: Int64 = 4_096
    /// Stream states that the applier keeps in memory.
    static let cachedStates = 400_000
    /// Stream versions that the proposer remembers.
    static let rememberedVersions = 50_000
    /// Threads for short reads.
    static let readerThreads = 2
    /// Marks of callers who no longer wait for room, up to which they are not swept.
    static let sweptMarks = 64
    /// What an append's record takes besides its events: header and checksum, in bytes.
    static let recordHeaderBytes = 60
    /// Streams that are looked up among the short reads; more at once go where the long ones do.
    static let readSummaries = 512
    /// Reads at work or waiting for a thread, short and long ones each; more callers wait their turn.
    public static let readsInFlight = 1_024
    /// How long what was applied waits for others before it is proposed to the order, where nobody at this node waits
    /// for a position, in nanoseconds. An order record each would cost as much as the append.
    static let orderGatherTime: Int64 = 20_000_000
    /// The pause behind an order channel's identity record that does not show, in nanoseconds; each further one is
    /// twice as long, up to the longest.
    static let orderBeginPause: Int64 = 250_000_000
    static let longestOrderBeginPause: Int64 = 30_000_000_000
    /// Callers that wait until something is applied, or ordered; more are refused.
    static let waiters = 100_000
    /// Events in one page, and bytes of records after which a page ends.
    public static let pageEvents = 512
    public static let pageBytes = 1 << 20
    /// Placed ranges that are looked at for one page by position.
    static let pageRanges = 8_192
    /// Of them without a match in a row before the next match is looked for directly.
    static let missedRanges = 8
    /// Entries after which a step of what a void makes anew is written.
    static let orderStep = 8_192
    /// Order records of this node of which the log has said nothing; more are not written.
    static let unsettledOrderRecords = 4
    /// After which such a record no longer counts: the log's word of it is lost.
    static let orderReportTime = Duration.seconds(60)
    /// How long a range of the order may wait here for the records that it speaks of, before their log's end is asked
    /// for.
    public static let unappliedRangeDelay = Duration.seconds(2)
    /// Newer events in a conflict.
    public static let conflictEvents = 100
    public static let conflictBytes = 256 << 10
    /// Between two comparisons of the log with what was applied of it, and between two tries after a loss of contact.
    public static let comparisonInterval = Duration.seconds(60)
    static let comparisonPause = Duration.milliseconds(250)
    /// Between a comparison that finds a difference and the one that confirms it.
    static let secondOpinion = Duration.milliseconds(500)
    /// How often in a row a missing offset is asked for again; then its channel halts.
    static let restartsForAGap = 1
    /// Pause before a record that the log could not store is written again.
    static let rewritePause = Duration.milliseconds(50)
    /// Each pause of one record in a row is twice as long, up to this.
    static let longestRewritePause = Duration.seconds(1)
    /// Records between two reports of progress at open.
    static let catchUpStep: Int64 = 50_000
    /// How long a new store's first record may take, and how often it is looked for.
    static let creationDeadline = Duration.seconds(30)
    static let creationPause = Duration.milliseconds(5)
    /// Before it is written again, where it does not show; each further pause is twice as long. A new broker may take
    /// half a second for its first record.
    static let creationRewrite = Duration.seconds(1)
    /// Records in a page of `logRecords`, and bytes of keys and values after which a page ends. A page is large, since
    /// its segment file is read from the beginning for each.
    public static let logPageRecords = 8_192
    public static let logPageBytes = 4 << 20
    /// Streams kept besides those wanted while the largest are looked for.
    static let listingSlack = 1_000
    /// Problems that `verify` lists.
    public static let listedProblems = 100
}
