# SPDX-License-Identifier: Apache-2.0
"""Upgrades that go wrong in rarer ways: which of the two serves, and whether the other knows why."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import time

import pytest

from conftest import make_disk
from daemon import MIB
from driver import OK, Disk
from upgrade import (DESCRIBE, PREPARE, PREPARED, REFUSED, STATE, TAKE, WELCOME, greeting, relayed, service,  # noqa: F401
                     straitd)

pytestmark = pytest.mark.straitd_only


def two_disks(workdir):
    return [make_disk(workdir, name, 32 * MIB, cache="writeback", queues=2) for name in "ab"]


def test_old_one_killed_whose_image_is_another_file(service, workdir):
    """The new one cannot be sure that nobody writes to the old file: with no disk left it does not report success."""
    disks = two_disks(workdir)[:1]
    started = service(disks)
    shutil.copy(disks[0]["file"], disks[0]["file"] + ".new")
    os.rename(disks[0]["file"] + ".new", disks[0]["file"])

    def before(kind, relay):
        if kind == TAKE:
            os.kill(started.pid, signal.SIGKILL)
            return False
    with relayed(started, before) as process:
        said = started.finish_upgrade(process, expect=1)
        assert "none of its disks can be served" in said and "is another file than the one that was served" in said


def test_old_one_that_cannot_be_heard_lives(service, workdir):
    """What is no parcel, or does not fit into memory, is no sign of death: the new one gives up."""
    disks = two_disks(workdir)
    started = service(disks)
    sent = []

    def before(kind, relay):
        if kind == STATE and not sent:
            sent.append(relay.new.send(bytes(40000)))
    with Disk(disks[0]["socket"]) as first, Disk(disks[1]["socket"]) as second:
        with relayed(started, before) as process:
            assert "the running straitd cannot be heard" in started.finish_upgrade(process, expect=1)
        started.logs("upgrade called off: ")
        for disk in (first, second):
            assert disk.write(0, b"x" * 512) == OK
        started.upgrade()
        assert first.write(0, b"y" * 512) == OK


def hello(started):
    """A connection as a successor makes it, that has been welcomed."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(15)
    sock.connect(started.socket)
    sock.send(greeting())
    assert kind_of(sock.recv(65536)) == WELCOME
    return sock


def kind_of(parcel):
    return struct.unpack_from("<I", parcel)[0] if parcel else None


def test_new_one_that_does_not_read(service, workdir):
    """When its socket is full it cannot be told why it ends; the connection stays until it can, since its end alone
    would mean the death of the old one."""
    disks = two_disks(workdir)
    started = service(disks)
    with hello(started) as sock:
        with contextlib.suppress(BrokenPipeError):
            for _ in range(10000):
                sock.send(struct.pack("<II", DESCRIBE, 0))
        started.logs("upgrade called off: disk a cannot be described")
        with Disk(disks[0]["socket"]) as disk:
            assert disk.write(0, b"x" * 512) == OK
        kinds = list(iter(lambda: kind_of(sock.recv(65536)), None))
        assert kinds[-1] == REFUSED and len(kinds) > 20
    started.upgrade()


def test_new_one_that_starts_slowly(service, workdir):
    """Between DESCRIBE and PREPARE it opens all images and starts, for which 5 s may be too little."""
    started = service(two_disks(workdir))
    with hello(started) as sock:
        sock.send(struct.pack("<II", DESCRIBE, 0))
        sock.recv(65536)
        time.sleep(6)
        sock.send(struct.pack("<II", PREPARE, 0))
        assert kind_of(sock.recv(65536)) == PREPARED


def test_new_one_that_fails_early_says_why(service, workdir):
    """Before it has opened anything."""
    if os.geteuid() != 0:
        pytest.skip("only root looks for another user")
    disks = two_disks(workdir)
    started = service(disks)
    started.configure(disks, user="nobody-of-this-name")
    assert "nobody-of-this-name" in started.upgrade(expect=1)
    assert "nobody-of-this-name" in started.logs("upgrade called off: the successor gave up: ")


def test_sigterm_after_an_upgrade(service, workdir):
    """The old one still waits for a request of a disk that was taken out: the first SIGTERM does not end that."""
    disks = two_disks(workdir)[:1]
    slow = {"name": "slow", "socket": os.path.join(workdir, "slow.sock"), "null": "1MiB", "delay": {"mean-us": 3000000}}
    started = service([*disks, slow])
    with Disk(slow["socket"]) as disk:
        disk.submit(1, 0, out=b"w" * 512)
        time.sleep(0.1)
        started.configure(disks)
        started.upgrade()
        assert started.first.stop() == 0
        assert disk.wait() == OK
