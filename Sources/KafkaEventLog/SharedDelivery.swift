// The delivery of a log, which two threads carry on, one at a time.

import Kafka
import Synchronization

/// Whoever has the lock delivers: the log's thread what it reads, the producer's what was acknowledged a moment ago, so
/// that a lone append waits neither for the record's way back nor for one more thread to wake.
final class SharedDelivery: Sendable {
    /// nil: not begun, or over.
    private let delivery = Mutex<Delivery?>(nil)

    /// The log's thread, until the log is closed and what it stored is delivered.
    ///
    /// - Parameter writesAfterRestart: see `KafkaPlace`.
    func run(_ reader: KafkaReader, writesAfterRestart: Bool, _ make: () -> Delivery) {
        delivery.withLock {
            $0 = make()
            $0?.begin(writesAfterRestart: writesAfterRestart)
        }
        while delivery.withLock({ $0?.heed() == true }) {
            reader.whenReady(within: KafkaLogLimits.readWait) { all in
                delivery.withLock { $0?.read(all) }
            }
        }
        delivery.withLock {
            $0?.end()
            $0 = nil
        }
    }

    /// On the producer's thread; false: the log's thread is at it, and has to look once more.
    func deliverAcknowledged() -> Bool {
        delivery.withLockIfAvailable { $0?.deliverAcknowledged() } != nil
    }
}
