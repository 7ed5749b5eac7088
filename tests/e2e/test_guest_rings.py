# SPDX-License-Identifier: Apache-2.0
"""A real driver on every kind of ring: Linux chooses what to do with each, and fio looks at what comes back."""

import itertools

import pytest

from conftest import MIB, make_disk
from guest import VhostUserDisk, fio

pytestmark = pytest.mark.straitd_only

INDIRECT_DESC, EVENT_IDX, RING_PACKED = 28, 29, 34


def negotiated(guest, device):
    """The feature bits that Linux took."""
    bits = guest.run(f"cat /sys/block/{device}/device/features")
    return {number for number, bit in enumerate(bits) if bit == "1"}


def test_linux_on_packed_rings(straitd, boot, workdir):
    """Four disks at once, with and without EVENT_IDX and INDIRECT_DESC, all with two queues. Each ring has 128 entries:
    without INDIRECT_DESC Linux never gets a request of seg_max segments (126) into a smaller one, and waits for ever."""
    kinds = list(itertools.product((True, False), repeat=2))
    disks = [make_disk(workdir, f"disk{i}", 64 * MIB, queues=2) for i in range(len(kinds))]
    daemon = straitd(disks=disks)
    guest = boot([VhostUserDisk(disk["socket"], queues=2, packed=True, event_idx=event_idx,
                                indirect=indirect) for disk, (event_idx, indirect) in zip(disks, kinds)])
    for name, (event_idx, indirect) in zip(("vda", "vdb", "vdc", "vdd"), kinds):
        bits = negotiated(guest, name)
        assert RING_PACKED in bits
        assert (EVENT_IDX in bits, INDIRECT_DESC in bits) == (event_idx, indirect)
    result = guest.fio(["/dev/vda", "/dev/vdb", "/dev/vdc", "/dev/vdd"], rw="randrw", bsrange="512-256k", bs=None,
                       blockalign=512, size="12m", verify="crc32c", do_verify=1, verify_fatal=1, verify_state_save=0,
                       numjobs=2, offset_increment="12m", timeout=180)
    assert fio.errors(result) == 0
    assert fio.total(result, "io_bytes", ["write"]) > 4 * 2 * 5 * MIB
    guest.run("""
        for d in vda vdd; do
            mkfs.ext4 -q -F /dev/$d && mount /dev/$d /mnt && cp /bin/busybox /mnt && sync || exit 1
            umount /mnt && fsck.ext4 -f -n /dev/$d || exit 1
        done""", timeout=120)
    guest.shutdown()
    assert "broken" not in daemon.log()
