import Segments

extension EmbeddedLog {
    /// What opening has to say to people: what was cut off behind the log's end.
    public var openingNotes: [String] {
        guard let torn = tornTail else { return [] }
        return [
            "the last write before the stop was not whole: \(torn.byteCount) bytes at "
                + "position \(torn.position) of \(torn.file) were cut off and copied to \(torn.copy ?? "nowhere")"
        ]
    }
}
