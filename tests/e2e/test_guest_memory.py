# SPDX-License-Identifier: Apache-2.0
"""Memory that comes while I/O runs: the back end must map it before a buffer lies in it."""

from conftest import front_ends, make_disk
from guest import fio

MOVABLE_FREE = "awk '/zone +Movable/ {m=1} m && /pages free/ {n+=$3; m=0} END {print n+0}' /proc/zoneinfo"


def test_memory_hotplug_under_load(workdir, boot, serve):
    """A pc-dimm is added during verified I/O, then I/O buffers lie in it. Linux prefers the movable zone for a
    program's pages, and online_movable puts all of the new memory there, so fio's buffers are in it."""
    disk = make_disk(workdir, "vda", queues=2)
    daemon = serve([disk])
    guest = boot(front_ends([disk]), memory=256, max_memory=1024)
    load = guest.fio_start("/dev/vda", rw="randwrite", size="32m", bsrange="4k-64k", bs=None, verify="crc32c",
                           verify_backlog=64, verify_fatal=1, verify_state_save=0, time_based=True, runtime=8)
    assert guest.add_memory(128) == 128
    assert guest.add_memory(128) == 128
    free = int(guest.run(MOVABLE_FREE))
    assert free > 50000, f"{free} free pages in the new memory"
    into_new = guest.fio_start("/dev/vda", offset="64m", size="24m", rw="randrw", bs="256k", iodepth=64, numjobs=2,
                               offset_increment="32m", verify="crc32c", verify_fatal=1, verify_state_save=0,
                               time_based=True, runtime=6)
    used = 0
    while into_new.running():
        used = max(used, free - int(guest.run(MOVABLE_FREE)))
    assert used * 4096 > 16 << 20, f"only {used} pages of the new memory were in use by fio"
    assert fio.errors(into_new.result()) == 0
    assert fio.errors(load.result()) == 0
    guest.shutdown()
    daemon.stop()
