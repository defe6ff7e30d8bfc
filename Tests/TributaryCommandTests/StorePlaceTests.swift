import Testing
import Tributary
import TributaryKafka

@testable import TributaryCommand

/// What a command line and an environment lead to: the place in short, or the message.
private func place(_ own: [String], global: [String] = [], _ variables: [String: String] = [:]) throws -> String {
    func parse(_ words: [String]) throws -> Arguments {
        try OptionParser.parse(words.map { Array($0.utf8) }, options: Option.ofStore)
    }
    let values = StoreOptionValues(own: try parse(own), global: try parse(global))
    do throws(Failure) {
        switch try StorePlace(values, { variables[$0] }) {
        case .directory(let path): return "directory \(path)"
        case .kafka(let location):
            let flags = [
                location.allowsUnverifiedTopics ? " topics" : "", location.acceptsUnverifiedServers ? " servers" : "",
            ]
            return "kafka \(location.servers) \(location.store) \(location.index ?? "nil")" + flags.joined()
        }
    } catch {
        #expect(error.code == .badInput)
        return error.message
    }
}

@Suite struct StorePlaceTests {
    @Test func optionsSayWhere() throws {
        #expect(try place([]) == "directory ./tributary-data")
        #expect(try place(["--data", "d"]) == "directory d")
        #expect(try place([], global: ["--data", "d"]) == "directory d")
        #expect(try place(["--data", "own"], global: ["--data", "global"]) == "directory own")
        #expect(try place(["--kafka", "h:1,g:2"]) == "kafka h:1,g:2 tributary ./tributary-index/tributary")
        #expect(try place(["-k", "h:1", "--store", "shop"]) == "kafka h:1 shop ./tributary-index/shop")
        #expect(
            try place(["--store", "s", "--index", "i"], global: ["--kafka", "h:1", "--store", "t"]) == "kafka h:1 s i")
        #expect(
            try place(["--kafka", "h:1", "--allow-unverified-topics", "--allow-unverified-servers"])
                == "kafka h:1 tributary ./tributary-index/tributary topics servers")
    }

    @Test func theEnvironmentSaysWhere() throws {
        #expect(try place([], ["TRIBUTARY_DATA": "d"]) == "directory d")
        let kafka = ["TRIBUTARY_KAFKA": "h:1", "TRIBUTARY_STORE": "s", "TRIBUTARY_INDEX": "i"]
        #expect(try place([], kafka) == "kafka h:1 s i")
        #expect(try place(["--store", "t", "--index", "j"], kafka) == "kafka h:1 t j")
        #expect(try place(["--kafka", "g:2"], kafka) == "kafka g:2 s i")
        #expect(try place(["--data", "d"], kafka) == "directory d")
        // What belongs to a store that is not meant is no mistake.
        #expect(try place([], ["TRIBUTARY_STORE": "s", "TRIBUTARY_INDEX": "i"]) == "directory ./tributary-data")
    }

    @Test func twoStoresAreOneTooMany() throws {
        let both = ["TRIBUTARY_KAFKA": "h:1", "TRIBUTARY_DATA": "d"]
        #expect(try place([], both).hasPrefix("TRIBUTARY_KAFKA and TRIBUTARY_DATA are both set"))
        #expect(try place(["--kafka", "g:2"], both) == "kafka g:2 tributary ./tributary-index/tributary")
        #expect(try place(["--data", "e"], both) == "directory e")
        #expect(try place(["--kafka", "h:1", "--data", "d"]).hasPrefix("--kafka and --data"))
        #expect(try place(["--kafka", "h:1"], global: ["--data", "d"]).hasPrefix("--kafka and --data"))
    }

    @Test(arguments: [
        ["--store", "s"], ["--index", "i"], ["--kafka-config", "f"], ["--allow-unverified-topics"],
        ["--allow-unverified-servers"],
    ])
    func whatIsOfKafkaGoesWithKafka(_ options: [String]) throws {
        #expect(try place(options).hasPrefix("\(options[0]) goes with --kafka"))
        #expect(try place(options + ["--data", "d"]).hasPrefix("\(options[0]) goes with --kafka"))
        #expect(try place([], global: options, ["TRIBUTARY_DATA": "d"]).hasPrefix("\(options[0]) goes with --kafka"))
    }

    @Test func namesThatNameNothingAreRefused() throws {
        #expect(try place(["--kafka", ""]) == "--kafka needs HOST:PORT,…")
        #expect(try place(["--data", ""]) == "--data needs DIR")
        #expect(try place(["--kafka", ","]).contains("no Kafka server was named"))
        for store in ["a b", "ü", "a/b", String(repeating: "s", count: 243)] {
            #expect(try place(["--kafka", "h:1", "--store", store]).contains("cannot name a store"))
        }
        #expect(try place(["--kafka", "h:1", "--store", String(repeating: "s", count: 242)]).hasPrefix("kafka "))
    }
}
