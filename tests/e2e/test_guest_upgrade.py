# SPDX-License-Identifier: Apache-2.0
"""A real guest works on its disks while straitd is upgraded under it."""

import pytest

from conftest import front_ends, make_disk
from guest import fio
from guest.proc import wait_until
from upgrade import service, straitd  # noqa: F401

pytestmark = pytest.mark.straitd_only


def test_three_upgrades_under_fio(workdir, boot, service):  # noqa: F811
    """Writes that are verified, on two disks; no error, and QEMU has not connected again."""
    disks = [make_disk(workdir, name, queues=2) for name in ("vda", "vdb")]
    started = service(disks, workers=1)
    guest = boot(front_ends(disks), cpus=2)
    loads = [guest.fio_start(f"/dev/{disk['name']}", rw="randwrite", bs="4k-64k", size="16m", iodepth=8, io_size="24m",
                             verify="crc32c", verify_state_save=0) for disk in disks]
    for workers in (2, 3, 1):
        before = guest.sample("vda").ios
        wait_until(lambda: guest.sample("vda").ios > before + 100 or not loads[0].running(), 60, "the load to go on")
        started.configure(disks, workers=workers)
        started.upgrade()
    for load in loads:
        assert fio.errors(load.result(300)) == 0
    print("longest pauses, ms:", *started.pauses)
    assert started.log().count("front end connected") == len(disks)
    guest.shutdown()
    started.stop()
