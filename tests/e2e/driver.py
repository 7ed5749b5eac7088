# SPDX-License-Identifier: Apache-2.0
"""The smallest front end that can read and write a vhost-user disk: one queue, one request at a time.

Independent of the project's own C code on purpose: an error both ends share would not be seen otherwise.
"""

import array
import mmap
import os
import select
import socket
import struct

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL = 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE, GET_CONFIG, SET_CONFIG = 15, 16, 18, 24, 25

VERSION, REPLY, NEED_REPLY = 1, 4, 8
F_PROTOCOL, F_VERSION_1, F_RO, F_FLUSH, F_CONFIG_WCE = 1 << 30, 1 << 32, 1 << 5, 1 << 9, 1 << 11
PROTOCOL_REPLY_ACK, PROTOCOL_CONFIG = 1 << 3, 1 << 9

IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 4, 8, 11, 13
OK, IOERR, UNSUPP = 0, 1, 2

SIZE = 4 << 20          # of the guest's memory
USER = 0x7f0000000000   # where it would be in a monitor's process
DESC, AVAIL, USED, HEADER, STATUS, DATA = 0, 0x1000, 0x2000, 0x3000, 0x3100, 0x10000
RING = 16
NEXT, WRITABLE = 1, 2


class DriverError(Exception):
    pass


class Disk:
    """A started disk. Everything raises DriverError, or OSError where the back end is gone."""

    def __init__(self, path=None, sock=None, timeout=10, features=F_RO | F_FLUSH):
        self.timeout = timeout
        self.wanted = F_PROTOCOL | F_VERSION_1 | features
        self.sock = sock or socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        if path:
            self.sock.connect(path)
        self.kick, self.call = os.eventfd(0), os.eventfd(0)
        self.memfd = os.memfd_create("guest")
        os.ftruncate(self.memfd, SIZE)
        self.memory = mmap.mmap(self.memfd, SIZE)
        self.next = 0
        self._negotiate()
        self._start()

    def close(self):
        self.sock.close()
        self.memory.close()
        for fd in (self.kick, self.call, self.memfd):
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, request, payload=b"", fds=(), flags=0):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([struct.pack("<III", request, VERSION | flags, len(payload)) + payload], rights)

    def _receive(self, count):
        got = b""
        while len(got) < count:
            part = self.sock.recv(count - len(got))
            if not part:
                raise DriverError("the back end has closed the connection")
            got += part
        return got

    def ask(self, request, payload=b""):
        """Send a request that has a reply of its own; its payload."""
        self.send(request, payload)
        answered, flags, size = struct.unpack("<III", self._receive(12))
        if answered != request or not flags & REPLY:
            raise DriverError(f"request {request} was answered with {answered}, flags {flags:#x}")
        return self._receive(size)

    def tell(self, request, payload=b"", fds=()):
        """Send a request and wait until it has been done."""
        self.send(request, payload, fds, NEED_REPLY if self.acks else 0)
        if self.acks:
            _, _, size = struct.unpack("<III", self._receive(12))
            if any(self._receive(size)):
                raise DriverError(f"request {request} was refused")

    def _negotiate(self):
        self.acks = False
        offered, = struct.unpack("<Q", self.ask(GET_FEATURES))
        if not offered & F_PROTOCOL:
            raise DriverError("no protocol features")
        self.features = offered & self.wanted
        protocol, = struct.unpack("<Q", self.ask(GET_PROTOCOL_FEATURES))
        self.send(SET_PROTOCOL_FEATURES, struct.pack("<Q", protocol & (PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG)))
        self.acks = bool(protocol & PROTOCOL_REPLY_ACK)
        self.tell(SET_OWNER)
        self.tell(SET_FEATURES, struct.pack("<Q", self.features))

    def _start(self):
        self.tell(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, SIZE, USER, 0), [self.memfd])
        self.tell(SET_VRING_NUM, struct.pack("<II", 0, RING))
        self.tell(SET_VRING_BASE, struct.pack("<II", 0, self.first_base()))
        self.tell(SET_VRING_ADDR, struct.pack("<IIQQQQ", 0, 0, USER + DESC, USER + USED, USER + AVAIL, 0))
        self.tell(SET_VRING_CALL, struct.pack("<Q", 0), [self.call])
        self.tell(SET_VRING_KICK, struct.pack("<Q", 0), [self.kick])
        self.tell(SET_VRING_ENABLE, struct.pack("<II", 0, 1))

    @staticmethod
    def first_base():
        return 0

    def stop(self):
        """Stop the queue; how many requests the back end has seen."""
        return struct.unpack("<II", self.ask(GET_VRING_BASE, struct.pack("<II", 0, 0)))[1]

    def size(self):
        """Of the disk, in bytes, from the configuration space."""
        answer = self.ask(GET_CONFIG, struct.pack("<III", 0, 60, 0) + bytes(60))
        return struct.unpack_from("<Q", answer, 12)[0] * 512

    def set_write_cache(self, on):
        """The field writeback of the configuration space; takes F_CONFIG_WCE."""
        self.tell(SET_CONFIG, struct.pack("<IIIB", 32, 1, 0, on))

    @property
    def read_only(self):
        return bool(self.features & F_RO)

    def _used(self):
        return struct.unpack_from("<H", self.memory, USED + 2)[0]

    def submit(self, kind, sector, out=b"", want=0):
        """Make a request available: out is what the device reads, want how much it writes."""
        self.memory[HEADER:HEADER + 16] = struct.pack("<IIQ", kind, 0, sector)
        self.memory[STATUS] = 0xff
        parts = [(HEADER, 16, 0)]
        if out:
            self.memory[DATA:DATA + len(out)] = out
            parts.append((DATA, len(out), 0))
        if want:
            parts.append((DATA, want, WRITABLE))
        parts.append((STATUS, 1, WRITABLE))
        for i, (address, length, flags) in enumerate(parts):
            more = i + 1 < len(parts)
            struct.pack_into("<QIHH", self.memory, DESC + 16 * i, address, length, flags | (NEXT if more else 0),
                             i + 1 if more else 0)
        struct.pack_into("<H", self.memory, AVAIL + 4 + 2 * (self.next % RING), 0)
        self.next += 1
        # not pack_into(), which writes zeroes first: the device may be looking
        self.memory[AVAIL + 2:AVAIL + 4] = struct.pack("<H", self.next & 0xffff)
        os.eventfd_write(self.kick, 1)

    def wait(self, timeout=None):
        """Wait for the request under way; its status byte."""
        while self._used() != self.next & 0xffff:
            self.wait_for_call(timeout)
        return self.memory[STATUS]

    def wait_for_call(self, timeout=None):
        timeout = self.timeout if timeout is None else timeout
        ready, _, _ = select.select([self.call, self.sock], [], [], timeout)
        if not ready:
            raise DriverError(f"no completion within {timeout} s")
        if self.call in ready:
            os.eventfd_read(self.call)
        elif not self.sock.recv(1, socket.MSG_PEEK):
            raise DriverError("the back end has gone with a request under way")

    def request(self, kind, sector=0, out=b"", want=0):
        self.submit(kind, sector, out, want)
        return self.wait()

    def write(self, offset, data):
        return self.request(OUT, offset // 512, out=data)

    def read(self, offset, length):
        """Status and data."""
        status = self.request(IN, offset // 512, want=length)
        return status, bytes(self.memory[DATA:DATA + length])

    def flush(self):
        return self.request(FLUSH)

    def identity(self):
        status = self.request(GET_ID, want=20)
        return status, bytes(self.memory[DATA:DATA + 20]).split(b"\0")[0].decode()
