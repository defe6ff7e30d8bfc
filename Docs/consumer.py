"""Tells accepted from rejected proposals of a Tributary store with nothing but its records.

Written from Docs/byte-format.md alone, as an example for consumers in any language; consumers.md explains it. It needs
Python 3.8 and no library:

    tributary cat --partition 0 | python3 consumer.py          prints the events that were accepted
    tributary cat | python3 consumer.py --compare              compares each decision with that of the store
    python3 consumer.py --golden rule-1.log                    the same with the log in Tests/AppendRuleTests/Golden
"""

import base64
import json
import struct
import sys

APPEND, METADATA, TOMBSTONE, CANCEL, BARRIER, STORE, UPGRADE = 1, 2, 3, 4, 5, 6, 7
ANY, NO_STREAM, EXISTS, EXACTLY = 0, 1, 2, 3
SOFT_DELETED = 2**63 - 1
# Decision codes. A foreign record has 32 and the reason.
ACCEPTED, ALREADY, ID_REUSED, KILLED, TOMBSTONED, CONFLICT, CANCELLED = 1, 2, 3, 4, 5, 6, 7
BARRIER_CODE, IDENTITY_CODE, FOREIGN = 16, 17, 32
NAMES = {
    ACCEPTED: "accepted", ALREADY: "alreadyAccepted", ID_REUSED: "idReused", KILLED: "killed",
    TOMBSTONED: "tombstoned", CONFLICT: "conflict", CANCELLED: "cancelled", BARRIER_CODE: "barrier",
    IDENTITY_CODE: "identity",
}


class Halt(Exception):
    """A record of a later version: nothing of this partition may be applied from here on."""


class Malformed(Exception):
    pass


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def murmur2(data):
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = k * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def need(condition):
    if not condition:
        raise Malformed()


def check_text(data, least, most):
    need(least <= len(data) <= most)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed() from None
    need(all(ord(c) >= 0x20 and not 0x7F <= ord(c) <= 0x9F for c in text))
    return text


class Header:
    """The fields of a value that has the magic, the checksum, the store and version 1."""

    def __init__(self, value):
        (self.kind, self.subject, self.expectation, self.expected_stream, self.reserved, self.attempt, _,
         self.expected, self.first_readable, self.count, self.partition) = struct.unpack_from("<BBBBHIQqqII", value, 14)
        self.value = value

    def parse(self, key):
        """Everything else that makes a record well-formed: row 13 of the table."""
        control = self.kind in (BARRIER, STORE, UPGRADE)
        need(self.expectation <= EXACTLY and self.expected_stream <= 1 and self.reserved == 0)
        if self.expectation == EXACTLY:
            need(0 <= self.expected <= 2**63 - 2)
        else:
            need(self.expected == -1)
        need(self.first_readable >= -1)
        need(self.subject in (APPEND, METADATA, TOMBSTONE) if self.kind == CANCEL else self.subject == self.kind)
        if self.subject != METADATA:
            need(self.expected_stream == 0 and self.first_readable == -1)
        if control:
            need(len(key) == 0 and self.attempt == 0 and self.expectation == ANY and self.count == 0)
        else:
            check_text(key, 1, 1024)
            need(self.partition == 0)
            need(self.count >= 1 if self.subject == APPEND else self.count == 1)
        need(len(key) + len(self.value) <= 2097152)
        body = 56 + 16 * max(1, self.count)
        end = len(self.value) - 4
        need(body <= end)
        self.ids = tuple(self.value[place:place + 16] for place in range(56, body, 16))
        self.events = []
        if self.kind in (APPEND, METADATA, TOMBSTONE):
            for _ in range(self.count):
                body = self.parse_event(body, end)
        elif self.kind == STORE:
            body = self.parse_identity(body, end)
        elif self.kind == UPGRADE:
            # One to a version above 1 has halted us; there is none below 2.
            raise Malformed()
        need(body == end)

    def parse_event(self, place, end):
        need(place + 20 <= end)
        (data, metadata, schema, type_, content, correlation, causation, flags, reserved) = struct.unpack_from(
            "<IIIHHBBBB", self.value, place)
        place += 20
        need(schema >= 1 and flags < 8 and reserved == 0)
        # What is not there has length 0.
        need((flags & 1 or metadata == 0) and (flags & 2 or correlation == 0) and (flags & 4 or causation == 0))
        parts = []
        for length in (type_, content, correlation, causation, data, metadata):
            need(place + length <= end)
            parts.append(self.value[place:place + length])
            place += length
        check_text(parts[2], 0, 128)
        check_text(parts[3], 0, 128)
        self.events.append({
            "type": check_text(parts[0], 1, 256), "contentType": check_text(parts[1], 1, 128), "data": parts[4],
            "metadata": parts[5] if flags & 1 else None, "schemaVersion": schema,
        })
        return place

    def parse_identity(self, place, end):
        need(place + 41 <= end)
        need(self.value[place:place + 8] == self.value[6:14])
        partitions, rule = struct.unpack_from("<II", self.value, place + 16)
        need(1 <= partitions < 2**31 and rule >= 1)
        length = self.value[place + 40]
        need(place + 41 + length <= end)
        check_text(self.value[place + 41:place + 41 + length], 1, 32)
        return place + 41 + length


class Stream:
    """What has to be kept of a stream, for ever."""

    def __init__(self):
        self.current = -1
        self.metadata_current = -1
        self.first_readable = 0
        self.tombstoned = False
        self.begins = {}  # first version -> ids, of every accepted append
        self.others = {}  # append id -> (kind, ids, first version), of all accepted but appends that expected exactly
        self.killed = {}  # append id -> highest attempt


class Partition:
    def __init__(self, number, partitions, store):
        """store: the first eight bytes of the store's UUID, from the identity at offset 0 of partition 0."""
        self.number, self.partitions, self.store = number, partitions, store
        self.streams = {}
        self.has_begun = False

    def apply(self, key, value):
        """Applies the next record. Returns its decision code, first version (or -1), and header (or None)."""
        reason, header = self.check(key, value)
        if reason:
            return FOREIGN + reason, -1, None
        if header.kind == STORE:
            self.has_begun = True
            return IDENTITY_CODE, -1, header
        if header.kind == BARRIER:
            return BARRIER_CODE, -1, header
        code, first = self.decide(self.streams.setdefault(key, Stream()), header)
        return code, first, header

    def check(self, key, value):
        """The table of what is foreign, and what halts, in its order."""
        if value is None:
            return 1, None
        if len(value) < 18:
            return 2, None
        if value[:4] != b"TRIB":
            return 3, None
        if struct.unpack("<I", value[-4:])[0] != crc32c((key or b"") + value[:-4]):
            return 4, None
        if value[6:14] != self.store:
            return 5, None
        if value[4:6] != b"\x01\x00":
            raise Halt("format version %d" % struct.unpack_from("<H", value, 4))
        if len(value) < 76 or not APPEND <= value[14] <= UPGRADE:
            return 9, None
        header = Header(value)
        if header.kind == UPGRADE and len(value) == 80 and struct.unpack_from("<I", value, 72)[0] > 1:
            raise Halt("rule version %d" % struct.unpack_from("<I", value, 72))
        control = header.kind in (BARRIER, STORE, UPGRADE)
        if control and header.partition != self.number:
            return 6, None
        if key is None:
            return 7, None
        if not control and (murmur2(key) & 0x7FFFFFFF) % self.partitions != self.number:
            return 6, None
        metadata = header.kind == METADATA or header.kind == CANCEL and header.subject == METADATA
        if not control and (key == b"$store" or key.startswith(b"$$") or metadata and key.startswith(b"$")):
            return 8, None
        try:
            header.parse(key)
        except Malformed:
            return 9, None
        if not self.has_begun and header.kind != STORE:
            return 10, None
        return 0, header

    def accepted_before(self, stream, header):
        """The accepted record that this one repeats, or None: (kind, ids, first version)."""
        if header.subject == APPEND and header.expectation == EXACTLY:
            ids = stream.begins.get(header.expected + 1)
            return (APPEND, ids, header.expected + 1) if ids and ids[0] == header.ids[0] else None
        return stream.others.get(header.ids[0])

    def decide(self, stream, header):
        """The append rule."""
        append_id = header.ids[0]
        killed = stream.killed.get(append_id, -1)
        before = self.accepted_before(stream, header)
        is_same = before is not None and before[:2] == (header.subject, header.ids)
        if header.kind == CANCEL:
            stream.killed[append_id] = max(killed, header.attempt)
            return CANCELLED, before[2] if is_same else -1
        if before is not None:
            return (ALREADY, before[2]) if is_same else (ID_REUSED, -1)
        if header.attempt <= killed:
            return KILLED, -1
        if stream.tombstoned:
            return TOMBSTONED, -1
        if not self.holds(stream, header):
            current = stream.metadata_current if header.expected_stream else stream.current
            if not (header.expectation == EXACTLY and header.expected < current):
                stream.killed[append_id] = header.attempt
            return CONFLICT, -1
        return ACCEPTED, self.accept(stream, header)

    def holds(self, stream, header):
        current = stream.metadata_current if header.expected_stream else stream.current
        there = current >= 0 and (header.expected_stream == 1 or stream.first_readable != SOFT_DELETED)
        return {ANY: True, NO_STREAM: not there, EXISTS: there, EXACTLY: header.expected == current}[header.expectation]

    def accept(self, stream, header):
        if header.kind == METADATA:
            first = stream.metadata_current = stream.metadata_current + 1
            if header.first_readable >= 0:
                stream.first_readable = header.first_readable
        else:
            first = stream.current + 1
            stream.current += header.count
            if header.kind == APPEND and stream.first_readable == SOFT_DELETED:
                stream.first_readable = first
            if header.kind == TOMBSTONE:
                stream.tombstoned = True
        if header.kind == APPEND:
            stream.begins[first] = header.ids
        if header.kind != APPEND or header.expectation != EXACTLY:
            stream.others[header.ids[0]] = (header.kind, header.ids, first)
        return first


def name_of(code):
    return NAMES.get(code, "foreign")


def from_cat(lines):
    """Partition, key, value, and what the store decided, of each line of `tributary cat`."""
    for line in lines:
        entry = json.loads(line)
        key = entry.get("key")
        key = base64.b64decode(entry["keyBase64"]) if "keyBase64" in entry else key if key is None else key.encode()
        value = entry["valueBase64"]
        value = value if value is None else base64.b64decode(value)
        first = entry["firstVersion"]
        yield entry["partition"], key, value, entry["decision"].split(":")[0], -1 if first is None else first


def identity(value):
    """Of the record at offset 0 of partition 0: the store's prefix and the number of partitions."""
    return value[6:14], struct.unpack_from("<I", value, 72 + 16)[0]


def run_cat(compare):
    partitions, count, wrong, store = {}, 0, 0, None
    for number, key, value, decision, first in from_cat(sys.stdin):
        if store is None:
            store, of_all = identity(value)
        partition = partitions.setdefault(number, Partition(number, of_all, store))
        code, version, header = partition.apply(key, value)
        count += 1
        if compare:
            if (name_of(code), version) != (decision, first):
                wrong += 1
                print("record %d: %s %d, the store says %s %d" % (count, name_of(code), version, decision, first))
        elif code == ACCEPTED:
            name = ("$$" if header.kind == METADATA else "") + key.decode()
            for place, event in enumerate(header.events):
                print(json.dumps({"stream": name, "version": version + place, "type": event["type"]}))
    if compare:
        print("%d records, %d differences" % (count, wrong))
    return 1 if wrong else 0


def run_golden(path):
    """A channel with the decisions in it, in the form from which digests are made."""
    log = open(path, "rb").read()
    partition = Partition(2, 4, bytes.fromhex("123456789abc4def"))
    place, count, wrong, seen = 0, 0, 0, {}
    while place < len(log):
        key_length, value_length, _, code, first = struct.unpack_from("<iiqIq", log, place)
        place += 28
        key = None if key_length < 0 else log[place:place + key_length]
        place += max(0, key_length)
        value = None if value_length < 0 else log[place:place + value_length]
        place += max(0, value_length)
        decided = partition.apply(key, value)[:2]
        if decided != (code, first):
            wrong += 1
            print("record %d: %d %d, the log says %d %d" % ((count,) + decided + (code, first)))
        seen[code] = seen.get(code, 0) + 1
        count += 1
    print("%d records of %d kinds of decision, %d differences" % (count, len(seen), wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--golden":
        sys.exit(run_golden(sys.argv[2]))
    sys.exit(run_cat(compare=sys.argv[1:] == ["--compare"]))
