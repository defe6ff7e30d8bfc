// What the process holds.

import Glibc

/// Memory that was taken from the allocator and not given back, in bytes. What the allocator itself keeps for later is
/// left out: with many threads that is most of a process's size, and changes by megabytes.
public func bytesInUse() -> Int {
    // Swift's module of the C library leaves this call out.
    typealias Call = @convention(c) (Int32, UnsafeMutableRawPointer) -> Int32
    guard let call = dlsym(UnsafeMutableRawPointer(bitPattern: 0), "malloc_info"), let file = tmpfile() else {
        return 0
    }
    defer { fclose(file) }
    _ = unsafeBitCast(call, to: Call.self)(0, UnsafeMutableRawPointer(file))
    rewind(file)
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let text = {
        let count = fread(&bytes, 1, 1 << 20, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }()
    // Behind the heaps are the totals, as <total type="rest" count="3" size="4096"/>.
    let totals = text.split(separator: "</heap>").last ?? ""
    func total(_ name: String) -> Int {
        guard let line = totals.split(separator: "\n").first(where: { $0.hasPrefix("<\(name)") }) else { return 0 }
        return line.split(separator: "size=\"").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
    }
    return total("system type=\"current\"") + total("total type=\"mmap\"") - total("total type=\"rest\"")
        - total("total type=\"fast\"")
}

/// The threads of this process.
public func threadCount() -> Int {
    var count = 0
    guard let directory = opendir("/proc/self/task") else { return 0 }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
        if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 }
    }
    return count
}

/// Threads of the client library, by their names.
public func kafkaThreads() -> [String] {
    guard let directory = opendir("/proc/self/task") else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let number = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        guard let file = fopen("/proc/self/task/\(number)/comm", "r") else { continue }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 64)
        guard fgets(&line, 64, file) != nil else { continue }
        let name = String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if name.hasPrefix("rdk") { names.append(name) }
    }
    return names.sorted()
}
