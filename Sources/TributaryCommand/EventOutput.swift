import FoundationEssentials
import JSONLines
import Tributary

extension Output {
    /// An event as `read` and `read-all` show it.
    func event(_ event: RecordedEvent) throws {
        json.beginObject()
        json.field("stream", event.stream.utf8)
        json.field("version", event.version)
        json.field("position", event.position?.value)
        content(event)
        json.field("created", Timestamp.text(milliseconds: event.createdMilliseconds))
        json.endObject()
        try endLine()
    }

    /// An event as `import` takes it.
    func importable(_ event: RecordedEvent) throws {
        json.beginObject()
        json.field("stream", event.stream.utf8)
        content(event)
        json.endObject()
        try endLine()
    }

    private func content(_ event: RecordedEvent) {
        let contentType = event.contentType
        json.key("id")
        json.uuid(event.id)
        json.field("type", event.type)
        let data = event.data
        if contentType.isJSON && reader.isInlineValue(data) {
            json.key("data")
            json.raw(data)
        } else {
            json.key("dataBase64")
            json.base64(data)
        }
        json.field("contentType", contentType.rawValue)
        metadata(event.metadata)
        json.field("schemaVersion", Int64(event.schemaVersion))
        json.field("correlationId", event.correlationID)
        json.field("causationId", event.causationID)
    }

    /// `null` inline would read as no metadata.
    private func metadata(_ metadata: [UInt8]?) {
        if let metadata, metadata == Array("null".utf8) || !reader.isInlineValue(metadata) {
            json.key("metadataBase64")
            json.base64(metadata)
        } else {
            json.key("metadata")
            if let metadata { json.raw(metadata) } else { json.null() }
        }
    }
}

extension JSONWriter {
    mutating func uuid(_ id: UUID) {
        string(id.uuidString.lowercased())
    }

    /// A version by its number, else by its word.
    mutating func expected(_ expected: ExpectedVersion) {
        if case .version(let version) = expected { integer(version) } else { string(expected.text) }
    }
}

extension ContentType {
    /// Whether data of this type is JSON: `application/json` or `…+json`, with or without parameters.
    var isJSON: Bool {
        let essence = rawValue.lowercased().prefix { $0 != ";" && $0 != " " }
        return essence == "application/json" || essence.hasSuffix("+json")
    }
}

enum Timestamp {
    /// RFC 3339 in UTC, with milliseconds.
    static func text(milliseconds: Int64) -> String {
        let day: Int64 = 86_400_000
        var days = milliseconds / day
        var time = milliseconds % day
        if time < 0 {
            time += day
            days -= 1
        }
        let (year, month, dayOfMonth) = date(daysSince1970: days)
        let date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfMonth, 2))"
        let clock = "\(pad(time / 3_600_000, 2)):\(pad(time / 60_000 % 60, 2)):\(pad(time / 1_000 % 60, 2))"
        return "\(date)T\(clock).\(pad(time % 1_000, 3))Z"
    }

    /// The Gregorian date: years begin in March here, so that the leap day is the last of its year.
    private static func date(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = daysSince1970 + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let year = yearOfEra + era * 400 + (month < 10 ? 0 : 1)
        return (year, month < 10 ? month + 3 : month - 9, day)
    }

    private static func pad(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
