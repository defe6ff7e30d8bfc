// The program of the README. What stands between the marks is compared with it: change both.

// README begin
import Tributary

// README end

/// - Parameter path: takes the place of the README's "./data".
func firstProgram(_ path: String, print: (Any...) -> Void) async throws {
    // README begin
    struct OrderPlaced: EventPayload {
        static let eventType = "OrderPlaced"
        let item: String
    }

    let store = try await EventStore.open(.directory(path))
    let order = try StreamName("Order-42")

    // One event more, whatever is there. Its data is JSON, its id a new UUID.
    let placed = try NewEvent(OrderPlaced(item: "tea"))
    let done = try await store.append(placed, to: order)
    print("stored as version", done.versions.lowerBound)

    // The same append again, as after a lost answer: nothing is stored twice.
    let again = try await store.append(placed, to: order)
    print("a repeat:", again.isRepeat, "of version", again.versions.lowerBound)

    // A decision that was made before all this: refused.
    do {
        _ = try await store.append(NewEvent(OrderPlaced(item: "milk")), to: order, expecting: .noStream)
    } catch AppendError.conflict(let conflict) {
        print("the stream is at version", conflict.actual, "by now; new to us:", conflict.newerEvents.count)
    }

    for try await event in store.read(order) {
        print(event.version, event.type, try event.decode(OrderPlaced.self).item)
    }
    await store.close()
    // README end
}
