# SPDX-License-Identifier: Apache-2.0
"""The disk outlives reboots and QEMUs, and grows under a running guest."""

import os
import signal
import subprocess

import pytest
from conftest import MIB, front_ends, make_disk
from guest import fio
from guest.proc import wait_until

STAMPED = {"rw": "write", "bs": "64k", "size": "32m", "verify": "crc32c", "verify_state_save": 0}


def grow(lab, how):
    """Make the image of vdb 64 MiB larger, wait until the guest sees it, write to the new end."""
    image, size = lab.file("vdb"), os.stat(lab.file("vdb")).st_size + 64 * MIB
    how(image, size)
    wait_until(lambda: lab.guest.run("blockdev --getsize64 /dev/vdb") == str(size), 20,
               f"the guest to see that its disk grew to {size} bytes", step=0.5)
    lab.guest.run(f"yes strait | dd of=/dev/vdb bs=4k count=1 iflag=fullblock seek={size // 4096 - 1} oflag=direct")
    with open(image, "rb") as f:
        f.seek(size - 4096)
        assert f.read(7) == b"strait\n"


@pytest.mark.straitd_only
def test_growing_the_image_reaches_the_running_guest(lab):
    """As truncate(1) and `qemu-img resize` do it: open, change, close."""
    grow(lab, lambda image, size: subprocess.run(["truncate", f"--size={size}", image], check=True))


@pytest.mark.straitd_only
def test_sighup_makes_a_new_size_known(lab):
    """truncate(2) opens nothing, which the daemon cannot notice unless it is told to look."""
    def truncate_and_tell(image, size):
        os.truncate(image, size)
        lab.daemon.process.send_signal(signal.SIGHUP)
    grow(lab, truncate_and_tell)


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
    load = first.fio_start("/dev/vda", rw="randwrite", offset="64m", size="128m", iodepth=32, time_based=True,
                           runtime=60)
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
