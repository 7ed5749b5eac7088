# SPDX-License-Identifier: Apache-2.0
"""A real guest, whose QEMU connects again, sees nothing of straitd's crashes but requests that take longer.

QEMU waits a second before it connects again (reconnect=1), so that a crash takes that long at least: --guest-kills
says how many there are to be."""

import random
import time

import pytest

from conftest import MIB, front_ends, make_disk
from crashes import Crasher
from guest.proc import wait_until


ENDED_BY_SIGNAL = 128  # of fio; an error in the data makes it end by itself, with another status
LOAD = {"rw": "randrw", "bs": "4k", "size": "32m", "iodepth": 16, "verify": "crc32c", "verify_backlog": 64,
        "verify_fatal": 1, "time_based": True, "runtime": 100000}


def completed(guest, disk):
    return guest.sample(disk["name"]).ios


@pytest.mark.straitd_only
@pytest.mark.parametrize("packed", (False, True), ids=("split", "packed"))
def test_killed_under_a_guests_load(request, build_dir, workdir, boot, packed):
    kills = request.config.getoption("guest_kills")
    if not kills:
        pytest.skip("takes minutes: make soak, or --guest-kills=N")
    disk = make_disk(workdir, "vda", 64 * MIB, queues=2)
    with Crasher(build_dir, workdir, [disk]) as crasher:
        (end,) = front_ends([disk])
        end.packed = packed
        guest = boot([end], cpus=2)
        # Each block is read back and checked after it was written, over and over, until it is told to end.
        load = guest.fio_start("/dev/vda", **LOAD)
        while crasher.kills < kills:
            before = completed(guest, disk)
            wait_until(lambda: completed(guest, disk) > before, 60, "requests to complete after a crash", step=0.05)
            time.sleep(random.uniform(0, 0.3))
            assert load.running(), "fio found an error"
            crasher.kill()
            if crasher.kills == kills // 2:
                reboot(guest, crasher, load)
                load = guest.fio_start("/dev/vda", **LOAD)
        before = completed(guest, disk)
        wait_until(lambda: completed(guest, disk) > before, 60, "requests to complete after the last crash", step=0.05)
        assert load.running(), "fio found an error"
        guest.run("killall -q -INT fio; while pidof fio >/dev/null; do sleep 0.1; done")
        status, messages = load.status()
        assert status == ENDED_BY_SIGNAL and "verify" not in messages, f"fio ended with {status}: {messages}"
        assert guest.run("dmesg | grep -E 'I/O error|timed out|hung' || true") == ""
        print(f"{'packed' if packed else 'split'} rings: a guest saw no error in {crasher.kills} kills")


def reboot(guest, crasher, load):
    """The region goes with the reset: what was in flight in the guest that was is not done again."""
    assert load.running()
    guest.reboot()
    crasher.kill()
