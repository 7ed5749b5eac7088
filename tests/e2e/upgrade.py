# SPDX-License-Identifier: Apache-2.0
"""Upgrades in place: a service whose process changes, and somebody between two straitds who can end either."""

import array
import contextlib
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading

import pytest

from daemon import Straitd, straitd, wait_for, write_config  # noqa: F401

# What the two say, as in src/control/upgrade_wire.h.
(HELLO, REFUSED, WELCOME, DESCRIBE, DISK, PREPARE, SESSION, PREPARED, TAKE, STATE, TAKEN, FINISH, FAREWELL) = range(1, 14)

VERSION = 2


def greeting(version=VERSION):
    """What a successor says first."""
    return struct.pack("<I4sI", HELLO, b"Stra", version)


RIGHTS = socket.CMSG_SPACE(253 * 4)


def alive(pid):
    """Whether the process runs; one that ended and is waited for by nobody does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Service:
    """A straitd that is upgraded: pid is the process that serves now. It goes, whatever happens."""

    def __init__(self, program, workdir, disks, environment=None, **keys):
        self.program, self.workdir = program, workdir
        self.socket = os.path.join(workdir, "straitd.upgrade")
        self.config = self.configure(disks, **keys)
        self.first = Straitd(program, "--config", self.config, directory=workdir, environment=environment)
        self.pid, self.pauses = self.first.pid, []
        self.first.serves(*(d["socket"] for d in disks), self.socket)

    def configure(self, disks, **keys):
        return write_config(self.workdir, disks, **{"upgrade-socket": self.socket, **keys})

    def start_upgrade(self, *options, config=None):
        return subprocess.Popen([self.program, "--upgrade", "--config", config or self.config, *options], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish_upgrade(self, process, expect=0, timeout=60):
        """Its end; what it said on standard error."""
        out, err = process.communicate(timeout=timeout)
        assert process.returncode == expect, f"{process.returncode}: {out}{err}{self.log()}"
        if expect:
            assert out == ""
            return err
        match = re.fullmatch(r"process (\d+) serves from here on; no disk stood still for more than ([\d.]+) ms\n", out)
        assert match, out
        self.pid = int(match[1])
        self.pauses.append(float(match[2]))
        return err

    def upgrade(self, *options, expect=0, config=None):
        return self.finish_upgrade(self.start_upgrade(*options, config=config), expect)

    def log(self):
        return self.first.log()

    def logs(self, words):
        return self.first.logs(words)

    def ended(self, pid):
        """Wait for the end of a process that served."""
        if pid == self.first.pid:
            return self.first.ends()
        return wait_for(lambda: not alive(pid), f"the end of process {pid}")

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        self.ended(self.pid)

    def kill(self):
        for pid in {self.pid, self.first.pid}:
            with contextlib.suppress(ProcessLookupError):
                if pid != self.first.pid or self.first.process.poll() is None:
                    os.kill(pid, signal.SIGKILL)
        self.first.process.wait()


@pytest.fixture
def service(straitd, workdir):  # noqa: F811
    """service(disks, **keys) starts one."""
    with contextlib.ExitStack() as stack:
        def start(disks, **keys):
            started = Service(straitd, workdir, disks, **keys)
            stack.callback(started.kill)
            return started
        yield start


class Relay:
    """Between a new straitd and the running one. before(kind, relay) is called before a parcel is passed on, and may
    return False to lose it and all that follow."""

    def __init__(self, service, before):
        self.path = os.path.join(service.workdir, "relay.sock")
        self.before, self.new_pid, self.new = before, None, None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen()
        self.target = service.socket
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            new, _ = self.listener.accept()
            self.new = new
            self.new_pid, _, _ = struct.unpack("iii", new.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            old = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            old.connect(self.target)
            with new, old:
                self._pass_on({new: old, old: new})

    def _pass_on(self, other):
        while True:
            for sock in select.select(list(other), [], [])[0]:
                data, rights, _, _ = sock.recvmsg(65536, RIGHTS)
                fds = array.array("i")
                for _, _, bytes_ in rights:
                    fds.frombytes(bytes_[:len(bytes_) - len(bytes_) % 4])
                try:
                    if not data or self.before(struct.unpack_from("<I", data)[0], self) is False:
                        return
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what it said is still to come
                        other[sock].sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else [])
                finally:
                    for fd in fds:
                        os.close(fd)

    def close(self):
        self.listener.close()
        self.thread.join(timeout=15)
        os.unlink(self.path)


@contextlib.contextmanager
def relayed(service, before):
    """An upgrade that goes through a relay; its process. The relay is there until the end of the block."""
    relay = Relay(service, before)
    config = os.path.join(service.workdir, "relayed.yaml")
    with open(service.config, encoding="utf-8") as from_, open(config, "w", encoding="utf-8") as to:
        to.write(from_.read().replace(service.socket, relay.path))
    process = service.start_upgrade(config=config)
    try:
        yield process
    finally:
        if relay.new_pid and relay.new_pid != service.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(relay.new_pid, signal.SIGKILL)
        process.kill()
        process.communicate()
        relay.close()
