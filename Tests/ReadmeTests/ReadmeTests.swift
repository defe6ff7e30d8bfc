import Foundation
import Testing

private let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
private let root = tests.deletingLastPathComponent().deletingLastPathComponent()

/// The blocks of Swift in a Markdown text.
private func swiftBlocks(of markdown: String) -> [String] {
    markdown.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
}

/// What stands between the marks of a source file, parts with a blank line between, without their indentation.
private func marked(in source: String) -> String {
    let parts = source.components(separatedBy: "// README begin\n").dropFirst().map { part in
        let lines = part.components(separatedBy: "// README end")[0].components(separatedBy: "\n")
        let indentation = lines.dropLast().filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
        return lines.map { $0.dropFirst(indentation) }.joined(separator: "\n")
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
    return parts.joined(separator: "\n\n") + "\n"
}

@Suite struct ReadmeTests {
    private let readme: String

    init() throws {
        readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    }

    @Test func showsTheProgramThatIsTested() throws {
        let source = try String(contentsOf: tests.appendingPathComponent("FirstProgram.swift"), encoding: .utf8)
        let program = marked(in: source).replacingOccurrences(of: ".directory(path)", with: #".directory("./data")"#)
        #expect(program.contains("EventStore.open"))
        let kafka = try String(contentsOf: tests.appendingPathComponent("OnKafka.swift"), encoding: .utf8)
        let programs = swiftBlocks(of: readme).filter { !$0.hasPrefix("// swift-tools-version") }
        #expect(programs == [program, marked(in: kafka)])
    }

    @Test func theProgramRunsAndRunsAgain() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("readme-" + UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: directory) }
        for run in 0..<2 {
            var printed: [String] = []
            try await firstProgram(directory.path) { parts in
                printed.append(parts.map { "\($0)" }.joined(separator: " "))
            }
            var expected = ["stored as version \(run)", "a repeat: true of version \(run)"]
            expected.append("the stream is at version \(run) by now; new to us: \(run + 1)")
            expected += (0...run).map { "\($0) OrderPlaced tea" }
            #expect(printed == expected)
        }
    }

    @Test func linksLeadSomewhere() throws {
        let targets = readme.components(separatedBy: "](").dropFirst().map { $0.components(separatedBy: ")")[0] }
        #expect(targets.count > 3)
        let places = readme.components(separatedBy: "\n## ").dropFirst().map { section in
            "#" + section.prefix { $0 != "\n" }.lowercased().replacingOccurrences(of: " ", with: "-")
        }
        for target in targets where !target.hasPrefix("http") {
            if target.hasPrefix("#") {
                #expect(places.contains(target))
                continue
            }
            #expect(FileManager.default.fileExists(atPath: root.appendingPathComponent(target).path), "\(target)")
        }
    }
}
