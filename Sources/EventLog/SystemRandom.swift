import Glibc
import Synchronization

/// Random numbers of the system, fetched many at a time: a call for each costs more than all else that an id needs.
public enum SystemRandom {
    private static let fetched = Mutex<[UInt64]>([])

    /// Any number. From any thread.
    public static func next() -> UInt64 {
        fetched.withLock { numbers in
            if numbers.isEmpty { numbers = fetch() }
            return numbers.removeLast()
        }
    }

    /// Any number but 0.
    public static func nextNonzero() -> UInt64 {
        while true {
            let number = next()
            if number != 0 { return number }
        }
    }

    private static func fetch() -> [UInt64] {
        unsafe [UInt64](unsafeUninitializedCapacity: LogLimits.randomNumbers) { buffer, count in
            // At most 256 bytes: these come whole.
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            while unsafe getentropy(bytes.baseAddress!, bytes.count) != 0 {}
            count = LogLimits.randomNumbers
        }
    }
}
