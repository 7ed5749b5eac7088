# SPDX-License-Identifier: Apache-2.0
"""A guest under verified load migrates between two QEMUs and two straitds on one image, there and back.

MIGRATIONS=N in the environment says how many times, for each kind of ring."""

import os

import pytest
from conftest import front_ends, make_disk
from guest import GuestError, fio, migration
from guest.proc import wait_until

pytestmark = pytest.mark.straitd_only
COUNT = int(os.environ.get("MIGRATIONS", "1"))


class Side:
    """A host: its straitd, and the QEMUs that come and go on it."""

    def __init__(self, directory, disk, straitd, boot, packed):
        os.makedirs(directory)
        self.disk = {**disk, "socket": os.path.join(directory, "vda.sock")}
        self.daemon = straitd(disks=[self.disk])
        self._boot, self._packed = boot, packed

    def guest(self, **how):
        ends = front_ends([self.disk])
        for end in ends:
            end.packed = self._packed
        return self._boot(ends, **how)


class Load:
    """fio writes, reads and compares, over and over; one error ends it."""

    def __init__(self, guest):
        guest.run("dmesg -c >/dev/null")
        again = fio.command("/dev/vda", {"rw": "randrw", "bsrange": "4k-64k", "size": "16m", "verify": "crc32c",
                                         "verify_state_save": 0, "fsync": 64, "iodepth": 16}, "/tmp/load.json")
        self._job = guest.start(f"rounds=0; while [ ! -e /tmp/enough ]; do {again} || exit 1; rounds=$((rounds+1)); "
                                "done; echo $rounds rounds")

    def moved(self, guest):
        self._job.moved(guest)
        if not self._job.running():
            raise GuestError("the load ended: " + self._job.wait(check=False)[1])

    def end(self, guest):
        guest.run("touch /tmp/enough")
        return int(self._job.wait(timeout=120).rsplit(maxsplit=2)[-2])


def disk_for_two(workdir):
    disk = make_disk(workdir, "vda", queues=2, lock="running")
    if disk["cache"] != "none":
        pytest.skip("needs O_DIRECT, which the file system of /var/tmp refuses")
    return disk


@pytest.mark.parametrize("packed", (False, True), ids=("split", "packed"))
def test_there_and_back(workdir, boot, straitd, packed):
    disk = disk_for_two(workdir)
    sides = [Side(os.path.join(workdir, name), disk, straitd, boot, packed) for name in ("here", "there")]
    guest = sides[0].guest()
    load = Load(guest)
    for number in range(2 * COUNT):
        before = guest.sample("vda").ios
        wait_until(lambda: guest.sample("vda").ios > before + 200, 60, "the load to get going")
        target = sides[(number + 1) % 2].guest(incoming=True)
        migration.migrate(guest, target)
        load.moved(target)
        guest.kill()
        guest = target
    assert load.end(guest) > 0
    errors = guest.run("dmesg | grep -iE 'error|BUG:|Oops|corrupt' || true")
    assert errors == "", errors
    guest.shutdown()
    for side in sides:
        assert "error" not in side.daemon.log().replace("0 errors", "")


def test_the_source_stays_out(workdir, boot, straitd):
    """A source that goes on by mistake must not write: its queues do not start while the other's run. And a migration
    that is given up changes nothing."""
    disk = disk_for_two(workdir)
    here, there = (Side(os.path.join(workdir, name), disk, straitd, boot, False) for name in ("here", "there"))
    source = here.guest()
    load = Load(source)
    migration.cancel(source)
    target = there.guest(incoming=True)
    migration.migrate(source, target)
    load.moved(target)
    source.qmp("cont")
    wait_until(lambda: "queue 0 cannot start" in here.daemon.log(), 20, "the source's queue to be refused")
    assert "is in use by" in here.daemon.log()
    source.kill()
    assert load.end(target) > 0
    target.shutdown()


def test_pause(workdir, boot, straitd):
    """QEMU 7.2 says status 0 when it only pauses a guest, and asks for the rings' positions afterwards."""
    disk = make_disk(workdir, "vda", queues=2)
    daemon = straitd(disks=[disk])
    guest = boot(front_ends([disk]))
    guest.run("echo 'write through' >/sys/block/vda/cache_type")
    load = Load(guest)
    for _ in range(3):
        before = guest.sample("vda").ios
        wait_until(lambda: guest.sample("vda").ios > before + 50, 60, "the load to get going")
        guest.qmp("stop")
        guest.qmp("cont")
    assert load.end(guest) > 0
    guest.shutdown()
    assert "broken" not in daemon.log()
