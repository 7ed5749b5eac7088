# SPDX-License-Identifier: Apache-2.0
"""A medium seen from below: a FUSE file system with one file, served by this process.

What the kernel makes of a back end's calls arrives here, so that it shows what had reached the medium by the last sync,
and that it can do what disks do when they go bad: fail, hang, and give less than was asked for."""

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import threading

import pytest

(LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT, INTERRUPT, BATCH_FORGET,
 FALLOCATE) = 1, 2, 3, 4, 14, 15, 16, 17, 18, 20, 25, 26, 36, 42, 43
_ROOT, _FILE = 1, 2
_ASYNC_READ, _BIG_WRITES, _ASYNC_DIO, _WRITEBACK_CACHE, _MAX_PAGES = 1, 1 << 5, 1 << 15, 1 << 16, 1 << 22
_KEEP_SIZE, _PUNCH_HOLE, _ZERO_RANGE = 1, 2, 16
_MAX_WRITE = 256 << 10
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


class Medium:
    """`path` is the file. `data` is what it has, `stable` what it had at the last sync that was answered; `syncs`
    counts those. faults maps an opcode to a negative errno; `shorten` halves what reads give."""

    def __init__(self, directory, size, data=None):
        self.directory = directory
        self.path = os.path.join(directory, "disk.img")
        self.data = bytearray(data or bytes(size))
        self.stable = bytes(self.data)
        self.syncs = 0
        self.faults = {}
        self.shorten = False
        self.calls = []  # opcodes that change the file, in their order
        self._hanging, self._held = (), []
        self._lock = threading.Lock()

    @property
    def held(self):
        """Requests that wait for an answer."""
        return len(self._held)

    def hang(self, *opcodes):
        """Answer no more requests of these kinds; of none given, no reads, writes and syncs."""
        with self._lock:
            self._hanging = opcodes or (READ, WRITE, FSYNC, FALLOCATE)

    def go_on(self):
        """Answer again, first those that waited."""
        with self._lock:
            self._hanging = ()
            held, self._held = self._held, []
            for request in held:
                self._answer(*request)

    # The protocol: include/uapi/linux/fuse.h

    def serve(self, device, stop):
        poll = select.poll()
        poll.register(device, select.POLLIN)
        poll.register(stop, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if stop in ready:
                return
            try:
                request = os.read(device, _MAX_WRITE + 65536)
            except OSError as e:
                if e.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # ENODEV: unmounted
            _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
            with self._lock:
                if opcode in self._hanging:
                    self._held.append((device, opcode, unique, node, request[40:]))
                else:
                    self._answer(device, opcode, unique, node, request[40:])

    def _answer(self, device, opcode, unique, node, body):
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        result = self.faults.get(opcode, 0)
        if not result:
            result = self._handlers.get(opcode, lambda self, node, body: -errno.ENOSYS)(self, node, body)
        error, payload = (result, b"") if isinstance(result, int) else (0, result)
        with contextlib.suppress(OSError):  # an interrupted request takes no answer
            os.write(device, struct.pack("<IiQ", 16 + len(payload), error, unique) + payload)

    def _attributes(self, node):
        mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o600
        size = len(self.data)
        return struct.pack("<6Q10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, os.getuid(), os.getgid(), 0,
                           4096, 0)

    def _init(self, _, body):
        _, _, readahead, flags = struct.unpack_from("<4I", body)
        flags &= _ASYNC_READ | _BIG_WRITES | _ASYNC_DIO | _WRITEBACK_CACHE | _MAX_PAGES
        return struct.pack("<4IHHIIHH", 7, 31, readahead, flags, 64, 48, _MAX_WRITE, 1, _MAX_WRITE // 4096, 0) + bytes(32)

    def _lookup(self, _, body):
        if body.rstrip(b"\0") != b"disk.img":
            return -errno.ENOENT
        return struct.pack("<4QII", _FILE, 0, 1000, 1000, 0, 0) + self._attributes(_FILE)

    def _getattr(self, node, _):
        return struct.pack("<QII", 1000, 0, 0) + self._attributes(node)

    def _open(self, _node, _body):
        return bytes(16)

    def _read(self, _, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        if self.shorten and size > 4096:
            size = size // 2 // 4096 * 4096
        return bytes(self.data[offset:offset + size])

    def _write(self, _, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        self.data[offset:offset + size] = body[40:40 + size]
        self.calls.append(WRITE)
        return struct.pack("<II", size, 0)

    def _fsync(self, _node, _body):
        self.stable = bytes(self.data)
        self.syncs += 1
        self.calls.append(FSYNC)
        return b""

    def _fallocate(self, _, body):
        _, offset, length, mode = struct.unpack_from("<QQQI", body)
        end = min(offset + length, len(self.data))
        if not mode & _KEEP_SIZE or not mode & (_PUNCH_HOLE | _ZERO_RANGE):
            return -errno.EOPNOTSUPP
        if offset < end:
            self.data[offset:end] = bytes(end - offset)
        self.calls.append(FALLOCATE)
        return b""

    def _statfs(self, _node, _body):
        return struct.pack("<5Q4I", 1 << 20, 1 << 20, 1 << 20, 10, 10, 4096, 255, 4096, 0) + bytes(24)

    _handlers = {INIT: _init, LOOKUP: _lookup, GETATTR: _getattr, SETATTR: _getattr, OPEN: _open, READ: _read,
                 WRITE: _write, FSYNC: _fsync, FALLOCATE: _fallocate, STATFS: _statfs,
                 RELEASE: lambda self, node, body: b"", FLUSH: lambda self, node, body: b""}


@contextlib.contextmanager
def mounted_medium(directory, size, data=None):
    """A Medium of so many bytes, mounted; skips where that is not allowed."""
    os.makedirs(directory, exist_ok=True)
    medium = Medium(directory, size, data)
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as e:
        pytest.skip(f"needs FUSE: {e}")
    stop, tell = os.pipe()
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},allow_other"
    if _libc.mount(b"strait-test", os.fsencode(directory), b"fuse", 0, options.encode()):
        os.close(device)
        pytest.skip(f"needs to mount FUSE: {os.strerror(ctypes.get_errno())}")
    thread = threading.Thread(target=medium.serve, args=(device, stop), daemon=True)
    thread.start()
    try:
        yield medium
    finally:
        medium.go_on()
        _libc.umount2(os.fsencode(directory), _MNT_DETACH)
        os.write(tell, b"x")
        thread.join()
        for fd in (device, stop, tell):
            os.close(fd)
