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
                + "{\"stream\", \"id\", \"ids\"} and exit code 6: append again with the same ids. The positions are null "
                + "where the events have none yet: with --acknowledge accepted in a store of several partitions, or "
                + "where ordering took longer than the deadline of 30 seconds.", "",
            "  tributary append Order-42 --type OrderPlaced --json '{\"item\":\"tea\"}' --expect no-stream",
            "  tributary append Photo-7 --type Taken --content-type image/png < photo.png",
        ],
        options: [
            .type, .expect, .id, .json, .metadata, .contentType, .schemaVersion, .correlationID, .causationID, .file,
            .acknowledgeAppend,
        ],
        run: runAppend),
    Command(
        name: "read", operands: [stream], summary: "Show the events of a stream.",
        details: eventDetails + ["", "Exit code 5: there is no such stream, or it was deleted; 3: it is tombstoned."],
        options: [.fromVersion, .backward, .limit], run: runRead),
    Command(
        name: "read-all", operands: [], summary: "Show the events of the whole store in their order.",
        details: eventDetails + [
            "", "With --category and --type both must hold; of several types one.", "",
            unorderedShown
                + " What is not ordered by then is not shown, and a line on standard error says how much that "
                + "is. Where nodes differ about a position the command ends there with exit code 4: see tributary order.",
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
                + "The order of events of different streams may be another after an import, close to the file's: lines "
                + "that wait for earlier ones of their stream are passed by others, and partitions by each other.", "",
            "Prints {\"lines\", \"stored\", \"repeats\", \"refused\", \"bad\", \"unsettled\"}, of which the last counts "
                + "lines that were not written in time or whose outcome is unknown: import them again. Exit code 3 if lines were refused, else 2 if "
                + "lines were bad.",
        ],
        options: [.onError, .acknowledgeImport], run: runImport),
    Command(
        name: "export", operands: [], summary: "Write all events as JSON lines that import takes.",
        details: [
            "In the store's order, without the store's own events (of streams whose names begin with $).", "",
            "Each line is imported as an append of its own, named by its id. Only the first id of an append names it: "
                + "imported into the same store, the further events of an append of several are stored again; lines of "
                + "one stream that repeat an id count as repeats and are not stored again. The order of events of "
                + "different streams may be another after an import.", "",
            unorderedShown
                + " If some is not ordered by then (as with --offline, where nobody orders), the export holds "
                + "what is ordered, says how many events it leaves out, and ends with exit code 4.",
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
            "Prints {\"store\", \"location\", \"events\", \"streams\", \"logBytes\", \"indexBytes\", \"partitions\", "
                + "\"order\"}. Of each partition halted says why it goes no further and what to do; null while it runs. "
                + "order is {\"head\", \"lag\", \"by\", \"halted\", \"fault\"}: the next position, how many accepted events "
                + "have none yet, by whom positions come about (\"partition\" or \"order-records\"), and what stops them."
        ],
        options: [], run: runStats),
    Command(
        name: "verify", operands: [], summary: "Compare the index with what the log says.",
        details: [
            "Compares digests, offsets and every entry of the index; with several partitions also the order: positions "
                + "without gaps, each accepted event exactly once, the counts of every order record. Prints "
                + "{\"partitions\", \"events\", \"streams\", \"entriesCompared\", \"order\", \"problems\"}; exit code 4 where "
                + "there is a problem.", "",
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
                + "\"firstVersion\", \"eventCount\", \"firstPosition\", \"ids\", \"key\"|\"keyBase64\", \"valueBase64\"} for each; "
                + "the position is null where the record brought no event, or is not ordered yet.", "",
            "With --partition order it shows the order records of a store of several partitions: {\"partition\", "
                + "\"offset\", \"created\", \"kind\", \"node\", \"ranges\"|\"voids\", \"key\", \"valueBase64\"}, of each range "
                + "{\"partition\", \"firstOffset\", \"lastOffset\", \"events\", \"emptyOffsets\", \"state\", \"firstPosition\", "
                + "\"agrees\"}. state is placed, ignored (another node was first) or void; agrees says whether this node "
                + "decided the same, and is null where it cannot tell.",
        ],
        options: [.partition, .fromOffset, .limit], run: runCat),
    Command(
        name: "order", operands: [], summary: "Show how far the global order is, and who orders.",
        details: [
            "Prints {\"head\", \"lag\", \"by\", \"halted\", \"fault\", \"node\", \"records\", \"validRanges\", "
                + "\"ignoredRanges\", \"partitions\"}: the next position; accepted events without one; \"partition\" where "
                + "the store has one, whose order is the global order, else \"order-records\"; what stops positions; this "
                + "node's id; how many order records there are, and how many of their ranges counted or came too late. Of each partition {\"partition\", \"nextOffset\", "
                + "\"appliedOffset\", \"lag\", \"proposer\", \"isProposedHere\"}: the first offset not ordered, the newest "
                + "applied, how many records lie between, and which node proposed the newest range.", "",
            "Exit code 4 where positions have stopped: {\"record\", \"partition\", \"proposer\", \"message\"} in fault says at "
                + "what.",
        ],
        options: [.table], run: runOrder),
    Command(
        name: "order void", operands: [], summary: "Declare void what an order record says of a partition.",
        details: [
            "For positions that have stopped at a false order record, as order shows it. Find the wrong node first "
                + "(verify --peer compares two), and rebuild its index. The command shows the record, who wrote it, what "
                + "it says and what this node decided, and asks for the store's name; --yes does not ask. All positions "
                + "from the record's on are given anew, on every node: whoever kept some must read again from there.",
            "",
            "Prints {\"record\", \"partition\", \"firstPosition\"}: from that position on they are given anew. Exit code 2: "
                + "nobody can be asked and --yes is missing; 3: there is nothing to declare void, or the answer was no; 6: "
                + "not seen applied in time, to repeat it is harmless.", "",
            "  tributary order void --kafka localhost:9092 --store shop --record 1041 --partition 3",
        ],
        options: [.orderRecord, .orderPartition, .yes], run: runOrderVoid),
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

private let unorderedShown =
    "With several partitions an event gets its position a little after it is accepted: the command first waits up to 10 "
    + "seconds until all that this node has applied is ordered."

private let eventDetails = [
    "Prints an event a line: {\"stream\", \"version\", \"position\", \"id\", \"type\", \"data\"|\"dataBase64\", "
        + "\"contentType\", \"metadata\"|\"metadataBase64\", \"schemaVersion\", \"correlationId\", \"causationId\", "
        + "\"created\"}. The position is null while the event is not ordered yet. Data stands there as it is if its content type is JSON and it is one value without line "
        + "breaks, else in base 64; so does metadata."
]
