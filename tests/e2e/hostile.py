# SPDX-License-Identifier: Apache-2.0
"""What no driver does, on either ring: a table of crimes, and the front end that commits them one a session.

A crime is a chain of (address, length, flags), laid out from the ring's first entry as a driver would do it, and what
is wrong with it besides. It must break the queue for a cause that the log names, or be answered with a status."""

import os
import select
import struct
from dataclasses import dataclass, field

import driver
from driver import DATA, DISCARD, HEADER, IN, IOERR, NEXT, OK, OUT, RING, SIZE, STATUS, UNSUPP, WRITABLE, WRITE_ZEROES

F_INDIRECT, F_EVENT_IDX, F_DISCARD, F_WRITE_ZEROES, F_PACKED = 1 << 28, 1 << 29, 1 << 13, 1 << 14, 1 << 34
SET_VRING_ERR = 14
INDIRECT, AVAILABLE = 4, 1 << 7     # of a packed ring's first round
TABLE = 0x4000                      # where an indirect table lies
RANGES = 0x5000                     # and what a discard reads
SECTORS = 2 * 64 * 1024             # of the disk: 64 MiB
GONE = SIZE + 0x100000              # where no memory is
RINGS = ("split", "packed")

HEAD, TAIL = (HEADER, 16, 0), (STATUS, 1, WRITABLE)


@dataclass
class Crime:
    name: str
    cause: str = ""                 # words of the log line; "": it does not break the queue, but gets this status
    status: int = 0
    chain: list = field(default_factory=lambda: [HEAD, (DATA, 4096, WRITABLE), TAIL])
    kind: int = IN
    sector: int = 0
    table: list = ()                # entries of an indirect table, linked in their order
    next: dict = field(default_factory=dict)        # split: an entry's successor, if it is not the next one
    table_next: dict = field(default_factory=dict)
    head: int = 0                   # split: where the chain begins; packed: its id
    ahead: int = 1                  # split: how far the available index is raised
    again: bool = False             # the chain is made available twice
    endless: bool = False           # the last entry has NEXT as well
    ranges: list = ()               # of a discard: sector, count, flags
    rings: tuple = RINGS
    features: int = F_INDIRECT | F_EVENT_IDX


def ranges(count):
    return [(8 * i, 8, 0) for i in range(count)]


def range_chain(count):
    return [HEAD, (RANGES, 16 * count, 0), TAIL]


def table_of(length):
    return [(TABLE, length, INDIRECT)]


SPLIT, PACKED = ("split",), ("packed",)
OUTSIDE, TABLE_OUTSIDE = "points outside guest memory", "table outside guest memory"

RING_CRIMES = [
    Crime("loop of one", "a loop", next={0: 0}, rings=SPLIT),
    Crime("loop of three", "a loop", endless=True, next={2: 1}, chain=[HEAD] * 3, rings=SPLIT),
    Crime("loop in a table", "a loop", chain=table_of(32), table=[HEAD, HEAD], table_next={1: 0}, rings=SPLIT),
    Crime("chain without an end", "was not made available", endless=True, rings=PACKED),
    Crime("chain as long as the ring without an end", "than the ring has", chain=[HEAD] * RING, endless=True,
          rings=PACKED),
    Crime("head beyond the table", "starts beyond the descriptor table", head=RING, rings=SPLIT),
    Crime("head far beyond the table", "starts beyond the descriptor table", head=65535, rings=SPLIT),
    Crime("id beyond the ring", "id that is not below the queue size", head=RING, rings=PACKED),
    Crime("id far beyond the ring", "id that is not below the queue size", head=65535, rings=PACKED),
    Crime("next beyond the table", "next lies beyond its table", next={1: RING}, rings=SPLIT),
    Crime("next beyond an indirect table", "next lies beyond its table", chain=table_of(48), table=[HEAD, HEAD, TAIL],
          table_next={1: 3}, rings=SPLIT),
    Crime("index too far ahead", "ahead by more than the queue size", ahead=RING + 1, rings=SPLIT),
    Crime("index behind", "ahead by more than the queue size", ahead=65535, rings=SPLIT),
    Crime("made available twice", "made available twice", again=True),
    Crime("length 0", "length 0", chain=[HEAD, (DATA, 0, WRITABLE), TAIL]),
    Crime("length 0 in a table", "length 0", chain=table_of(48), table=[HEAD, (DATA, 0, WRITABLE), TAIL]),
    Crime("as long as can be", OUTSIDE, chain=[HEAD, (DATA, 0xffffffff, WRITABLE), TAIL]),
    Crime("one byte out of memory", OUTSIDE, chain=[HEAD, (SIZE - 4095, 4096, WRITABLE), TAIL]),
    Crime("outside memory", OUTSIDE, chain=[HEAD, (GONE, 4096, WRITABLE), TAIL]),
    Crime("the monitor's address", OUTSIDE, chain=[HEAD, (driver.USER, 4096, WRITABLE), TAIL]),
    Crime("around the address space", "wraps around", chain=[HEAD, (2**64 - 512, 1024, WRITABLE), TAIL]),
    Crime("status outside memory", OUTSIDE, chain=[HEAD, (DATA, 512, WRITABLE), (GONE, 1, WRITABLE)]),
    Crime("header outside memory", OUTSIDE, chain=[(GONE, 16, 0), (DATA, 512, WRITABLE), TAIL]),
    Crime("table in a table", "inside an indirect table", chain=table_of(16), table=table_of(16)),
    Crime("table of an odd length", "not a multiple of 16", chain=table_of(47), table=[HEAD, HEAD, TAIL]),
    Crime("table of length 0", "not a multiple of 16", chain=table_of(0)),
    Crime("table with a next one", "with a next one", chain=[*table_of(48), TAIL], rings=SPLIT),
    Crime("table with a next one, packed", "in a chain with others", chain=[*table_of(48), TAIL], rings=PACKED),
    Crime("table outside memory", TABLE_OUTSIDE, chain=[(GONE, 48, INDIRECT)]),
    Crime("table out of memory by one entry", TABLE_OUTSIDE, chain=[(SIZE - 32, 48, INDIRECT)]),
    Crime("table of almost 4 GiB", TABLE_OUTSIDE, chain=table_of(2**32 - 16)),
    Crime("table not negotiated", "was not negotiated", chain=table_of(48), table=[HEAD, HEAD, TAIL], features=0),
    Crime("more segments than offered", "more segments than were offered", chain=table_of(16 * 200),
          table=[HEAD, *[(DATA, 512, WRITABLE)] * 198, TAIL]),
    Crime("readable after writable", "readable descriptor after", chain=[HEAD, (DATA, 512, WRITABLE), (STATUS, 1, 0)]),
    Crime("writable before the header", "readable descriptor after", chain=[TAIL, HEAD]),
]

BLOCK_CRIMES = [
    Crime("no header", "without a complete header", chain=[(DATA, 512, WRITABLE), TAIL]),
    Crime("header of 15 bytes", "without a complete header", chain=[(HEADER, 15, 0), TAIL]),
    Crime("no status", "without a byte for its status", kind=OUT, chain=[HEAD, (DATA, 512, 0)]),
    Crime("header alone", "without a byte for its status", chain=[HEAD]),
    Crime("header in pieces", status=OK, chain=[(HEADER, 1, 0), (HEADER + 1, 7, 0), (HEADER + 8, 8, 0),
                                                (DATA, 512, WRITABLE), TAIL]),
    Crime("511 bytes", status=IOERR, chain=[HEAD, (DATA, 511, WRITABLE), TAIL]),
    Crime("513 bytes in pieces", status=IOERR, chain=[HEAD, (DATA, 512, WRITABLE), (DATA + 600, 1, WRITABLE), TAIL]),
    Crime("read beyond the end", status=IOERR, sector=SECTORS),
    Crime("read across the end", status=IOERR, sector=SECTORS - 7),
    Crime("write across the end", status=IOERR, sector=SECTORS - 7, kind=OUT, chain=[HEAD, (DATA, 4096, 0), TAIL]),
    Crime("segments that end beyond the end together", status=IOERR, sector=SECTORS - 8,
          chain=[HEAD, *[(DATA, 4096, WRITABLE)] * 2, TAIL]),
    Crime("sector that wraps", status=IOERR, sector=2**64 - 1),
    Crime("sector whose byte wraps", status=IOERR, sector=2**55),
    Crime("discard without a range", status=IOERR, kind=DISCARD, chain=[HEAD, TAIL]),
    Crime("discard of half a range", status=IOERR, kind=DISCARD, ranges=ranges(1), chain=[HEAD, (RANGES, 8, 0), TAIL]),
    Crime("discard of 17 ranges", status=IOERR, kind=DISCARD, ranges=ranges(17), chain=range_chain(17)),
    Crime("discard with unmap", status=UNSUPP, kind=DISCARD, ranges=[(0, 8, 1)], chain=range_chain(1)),
    Crime("discard with unknown flags", status=UNSUPP, kind=DISCARD, ranges=[(0, 8, 0x80000000)], chain=range_chain(1)),
    Crime("discard beyond the end", status=IOERR, kind=DISCARD, ranges=[(SECTORS - 4, 8, 0)], chain=range_chain(1)),
    Crime("discard far beyond the end", status=IOERR, kind=DISCARD, ranges=[(2**64 - 8, 8, 0)], chain=range_chain(1)),
    Crime("discard of everything and more", status=IOERR, kind=DISCARD, ranges=[(0, 2**32 - 1, 0)],
          chain=range_chain(1)),
    Crime("write-zeroes with unknown flags", status=UNSUPP, kind=WRITE_ZEROES, ranges=[(0, 8, 2)],
          chain=range_chain(1)),
    Crime("write-zeroes, the last of two beyond the end", status=IOERR, kind=WRITE_ZEROES,
          ranges=[(0, 8, 0), (SECTORS, 8, 0)], chain=range_chain(2)),
    Crime("unknown type", status=UNSUPP, kind=99),
    Crime("a type with all bits", status=UNSUPP, kind=0xffffffff, chain=[HEAD, (DATA, 512, 0), TAIL]),
]

READ_ONLY_CRIMES = [
    Crime("write to a read-only disk", status=IOERR, kind=OUT, chain=[HEAD, (DATA, 512, 0), TAIL]),
    Crime("discard on a read-only disk", status=IOERR, kind=DISCARD, ranges=ranges(1), chain=range_chain(1)),
    Crime("write-zeroes on a read-only disk", status=IOERR, kind=WRITE_ZEROES, ranges=ranges(1), chain=range_chain(1)),
]


class HostileDisk(driver.Disk):
    """A session of its own with a fresh ring, and no scruples."""

    def __init__(self, path, ring, features):
        self.packed = ring == "packed"
        self.err = os.eventfd(0)
        # neither F_RO nor the bits for what a read-only disk does not offer: the device has to look itself
        super().__init__(path, features=features | F_DISCARD | F_WRITE_ZEROES | (F_PACKED if self.packed else 0))

    def _start(self):
        self.tell(SET_VRING_ERR, struct.pack("<Q", 0), [self.err])
        super()._start()

    def first_base(self):
        return 0x80008000 if self.packed else 0

    def close(self):
        super().close()
        os.close(self.err)

    def _descriptor(self, at, part, following, packed_id, marks):
        address, length, flags = part
        if self.packed:
            data = struct.pack("<QIHH", address, length, packed_id, flags | marks | (NEXT if following else 0))
        else:
            data = struct.pack("<QIHH", address, length, flags | (NEXT if following is not None else 0), following or 0)
        # the first entry's flags come last: a device that polls may be looking
        self.memory[at + 14:at + 16] = b"\0\0" if self.packed else data[14:]
        self.memory[at:at + 14] = data[:14]
        return at + 14, data[14:]

    def _lay(self, crime):
        """The chain, from the first entry on. In a packed ring that makes it available."""
        last = len(crime.chain) - 1
        flags = []
        for _ in range(2 if crime.again and self.packed else 1):
            for i, part in enumerate(crime.chain):
                more = i < last or crime.endless
                following = more if self.packed else crime.next.get(i, i + 1 if more else None)
                flags.append(self._descriptor(driver.DESC + 16 * len(flags), part, following, crime.head, AVAILABLE))
        for at, word in reversed(flags):
            self.memory[at:at + 2] = word

    def _lay_table(self, crime):
        last = len(crime.table) - 1
        for i, part in enumerate(crime.table):
            following = crime.table_next.get(i, i + 1 if i < last else None)
            if self.packed:
                following = False
            at, word = self._descriptor(TABLE + 16 * i, part, following, 0, 0)
            self.memory[at:at + 2] = word

    def commit(self, crime):
        self.memory[HEADER:HEADER + 16] = struct.pack("<IIQ", crime.kind, 0, crime.sector)
        self.memory[STATUS] = 0xff
        for i, one in enumerate(crime.ranges):
            struct.pack_into("<QII", self.memory, RANGES + 16 * i, *one)
        self._lay_table(crime)
        self._lay(crime)
        if not self.packed:
            for i in range(2 if crime.again else 1):
                struct.pack_into("<H", self.memory, driver.AVAIL + 4 + 2 * i, crime.head)
            ahead = crime.ahead + crime.again
            self.memory[driver.AVAIL + 2:driver.AVAIL + 4] = struct.pack("<H", ahead & 0xffff)
        os.eventfd_write(self.kick, 1)

    def wait_broken(self):
        ready, _, _ = select.select([self.err], [], [], self.timeout)
        if not ready:
            raise driver.DriverError("the queue was not broken")
        os.eventfd_read(self.err)

    def is_broken(self):
        return bool(select.select([self.err], [], [], 0)[0])

    def wait_status(self):
        """The status byte, once the first request has come back."""
        while True:
            flags, = struct.unpack_from("<H", self.memory, driver.DESC + 14)
            if (flags >> 15) if self.packed else self._used() != 0:
                return self.memory[STATUS]
            if self.is_broken():
                raise driver.DriverError("the queue was broken")
            self.wait_for_call()


def applicable(crimes):
    return [(crime, ring) for crime in crimes for ring in crime.rings]
