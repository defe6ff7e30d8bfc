// The rules, held against the repository.

import Foundation
import Testing

/// All text of the repository but what was built or is git's.
private struct Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let skipped: Set = [".git", ".build", ".swiftpm", "tributary-data"]

    var texts: [(path: String, text: String)] = []
    var swift: [SourceText] = []

    init() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.root.path).sorted()
        where !Self.skipped.contains(name) {
            try add(name)
        }
        swift = texts.filter { $0.path.hasSuffix(".swift") }.map { SourceText(path: $0.path, text: $0.text) }
    }

    private mutating func add(_ path: String) throws {
        let url = Self.root.appending(path: path)
        if try url.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true {
            for name in try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() {
                try add(path + "/" + name)
            }
        } else if let text = String(data: try Data(contentsOf: url), encoding: .utf8) {
            texts.append((path, text))
        }
    }

    var manifest: SourceText { get throws { try #require(swift.first { $0.path == "Package.swift" }) } }
    /// Products: what is shipped or measured, not the tests.
    var products: [SourceText] { swift.filter { $0.path.hasPrefix("Sources/") || $0.path.hasPrefix("Benchmarks/") } }
    var tests: [SourceText] { swift.filter { $0.path.hasPrefix("Tests/") } }
    /// Everything but the manifest, which is a list.
    var code: [SourceText] { products + tests }
}

@Suite struct TidyTests {
    private let repository: Repository

    init() throws {
        repository = try Repository()
        try #require(repository.products.count > 10, "the sources were not found")
    }

    private func expectNone(_ found: [String]) {
        #expect(found.isEmpty, "\n\(Comment(rawValue: found.joined(separator: "\n")))")
    }

    @Test func filesAreShort() { expectNone(repository.code.flatMap(checkFileLength)) }

    @Test func functionsAreShort() { expectNone(repository.code.flatMap(checkFunctionLength)) }

    @Test func modulesImportDownwardsOnly() { expectNone(repository.products.flatMap(checkImports)) }

    @Test func uncheckedConstructsAreListed() {
        expectNone(repository.products.flatMap { checkConstructs($0) })
        // A line in the list that allows nothing any more goes.
        for allowed in allowedConstructs {
            let others = allowedConstructs.filter { $0.path != allowed.path || $0.construct != allowed.construct }
            let isUsed = repository.products.contains { !checkConstructs($0, allowed: others).isEmpty }
            #expect(isUsed, "\(allowed.path) has no \(allowed.construct) any more; take it off the list")
            #expect(!allowed.reason.isEmpty)
        }
    }

    @Test func noTypeHidesItsModule() { expectNone(repository.products.flatMap(checkTypeNames)) }

    @Test func pureModulesDoNotHash() { expectNone(repository.products.flatMap(checkPurity)) }

    @Test func testsDoNotSleep() { expectNone(repository.tests.flatMap(checkSleeps)) }

    @Test func textIsFinishedAndOfNoMachine() {
        expectNone(repository.texts.filter { $0.path != "LICENSE" }.flatMap { checkText(path: $0.path, $0.text) })
    }

    @Test func targetsAndFoldersDifferInMoreThanCase() throws {
        let names = try targetNames(in: repository.manifest)
        try #require(names.contains("AppendRule") && names.contains("TidyTests"), "the manifest was not understood")
        expectNone(checkNames(names))
        expectNone(checkNames(try FileManager.default.contentsOfDirectory(atPath: Repository.root.path + "/Sources")))
    }

    @Test func thePackageDependsOnNoPackage() throws { expectNone(try checkManifest(repository.manifest)) }
}
