# SPDX-License-Identifier: Apache-2.0
"""The lab is what the other tests take it for."""

from guest.proc import wait_until
from lab.nested import READS, Nested, RunningNested, write_boot_sector

NVME = "/sys/bus/pci/devices/0000:41:00.0"


def test_has_two_nodes_an_iommu_and_kvm(machine):
    assert machine.run("cat /sys/devices/system/node/online") == "0-1"
    assert machine.run("cat /sys/devices/system/node/node1/cpulist") == "4-7"
    assert machine.run(f"readlink -f {NVME}/iommu_group").startswith("/sys/kernel/iommu_groups/")
    assert machine.run(f"cat {NVME}/numa_node") == "0"
    machine.run("test -c /dev/kvm && test -c /dev/vhost-net && test -c /dev/vfio/vfio")


def test_has_virtual_functions(machine):
    machine.run(f"echo 0 >{NVME}/sriov_drivers_autoprobe; echo 2 >{NVME}/sriov_numvfs")
    try:
        assert machine.run(f"ls -d {NVME}/virtfn*").split() == [f"{NVME}/virtfn0", f"{NVME}/virtfn1"]
    finally:
        machine.run(f"echo 0 >{NVME}/sriov_numvfs")


def test_runs_guests_that_read(machine):
    machine.run("echo 48 >/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages")
    write_boot_sector(machine, "/dev/nvme0n1", READS)
    guest = RunningNested(machine, Nested())
    try:
        before = int(machine.run("awk '{print $1}' /sys/block/nvme0n1/stat"))
        wait_until(lambda: int(machine.run("awk '{print $1}' /sys/block/nvme0n1/stat")) > before + 20, 60,
                   "reads of the nested guest", 0.2)
        assert machine.run(f"grep -c 'huge.*N0=32 ' /proc/{guest.pid}/numa_maps") == "1"
        assert machine.run(f"taskset -p {guest.thread('CPU 1/KVM')}").endswith(" 4")  # CPU 2
    finally:
        guest.stop()
        machine.run("echo 0 >/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages")
