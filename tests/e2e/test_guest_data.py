# SPDX-License-Identifier: Apache-2.0
"""What the guest writes is what it reads, on every queue, and what may not be written or read is refused cleanly."""

import pytest

from guest import fio

VERIFY = {"rw": "randrw", "bsrange": "512-256k", "blockalign": 512, "bs": None, "verify": "crc32c", "do_verify": 1,
          "verify_fatal": 1, "verify_state_save": 0, "numjobs": 4, "cpus_allowed": "0-3",
          "cpus_allowed_policy": "split"}


def test_verify_over_four_queues_of_two_disks(lab):
    """Mixed block sizes, each queue in use, both disks at once."""
    queues = lab.guest.run("ls /sys/block/vda/mq /sys/block/vdb/mq | grep -c '^[0-9]'")
    assert queues == "8"
    result = lab.guest.fio(["/dev/vda", "/dev/vdb"], size="12m", offset_increment="12m", timeout=180, **VERIFY)
    assert fio.errors(result) == 0
    assert fio.total(result, "io_bytes", ["write"]) > 2 * 4 * 4 * 1024 * 1024
    used = lab.guest.run("for q in 0 1 2 3; do grep -- -req.$q /proc/interrupts | awk '{print $2+$3+$4+$5}'; done")
    per_queue = [int(n) for n in used.split()]
    assert len([n for n in per_queue if n > 20]) >= 8, f"interrupts of the queues: {per_queue}"


def test_read_only_disk(lab):
    """The guest knows, its writes are refused, and its reads work."""
    assert lab.guest.run("blockdev --getro /dev/vdc; cat /sys/block/vdc/ro") == "1\n1"
    # it is Linux that refuses: what the device does with a driver that writes all the same is for the front-end tests
    for refused in ("dd if=/dev/zero of=/dev/vdc bs=4k count=1 oflag=direct", "/bin/blkdiscard /dev/vdc",
                    "mkfs.ext4 -q -F /dev/vdc"):
        status, message = lab.guest.run(refused, check=False)
        assert status != 0, f"`{refused}` was let through: {message}"
    assert lab.guest.run("dd if=/dev/vdc bs=512 count=1 iflag=direct 2>/dev/null | head -1") == "cannot be changed"
    with open(lab.file("vdc"), "rb") as f:
        assert f.read(17) == b"cannot be changed"


@pytest.mark.straitd_only
def test_write_cache_can_be_switched(lab):
    """`write back` and `write through` through sysfs (CONFIG_WCE), while writing."""
    cache = "/sys/block/vda/cache_type"
    assert lab.guest.run(f"cat {cache}") == "write back"
    job = lab.guest.fio_start("/dev/vda", rw="randwrite", size="32m", time_based=True, runtime=4, fsync=32)
    lab.guest.run(f"echo 'write through' >{cache}")
    assert lab.guest.run(f"cat {cache}") == "write through"
    assert job.running()
    lab.guest.run(f"echo 'write back' >{cache}")
    assert lab.guest.run(f"cat {cache}") == "write back"
    assert fio.errors(job.result()) == 0


@pytest.mark.straitd_only
def test_injected_errors_reach_the_guest_and_nothing_else(lab):
    """EIO on reads at 1 MiB of vdd, ENOSPC on writes at 2 MiB; the rest of it, and another disk under load, go on."""
    other = lab.guest.fio_start("/dev/vda", size="8m", offset_increment="8m", **VERIFY)
    read = "dd if=/dev/vdd of=/dev/null bs=4k count=1 iflag=direct skip="
    write = "dd if=/dev/zero of=/dev/vdd bs=4k count=1 oflag=direct seek="
    for command, wanted in ((read + "256", False), (read + "271", False), (read + "255", True), (read + "272", True),
                            (write + "256", True), (write + "512", False), (write + "511", True), (read + "512", True)):
        status, message = lab.guest.run(command, check=False)
        assert (status == 0) == wanted, f"`{command}` ended with {status}: {message}"
        if not wanted:
            assert "Input/output error" in message or "No space" in message, message
    assert "I/O error, dev vdd" in lab.guest.run("dmesg | tail -30")
    assert fio.errors(other.result()) == 0
    lab.guest.run("dd if=/dev/urandom of=/dev/vdd bs=1M count=8 seek=8 oflag=direct && "
                  "dd if=/dev/vdd of=/dev/null bs=1M count=8 skip=8 iflag=direct")
