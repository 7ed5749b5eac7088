# SPDX-License-Identifier: Apache-2.0
"""A log on a disk: numbered records, several in flight, and what the disk said is stable. The reader of the log knows
which records a crash may take and which not."""

import os
import struct

from driver import (AVAIL, DATA, DESC, HEADER, NEXT, OK, OUT, RING, STATUS, USED, WRITABLE, WRITE_ZEROES, Disk,
                    DriverError)

BLOCK = 4096
JUNK = 0xee  # what the disk is full of before
SLOTS = RING // 4
ROOM = 64 << 10


class DeepDisk(Disk):
    """A disk with up to SLOTS requests in flight."""

    def __init__(self, path, **how):
        super().__init__(path, **how)
        self.seen = 0
        self.free = list(range(SLOTS))

    def begin(self, kind, sector, out=b""):
        """Make a request available in a free slot. The slot."""
        slot = self.free.pop()
        header, status, data, first = HEADER + 32 * slot, STATUS + slot, DATA + ROOM * slot, 4 * slot
        self.memory[header:header + 16] = struct.pack("<IIQ", kind, 0, sector)
        self.memory[status] = 0xff
        parts = [(header, 16, 0), *([(data, len(out), 0)] if out else []), (status, 1, WRITABLE)]
        self.memory[data:data + len(out)] = out
        for i, (address, length, flags) in enumerate(parts):
            more = i + 1 < len(parts)
            struct.pack_into("<QIHH", self.memory, DESC + 16 * (first + i), address, length,
                             flags | (NEXT if more else 0), first + i + 1 if more else 0)
        struct.pack_into("<H", self.memory, AVAIL + 4 + 2 * (self.next % RING), first)
        self.next += 1
        # not pack_into(), which writes zeroes first: the device may be looking
        self.memory[AVAIL + 2:AVAIL + 4] = struct.pack("<H", self.next & 0xffff)
        os.eventfd_write(self.kick, 1)
        return slot

    def finished(self):
        """Wait for one more request. Its slot, which is free again, and its status."""
        while self._used() == self.seen & 0xffff:
            self.wait_for_call()
        head, _ = struct.unpack_from("<II", self.memory, USED + 4 + 8 * (self.seen % RING))
        self.seen += 1
        self.free.append(head // 4)
        return head // 4, self.memory[STATUS + head // 4]


def block(number):
    """The block of record number: each sector says which it is."""
    return b"".join(struct.pack("<QQ", number, sector) * 32 for sector in range(BLOCK // 512))


def is_zeroes(number):
    """Every fifth record is written by zeroing its block."""
    return number % 5 == 4


class LogWriter:
    """Appends records to a disk, three at a time, and tells what has become stable: when it was flushed, or, with the
    write cache off, when it was written."""

    def __init__(self, disk, stable, flush=True, noise=None):
        self.disk, self.stable = disk, stable
        self.flush, self.noise = flush, noise
        self.number = 0

    def _finish(self):
        slot, status = self.disk.finished()
        if status != OK:
            raise DriverError(f"a request ended with status {status}")
        return slot

    def round(self, cached):
        """Three records and, with cached, a flush; the noise is in flight all the while."""
        slots, noise = {}, None
        if self.noise:
            noise = self.disk.begin(OUT, self.noise * BLOCK // 512, out=block(1 << 40 | self.number))
        for _ in range(3):
            sector = self.number * BLOCK // 512
            if is_zeroes(self.number):
                unmap = self.number // 5 % 2
                slot = self.disk.begin(WRITE_ZEROES, 0, out=struct.pack("<QII", sector, BLOCK // 512, unmap))
            else:
                slot = self.disk.begin(OUT, sector, out=block(self.number))
            slots[slot] = self.number
            self.number += 1
        written = list(slots.values())
        while slots:
            slot = self._finish()
            if slot == noise:
                noise = None
                continue
            number = slots.pop(slot)
            if not cached:
                self.stable([number])
        if self.flush:
            flush = self.disk.begin(4, 0)
            while flush is not None:
                slot = self._finish()
                noise = None if slot == noise else noise
                flush = None if slot == flush else flush
            self.stable(written)
        while noise is not None:
            noise = None if self._finish() == noise else noise


def missing(image, numbers):
    """Those of the records that an image does not have whole."""
    zeroes = bytes(BLOCK)
    return [n for n in numbers
            if image[n * BLOCK:(n + 1) * BLOCK] != (zeroes if is_zeroes(n) else block(n))]
