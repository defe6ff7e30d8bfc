// The lines of the README on Kafka: compiled, and compared with it.

// README begin
import Tributary
import TributaryKafka

// README end

func openOnKafka() async throws -> EventStore {
    // README begin
    let shop = try await EventStore.open(.kafka("localhost:9092", store: "shop", index: "./index"))
    // README end
    return shop
}
