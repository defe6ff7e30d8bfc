// Each rule can fail: a bad text is refused, its nearest good one is not.

import Testing

@Suite struct RuleTests {
    private func source(_ text: String, path: String = "Sources/EventLog/Some.swift") -> SourceText {
        SourceText(path: path, text: text)
    }

    @Test func tokensLeaveOutCommentsAndStrings() {
        let text = source(
            ####"""
            // Task { a }
            /* Task { /* nested */ } */
            let a = "Task { \(b("}")) \" }" // c
            let d = ##"\ " "# \##(e)"##
            """####)
        let words = text.tokens.filter { $0.kind == .word }.map(\.text)
        #expect(words == ["let", "a", "b", "let", "d", "e"])
        #expect(text.tokens.last?.line == 4)
    }

    @Test func fileLength() {
        #expect(checkFileLength(source(String(repeating: "\n", count: 600))).isEmpty)
        #expect(checkFileLength(source(String(repeating: "\n", count: 601))).count == 1)
        #expect(checkFileLength(source(String(repeating: "\n", count: 600) + "a")).count == 1)
    }

    @Test(arguments: [
        "func f(_ g: () -> Void = {}) async throws -> [Int: String] {", "init<T>(_ t: T) where T: Sendable {",
        "subscript(_ i: Int) -> Int {", "var a: Int {", "struct S { func f() {}; deinit {",
    ])
    func functionLength(_ head: String) {
        let end = head.hasPrefix("struct") ? "} }" : "}"
        let short = head + String(repeating: "\n", count: 69) + end
        let long = head + String(repeating: "\n", count: 70) + end
        #expect(checkFunctionLength(source(short)).isEmpty)
        #expect(checkFunctionLength(source(long)).count == 1)
    }

    @Test func aTypeOrAClosureIsNoFunction() {
        let lines = String(repeating: "\n", count: 100)
        #expect(checkFunctionLength(source("struct S { init(a: Int) {} \(lines) }")).isEmpty)
        #expect(checkFunctionLength(source("protocol P { func f() }\nenum E { case a \(lines) }")).isEmpty)
        #expect(checkFunctionLength(source("var a = 1\nstruct S { let b = S.init(c) \(lines) }")).isEmpty)
    }

    @Test func importsPointDown() {
        #expect(
            checkImports(source("public import Foundation\n@preconcurrency import struct Synchronization.Mutex"))
                .isEmpty)
        #expect(checkImports(source("import Segments")).count == 1)
        #expect(checkImports(source("import struct StreamIndex.Page")).count == 1)
        #expect(checkImports(source("import Foundation", path: "Sources/AppendRule/Decide.swift")).count == 1)
        #expect(checkImports(source("import Tributary", path: "Sources/StreamIndex/Page.swift")).count == 1)
        #expect(checkImports(source("", path: "Sources/Unheard/Of.swift")).count == 1)
        #expect(checkImports(source("import Segments", path: "Benchmarks/TributaryBench/main.swift")).isEmpty)
    }

    @Test(arguments: [
        "final class C: @unchecked Sendable {}", "nonisolated(unsafe) var a = 1", "Task { a() }",
        "Task<Int, Never> { 1 }",
        "Task(priority: .low) { a() }", "Task.detached { a() }", "let t = Task<Result<Int, E>, Never>.detached { 1 }",
        "Task.init { a() }",
    ])
    func constructs(_ text: String) {
        #expect(checkConstructs(source(text), allowed: []).count == 1)
        let all = ["@unchecked Sendable", "nonisolated(unsafe)", "Task"].map {
            Allowed(path: "Sources/EventLog/Some.swift", construct: $0, reason: "a test")
        }
        #expect(checkConstructs(source(text), allowed: all).isEmpty)
        #expect(checkConstructs(source(text, path: "Sources/EventLog/Other.swift"), allowed: all).count == 1)
    }

    @Test func structuredTasksAreNoConstruct() {
        let text =
            "try await Task.checkCancellation()\nlet t: Task<Int, Never>\nnonisolated func f() { Task.isCancelled }"
        #expect(checkConstructs(source(text), allowed: []).isEmpty)
    }

    @Test func typeNames() {
        #expect(checkTypeNames(source("public final class EventLog {}")).count == 1)
        #expect(checkTypeNames(source("public protocol EventLogging {}\nlet a: EventLog")).isEmpty)
    }

    @Test(arguments: [
        "let a: Set<Int>", "let a: [Int: Int] = [:]", "Dictionary(grouping: a)", "a.hash(into: Hasher())",
    ])
    func purity(_ text: String) {
        #expect(!checkPurity(source(text, path: "Sources/AppendRule/Some.swift")).isEmpty)
        #expect(!checkPurity(source(text, path: "Sources/GlobalOrder/Some.swift")).isEmpty)
        #expect(checkPurity(source(text)).isEmpty)
    }

    @Test func arraysArePure() {
        let text = "let a: [Int] = [b ? c : d, e]\nfunc f(_ a: [UInt8], b: Int) -> Span<UInt8>"
        #expect(checkPurity(source(text, path: "Sources/AppendRule/Some.swift")).isEmpty)
    }

    @Test(arguments: [
        "try await Task.sleep(for: .seconds(1))", "usleep(10)", "Thread.sleep(forTimeInterval: 1)", "sleep(1)",
    ])
    func sleeps(_ text: String) {
        #expect(checkSleeps(source(text)).count == 1)
        #expect(checkSleeps(source("// " + text)).isEmpty)
    }

    @Test(arguments: [
        "TO" + "DO: later", "a FIX" + "ME b", "https://pypi" + ".org/x", "/wo" + "rk/x", "cd /ho" + "me/me",
    ])
    func text(_ text: String) {
        #expect(checkText(path: "README.md", "a\n" + text).count == 1)
        #expect(checkText(path: "README.md", "a\nto do at work, at home").isEmpty)
    }

    @Test func manifest() {
        let good = source(
            ".target(name: \"A\", dependencies: [\"B\"]), .testTarget(\n name: \"ATests\")", path: "Package.swift")
        #expect(targetNames(in: good) == ["A", "ATests"])
        #expect(checkManifest(good).isEmpty)
        #expect(checkManifest(source("dependencies: [.package(url: \"x\", from: \"1.0.0\")]")).count == 1)
        #expect(checkNames(["A", "B", "Ab"]).isEmpty)
        #expect(checkNames(["Kafka", "kafka"]).count == 1)
    }
}
