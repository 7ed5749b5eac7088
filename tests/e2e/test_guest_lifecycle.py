# SPDX-License-Identifier: Apache-2.0
"""The disk outlives reboots and QEMUs, and grows under a running guest."""

import os

import pytest
from conftest import MIB, front_ends, make_disk
from guest import fio
from guest.proc import wait_until

STAMPED = {"rw": "write", "bs": "64k", "size": "32m", "verify": "crc32c", "verify_state_save": 0}


@pytest.mark.straitd_only
def test_growing_the_image_reaches_the_running_guest(lab):
    image, size = lab.file("vdb"), os.stat(lab.file("vdb")).st_size
    os.truncate(image, size + 128 * MIB)
    wait_until(lambda: lab.guest.run("blockdev --getsize64 /dev/vdb") == str(size + 128 * MIB), 20,
               "the guest to see that its disk grew by 128 MiB", step=0.5)
    last = (size + 128 * MIB) // 4096 - 1
    lab.guest.run(f"yes strait | dd of=/dev/vdb bs=4k count=1 iflag=fullblock seek={last} oflag=direct")
    with open(image, "rb") as f:
        f.seek(last * 4096)
        assert f.read(7) == b"strait\n"


def test_reboot_of_the_guest(lab):
    """After a reset under load the disks work and hold what was written before."""
    lab.guest.fio("/dev/vda", do_verify=0, end_fsync=1, **STAMPED)
    lab.guest.fio_start("/dev/vdb", rw="randwrite", size="64m", time_based=True, runtime=60)
    lab.guest.reboot()
    assert fio.errors(lab.guest.fio("/dev/vda", verify_only=True, **STAMPED)) == 0
    lab.guest.run("mkfs.ext4 -q -F /dev/vdb && fsck.ext4 -f -n /dev/vdb")


def test_qemu_killed_under_load(workdir, boot, serve):
    """The same back end serves the next QEMU, and what was flushed before the kill is there."""
    disk = make_disk(workdir, "vda", queues=2)
    daemon = serve([disk])
    first = boot(front_ends([disk]))
    first.fio("/dev/vda", do_verify=0, end_fsync=1, **STAMPED)
    load = first.fio_start("/dev/vda", rw="randwrite", offset="64m", size="128m", time_based=True, runtime=60, iodepth=32)
    before = first.sample("vda").ios
    wait_until(lambda: first.sample("vda").ios > before + 500, 30, "the load to get going")
    assert load.running()
    first.kill()
    second = boot(front_ends([disk]))
    assert fio.errors(second.fio("/dev/vda", verify_only=True, **STAMPED)) == 0
    assert fio.errors(second.fio("/dev/vda", rw="randrw", offset="64m", size="8m", verify="crc32c")) == 0
    second.shutdown()
    daemon.stop()


@pytest.mark.straitd_only
def test_command_line_disk_read_only(workdir, boot, straitd):
    """The conventions for vhost-user programs: --socket-path, --blk-file, --read-only."""
    disk = make_disk(workdir, "vda", queues=1)
    with open(disk["file"], "r+b") as f:
        f.write(b"from the command line\n")
    daemon = straitd(socket=disk["socket"], file=disk["file"], read_only=True)
    guest = boot(front_ends([disk]))
    assert guest.run("head -1 /dev/vda; blockdev --getro /dev/vda") == "from the command line\n1"
    guest.stop_qemu()
    daemon.stop()
