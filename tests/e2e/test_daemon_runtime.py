# SPDX-License-Identifier: Apache-2.0
"""Disks that come, change and go while straitd runs: with the sandbox off, where it opens paths, and on, where it gets
descriptors."""

import fcntl
import os
import socket
import struct

import pytest
from daemon import make_image, straitd, wait_for  # noqa: F401
from driver import Disk
from frontend import bench  # noqa: F401
from rpc import RpcError
from runtime import MIB, sandbox, site  # noqa: F401


def refused(call, *arguments, **keys):
    with pytest.raises(RpcError) as error:
        call(*arguments, **keys)
    return error.value


def test_a_disk_comes_and_goes(site, bench):  # noqa: F811
    where = site()
    disk = where.disk("second", serial="S-2")
    state = where.add(disk)
    assert state["name"] == "second" and state["state"] == "serving" and state["size"] == 16 * MIB
    assert where.names() == ["first", "second"]
    result = bench.run(disk["socket"], "--rw=randrw", "--verify", "--io-count=2000")
    assert result.errors() == 0
    with Disk(disk["socket"]) as guest:
        assert guest.identity() == (0, "S-2")
        assert where.get("second")["state"] == "connected"
        error = refused(where.rpc.call, "disk.remove", name="second")
        assert error.code == -32016 and "front end is connected" in error.message
    wait_for(lambda: where.get("second")["state"] == "serving", "the front end to have left")
    where.rpc.call("disk.remove", name="second")
    assert where.names() == ["first"]
    where.add(disk)
    with Disk(disk["socket"]) as guest:
        guest.write(0, b"x" * 4096)
        where.rpc.call("disk.remove", name="second", force=True)
        assert guest.sock.recv(1) == b""
    assert where.names() == ["first"]
    # The last one may go, too: others can come.
    where.rpc.call("disk.remove", name="first")
    assert where.names() == []
    where.add(disk)
    assert where.names() == ["second"]
    assert f"rpc: user {os.getuid()}, process {os.getpid()}" in where.daemon.log()


def test_what_cannot_be_added(site):  # noqa: F811
    where = site()
    second = where.disk("second")
    where.add(second)
    cases = [
        ({**where.disk("third"), "name": "second"}, "disk.name", "there is one of that name"),
        ({**where.disk("third"), "file": second["file"]}, "disk.file", "second's"),
        ({**where.disk("third"), "queues": 0}, "disk.queues", "from 1 to 64"),
        ({**where.disk("third"), "queue-size-max": 100}, "disk.queue-size-max", "power of two"),
        ({**where.disk("third"), "nme": "x"}, "disk.nme", ""),
        ({**where.disk("third"), "null": "1GiB"}, "disk.null", "excludes"),
        ({"name": "third", "socket": where.path("third.sock")}, "disk", "missing"),
    ]
    for disk, field, words in cases:
        with where.descriptors({**disk, "socket": where.path("other.sock")}) as fds:
            error = refused(where.rpc.call, "disk.add", fds=fds, disk=disk)
        assert error.data and error.data["field"] == field and words in error.message, (disk, error, error.data)
    same = {**where.disk("third"), "socket": second["socket"]}
    with where.descriptors({**same, "socket": where.path("other.sock")}) as fds:
        error = refused(where.rpc.call, "disk.add", fds=fds, disk=same)
    assert error.data["field"] == "disk.socket" and "second's" in error.message
    assert where.names() == ["first", "second"]
    # Nothing is left open of all that.
    before = len(os.listdir(f"/proc/{where.daemon.pid}/fd"))
    for disk, _, _ in cases:
        with where.descriptors({**disk, "socket": where.path("other.sock")}) as fds:
            refused(where.rpc.call, "disk.add", fds=fds, disk=disk)
    assert len(os.listdir(f"/proc/{where.daemon.pid}/fd")) == before


@pytest.mark.parametrize("sandbox", ["on"])
def test_an_image_that_would_not_wait(site):  # noqa: F811
    """With O_NONBLOCK io_uring fails where a file system has to wait. strait opens images so, lest a FIFO keep it."""
    where = site()
    for cache in ("none", "writeback"):
        disk = where.disk(cache, cache=cache)
        with where.descriptors(disk, os.O_RDWR | os.O_NONBLOCK) as fds:
            where.rpc.call("disk.add", fds=fds, disk=disk)
            flags = fcntl.fcntl(fds[0], fcntl.F_GETFL)
            assert not flags & os.O_NONBLOCK and bool(flags & os.O_DIRECT) == (cache == "none")


def load(bench, disk, seconds=60, *options):  # noqa: F811
    """Verified load that goes on until finish()."""
    return bench.running(disk["socket"], "--rw=randrw", "--verify", "--size=8m", f"--time={seconds}s", "--depth=8", *options)


def finish(bench, process):  # noqa: F811
    process.terminate()
    result = bench.finish(process, expect=None)
    assert result.json, result.err
    assert result.errors() == 0 and result.bad_sectors() == {} and result.ios() > 0 and result.checked() > 0
    return result


def requests(where, name):
    disks = where.rpc.call("stats.get", disk=name)["disks"]
    return disks[0]["counters"]["requests"]


def goes_on(where, name):
    before = requests(where, name)
    wait_for(lambda: requests(where, name) > before + 100, f"requests of disk {name}")


def test_pause_drain_and_resume_under_load(site, bench):  # noqa: F811
    where = site()
    disk = where.disk("second")
    where.add(disk)
    process = load(bench, disk)
    for method in ("disk.pause", "disk.drain"):
        where.rpc.call(method, name="second")
        wait_for(lambda: where.get("second")["state"] == "paused", "the queues to stand still")
        assert where.get("second")["in-flight"] == 0
        before = requests(where, "second")
        goes_on_not = [requests(where, "second") for _ in range(20)]
        assert set(goes_on_not) == {before}
        where.rpc.call("disk.resume", name="second")
        assert where.get("second")["state"] == "connected"
        goes_on(where, "second")
    assert where.rpc.call("disk.drain", name="second")["state"] == "paused"
    # A change of a paused disk does not wake it.
    where.rpc.call("disk.set", name="second", set={"polling": "event"})
    assert where.get("second")["state"] == "paused" and where.get("second")["polling"] == "event"
    where.rpc.call("disk.resume", name="second")
    goes_on(where, "second")
    finish(bench, process)
    # One can come and go while a disk is paused.
    where.rpc.call("disk.pause", name="second")
    with Disk(disk["socket"], timeout=10) as guest:
        guest.submit(0, 0, want=4096)
        wait_for(lambda: where.get("second")["state"] == "paused", "the disk to be paused")
        where.rpc.call("disk.resume", name="second")
        guest.wait()


def test_keys_change_under_load(site, bench):  # noqa: F811
    where = site()
    disk = where.disk("second")
    where.add(disk)
    process = load(bench, disk)
    changes = [{"polling": "poll"}, {"polling": "event", "coalesce-us": 0}, {"coalesce-us": 100, "coalesce-count": 4},
               {"in-flight-max": 2}, {"in-flight-max": None, "polling": None}, {"cache": "writethrough"},
               {"cache": "unsafe"}, {"cache": "writeback", "memory-max": "2TiB"}, {"connection-rate": 7},
               {"qos": {"iops": 100000}}, {"qos": {"iops": None}}]
    for change in changes:
        after = where.rpc.call("disk.set", name="second", set=change)
        assert after["state"] == "connected"
        for key in ("polling", "cache"):
            if change.get(key):
                assert after[key] == change[key]
        goes_on(where, "second")
    for key, value in (("queues", 8), ("file", "/nowhere"), ("read-only", True), ("socket", "/nowhere"), ("serial", "x"),
                       ("null", "1GiB")):
        error = refused(where.rpc.call, "disk.set", name="second", set={key: value})
        assert error.code == -32602 and error.data["field"].startswith("set"), error
    error = refused(where.rpc.call, "disk.set", name="second", set={"polling": "poll", "coalesce-us": 10001})
    assert error.data["field"] == "set.coalesce-us" and where.get("second")["polling"] == "adaptive"
    goes_on(where, "second")
    finish(bench, process)


def test_growing_under_load(site, bench):  # noqa: F811
    where = site()
    disk, null = where.disk("second"), where.disk("null", null="1GiB")
    where.add(disk)
    where.add(null)
    process = load(bench, disk)
    assert where.rpc.call("disk.resize", name="second", size="24MiB")["size"] == 24 * MIB
    assert os.path.getsize(disk["file"]) == 24 * MIB
    assert where.rpc.call("disk.resize", name="null", size=3 << 30)["size"] == 3 << 30
    for size, words in ((16 * MIB, "would be lost"), (24 * MIB + 1, "multiple of"), ("24 MB", "expected bytes")):
        error = refused(where.rpc.call, "disk.resize", name="second", size=size)
        assert error.code == -32602 and error.data["field"] == "size" and words in error.message
    finish(bench, process)
    with Disk(disk["socket"]) as guest:
        assert guest.size() == 24 * MIB


def test_workers_change_under_load(site, bench):  # noqa: F811
    where = site(**{"workers-max": 4})
    disks = [where.disk(f"load{i}") for i in range(3)]
    for disk in disks:
        where.add(disk)
    processes = [load(bench, disk, 60, "--queues=2") for disk in disks]

    def used():
        return {worker for disk in where.rpc.call("disk.list")["disks"] for worker in disk["workers"]}
    assert where.rpc.call("daemon.get")["workers"] == 1 and used() == {0}
    where.rpc.call("daemon.set", workers=4, placement="spread", **{"poll-max-us": 0})
    for disk in disks:  # queues that start now are spread
        where.rpc.call("disk.set", name=disk["name"], set={"polling": "event"})
    wait_for(lambda: len(used()) == 4, "queues on all workers")
    for count in (2, 1):
        where.rpc.call("daemon.set", workers=count)
        wait_for(lambda: used() == set(range(count)), f"all queues on {count} workers", 30)
        for disk in disks:
            goes_on(where, disk["name"])
    error = refused(where.rpc.call, "daemon.set", workers=5)
    assert error.data["field"] == "workers" and "workers-max" in error.message
    assert refused(where.rpc.call, "daemon.set", placement="here").data["field"] == "placement"
    for process in processes:
        finish(bench, process)


def p99(bench, disk, meanwhile):  # noqa: F811
    """Of one request at a time, of all that come while meanwhile() runs; none of them fails."""
    process = bench.running(disk["socket"], "--rw=randread", "--depth=1", "--mode=event", "--time=120s", "--size=8m")
    meanwhile()
    process.terminate()
    result = bench.finish(process, expect=None)
    assert result.json and result.errors() == 0, result.err
    return result.json["operations"]["read"]["latency_ns"]["p99"]


def test_a_hundred_disks_come_and_go_beside_a_load(site, bench):  # noqa: F811
    where = site()
    disk = where.disk("load")
    where.add(disk)

    def hundred():
        for i in range(100):
            where.add(where.disk(f"d{i}", size=MIB, queues=1))
        assert len(where.names()) == 102
        for i in range(100):
            where.rpc.call("disk.remove", name=f"d{i}")
        assert where.names() == ["first", "load"]

    def as_busy():
        """The same calls and files, without a disk that comes or goes: the test itself takes CPUs away, too."""
        for i in range(200):
            where.disk(f"d{i % 100}", size=MIB, queues=1)
            where.rpc.call("disk.list")
    alone = p99(bench, disk, as_busy)
    beside = p99(bench, disk, hundred)
    print(f"p99 of one request at a time: {alone} ns, beside 100 disks that come and go {beside} ns")
    # A ratio of percentiles on a machine that others use is never exact; a disk that stands still is far beyond.
    assert beside < 20 * alone + 2e6, (alone, beside)
    process = load(bench, disk)
    hundred()
    finish(bench, process)


def test_what_cannot_be_opened(site):  # noqa: F811
    where = site()
    disk = where.disk("second")
    if where.sandbox == "on":
        # Without descriptors, without one, with wrong ones: nothing happens, and each is told why.
        error = refused(where.rpc.call, "disk.add", disk=disk)
        assert error.code == -32013 and "strait disk add" in error.message and error.data["field"] == "disk.socket"
        with where.descriptors(disk) as fds:
            assert refused(where.rpc.call, "disk.add", fds=fds[1:], disk=disk).data["field"] == "disk.file"
            assert "two sockets" in refused(where.rpc.call, "disk.add", fds=[fds[1], fds[1]], disk=disk).message
            assert "two images" in refused(where.rpc.call, "disk.add", fds=[fds[0], fds[0]], disk=disk).message
            error = refused(where.rpc.call, "disk.add", fds=fds, disk={**disk, "record": where.path("record")})
            assert error.data["field"] == "disk.record"
        left, right = socket.socketpair()
        with left, right, where.descriptors(disk) as fds:
            error = refused(where.rpc.call, "disk.add", fds=[fds[0], left.fileno()], disk=disk)
            assert error.data["field"] == "disk.socket" and "does not listen" in error.message
        for flags, words in ((os.O_RDONLY, "for reading and writing"), (os.O_RDWR | os.O_APPEND, "O_APPEND")):
            with where.descriptors(disk, flags) as fds:
                assert words in refused(where.rpc.call, "disk.add", fds=fds, disk=disk).message
        with where.descriptors({**disk, "file": "/dev/null"}) as fds:
            assert "character device" in refused(where.rpc.call, "disk.add", fds=fds, disk=disk).message
        with where.descriptors({**disk, "file": where.path("first.img")}) as fds:
            error = refused(where.rpc.call, "disk.add", fds=fds, disk=disk)
            assert error.data["field"] == "disk.file" and "first's" in error.message
    else:
        assert "does not exist" in refused(where.rpc.call, "disk.add", disk={**disk, "file": where.path("none")}).message
        error = refused(where.rpc.call, "disk.add", disk={**disk, "socket": where.path("none/second.sock")})
        assert "none/second.sock" in error.message
    # Somebody else has the image.
    with open(disk["file"], "r+b") as image:
        fcntl.fcntl(image, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 100, 200, 0))
        error = refused(where.add, disk)
        assert error.code == -32016 and "is in use" in error.message
    assert where.names() == ["first"]
    where.add(disk)
    assert where.names() == ["first", "second"]
