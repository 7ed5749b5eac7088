# SPDX-License-Identifier: Apache-2.0
"""The verification through a back end that is not ours, so that a fault in the guest or the harness shows as one."""

from conftest import front_ends, make_disk
from guest import fio
from test_guest_data import VERIFY


def test_verify_through_qemu_storage_daemon(workdir, boot, qsd):
    disks = [make_disk(workdir, name) for name in ("vda", "vdb")]
    qsd(disks)
    guest = boot(front_ends(disks), cpus=4)
    result = guest.fio(["/dev/vda", "/dev/vdb"], size="8m", offset_increment="8m", timeout=180, **VERIFY)
    assert fio.errors(result) == 0
    guest.shutdown()
