import Foundation
import Testing
import Tributary

@testable import TributaryCommand

/// A file that is gone when the test is.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("tributary-" + UUID().uuidString).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func file(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}

private func line(_ number: Int) -> String {
    #"{"stream":"S-\#(number % 7)","type":"t","data":\#(number)}"#
}

@Suite struct ImportSourceTests {
    private func source(_ text: String, stops: Bool, in directory: TemporaryDirectory) throws -> ImportSource {
        let file = try directory.file("lines", text.utf8)
        return ImportSource(try Input(Array(file.utf8)), stopsAtBadLine: stops)
    }

    @Test func givesEveryLineInOrderAndKeepsWhatIsUnanswered() async throws {
        let directory = try TemporaryDirectory()
        let count = 10_000
        let text = (0..<count).map { line($0) + "\n\n" }.joined()
        let source = try source(text, stops: true, in: directory)
        var next = 0
        for await append in source {
            #expect(append.events[0].data == Array(String(next).utf8))
            next += 1
            if next % 3 == 0 {
                for _ in 0..<3 { #expect(source.answer() != nil) }
            }
        }
        #expect(next == count)
        #expect(source.lines == Int64(count))
        let last = source.answer()
        #expect(last?.number == 2 * count - 1)
        #expect(last?.end == Int64(text.utf8.count - 2))
        #expect(source.answer() == nil)
        #expect(source.failure == nil)
    }

    @Test func keepsNoLineThatWasAnswered() async throws {
        let directory = try TemporaryDirectory()
        let source = try source((0..<3_000).map { line($0) + "\n" }.joined(), stops: true, in: directory)
        var taken = 0
        for await _ in source {
            taken += 1
            if taken > 10 { #expect(source.answer() != nil) }
            #expect(source.kept == min(taken, 10))
        }
        #expect(taken == 3_000)
    }

    @Test func stopsAtABadLineOrPassesOver() async throws {
        let directory = try TemporaryDirectory()
        let text =
            "\u{feff}" + line(0) + "\r\n" + line(1) + "\nnot json\n" + line(2) + "\n{\"type\":\"t\",\"data\":1}\n"
            + line(3)
        for (stops, given, bad) in [(true, 2, 1), (false, 4, 2)] {
            let source = try source(text, stops: stops, in: directory)
            var count = 0
            for await _ in source { count += 1 }
            #expect(count == given)
            #expect(source.bad == Int64(bad))
            #expect(source.lines == Int64(given + bad))
        }
    }

    @Test func stopsWhenToldEvenWhereInputWaits() async throws {
        let pipe = Pipe()
        let source = ImportSource(
            try Input(Array("/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)".utf8)), stopsAtBadLine: true)
        try pipe.fileHandleForWriting.write(contentsOf: Data((line(0) + "\n").utf8))
        var iterator = source.makeAsyncIterator()
        #expect(await iterator.next() != nil)
        async let rest = iterator.next()
        source.stop()
        #expect(await rest == nil)
        try pipe.fileHandleForWriting.close()
    }

    @Test func readsAheadNoFurtherThanItSays() async throws {
        let directory = try TemporaryDirectory()
        let count = 2 * ImportSource.maximumBatches * ImportSource.batchLines
        let text = (0..<count).map { line($0) + "\n" }.joined()
        let source = try source(text, stops: true, in: directory)
        // Nobody takes a line: the thread comes to wait, or reads on for ever.
        while !source.ahead.isWaiting && source.ahead.batches <= ImportSource.maximumBatches { await Task.yield() }
        #expect(source.ahead.batches == ImportSource.maximumBatches)
        var taken = 0
        for await _ in source {
            taken += 1
            #expect(source.ahead.batches <= ImportSource.maximumBatches)
        }
        #expect(taken == count)
    }

    @Test func aFileThatCannotBeReadIsSaid() async throws {
        let directory = try TemporaryDirectory()
        #expect(throws: Failure.self) { try Input(Array((directory.path + "/none").utf8)) }
        let source = ImportSource(try Input(Array(directory.path.utf8)), stopsAtBadLine: true)
        for await _ in source {}
        #expect(source.failure?.code == .badInput)
    }
}
