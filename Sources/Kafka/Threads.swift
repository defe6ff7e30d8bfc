// A thread that can be waited for. The client library blocks; Swift's cooperative pool must not.

import Foundation

/// A thread of the operating system with a name.
final class KafkaThread: Sendable {
    private let done = DispatchSemaphore(value: 0)

    init(name: String, _ body: @escaping @Sendable () -> Void) {
        let done = done
        let thread = Thread {
            // The system learns a name only from the thread itself.
            Thread.current.name = name
            body()
            done.signal()
        }
        thread.start()
    }

    /// Blocks until the body has returned; false when `patience` passed first. Any number may wait.
    @discardableResult
    func join(within patience: Duration? = nil) -> Bool {
        let end = patience.map { DispatchTime.now() + .milliseconds(Int($0.milliseconds32)) } ?? .distantFuture
        guard done.wait(timeout: end) == .success else { return false }
        // For the next who waits.
        done.signal()
        return true
    }
}
