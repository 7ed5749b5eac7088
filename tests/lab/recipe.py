# SPDX-License-Identifier: Apache-2.0
"""What the lab is made of: the distribution's programs in one archive that is kept, and those of Strait in another that
is made anew each time."""

import os
import shutil
import tempfile

from guest import GuestError, build_image
from guest.image import Image, Recipe, add_program, pack

from .nested import MODULES

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
LAB = Recipe(
    name="lab",
    modules=("virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_scsi", "kvm", "kvm_amd", "vhost_net",
             "vfio_pci", "vfio_iommu_type1", "tun", "bridge", "dm_mod", "dm_delay", "loop", "vmxnet3"),
    programs={"fio": "fio", "mke2fs": "e2fsprogs", "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils",
              "ip": "iproute2", "dmsetup": "dmsetup", "trace-cmd": "trace-cmd"},
    links={"mkfs.ext4": "mke2fs"},
    files=FILES,
    data=("/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/kvmvapic.bin", "/usr/share/qemu/linuxboot_dma.bin",
          f"{MODULES}/accel-tcg-x86_64.so"))


def build_lab(cache, build_dir, directory, progress=lambda text: None):
    """The Image of the lab with the programs of `build_dir`; those are put together in `directory`."""
    base = build_image(cache, progress, LAB)
    path = os.path.join(directory, "initramfs")
    with tempfile.TemporaryDirectory(dir=directory) as work:
        root = os.path.join(work, "root")
        for name in ("strait", "straitd"):
            program = os.path.join(build_dir, "cmd", name, name)
            if not os.access(program, os.X_OK):
                raise GuestError(f"{program} is missing: build it, or name another directory with --build-dir")
            add_program(root, program)
        pack(root, os.path.join(work, "strait"))
        with open(path, "wb") as out:
            for part in (base.initramfs, os.path.join(work, "strait")):
                with open(part, "rb") as archive:
                    shutil.copyfileobj(archive, out)
    return Image(base.kernel, path)
