// The directory of a store: what lies in it, making one, opening one. Docs/segment-format.md describes it.

public import EventLog
import Segments

/// The paths in a store's directory, and what is there.
struct StoreDirectory {
    enum Contents: Equatable {
        case absent
        case empty
        /// Only what creation makes, and no `format`.
        case unfinished
        case store(StoreUUID)
        /// Somebody else's.
        case foreign
    }

    static let formatVersion = 1
    private static let formatWords = "tributary directory format "

    let path: String
    var format: String { path + "/format" }
    var lock: String { path + "/lock" }
    var log: String { path + "/log" }
    var index: String { path + "/index" }

    /// Looks, and makes nothing.
    func contents() throws(LogError) -> Contents {
        try translated { () throws(SegmentError) in try Files.kind(of: path) } == .absent ? .absent : listed()
    }

    private func listed() throws(LogError) -> Contents {
        guard try translated({ () throws(SegmentError) in try Files.kind(of: path) }) == .directory else {
            return .foreign
        }
        let names = Set(try translated { () throws(SegmentError) in try Files.names(in: path) })
        if names.isEmpty { return .empty }
        if names.contains("format") { return try readFormat().map { .store($0) } ?? .foreign }
        do throws(LogError) {
            if try translated({ () throws(SegmentError) in try isUnfinished(names) }) { return .unfinished }
        } catch {
            // Whoever is creating it may have finished in between.
            guard let store = try formatMeanwhile() else { throw error }
            return .store(store)
        }
        return try formatMeanwhile().map { .store($0) } ?? .foreign
    }

    private func formatMeanwhile() throws(LogError) -> StoreUUID? {
        try translated { () throws(SegmentError) in try Files.kind(of: format) } == .absent ? nil : readFormat()
    }

    /// nil where the file is not one of a store's directory.
    private func readFormat() throws(LogError) -> StoreUUID? {
        let bytes = try translated { () throws(SegmentError) in
            try Files.read(format, limit: EmbeddedLimits.formatFileBytes)
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines[0].hasPrefix(Self.formatWords) else { return nil }
        guard let version = Int(lines[0].dropFirst(Self.formatWords.count)), version > 0 else { throw damagedFormat }
        guard version <= Self.formatVersion else {
            throw LogError(
                .newerFormat,
                "\(path): directory format \(version), but this build knows up to \(Self.formatVersion); "
                    + "use a newer build.")
        }
        guard lines.count == 3, lines[1].hasPrefix("store "), lines[2].isEmpty,
            let store = StoreUUID(text: lines[1].dropFirst("store ".count))
        else { throw damagedFormat }
        return store
    }

    private var damagedFormat: LogError {
        LogError(.damaged, "\(format): the file does not read as it was written; restore it from a backup.")
    }

    func writeFormat(_ store: StoreUUID) throws(LogError) {
        let text = "\(Self.formatWords)\(Self.formatVersion)\nstore \(store.text)\n"
        try translated { () throws(SegmentError) in try Files.replace(format, with: Array(text.utf8)) }
    }

    /// Whether there is nothing but what a creation that stopped leaves; all of it may be made anew.
    ///
    /// - Throws: `damaged` for a store that lost its `format`.
    private func isUnfinished(_ names: Set<String>) throws(SegmentError) -> Bool {
        guard names.isSubset(of: ["lock", "log", "index", "format.new"]) else { return false }
        guard
            try holds(lock, { $0.isEmpty || $0.last == "\n" && $0.dropLast().allSatisfy(\.isNumber) }),
            try holds(format + ".new", Self.isBeginningOfFormat),
            try isDirectory(log), try isDirectory(index)
        else { return false }
        let indexIsEmpty = try entries(of: index).isEmpty
        let segments = try entries(of: log)
        for name in segments where try !isFile(log + "/" + name) { return false }
        if segments.contains(where: { $0.hasSuffix(".seg") }) {
            if indexIsEmpty, try SegmentWriter.holdsOnlyCreation(in: DirectoryStorage(path: log)) { return true }
            throw SegmentError(.damaged, "there are records but no file `format`; restore that file from a backup.")
        }
        return indexIsEmpty && segments.allSatisfy { $0.hasSuffix(".seg.new") }
    }

    /// Nothing where there is no directory.
    private func entries(of directory: String) throws(SegmentError) -> [String] {
        try Files.kind(of: directory) == .absent ? [] : Files.names(in: directory)
    }

    private func isDirectory(_ path: String) throws(SegmentError) -> Bool {
        let kind = try Files.kind(of: path, followingLinks: false)
        return kind == .absent || kind == .directory
    }

    private func isFile(_ path: String) throws(SegmentError) -> Bool {
        let kind = try Files.kind(of: path, followingLinks: false)
        return kind == .absent || kind == .file
    }

    /// Whether the file is absent, or one with a short text that is as it should be.
    private func holds(_ path: String, _ isExpected: (String) -> Bool) throws(SegmentError) -> Bool {
        guard try isFile(path) else { return false }
        guard try Files.kind(of: path) != .absent else { return true }
        let bytes: [UInt8]
        do throws(SegmentError) {
            bytes = try Files.read(path, limit: EmbeddedLimits.formatFileBytes)
        } catch  where error.code == .notFound {
            return true
        }
        return isExpected(String(decoding: bytes, as: UTF8.self))
    }

    private static func isBeginningOfFormat(_ text: String) -> Bool {
        let start = "\(formatWords)\(formatVersion)\nstore "
        if start.hasPrefix(text) { return true }
        let id = text.dropFirst(start.count)
        return text.hasPrefix(start) && id.count <= 37 && id.allSatisfy { $0.isHexDigit || $0 == "-" || $0 == "\n" }
    }

    func translated<R>(_ body: () throws(SegmentError) -> R) throws(LogError) -> R {
        do throws(SegmentError) {
            return try body()
        } catch {
            // The message begins with the directory: it is said once.
            var error = error
            if error.file == path { error.file = nil }
            if let file = error.file, file.hasPrefix(path + "/") { error.file = String(file.dropFirst(path.count + 1)) }
            throw LogError(error, in: path)
        }
    }
}

extension StoreUUID {
    /// The usual 36 characters, in lower case.
    var text: String {
        let digits = [high, low].map { number in
            let text = String(number, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
        var text = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { text.append("-") }
            text.append(digit)
        }
        return text
    }

    /// nil for anything but what `text` gives.
    init?(text: Substring) {
        let digits = text.filter { $0 != "-" }
        guard digits.count == 32, let high = UInt64(digits.prefix(16), radix: 16),
            let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
        guard self.text == text else { return nil }
    }
}

extension EmbeddedLog {
    /// Makes a store's directory with its first record, and all of it durable; it is not open afterwards.
    ///
    /// The directory must be absent or empty, or hold the beginnings of a creation that was never finished, which is
    /// then begun anew. Directories above it are made where they are missing.
    ///
    /// - Parameters:
    ///   - directory: its path.
    ///   - storeID: the store's UUID, most significant byte first.
    ///   - firstRecord: gets offset 0; nil: the log begins empty.
    ///   - fileBytes: size of the first segment file, 4 KiB to almost 4 GiB.
    ///   - clock: milliseconds since 1970.
    /// - Throws: `alreadyExists` for a store, `notAStore` where somebody else's files are (nothing is made there),
    ///   `locked`, `noPermission`, `unavailable`, or `damaged` for a store that lost its `format` file.
    public static func create(
        at directory: String, storeID: (high: UInt64, low: UInt64), firstRecord: LogRecord?,
        fileBytes: Int = 64 << 20, clock: @Sendable () -> Int64 = wallClockMilliseconds
    ) throws(LogError) {
        precondition((firstRecord?.byteCount ?? 0) <= EmbeddedLimits.recordBytes, "the first record is too large")
        let place = StoreDirectory(path: directory)
        try checkFree(place)
        let store = StoreUUID(high: storeID.high, low: storeID.low)
        let lock = try place.translated { () throws(SegmentError) in
            try Files.makeDirectory(directory)
            return try FileLock(path: place.lock)
        }
        defer { withExtendedLifetime(lock) {} }
        // Another process may have created it before the lock was taken.
        try checkFree(place)
        try place.translated { () throws(SegmentError) in
            try Files.makeDirectory(place.log)
            try Files.makeDirectory(place.index)
            let block = firstRecord.map { record in
                var block = SegmentBlock()
                block.append(channel: 0, offset: 0, appendTime: clock(), key: record.key, value: record.value)
                return block
            }
            _ = try SegmentWriter.create(
                in: DirectoryStorage(path: place.log), store: store, first: block, fileBytes: fileBytes)
        }
        try place.writeFormat(store)
    }

    private static func checkFree(_ place: StoreDirectory) throws(LogError) {
        switch try place.contents() {
        case .absent, .empty, .unfinished: return
        case .store: throw LogError(.alreadyExists, "\(place.path): there is a store already.")
        case .foreign:
            throw LogError(
                .notAStore,
                "\(place.path): holds files that are not a store's; name an absent or empty directory.")
        }
    }

    /// Opens a store's directory, checks its files, and repairs what a crash may have left behind the log's end.
    ///
    /// - Parameters:
    ///   - directory: its path.
    ///   - fileBytes: size of the segment files made from now on, 4 KiB to almost 4 GiB.
    ///   - queuedBytes: most bytes that wait to be written.
    ///   - clock: milliseconds since 1970.
    /// - Throws: `notAStore`, `unfinishedCreation`, `newerFormat`, `locked`, `noPermission`, `damaged` (nothing was
    ///   changed then), or `unavailable`.
    public static func open(
        at directory: String, fileBytes: Int = 64 << 20, queuedBytes: Int = EmbeddedLimits.queuedBytes,
        clock: @escaping @Sendable () -> Int64 = wallClockMilliseconds
    ) throws(LogError) -> EmbeddedLog {
        let place = StoreDirectory(path: directory)
        let store: StoreUUID
        var contents = try place.contents()
        if contents == .unfinished {
            // Somebody may be creating it just now, or may have finished a moment ago.
            try place.translated { () throws(SegmentError) in
                if try Files.kind(of: place.lock) != .absent { try FileLock.checkFree(path: place.lock) }
            }
            contents = try place.contents()
        }
        switch contents {
        case .store(let found): store = found
        case .unfinished:
            throw LogError(
                .unfinishedCreation, "\(directory): the creation of the store was not finished; create it again.")
        case .absent, .empty:
            throw LogError(.notAStore, "\(directory): there is no store; create one first.")
        case .foreign:
            throw LogError(.notAStore, "\(directory): holds files that are not a store's; name a store's directory.")
        }
        return try place.translated { () throws(SegmentError) in
            let lock = try FileLock(path: place.lock)
            guard try Files.kind(of: place.log) == .directory else {
                throw SegmentError(
                    .damaged, "the directory `log`, which holds the records, is missing; restore it from a backup.")
            }
            let writer = try SegmentWriter.open(
                in: DirectoryStorage(path: place.log), store: store, fileBytes: fileBytes)
            try Files.makeDirectory(place.index)
            return EmbeddedLog(
                name: "directory \(directory)", writer: writer, storeID: store, indexDirectory: place.index,
                lock: lock, queuedBytes: queuedBytes, clock: clock)
        }
    }
}
