# SPDX-License-Identifier: Apache-2.0
"""Who may connect, and what a front end cannot take from the others: each limit, and a neighbour that notices nothing."""

import grp
import os
import pathlib
import pwd
import socket
import stat
import struct
import subprocess
import time

import pytest

from daemon import MIB, Straitd, make_image, run, wait_for, write_config
from daemon import straitd  # noqa: F401 (fixture)
from driver import OK, Disk, DriverError

pytestmark = pytest.mark.straitd_only

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away: run as root")
ADD_MEM_REG, GET_MAX_MEM_SLOTS, SLOTS = 37, 36, 1 << 15


def two_disks(workdir, **keys):
    """A tenant with limits, and a neighbour."""
    return [{"name": name, "socket": os.path.join(workdir, name + ".sock"),
             "file": make_image(workdir, name + ".img"), "cache": "writeback", **more}
            for name, more in (("tenant", keys), ("neighbour", {}))]


class Neighbour(Disk):
    """Reads and writes while others misbehave; nothing of that may reach it."""

    def is_well(self):
        assert self.write(0, b"n" * 4096) == OK
        assert self.read(0, 4096) == (OK, b"n" * 4096)
        return True


@needs_root
def test_owner_group_and_mode(straitd, workdir):  # noqa: F811
    """The disk's own, and what is said for all; not by the umask, and the same while it is made."""
    disks = two_disks(workdir, **{"socket-owner": "daemon", "socket-mode": "0640"})
    config = write_config(workdir, disks, **{"socket-group": "mail", "socket-owner": "12345"})
    trace = pathlib.Path(workdir, "strace")
    # -D: what is started, and ended, is straitd itself
    with Straitd("/usr/bin/strace", "-D", "-f", "-o", str(trace),
                 "-e", "trace=bind,listen,fchownat,umask,chmod,fchmod,fchmodat", straitd, f"--config={config}",
                 "--sandbox=off", directory=workdir, umask=0o777) as daemon:
        daemon.serves(*(d["socket"] for d in disks))
        for disk, owner, mode in ((disks[0], pwd.getpwnam("daemon").pw_uid, 0o640), (disks[1], 12345, 0o660)):
            status = os.stat(disk["socket"])
            assert stat.S_IMODE(status.st_mode) == mode
            assert (status.st_uid, status.st_gid) == (owner, grp.getgrnam("mail").gr_gid)
    wait_for(lambda: "+++" in trace.read_text().splitlines()[-1], "strace to see the end")
    calls = [line.split(None, 1)[1] for line in trace.read_text().splitlines()]
    names = [call.split("(")[0] for call in calls if not call.startswith(("umask", "---", "+++"))]
    # Given away before anybody can connect, and never given another mode than the one it was made with.
    assert names == ["bind", "fchownat", "listen"] * 2, calls


def test_default_is_what_the_umask_says(straitd, workdir):  # noqa: F811
    disks = two_disks(workdir)
    with Straitd(straitd, f"--config={write_config(workdir, disks)}", directory=workdir, umask=0o027) as daemon:
        daemon.serves(disks[0]["socket"])
        assert stat.S_IMODE(os.stat(disks[0]["socket"]).st_mode) == 0o750


@needs_root
def test_who_may_connect(straitd, workdir):  # noqa: F811
    disks = two_disks(workdir, **{"socket-owner": "daemon", "socket-mode": "0600"})
    os.chmod(workdir, 0o755)
    script = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    with Straitd(straitd, f"--config={write_config(workdir, disks)}", directory=workdir) as daemon:
        daemon.serves(disks[0]["socket"])
        for user, may in (("daemon", True), ("bin", False)):
            result = subprocess.run(["/usr/bin/python3", "-c", script, disks[0]["socket"]], user=user,
                                    capture_output=True, text=True)
            assert (result.returncode == 0) == may, result.stderr
            assert may or "PermissionError" in result.stderr


@pytest.mark.parametrize("key, value, words, status", (
    ("socket-owner", "no-such-user", 'socket-owner: "no-such-user": no such user', 1),
    ("socket-group", "no-such-group", 'socket-group: "no-such-group": no such group', 1),
    ("socket-mode", "rw", "expected permissions in octal", 2), ("socket-mode", "0999", "permissions in octal", 2),
    ("socket-mode", "1777", "permissions in octal", 2), ("memory-max", "1B", "expected a size from 64 KiB", 2),
    ("memory-regions-max", "257", "expected a whole number from 1 to 256", 2),
    ("in-flight-max", "0", "expected a whole number from 1 to 32768", 2),
    ("connection-rate", "-1", "expected a whole number from 0 to 100000", 2)))
def test_wrong_values(straitd, workdir, key, value, words, status):  # noqa: F811
    config = write_config(workdir, two_disks(workdir, **{key: value})[:1])
    for more in ((), ("--check",)):
        result = run(straitd, f"--config={config}", *more)
        assert result.returncode == status and words in result.stdout + result.stderr, result.stdout + result.stderr


def test_connection_rate(straitd, workdir):  # noqa: F811
    """Front ends in a loop are let in so often and no more; the log says so once; nobody is turned away for it."""
    disks = two_disks(workdir, **{"connection-rate": 5})
    with Straitd(straitd, f"--config={write_config(workdir, disks)}", directory=workdir) as daemon:
        daemon.serves(*(d["socket"] for d in disks))
        with Neighbour(disks[1]["socket"]) as neighbour:
            began = time.monotonic()
            for _ in range(15):
                with Disk(disks[0]["socket"], timeout=30) as disk:
                    assert disk.write(0, bytes(512)) == OK
                assert neighbour.is_well()
            # Five at once, and ten at five a second. A slow machine only takes longer.
            assert time.monotonic() - began >= 1.9
            log = daemon.log()
            assert log.count("connection-rate") == 1 and "disk tenant: front ends connect more than 5 times" in log
            assert "turned away" not in log
        with Disk(disks[0]["socket"], timeout=30) as disk:
            assert disk.write(0, bytes(512)) == OK
        assert daemon.stop() == 0


def test_stop_while_front_ends_wait(straitd, workdir):  # noqa: F811
    disks = two_disks(workdir, **{"connection-rate": 1})
    with Straitd(straitd, f"--config={write_config(workdir, disks)}", directory=workdir) as daemon:
        daemon.serves(disks[0]["socket"])
        with Disk(disks[0]["socket"]):
            pass
        with socket.socket(socket.AF_UNIX) as waits:
            waits.connect(disks[0]["socket"])
            daemon.logs("connection-rate")
            assert daemon.stop() == 0


class Hoarder(Disk):
    """A front end that shares memory piece by piece."""

    def _negotiate(self):
        super()._negotiate()
        self.send(16, struct.pack("<Q", 1 << 3 | 1 << 9 | SLOTS))  # SET_PROTOCOL_FEATURES

    def add(self, number, size=4096, offset=0):
        address = (number + 1) << 40
        fd = os.memfd_create("piece")
        try:
            os.ftruncate(fd, size + offset)
            self.tell(ADD_MEM_REG, struct.pack("<QQQQQ", 0, address, size, USER_OF + address, offset), [fd])
        finally:
            os.close(fd)


USER_OF = 1 << 60


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_memory_regions(straitd, workdir):  # noqa: F811
    disks = two_disks(workdir, **{"memory-regions-max": 5})
    with Straitd(straitd, f"--config={write_config(workdir, disks)}", directory=workdir) as daemon:
        daemon.serves(*(d["socket"] for d in disks))
        with Neighbour(disks[1]["socket"]) as neighbour, Hoarder(disks[0]["socket"]) as disk:
            assert struct.unpack("<Q", disk.ask(GET_MAX_MEM_SLOTS))[0] == 5
            for number in range(4):  # one is there
                disk.add(number)
            assert disk.write(0, bytes(512)) == OK  # its queue, which each message stops, runs again
            before = open_files(daemon.pid)
            for number in range(4, 20):
                with pytest.raises(DriverError, match="refused"):
                    disk.add(number)
            assert disk.write(0, bytes(512)) == OK
            wait_for(lambda: open_files(daemon.pid) <= before, f"at most {before} open files")
            assert "memory-regions-max" in daemon.logs("disk tenant: ADD_MEM_REG refused")
            assert disk.write(0, bytes(512)) == OK and neighbour.is_well()
        assert daemon.stop() == 0


@pytest.mark.parametrize("offset", (0, 64 * MIB))
def test_memory(straitd, workdir, offset):  # noqa: F811
    """What counts is what is mapped: a small region far into a large file is as much as a large one."""
    disks = two_disks(workdir, **{"memory-max": "128MiB"})
    with Straitd(straitd, f"--config={write_config(workdir, disks)}", directory=workdir) as daemon:
        daemon.serves(*(d["socket"] for d in disks))
        with Neighbour(disks[1]["socket"]) as neighbour, Hoarder(disks[0]["socket"]) as disk:
            disk.add(0, 64 * MIB - offset + (4096 if offset else 0), offset)
            with pytest.raises(DriverError, match="refused"):
                disk.add(1, 64 * MIB - offset + (4096 if offset else 0), offset)
            assert "memory-max" in daemon.logs("disk tenant: ADD_MEM_REG refused")
            assert disk.write(0, bytes(512)) == OK and neighbour.is_well()
        # The table as a whole, by a front end without slots; that one is not told and so is let go.
        with Disk(disks[0]["socket"]) as disk:
            fd = os.memfd_create("all")
            os.ftruncate(fd, 256 * MIB)
            with pytest.raises((DriverError, OSError)):
                disk.tell(5, struct.pack("<IIQQQQ", 1, 0, 0, 256 * MIB, 0x7f0000000000, 0), [fd])
            os.close(fd)
        wait_for(lambda: daemon.log().count("(memory-max)") == 2, "the second refusal")
        assert daemon.stop() == 0


class Deep(Disk):
    """Makes many reads available at once."""

    def flood(self, count):
        for i in range(count):
            head = i * 2
            struct.pack_into("<IIQ", self.memory, 0x20000 + i * 64, 0, 0, 0)
            self.memory[0x20000 + i * 64 + 32] = 0xff
            struct.pack_into("<QIHH", self.memory, head * 16, 0x20000 + i * 64, 16, 1, head + 1)
            struct.pack_into("<QIHH", self.memory, (head + 1) * 16, 0x20000 + i * 64 + 32, 1, 2, 0)
            struct.pack_into("<I", self.memory, 0x20000 + i * 64, 4)  # FLUSH
            struct.pack_into("<H", self.memory, 0x1000 + 4 + 2 * (i % 16), head)
        self.next += count
        self.memory[0x1000 + 2:0x1000 + 4] = struct.pack("<H", self.next)
        os.eventfd_write(self.kick, 1)
        end = time.monotonic() + 30
        while self._used() != self.next & 0xffff:
            assert time.monotonic() < end, "requests that waited in the ring were forgotten"
            self.wait_for_call()
        return [self.memory[0x20000 + i * 64 + 32] for i in range(count)]


def test_in_flight(straitd, workdir):  # noqa: F811
    """Of eight requests that take their time two are under way; all of them come back, and others do not wait."""
    slow = {"distribution": "fixed", "mean-us": 100000}
    disks = two_disks(workdir, **{"in-flight-max": 2, "delay": slow})
    with Straitd(straitd, f"--config={write_config(workdir, disks)}", directory=workdir) as daemon:
        daemon.serves(*(d["socket"] for d in disks))
        with Neighbour(disks[1]["socket"]) as neighbour, Deep(disks[0]["socket"]) as disk:
            began = time.monotonic()
            assert disk.flood(8) == [OK] * 8
            # Four pairs one after the other.
            assert time.monotonic() - began >= 0.4
            assert "in-flight-max" in daemon.logs("disk tenant: queue 0 has 2 requests under way")
            assert neighbour.is_well()
        assert daemon.log().count("in-flight-max") == 1
        assert daemon.stop() == 0


def test_descriptors_that_there_are_not(straitd, workdir):  # noqa: F811
    disks = two_disks(workdir)
    with Straitd("/usr/bin/prlimit", "--nofile=200:200", straitd, f"--config={write_config(workdir, disks)}",
                 directory=workdir) as daemon:
        daemon.serves(disks[0]["socket"])
        assert "file descriptors together, and there are 200" in daemon.log()
