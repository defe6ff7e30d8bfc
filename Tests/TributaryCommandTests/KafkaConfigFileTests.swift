import Foundation
import Testing
import TributaryKafka

@testable import TributaryCommand

private func problem(_ text: String) -> String? {
    do throws(Failure) {
        try KafkaConfigFile(Array(text.utf8), name: "f").check(KafkaLocation("h:1"))
        return nil
    } catch {
        #expect(error.code == .badInput)
        return error.message
    }
}

@Suite struct KafkaConfigFileTests {
    @Test func readsWhatKafkasClientsRead() throws {
        let text = """
            \u{feff}# comment
              security.protocol = ssl\r
            \t# another
            sasl.password=a=b #c

            ssl.ca.location=
            """
        let file = try KafkaConfigFile(Array(text.utf8), name: "f")
        #expect(
            file.properties == ["security.protocol": "ssl", "sasl.password": "a=b #c", "ssl.ca.location": ""])
        #expect(try KafkaConfigFile([], name: "f").properties.isEmpty)
    }

    @Test func saysFileAndLine() {
        #expect(
            problem("\n\nsecurity.protocol\n") == "f line 3: there is no = : each line is name=value, or begins with #")
        #expect(problem("=x") == "f line 1: there is no name before the =")
        #expect(problem("linger.ms=1\nlinger.ms = 2") == "f line 2: linger.ms was given on line 1 already")
        #expect(problem("linger.ms=1\u{0}2") == "f line 1: there is a control character in it")
        #expect(problem("linger.ms=1\n#\nno.such.property=1")?.hasPrefix("f line 3: ") == true)
        #expect(problem("linger.ms=soon")?.hasPrefix("f line 1: ") == true)
    }

    @Test func whatTheStoreSetsItselfIsRefused() {
        for name in ["acks", "group.id", "bootstrap.servers", "enable.auto.commit", "transactional.id"] {
            let message = problem("linger.ms=0\n\(name)=1") ?? ""
            #expect(message.hasPrefix("f line 2: the property \(name) is not for you to set: "), "\(message)")
        }
        #expect(problem("enable.ssl.certificate.verification=false")?.contains("--allow-unverified-servers") == true)
        #expect(problem("ssl.endpoint.identification.algorithm=none")?.hasPrefix("f line 1: ") == true)
    }

    /// Also where the line is wrong in more than the value.
    @Test(arguments: [
        "sasl.password hunter2", "=hunter2", "sasl.password=x\nsasl.password=hunter2", "sasl.pasword=hunter2",
        "sasl.password=hunter2\u{1}", "ssl.key.password=hunter2\u{0}", "ssl.key.pem.x=hunter2",
    ])
    func neverShowsASecret(_ text: String) throws {
        let message = try #require(problem(text))
        #expect(!message.contains("hunter2"))
    }

    @Test func filesThatCannotBeUsed() throws {
        let directory = try TemporaryDirectory()
        for (path, words) in [
            (directory.path + "/none", "cannot open"), (directory.path, "cannot read"),
            (try directory.file("latin", [0x61, 0x3d, 0xe9]), "not valid UTF-8"),
            (try directory.file("large", [UInt8](repeating: 0x23, count: (1 << 20) + 1)), "more than 1 MiB"),
        ] {
            do throws(Failure) {
                _ = try KafkaConfigFile(path: path)
                Issue.record("\(path) was read")
            } catch {
                #expect(error.code == .badInput)
                #expect(error.message.contains(path) && error.message.contains(words), "\(error.message)")
            }
        }
    }
}
