# SPDX-License-Identifier: Apache-2.0
"""A file system of a real guest on the disk, and what its discards do to the image."""

import os
import subprocess

from conftest import MIB


def allocated(path):
    return os.stat(path).st_blocks * 512


def test_ext4_is_clean_after_use(lab):
    """mkfs, files, umount; fsck agrees in the guest and, from the outside, on the host."""
    lab.guest.run("""
        mkfs.ext4 -q -F /dev/vda && mount /dev/vda /mnt || exit 1
        for i in 1 2 3 4 5 6 7 8; do
            mkdir /mnt/$i && cp /bin/busybox /bin/fio /mnt/$i || exit 1
            dd if=/dev/urandom of=/mnt/$i/r bs=64k count=16 2>/dev/null || exit 1
        done
        sync; rm -r /mnt/3 /mnt/6; sha256sum /mnt/*/* >/tmp/sums
        umount /mnt""", timeout=120)
    lab.guest.run("fsck.ext4 -f -n /dev/vda")
    lab.guest.run("""
        echo 3 >/proc/sys/vm/drop_caches
        mount /dev/vda /mnt && sha256sum -c /tmp/sums; status=$?; umount /mnt; exit $status""")
    host = subprocess.run(["/sbin/e2fsck", "-f", "-n", lab.file("vda")], capture_output=True, text=True, check=False)
    assert host.returncode == 0, host.stdout + host.stderr


def test_discard_frees_space_in_the_image(lab):
    """What the guest discards reads as zeros and no longer takes space on the host; so does zeroing with unmap."""
    image = lab.file("vda")
    lab.guest.fio("/dev/vda", rw="write", bs="1m", size="64m", offset="128m", end_fsync=1)
    full = allocated(image)
    # by its path: busybox has a simpler one, and its shell prefers it
    lab.guest.run(f"/bin/blkdiscard -o {128 * MIB} -l {32 * MIB} /dev/vda")
    discarded = allocated(image)
    assert full - discarded >= 31 * MIB, f"{full} bytes allocated before the discard of 32 MiB, {discarded} after"
    zeros = f"cmp -n {32 * MIB} /dev/zero -"
    lab.guest.run(f"dd if=/dev/vda bs=1M skip=128 count=32 iflag=direct 2>/dev/null | {zeros}")
    lab.guest.run(f"/bin/blkdiscard -z -o {160 * MIB} -l {32 * MIB} /dev/vda")
    lab.guest.run(f"dd if=/dev/vda bs=1M skip=160 count=32 iflag=direct 2>/dev/null | {zeros}")


def test_fstrim_frees_space_in_the_image(lab):
    image = lab.file("vdb")
    lab.guest.run("""
        mkfs.ext4 -q -F /dev/vdb && mount /dev/vdb /mnt || exit 1
        dd if=/dev/urandom of=/mnt/big bs=1M count=32 2>/dev/null && sync""", timeout=120)
    full = allocated(image)
    lab.guest.run("rm /mnt/big && sync && fstrim /mnt; s=$?; umount /mnt; exit $s")
    assert full - allocated(image) >= 28 * MIB, f"{full} bytes allocated before fstrim, {allocated(image)} after"
    lab.guest.run("fsck.ext4 -f -n /dev/vdb")
