# SPDX-License-Identifier: Apache-2.0
"""The host under test."""

import os
from dataclasses import dataclass

from guest import Guest, GuestError
from guest.guest import KERNEL_OPTIONS

_MIB = 1 << 20


@dataclass
class Shape:
    """What a lab has. memory: MiB of a node; cpus: of a node, a power of two, or QEMU loses interrupts between them;
    kernel: more of the kernel's command line."""
    nodes: int = 2
    cpus: int = 4
    memory: int = 1024
    iommu: bool = True
    nvme: bool = True
    kernel: str = "intel_iommu=on"


LARGE = Shape()
# one node, no IOMMU, no KVM, virtual disks: what a small rented machine looks like
SMALL = Shape(nodes=1, memory=768, iommu=False, nvme=False, kernel="lab.kvm=off")


class LabMachine(Guest):
    """A Guest whose guest is a host. Its disks are /dev/nvme0n1 and n2, or /dev/vda and vdb. terminal: a socket with its
    console, where somebody may log in."""

    def __init__(self, image, directory, shape=LARGE, boot_timeout=90):
        self.shape = shape
        self.terminal = os.path.join(directory, "terminal")
        os.makedirs(directory, exist_ok=True)
        self._disks = [os.path.join(directory, f"disk{number}.img") for number in range(2)]
        for path in self._disks:
            with open(path, "wb") as f:
                f.truncate(1024 * _MIB)
        super().__init__(image, directory, boot_timeout=boot_timeout)

    def _command(self, image, cpus, memory, max_memory, fds):
        shape = self.shape
        argv = super()._command(image, shape.cpus * shape.nodes, shape.memory, None, fds)
        # one node of memory was for an ordinary guest; ours are several
        for option in ("-object", "-numa", "-m", "-smp", "-serial", "-cpu", "-accel", "-append"):
            at = argv.index(option)
            del argv[at:at + 2]
        # one thread for all CPUs: on a busy machine several would wait for each other, some minutes for a boot
        argv += ["-m", f"{shape.memory * shape.nodes}M", "-accel", "tcg,thread=single",
                 "-smp", f"{shape.cpus * shape.nodes},sockets={shape.nodes},cores={shape.cpus},threads=1",
                 "-cpu", "max",
                 "-chardev", f"socket,id=terminal,path={self.terminal},server=on,wait=off,logfile={self.console}",
                 "-serial", "chardev:terminal",
                 "-append", f"{KERNEL_OPTIONS} psi=1 nvme_core.multipath=N {shape.kernel}".strip()]
        for node in range(shape.nodes):
            first = node * shape.cpus
            argv += ["-object", f"memory-backend-memfd,id=m{node},size={shape.memory}M",
                     "-numa", f"node,nodeid={node},cpus={first}-{first + shape.cpus - 1},memdev=m{node}"]
        if shape.iommu:  # first, since a device asks for its IOMMU when it is made
            argv[1:1] = ["-device", "intel-iommu,intremap=on,caching-mode=on,device-iotlb=on"]
        return argv + self._devices()

    def _devices(self):
        drives = []
        for number, path in enumerate(self._disks):
            drives += ["-drive", f"file={path},if=none,id=disk{number},format=raw,discard=unmap"]
        if not self.shape.nvme:
            return drives + ["-device", "virtio-blk-pci,drive=disk0", "-device", "virtio-blk-pci,drive=disk1",
                             "-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile="]
        # behind a host bridge of its own, since only those tell which node a device is near
        return drives + [
            "-device", "pxb-pcie,id=near0,bus_nr=64,numa_node=0,bus=pcie.0",
            "-device", "pcie-root-port,id=rp0,slot=1,chassis=1,bus=near0",
            "-device", "nvme-subsys,id=ss0,nqn=s0",
            "-device", "nvme,id=nvme0,serial=lab,bus=rp0,subsys=ss0,sriov_max_vfs=4,sriov_vq_flexible=8,"
                       "sriov_vi_flexible=4,max_ioqpairs=24,msix_qsize=25",
            "-device", "nvme-ns,drive=disk0,bus=nvme0,nsid=1", "-device", "nvme-ns,drive=disk1,bus=nvme0,nsid=2",
            # two functions behind a conventional bridge: one IOMMU group
            "-device", "pcie-pci-bridge,id=old,bus=pcie.0",
            "-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,bus=old,addr=1,romfile=",
            "-device", "virtio-rng-pci,bus=old,addr=2",
            # its interrupts can be moved, as those of an NVMe controller cannot
            "-netdev", "user,id=many,restrict=on", "-device", "vmxnet3,netdev=many,bus=pcie.0,romfile="]
