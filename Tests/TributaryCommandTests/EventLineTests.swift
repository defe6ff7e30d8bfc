import FoundationEssentials
import Testing
import Tributary

@testable import TributaryCommand

private func read(_ line: String) throws -> EventLine {
    try EventLineReader().read(Array(line.utf8)[...])
}

private func text(_ bytes: [UInt8]?) -> String? {
    bytes.map { String(decoding: $0, as: UTF8.self) }
}

@Suite struct EventLineTests {
    @Test func readsTheLeast() throws {
        let line = try read(#"{"stream":"Order-1","type":"Placed","data":{"a": 1}}"#)
        #expect(line.stream?.description == "Order-1")
        #expect(line.event.type == "Placed")
        #expect(text(line.event.data) == #"{"a": 1}"#)
        #expect(line.event.contentType == .json)
        #expect(line.event.metadata == nil)
        #expect(line.event.schemaVersion == 1)
        #expect(line.event.correlationID == nil)
        #expect(line.event.causationID == nil)
        #expect(line.expected == nil)
    }

    @Test func readsEverything() throws {
        let line = try read(
            #"{"stream":"\u00e9-\"","version":3,"position":null,"id":"0190A0B1-0000-7000-8000-00000000000a","type":"t","#
                + #""data":"x","contentType":"application/vnd.shop+json; charset=utf-8","metadata":[ ],"#
                + #""schemaVersion":4294967295,"correlationId":"c","causationId":"","created":"whenever","expect":7}"#)
        #expect(line.stream?.utf8 == Array("é-\"".utf8))
        #expect(line.event.id.uuidString.lowercased() == "0190a0b1-0000-7000-8000-00000000000a")
        #expect(text(line.event.data) == #""x""#)
        #expect(line.event.contentType.rawValue == "application/vnd.shop+json; charset=utf-8")
        #expect(text(line.event.metadata) == "[ ]")
        #expect(line.event.schemaVersion == UInt32.max)
        #expect(line.event.correlationID == "c")
        #expect(line.event.causationID == "")
        #expect(line.expected == .version(7))
    }

    @Test func readsBase64() throws {
        let line = try read(#"{"type":"t","dataBase64":"AP8=","metadataBase64":""}"#)
        #expect(line.event.data == [0, 0xff])
        #expect(line.event.contentType == .octetStream)
        #expect(line.event.metadata == [])
        #expect(
            try read(#"{"type":"t","dataBase64":"AA==","contentType":"text/plain"}"#).event.contentType.rawValue
                == "text/plain")
    }

    @Test func nullIsAbsentButForData() throws {
        let line = try read(
            #"{"stream":null,"id":null,"type":"t","data":null,"dataBase64":null,"contentType":null,"metadata":null,"#
                + #""metadataBase64":null,"schemaVersion":null,"correlationId":null,"causationId":null,"expect":null}"#)
        #expect(text(line.event.data) == "null")
        #expect(line.event.metadata == nil)
        #expect(line.stream == nil)
        #expect(
            try read(#"{"type":"t","data":1,"metadata":null,"metadataBase64":"bnVsbA=="}"#).event.metadata
                == Array("null".utf8))
    }

    @Test(arguments: [
        (#"any"#, ExpectedVersion.any), ("no-stream", .noStream), ("exists", .streamExists), ("12", .version(12)),
    ])
    func readsExpectations(_ text: String, _ expected: ExpectedVersion) throws {
        #expect(try read(#"{"type":"t","data":1,"expect":"\#(text)"}"#).expected == expected)
    }

    @Test(arguments: [
        "", "[]", "1", #"{"data":1}"#, #"{"type":null,"data":1}"#, #"{"type":1,"data":1}"#, #"{"type":"t"}"#,
        #"{"type":"t","data":1,"dataBase64":"AA=="}"#, #"{"type":"t","dataBase64":"A"}"#,
        #"{"type":"t","dataBase64":1}"#, #"{"type":"t","data":1,"metadata":1,"metadataBase64":"AA=="}"#,
        #"{"type":"t","data":1,"id":"zz"}"#, #"{"type":"t","data":1,"id":5}"#,
        #"{"type":"t","data":1,"id":"0190a0b1-0000-7000-8000-00000000000"}"#,
        #"{"type":"t","data":1,"stream":""}"#, #"{"type":"t","data":1,"stream":7}"#,
        #"{"type":"t","data":1,"schemaVersion":0}"#, #"{"type":"t","data":1,"schemaVersion":-1}"#,
        #"{"type":"t","data":1,"schemaVersion":4294967296}"#, #"{"type":"t","data":1,"schemaVersion":1.0}"#,
        #"{"type":"t","data":1,"schemaVersion":"1"}"#, #"{"type":"t","data":1,"expect":-1}"#,
        #"{"type":"t","data":1,"expect":1.5}"#, #"{"type":"t","data":1,"expect":"some"}"#,
        #"{"type":"t","data":1,"expect":true}"#, #"{"type":"t","data":1,"expect":9223372036854775808}"#,
        #"{"type":"t","data":1,"unknown":1}"#, #"{"type":"t","data":1,"type":"t"}"#, #"{"type":"t","data":}"#,
        #"{"type":"t","data":1,"contentType":"text/plain"}"#, #"{"type":"t","data":1,"correlationId":1}"#,
        #"{"type":"t","data":1}{}"#, #"{"type":"t","data":[1,2}"#,
    ])
    func refusesWithAReason(_ line: String) {
        do {
            _ = try read(line)
            Issue.record("took \(line)")
        } catch let failure as Failure {
            #expect(failure.code == .badInput)
            #expect(!failure.message.isEmpty)
        } catch {
            Issue.record(error)
        }
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_709_251_200_001, "2024-03-01T00:00:00.001Z"),
        (4_107_542_399_000, "2100-02-28T23:59:59.000Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (-2_208_988_800_000, "1900-01-01T00:00:00.000Z"),
    ])
    func writesTimestamps(_ milliseconds: Int64, _ text: String) {
        #expect(Timestamp.text(milliseconds: milliseconds) == text)
    }

    @Test func knowsJSONByItsContentType() {
        for text in [
            "application/json", "Application/JSON", "application/json;charset=utf-8", "a/b+json", "a/b+json ;x",
        ] {
            #expect(ContentType(rawValue: text).isJSON, "\(text)")
        }
        for text in ["", "json", "application/jsonl", "text/plain", "application/octet-stream; a+json"] {
            #expect(!ContentType(rawValue: text).isJSON, "\(text)")
        }
    }

    @Test func everyErrorHasItsExitCode() throws {
        let stream = try StreamName("Order-1")
        let cases: [(any Error, ExitCode)] = [
            (Failure(.noSuchStream, ""), .noSuchStream),
            (InvalidInput(.streamName, "x"), .badInput),
            (AppendError.notStored(.cancelled), .unavailable),
            (AppendError.notStored(.idReused), .refused),
            (AppendError.notStored(.tombstoned), .refused),
            (AppendError.notWritten("late"), .unavailable),
            (AppendError.outcomeUnknown(ids: []), .outcomeUnknown),
            (AppendError.invalid(InvalidInput(.noEvents, "x")), .badInput),
            (AppendError.store(StoreError(.damaged, "x")), .unavailable),
            (ReadError.tombstoned(stream), .refused),
            (ReadError.invalid(InvalidInput(.readLimit, "x")), .badInput),
            (ReadError.store(StoreError(.closed, "x")), .internalError),
            (StoreError(.locked, "x"), .unavailable),
            (StoreError(.notAStore, "x"), .unavailable),
            (StoreError(.alreadyExists, "x"), .refused),
            (StoreError(.internal, "x"), .internalError),
            (OutputFailed(reason: "full"), .internalError),
            (CancellationError(), .internalError),
        ]
        for (error, code) in cases {
            #expect(Failure(error).code == code, "\(error)")
            #expect(!Failure(error).message.isEmpty || error is Failure)
        }
    }

    @Test func drawsProgress() {
        #expect(
            Progress.line("importing", 5, of: 10, count: 100, unit: "events", seconds: 2)
                == "importing [###############...............] 50 % 100 events, 50 events/s")
        #expect(
            Progress.line("importing", 11, of: 10, count: 1, unit: "events", seconds: 0)
                == "importing [##############################] 100 % 1 events")
        #expect(
            Progress.line("importing", 5, of: nil, count: 7, unit: "events", seconds: 1)
                == "importing 7 events, 7 events/s")
    }

    @Test func linesForPeopleHoldNoControlCharacters() {
        #expect(StandardError.printable("a\n\u{1b}[31mé\u{85}\u{7f}") == "a??[31mé??")
    }
}
