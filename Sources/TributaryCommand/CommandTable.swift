private let stream = Operand(name: "STREAM", isRequired: true)
private let inputFile = Operand(name: "FILE|-", isRequired: false)

/// Every command: from here come parsing, help and what is run.
let commands: [Command] = [
    Command(
        name: "create", operands: [], summary: "Make an empty store.",
        details: [
            "Makes the directory where it is absent, or completes a creation that was interrupted. A directory that "
                + "holds anything else is left alone. append and import also make a store where there is none.", "",
            "On Kafka it makes the topics, as topics create does, and the store in them; in topics that are there and "
                + "empty, the store alone. append and import make a store in empty topics too, and never make topics.",
            "", "Prints {\"location\"}. Exit code 3: there is a store already.",
        ],
        options: [.partitions, .replication], run: runCreate),
    Command(
        name: "append", operands: [stream], summary: "Append events to a stream.",
        details: [
            "Appends one event whose data is --json, or standard input as it is (a final line break is kept: printf "
                + "writes none). Or, with --file, several events at once, all or none: JSON lines as for import, in "
                + "which the key stream is absent or the same and expect is not allowed.", "",
            "Prints {\"stream\", \"id\", \"firstVersion\", \"lastVersion\", \"firstPosition\", \"lastPosition\", "
                + "\"repeat\", \"token\"}; where the expectation does not hold {\"stream\", \"expected\", \"actual\"} "
                + "(actual is -1 for a stream without events) and exit code 3; where the outcome is unknown "
                + "{\"stream\", \"id\", \"ids\"} and exit code 6: append again with the same ids.", "",
            "  tributary append Order-42 --type OrderPlaced --json '{\"item\":\"tea\"}' --expect no-stream",
            "  tributary append Photo-7 --type Taken --content-type image/png < photo.png",
        ],
        options: [
            .type, .expect, .id, .json, .metadata, .contentType, .schemaVersion, .correlationID, .causationID, .file,
        ],
        run: runAppend),
    Command(
        name: "read", operands: [stream], summary: "Show the events of a stream.",
        details: eventDetails + ["", "Exit code 5: there is no such stream, or it was deleted; 3: it is tombstoned."],
        options: [.fromVersion, .backward, .limit], run: runRead),
    Command(
        name: "read-all", operands: [], summary: "Show the events of the whole store in their order.",
        details: eventDetails + [
            "", "With --category and --type both must hold; of several types one.", "", noOrder,
        ],
        options: [.fromPosition, .backward, .limit, .category, .types], run: runReadAll),
    Command(
        name: "import", operands: [inputFile], summary: "Append the events of JSON lines.",
        details: [
            "Each line is one event and one append: an object with stream, type and data (or dataBase64), and as "
                + "wanted id, contentType, metadata (or metadataBase64), schemaVersion, correlationId, causationId, and "
                + "expect: \"any\", \"no-stream\", \"exists\" or a version. version, position and created, which read "
                + "shows, are ignored; other keys are refused. Data and metadata are kept byte for byte. Lines of one "
                + "stream are appended in the file's order. Without FILE, standard input is read.", "",
            "Lines with ids may be imported again: what is stored already is counted as a repeat, what was refused is "
                + "tried again. With --on-error skip, lines that met a conflict are also tried once more at the end, when "
                + "later lines of their stream may have made true what they expect.", "",
            "Only the first id of an append names it, and each line is an append: of lines of one stream that have the "
                + "same id the first is stored, the others count as repeats and are not stored again. Events of an append "
                + "of several that are exported and imported into the same store are stored again, but for the first. "
                + "The order of events of different streams may be another after an import.", "",
            "Prints {\"lines\", \"stored\", \"repeats\", \"refused\", \"bad\", \"unsettled\"}, of which the last counts "
                + "lines that were not written in time or whose outcome is unknown: import them again. Exit code 3 if lines were refused, else 2 if "
                + "lines were bad.",
        ],
        options: [.onError], run: runImport),
    Command(
        name: "export", operands: [], summary: "Write all events as JSON lines that import takes.",
        details: [
            "In the store's order, without the store's own events (of streams whose names begin with $).", "",
            "Each line is imported as an append of its own, named by its id. Only the first id of an append names it: "
                + "imported into the same store, the further events of an append of several are stored again; lines of "
                + "one stream that repeat an id count as repeats and are not stored again. The order of events of "
                + "different streams may be another after an import.", "", noOrder,
        ],
        options: [.fromPosition], run: runExport),
    Command(
        name: "streams", operands: [], summary: "List the streams.",
        details: [
            "Prints {\"stream\", \"events\", \"currentVersion\", \"firstVersion\", \"state\"} for each; state is live, "
                + "soft-deleted or tombstoned. Streams of the store itself are shown where --prefix begins with $."
        ],
        options: [.prefix, .after, .limit, .sort], run: runStreams),
    Command(
        name: "stats", operands: [], summary: "Show counts, sizes and digests.",
        details: [
            "Prints {\"store\", \"location\", \"events\", \"streams\", \"logBytes\", \"indexBytes\", \"partitions\"}. Of "
                + "each partition halted says why it goes no further and what to do; null while it runs."
        ],
        options: [], run: runStats),
    Command(
        name: "verify", operands: [], summary: "Compare the index with what the log says.",
        details: [
            "Compares digests, offsets and every entry of the index. Prints {\"partitions\", \"events\", \"streams\", "
                + "\"entriesCompared\", \"problems\"}; exit code 4 where there is a problem.", "",
            "With --peer it compares with another node's directory, or a copy of it, instead: the digests of all records "
                + "up to equal offsets, of every 4,096th and of the newest where both are as far. Prints {\"peer\", "
                + "\"agrees\", \"partitions\"} with {\"partition\", \"offset\", \"peerOffset\", \"compared\", \"lastCompared\", "
                + "\"firstDifference\"} for each; exit code 4 where a digest differs, or none could be compared.", "",
            "  tributary verify --kafka localhost:9092 --store shop --index ./node-1 --peer ./node-2",
        ],
        options: [.peer], run: runVerify),
    Command(
        name: "rebuild-index", operands: [], summary: "Throw the index away and make it anew from the log.",
        details: [
            "Prints {\"records\", \"events\", \"digests\"}. The digests are the same as before. On Kafka the index of this "
                + "node (--index) is made anew, from its copy of the records and, where that ends, from Kafka."
        ],
        options: [], run: runRebuildIndex),
    Command(
        name: "cat", operands: [], summary: "Show the raw records of the log, and what was decided of each.",
        details: [
            "Begins in each partition at --from. Prints {\"partition\", \"offset\", \"created\", \"kind\", \"decision\", \"expected\", \"attempt\", "
                + "\"firstVersion\", \"eventCount\", \"ids\", \"key\"|\"keyBase64\", \"valueBase64\"} for each."
        ],
        options: [.partition, .fromOffset, .limit], run: runCat),
    Command(
        name: "topics create", operands: [], summary: "Make the topics of a store on Kafka.",
        details: [
            "Makes NAME.events and, for several partitions, NAME.order with the settings that a store needs: cleanup.policy=delete, retention.ms=-1, "
                + "retention.bytes=-1, message.timestamp.type=LogAppendTime, max.message.bytes=2097152, and of N copies "
                + "N-1 in sync. The number of partitions cannot be changed later. Where NAME.events stands as it should be "
                + "and NAME.order is missing, makes that.",
            "",
            "Prints {\"topic\", \"partitions\"} for each topic that it makes. Exit code 3: nothing is missing, or what "
                + "stands is not as a store needs it.", "",
            "  tributary topics create --kafka localhost:9092 --store shop --partitions 12 --replication 3",
        ],
        options: [.partitions, .replication], run: runTopicsCreate),
    Command(
        name: "topics check", operands: [], summary: "Compare the topics of a store on Kafka with what it needs.",
        details: [
            "Prints {\"topic\", \"partitions\", \"replication\", \"mismatches\", \"unreadable\"} for each topic; of each "
                + "mismatch {\"setting\", \"found\", \"wanted\", \"mend\"}, of which the last is the command that mends it; "
                + "unreadable says why the settings cannot be read, or is null. Exit code 0: all is well; 3: there is a "
                + "mismatch or something unreadable, and a store would not write; 4: no answer, or no such topic."
        ],
        options: [.replicationWanted], run: runTopicsCheck),
]

private let noOrder =
    "On Kafka this needs a store of one partition: several have no order between them yet, and the command says so "
    + "with exit code 4."

private let eventDetails = [
    "Prints an event a line: {\"stream\", \"version\", \"position\", \"id\", \"type\", \"data\"|\"dataBase64\", "
        + "\"contentType\", \"metadata\"|\"metadataBase64\", \"schemaVersion\", \"correlationId\", \"causationId\", "
        + "\"created\"}. The position is null in a store of several partitions. Data stands there as it is if its content type is JSON and it is one value without line "
        + "breaks, else in base 64; so does metadata."
]
