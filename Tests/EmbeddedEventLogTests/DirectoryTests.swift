import EventLog
import Foundation
import Segments
import Testing

@testable import EmbeddedEventLog

@Suite struct DirectoryTests {
    static let id = (high: testID.high, low: testID.low)

    static func create(_ path: String) throws(LogError) {
        try EmbeddedLog.create(at: path, storeID: id, firstRecord: firstRecord, fileBytes: 64 << 10)
    }

    static func open(_ path: String) throws(LogError) -> EmbeddedLog {
        try EmbeddedLog.open(at: path, fileBytes: 64 << 10)
    }

    @Test func aStoreIsMadeOpenedAndUsed() async throws {
        let place = TemporaryPath()
        let path = place.path + "/below/data"
        try Self.create(path)
        #expect(code { try Self.create(path) } == .alreadyExists)
        let log = try Self.open(path)
        #expect(log.storeID.high == testID.high && log.storeID.low == testID.low)
        #expect(log.description.isOnlyWriter && log.description.channels == 1)
        #expect(log.indexDirectory == path + "/index")
        #expect(log.tornTail == nil)
        #expect(try await log.record(at: 0, in: 0)?.record == firstRecord)
        let recorder = Recorder()
        try log.start(from: [0], handler: recorder)
        append(300, to: log)
        _ = recorder.waitForRecords(301)
        await log.close()
        let again = try Self.open(path)
        #expect(try await again.bounds(of: 0) == 0..<301)
        await again.close()
        #expect(
            try String(contentsOfFile: path + "/format", encoding: .utf8)
                == "tributary directory format 1\nstore 01234567-89ab-4def-8899-aabbccddeeff\n")
        for (name, mode) in [
            ("", 0o700), ("/log", 0o700), ("/index", 0o700), ("/format", 0o600), ("/lock", 0o600),
            ("/log/0000000000.seg", 0o600),
        ] {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + name)
            #expect(attributes[.posixPermissions] as? Int == mode, "\(name)")
        }
    }

    @Test func whatIsNoStoreIsNotOpened() throws {
        let place = TemporaryPath()
        #expect(code { _ = try Self.open(place.path) } == .notAStore)
        #expect(!FileManager.default.fileExists(atPath: place.path))
        try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: true)
        #expect(code { _ = try Self.open(place.path) } == .notAStore)
        #expect(place.contents.isEmpty)
        let file = place.path + "/file"
        try Data([1]).write(to: URL(fileURLWithPath: file))
        #expect(code { _ = try Self.open(file) } == .notAStore)
        #expect(code { try Self.create(file) } == .notAStore)
    }

    @Test(arguments: ["notes.txt", "format", "log/other", ".hidden"])
    func strangersDirectoriesAreLeftAlone(_ name: String) throws {
        let place = TemporaryPath()
        let file = URL(fileURLWithPath: place.path + "/" + name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data("mine\n".utf8).write(to: file)
        let before = place.contents
        #expect(code { _ = try Self.open(place.path) } != nil)
        #expect(code { try Self.create(place.path) } != nil)
        if !name.contains("/") {
            #expect(code { try Self.create(place.path) } == .notAStore)
            #expect(!FileManager.default.fileExists(atPath: place.path + "/lock"))
        }
        #expect(place.contents == before)
    }

    @Test(arguments: [
        ["lock": "mine\n"], ["format.new": "mine\n"], ["index/mine": "x"], ["log/mine": "x"], ["log": "x"],
        ["index": "x"],
        ["log/0000000000.seg": "some text that is longer than a segment file's header, which has 64 bytes, or so"],
    ])
    func strangersFilesWithOurNamesAreLeftAlone(_ files: [String: String]) throws {
        let place = TemporaryPath()
        for (name, text) in files {
            let file = URL(fileURLWithPath: place.path + "/" + name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let before = place.contents
        #expect([.notAStore, .damaged].contains(code { _ = try Self.open(place.path) }))
        #expect([.notAStore, .damaged].contains(code { try Self.create(place.path) }))
        #expect(place.contents == before)
        let lock = try? String(contentsOfFile: place.path + "/lock", encoding: .utf8)
        #expect(lock == files["lock"])
    }

    @Test func aLockThatIsASymbolicLinkIsNotFollowed() throws {
        let place = TemporaryPath()
        let other = TemporaryPath()
        try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: true)
        try Data("mine\n".utf8).write(to: URL(fileURLWithPath: other.path))
        try FileManager.default.createSymbolicLink(atPath: place.path + "/lock", withDestinationPath: other.path)
        #expect(code { try Self.create(place.path) } == .notAStore)
        #expect(throws: SegmentError.self) { try FileLock(path: place.path + "/lock") }
        #expect(try String(contentsOfFile: other.path, encoding: .utf8) == "mine\n")
    }

    @Test func aCreationUnderWayIsLocked() throws {
        let place = TemporaryPath()
        try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: true)
        let lock = try FileLock(path: place.path + "/lock")
        #expect(code { _ = try Self.open(place.path) } == .locked(pid: getpid()))
        withExtendedLifetime(lock) {}
    }

    @Test func aPathIsSaidOnce() throws {
        let place = TemporaryPath()
        try Data([1]).write(to: URL(fileURLWithPath: place.path))
        do throws(LogError) {
            _ = try Self.open(place.path + "/below")
            Issue.record("opened")
        } catch {
            #expect(error.message.components(separatedBy: place.path).count == 2, "\(error.message)")
        }
    }

    @Test func theNoteOnATornTailNamesTheCopy() async throws {
        let place = TemporaryPath()
        try Self.create(place.path)
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: place.path + "/log/0000000000.seg"))
        try file.seek(toOffset: 32 << 10)
        try file.write(contentsOf: Data([1]))
        try file.close()
        let log = try Self.open(place.path)
        let note = try #require(log.openingNotes.first)
        #expect(note.contains("was not whole") && !note.contains("acknowledged"))
        #expect(note.contains(try #require(log.tornTail?.copy)))
        await log.close()
    }

    /// Whatever a creation left when it stopped, `open` says so and `create` completes it.
    @Test func anUnfinishedCreationIsCompleted() async throws {
        let whole = TemporaryPath()
        try Self.create(whole.path)
        let manager = FileManager.default
        for stage in 0..<6 {
            let place = TemporaryPath()
            try manager.createDirectory(atPath: place.path, withIntermediateDirectories: true)
            #expect(manager.createFile(atPath: place.path + "/lock", contents: nil))
            let log = place.path + "/log"
            if stage > 0 { try manager.createDirectory(atPath: log, withIntermediateDirectories: true) }
            if stage > 1 {
                try manager.createDirectory(atPath: place.path + "/index", withIntermediateDirectories: true)
            }
            if stage == 3 { #expect(manager.createFile(atPath: log + "/0000000000.seg.new", contents: Data([1, 2]))) }
            if stage > 3 {
                try manager.copyItem(atPath: whole.path + "/log/0000000000.seg", toPath: log + "/0000000000.seg")
            }
            if stage > 4 {
                #expect(manager.createFile(atPath: place.path + "/format.new", contents: Data("trib".utf8)))
            }
            #expect(code { _ = try Self.open(place.path) } == .unfinishedCreation)
            let other = (high: UInt64(7), low: UInt64(8))
            try EmbeddedLog.create(at: place.path, storeID: other, firstRecord: firstRecord)
            let opened = try Self.open(place.path)
            #expect(opened.storeID == other)
            #expect(try await opened.record(at: 0, in: 0)?.record == firstRecord)
            #expect(try await opened.bounds(of: 0) == 0..<1)
            await opened.close()
        }
    }

    @Test func aStoreThatLostItsFormatFileIsNotCreatedAnew() async throws {
        let place = TemporaryPath()
        try Self.create(place.path)
        let log = try Self.open(place.path)
        append(1, to: log)
        await log.close()
        try FileManager.default.removeItem(atPath: place.path + "/format")
        let before = place.contents
        #expect(code { try Self.create(place.path) } == .damaged)
        #expect(code { _ = try Self.open(place.path) } == .damaged)
        #expect(place.contents == before)
    }

    @Test func formatFiles() throws {
        let place = TemporaryPath()
        try Self.create(place.path)
        let cases: [(String, LogError.Code)] = [
            ("tributary directory format 2\nanything", .newerFormat),
            ("tributary directory format 0\nstore 01234567-89ab-4def-8899-aabbccddeeff\n", .damaged),
            ("tributary directory format x\n", .damaged),
            ("tributary directory format 1\nstore 01234567-89ab-4def-8899-aabbccddee\n", .damaged),
            ("tributary directory format 1\nstore 01234567-89AB-4def-8899-aabbccddeeff\n", .damaged),
            ("tributary directory format 1\nstore 01234567-89ab-4def-8899-aabbccddeeff", .damaged),
            ("tributary directory format 1\nstore 11234567-89ab-4def-8899-aabbccddeeff\n", .damaged),
            ("", .notAStore),
            ("{}", .notAStore),
        ]
        for (text, expected) in cases {
            try Data(text.utf8).write(to: URL(fileURLWithPath: place.path + "/format"))
            #expect(code { _ = try Self.open(place.path) } == expected, "\(text)")
        }
    }

    @Test func damageNamesFileAndPosition() throws {
        let place = TemporaryPath()
        try Self.create(place.path)
        let file = place.path + "/log/0000000000.seg"
        var bytes = try #require(FileManager.default.contents(atPath: file))
        bytes[70] ^= 1
        try bytes.write(to: URL(fileURLWithPath: file))
        let before = place.contents
        do {
            _ = try Self.open(place.path)
            Issue.record("opened")
        } catch {
            #expect(error.code == .damaged)
            #expect(error.message.contains(place.path) && error.message.contains("0000000000.seg, position 64"))
        }
        #expect(place.contents == before)
        try FileManager.default.removeItem(atPath: place.path + "/log")
        #expect(code { _ = try Self.open(place.path) } == .damaged)
    }

    @Test func aSecondOpenerInTheProcessIsToldThePid() async throws {
        let place = TemporaryPath()
        try Self.create(place.path)
        let log = try Self.open(place.path)
        #expect(code { _ = try Self.open(place.path) } == .locked(pid: getpid()))
        #expect(
            code { _ = try Self.open(place.path + "/../" + (place.path as NSString).lastPathComponent) }
                == .locked(pid: getpid()))
        await log.close()
        let again = try Self.open(place.path)
        await again.close()
        // A log that is dropped without a close lets go as well.
        _ = try Self.open(place.path)
        _ = try Self.open(place.path)
    }

    /// A child takes the lock with `flock`, and says so by its pid in the file.
    @Test func aSecondProcessIsToldThePid() async throws {
        let place = TemporaryPath()
        try Self.create(place.path)
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        child.arguments = [
            "--no-fork", place.path + "/lock", "sh", "-c", "echo $$ > \"$0\"; echo held; read line",
            place.path + "/lock",
        ]
        let output = Pipe()
        let input = Pipe()
        child.standardOutput = output
        child.standardInput = input
        try child.run()
        #expect(output.fileHandleForReading.availableData == Data("held\n".utf8))
        #expect(code { _ = try Self.open(place.path) } == .locked(pid: child.processIdentifier))
        #expect(code { try Self.create(place.path) } == .alreadyExists)
        input.fileHandleForWriting.closeFile()
        child.waitUntilExit()

        let log = try Self.open(place.path)
        let second = Process()
        second.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        second.arguments = ["--nonblock", "--conflict-exit-code", "9", place.path + "/lock", "true"]
        try second.run()
        second.waitUntilExit()
        #expect(second.terminationStatus == 9)
        #expect(try String(contentsOfFile: place.path + "/lock", encoding: .utf8) == "\(getpid())\n")
        await log.close()
    }

    /// No user, not even root, can make a directory there.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/sys/kernel"), "needs /sys"))
    func noPermission() throws {
        #expect(code { try Self.create("/sys/kernel/tributary") } == .noPermission)
    }
}
