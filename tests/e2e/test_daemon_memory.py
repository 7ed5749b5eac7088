# SPDX-License-Identifier: Apache-2.0
"""A front end that takes its memory away while it is shared (SIGBUS in straitd) costs itself its session, nobody else."""

import contextlib
import os
import struct
import time

import pytest

import driver
from conftest import MIB, make_disk
from driver import IN, IOERR, OK, OUT, WRITABLE, Disk
from frontend import bench, lines_about, verified_load  # noqa: F401 (fixture)
from guest.proc import wait_until

pytestmark = pytest.mark.straitd_only

GONE = "connection closed"


@pytest.fixture
def disks(straitd, workdir):  # noqa: F811
    """Two disks on one worker. The daemon, and the two sockets."""
    described = [make_disk(workdir, name, 64 * MIB, cache="writeback") for name in ("victim", "other")]
    daemon = straitd(disks=described, workers=1)
    return daemon, described[0]["socket"], described[1]["socket"]


def assert_session_lost(daemon, front_end):
    """The connection is closed for one reason, said once."""
    wait_until(lambda: GONE in daemon.log(), 15, "the session to be ended")
    front_end.sock.settimeout(15)
    with contextlib.suppress(ConnectionResetError):
        assert front_end.sock.recv(1) == b""
    said = lines_about(daemon, "victim")
    assert len(said) == 1 and "memory at 0x0 (0x400000 bytes) is gone" in said[0] and GONE in said[0], said


def assert_serves(path):
    with Disk(path) as disk:
        assert disk.write(0, b"n" * 4096) == OK
        assert disk.read(0, 4096) == (OK, b"n" * 4096)


@pytest.mark.parametrize("left", (0, driver.AVAIL, driver.USED, driver.HEADER), ids=("all", "avail", "used", "header"))
def test_rings_and_requests_go(disks, bench, left):  # noqa: F811
    """Nothing is left, or the descriptors, or those and the available ring, or all rings but no request."""
    daemon, victim, other = disks
    with verified_load(bench, other, daemon):
        with Disk(victim) as disk:
            assert disk.write(0, b"v" * 4096) == OK
            # Ready to be made available: what is gone must not be touched here either.
            if left > driver.AVAIL:
                struct.pack_into("<H", disk.memory, driver.AVAIL + 4 + 2 * (disk.next % driver.RING), 0)
            os.ftruncate(disk.memfd, left)
            if left > driver.AVAIL:
                struct.pack_into("<HH", disk.memory, driver.AVAIL, 0, disk.next + 1)
            os.eventfd_write(disk.kick, 1)
            assert_session_lost(daemon, disk)
        assert_serves(victim)


def test_the_queue_starts_on_rings_that_are_gone(disks):
    """Then it is the control thread that runs into it."""
    daemon, victim, _ = disks
    with Disk(victim) as disk:
        disk.stop()
        os.ftruncate(disk.memfd, 0)
        disk.send(driver.SET_VRING_KICK, struct.pack("<Q", 0), [disk.kick])
        assert_session_lost(daemon, disk)
    assert_serves(victim)


@pytest.mark.parametrize("kind", (IN, OUT))
def test_only_data_is_gone(disks, kind):
    """The kernel cannot reach it either: this request fails, and that is all."""
    daemon, victim, _ = disks
    with Disk(victim) as disk:
        # The header as request() would write it, with data behind what is left of the file.
        disk.memory[driver.HEADER:driver.HEADER + 16] = struct.pack("<IIQ", kind, 0, 0)
        parts = [(driver.HEADER, 16, driver.NEXT), (driver.DATA, 4096, driver.NEXT | (WRITABLE if kind == IN else 0)),
                 (driver.STATUS, 1, WRITABLE)]
        for i, (address, length, flags) in enumerate(parts):
            struct.pack_into("<QIHH", disk.memory, driver.DESC + 16 * i, address, length, flags, i + 1)
        disk.memory[driver.STATUS] = 0xff
        os.ftruncate(disk.memfd, driver.DATA)
        disk.next += 1
        struct.pack_into("<HHH", disk.memory, driver.AVAIL, 0, disk.next, 0)
        os.eventfd_write(disk.kick, 1)
        assert disk.wait() == IOERR
        assert disk.flush() == OK
    assert [line for line in lines_about(daemon, "victim") if "Bad address" not in line] == []
    assert_serves(victim)


def test_with_requests_in_flight(straitd, workdir, bench):  # noqa: F811
    """A delayed request comes back to a ring that is not there any more."""
    victim = {"name": "victim", "socket": os.path.join(workdir, "v"), "null": "1MiB", "delay": {"mean-us": 300000}}
    other = make_disk(workdir, "other", 64 * MIB, cache="writeback")
    daemon = straitd(disks=[victim, other], workers=1)
    with verified_load(bench, other["socket"], daemon):
        with Disk(victim["socket"]) as disk:
            disk.submit(OUT, 0, out=b"w" * 512)
            time.sleep(0.05)  # most often it is taken by then; if not, the ring is gone before
            os.ftruncate(disk.memfd, 0)
            assert_session_lost(daemon, disk)
        assert_serves(victim["socket"])


def memfd_of(pid):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            if "memfd:strait-guest" in os.readlink(f"/proc/{pid}/fd/{fd}"):
                return f"/proc/{pid}/fd/{fd}"
    raise AssertionError("the front end has no memory")


@pytest.mark.parametrize("attempt", range(3))
def test_under_full_load(disks, bench, attempt):  # noqa: F811
    """Four queues with 32 requests each, whose memory goes piece by piece, or all at once."""
    daemon, victim, other = disks
    with verified_load(bench, other, daemon):
        process = bench.running(victim, "--rw", "randrw", "--queues", 4, "--depth", 32, "--time", "60s")
        path = memfd_of(process.pid)
        size = os.stat(path).st_size
        for eighths in ((0,), range(7, -1, -1), (4, 0))[attempt]:
            with contextlib.suppress(FileNotFoundError):
                os.truncate(path, size * eighths // 8)
        bench.finish(process, expect=None)  # by SIGBUS, too
        wait_until(lambda: "front end disconnected" in daemon.log(), 15, "the session to end")
        assert_serves(victim)
    # Unless it went away by itself first, having run into the hole before we did.
    assert [line for line in lines_about(daemon, "victim") if GONE not in line and "Bad address" not in line] == []
