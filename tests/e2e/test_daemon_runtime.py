# SPDX-License-Identifier: Apache-2.0
"""Disks that come, change and go while straitd runs: with the sandbox off, where it opens paths, and on, where it gets
descriptors."""

import os

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
