# SPDX-License-Identifier: Apache-2.0
"""What a power cut can leave of a disk, from a recording of straitd's (key `record`, src/storage/record_format.h).

What was made stable is there. Of everything else any part may be there, in any order, torn into sectors or larger
pieces."""

import mmap
import os
import random
import struct
from dataclasses import dataclass

SECTOR = 512
OPEN, SUBMIT, DONE = 1, 2, 3
READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES = range(5)
STABLE, UNMAP, FLUSH_IGNORED = 1, 2, 4
_ENTRY = struct.Struct("<IBBHQQQqQQQ")
_MAGIC = 0x63655253


@dataclass
class Entry:
    kind: int
    op: int
    flags: int
    id: int
    offset: int
    length: int
    result: int
    data: slice   # of the recording
    end: int      # of this entry in the recording: a recording of that many bytes has it


class Recording:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.entries, at = [], 0
        while at + _ENTRY.size <= len(self.bytes):
            magic, kind, op, flags, number, offset, length, result, _, data, _ = _ENTRY.unpack_from(self.bytes, at)
            assert magic == _MAGIC, f"{path} is no recording at byte {at}"
            start = at + _ENTRY.size
            at = start + data
            if at > len(self.bytes):
                break
            self.entries.append(Entry(kind, op, flags, number, offset, length, result, slice(start, at), at))
        assert self.entries and self.entries[0].kind == OPEN, f"{path} does not begin with the opening of a disk"

    def cuts(self, base):
        """A Cut behind each entry. It changes when the next one is asked for."""
        cut = Cut(self.bytes, base)
        for entry in self.entries:
            yield cut.after(entry)


class Cut:
    """The power fails behind an entry: what is stable, and what is not, in the order of submission."""

    def __init__(self, recorded, base):
        self.recorded = recorded
        self.stable = bytearray(base)  # what no longer depends on chance
        self.pending = []              # [entry, stable] of the requests since, in the order of their submission
        self.end = 0                   # bytes of the recording up to here
        self._done, self._flushes, self._count, self._ignored = set(), {}, 0, False

    def after(self, entry):
        self.end = entry.end
        self._count += 1
        if entry.kind == OPEN:  # what was in flight in the daemon before is as unsure as it was
            self._ignored = bool(entry.flags & FLUSH_IGNORED)
            self._done, self._flushes = set(), {}
            for item in self.pending:
                item[0].id = None
        elif entry.kind == SUBMIT and entry.op == FLUSH:
            self._flushes[entry.id] = set(self._done)
        elif entry.kind == SUBMIT:
            self.pending.append([entry, False])
        elif entry.op == FLUSH:
            covered = self._flushes.pop(entry.id)
            if entry.result == 0 and not self._ignored:
                self._settle(covered)
        elif entry.result == 0:
            self._done.add(entry.id)
            if not self._ignored and self._submission(entry.id).flags & STABLE:
                self._settle({entry.id})
        return self

    def _submission(self, number):
        return next(entry for entry, _ in reversed(self.pending) if entry.id == number)

    def _settle(self, numbers):
        self._done -= numbers
        for item in self.pending:
            item[1] = item[1] or item[0].id in numbers
        while self.pending and self.pending[0][1]:
            self._apply(self.stable, self.pending.pop(0)[0])

    def _apply(self, image, entry, piece=0, wanted=None):
        """The whole request, or those of its pieces for which wanted() is true."""
        data = self.recorded[entry.data] if entry.op == WRITE else bytes(entry.length)
        end = entry.offset + entry.length
        if not piece:
            image[entry.offset:end] = data
            return
        start = entry.offset
        while start < end:
            stop = min(end, (start // piece + 1) * piece)
            if wanted():
                image[start:stop] = data[start - entry.offset:stop - entry.offset]
            start = stop

    def nothing_more(self):
        """The image with all that is not stable lost."""
        return self._image(lambda: 0)

    def everything(self):
        """The image with all that was submitted."""
        return self._image(lambda: 1)

    def by_chance(self, rng, piece=SECTOR):
        """The image with some requests lost, some there, and some torn into pieces."""
        return self._image(lambda: rng.choice((0, 1, 0.5)), rng, piece)

    def _image(self, share, rng=None, piece=SECTOR):
        image = bytearray(self.stable)
        for entry, stable in self.pending:
            part = 1 if stable else share()
            if part == 1:
                self._apply(image, entry)
            elif part:
                self._apply(image, entry, piece, lambda: rng.random() < 0.5)
        return image

    def images(self, seed, count=1, piece=SECTOR):
        """Some of the images that this cut can leave, with a name for each."""
        yield "nothing unstable", self.nothing_more()
        yield "everything", self.everything()
        for number in range(count):
            rng = random.Random(f"{seed}/{self._count}/{number}")
            yield f"chance {seed}/{self._count}/{number}", self.by_chance(rng, piece)


class Acknowledged:
    """What was acknowledged by the time a recording had so many bytes. An acknowledgement is seen after its entry has
    been written, so a cut behind that many bytes must not lose it."""

    def __init__(self, recording):
        self._path = recording
        self._noted = []

    def note(self, what):
        self._noted.append((os.stat(self._path).st_size, what))

    def at(self, cut):
        return [what for size, what in self._noted if size <= cut.end]

    def __len__(self):
        return len(self._noted)
