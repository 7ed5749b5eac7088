# SPDX-License-Identifier: Apache-2.0
"""strait advise: the decision list on machines made of files, and shapes that libvirt's schema and QEMU accept."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import threading

import pytest

from machines import build, machine
from paused import qemu, tap_device

SCHEMA = "/usr/share/libvirt/schemas/domain.rng"

DRIVE = "/sys/devices/pci0000:40/0000:41:00.0"
# An NVMe drive at the node of the guest, in a group of its own, that nobody uses.
FREE_DRIVE = {
    f"{DRIVE}/class": "0x010802", f"{DRIVE}/vendor": "0x144d", f"{DRIVE}/device": "0xa80a", f"{DRIVE}/numa_node": "1",
    f"{DRIVE}/iommu_group": {"link": "../../../kernel/iommu_groups/7"},
    "/sys/bus/pci/devices/0000:41:00.0": {"link": "../../../devices/pci0000:40/0000:41:00.0"},
    "/sys/kernel/iommu_groups/7/type": "DMA-FQ",
    "/sys/kernel/iommu_groups/7/devices/0000:41:00.0": {"link": "../../../../devices/pci0000:40/0000:41:00.0"},
}
NEIGHBOUR = {
    "/sys/devices/pci0000:40/0000:41:00.1/class": "0x020000",
    "/sys/devices/pci0000:40/0000:41:00.1/iommu_group": {"link": "../../../kernel/iommu_groups/7"},
    "/sys/bus/pci/devices/0000:41:00.1": {"link": "../../../devices/pci0000:40/0000:41:00.1"},
    "/sys/kernel/iommu_groups/7/devices/0000:41:00.1": {"link": "../../../../devices/pci0000:40/0000:41:00.1"},
}
# What is on the drive, and where.
NAMESPACE = {
    f"{DRIVE}/nvme/nvme9/nvme9n1/dev": "259:0", f"{DRIVE}/nvme/nvme9/nvme9n1/size": "2048",
    "/sys/class/block/nvme9n1": {"link": "../../devices/pci0000:40/0000:41:00.0/nvme/nvme9/nvme9n1"},
}
MOUNTED = NAMESPACE | {"/proc/self/mountinfo": "30 1 259:0 / /srv rw - ext4 /dev/nvme9n1 rw"}
FUNCTIONS = {
    "/sys/devices/pci0000:40/0000:42:00.0/class": "0x020000",
    "/sys/devices/pci0000:40/0000:42:00.0/sriov_totalvfs": "8",
    "/sys/devices/pci0000:40/0000:42:00.0/sriov_numvfs": "1",
    "/sys/bus/pci/devices/0000:42:00.0": {"link": "../../../devices/pci0000:40/0000:42:00.0"},
    "/sys/devices/pci0000:40/0000:42:10.0/class": "0x020000", "/sys/devices/pci0000:40/0000:42:10.0/numa_node": "1",
    "/sys/devices/pci0000:40/0000:42:10.0/physfn": {"link": "../0000:42:00.0"},
    "/sys/devices/pci0000:40/0000:42:10.0/iommu_group": {"link": "../../../kernel/iommu_groups/8"},
    "/sys/bus/pci/devices/0000:42:10.0": {"link": "../../../devices/pci0000:40/0000:42:10.0"},
    "/sys/kernel/iommu_groups/8/type": "DMA-FQ",
    "/sys/kernel/iommu_groups/8/devices/0000:42:10.0": {"link": "../../../../devices/pci0000:40/0000:42:10.0"},
}
NO_FUNCTIONS_YET = {
    "/sys/devices/pci0000:40/0000:42:00.0/class": "0x020000",
    "/sys/devices/pci0000:40/0000:42:00.0/sriov_totalvfs": "8",
    "/sys/devices/pci0000:40/0000:42:00.0/sriov_numvfs": "0",
    "/sys/bus/pci/devices/0000:42:00.0": {"link": "../../../devices/pci0000:40/0000:42:00.0"},
}
DISK, NIC = "vda", "net0"
COMMAND_LINE = next(path for path in machine("guest") if re.fullmatch(r"/proc/\d+/cmdline", path))


def arguments_of_guest():
    return list(machine("guest")[COMMAND_LINE]["arguments"])


def word_of_guest(beginning):
    return next(word for word in arguments_of_guest() if str(word).startswith(beginning))


# The disk's, from what is below to the device.
FILE, RAW, DEVICE = (word_of_guest(word) for word in ("driver=host_device,", "driver=raw,", "virtio-blk-pci,"))
QCOW2 = RAW.replace("raw", "qcow2")
NIC_DEVICE = word_of_guest("virtio-net-pci,")
PATH = re.search(r"filename=([^,]*)", FILE)[1]
ALL = ["--workload", "latency", "--failover"]


def strait(build_dir, *arguments):
    return subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "advise", *arguments],
                          capture_output=True, text=True, timeout=60)


def command_line(*changes):
    """The guest's, with words replaced: (old, new)."""
    words = arguments_of_guest()
    for old, new in changes:
        words[words.index(old)] = new
    return {COMMAND_LINE: {"arguments": words}}


@pytest.fixture
def advise(build_dir, workdir):
    """advise(object, files, *options): the advice for the guest of the fixture machine, changed by files."""
    def ask(name, *files, options=()):
        directory = os.path.join(workdir, "machine")
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)
        build(directory, machine("host"), machine("guest"), *files)
        result = strait(build_dir, "--from", directory, "--json", *options, "db1", name)
        assert result.returncode == 0, result.stderr
        advice = json.loads(result.stdout)
        advice["holds"] = [condition["holds"] for condition in advice["conditions"]]
        advice["text"] = strait(build_dir, "--from", directory, *options, "db1", name).stdout
        assert advice["text"].startswith(f"db1 {name}: {advice['answer']}\n")
        return advice
    return ask


def test_what_is_right_stays(advise):
    for name in (DISK, NIC):
        advice = advise(name)
        assert (advice["answer"], advice["in-its-way"]) == ("virtio", []), advice
        assert "leave it" in advice["sentence"] and advice["workload"] == "unknown"
        assert "It would be passthrough if all of this were so, too" in advice["text"]


@pytest.mark.parametrize("name, files, address", [(DISK, FREE_DRIVE, "0000:41:00.0"),
                                                  (DISK, FREE_DRIVE | NAMESPACE, "0000:41:00.0"),
                                                  (NIC, FUNCTIONS, "0000:42:10.0")])
def test_passthrough_if_all_holds(advise, name, files, address):
    advice = advise(name, files, options=ALL)
    assert advice["answer"] == "passthrough" and advice["holds"] == [True] * 6, advice["conditions"]
    assert address in advice["sentence"] and "live migration" in advice["costs"]
    assert advice["qemu"] == f"-device vfio-pci,host={address}\n"
    assert re.search(r"domain='0x0000' bus='0x4[12]' slot='0x(00|10)' function='0x0'", advice["libvirt"])
    assert "at the node of its vCPUs" in advice["text"]


@pytest.mark.parametrize("name, files, options, condition, evidence", [
    (DISK, FREE_DRIVE, ["--failover"], 0, "not known"),
    (DISK, FREE_DRIVE, ["--failover", "--workload", "throughput"], 0, "--workload says throughput"),
    (DISK, {}, ALL, 1, "no NVMe drive|not known"),
    (DISK, FREE_DRIVE | MOUNTED, ALL, 1, "nvme9n1 is mounted at /srv"),
    (DISK, FREE_DRIVE, [*ALL, "--needs", "migration"], 2, "names migration"),
    (DISK, FREE_DRIVE, [*ALL, "--needs", "limits,snapshots"], 3, "names snapshots limits"),
    (DISK, FREE_DRIVE | NEIGHBOUR, ALL, 4, "0000:41:00.1"),
    (DISK, FREE_DRIVE | {f"{DRIVE}/iommu_group": None}, ALL, 4, "in no IOMMU group"),
    (DISK, FREE_DRIVE, ["--workload", "database"], 5, "nobody can read that"),
    (NIC, NO_FUNCTIONS_YET, ALL, 1, "no virtual functions have been made"),
])
def test_one_thing_missing_and_it_is_not(advise, name, files, options, condition, evidence):
    """Each condition is asked for by itself, and says what would change it."""
    advice = advise(name, files, options=options)
    assert advice["answer"] != "passthrough"
    failing = advice["conditions"][condition]
    assert failing["holds"] is not True and re.search(evidence, failing["evidence"]), failing
    assert failing["change"] in advice["text"]


def test_a_function_that_another_guest_has_is_taken(advise):
    words = [arguments_of_guest()[0], "-name", "b", "-device", "vfio-pci,host=42:10.0"]
    advice = advise(NIC, FUNCTIONS, {"/proc/7001/cmdline": {"arguments": words}, "/proc/7001/comm": "qemu-system-x86"},
                    options=ALL)
    assert advice["answer"] == "virtio" and "guests have all 1" in advice["conditions"][1]["evidence"]


@pytest.mark.parametrize("name, change, rule", [
    (DISK, (DEVICE, "ide-hd,id=vda,drive=d0"), "guest.disk.bus"),
    (NIC, (NIC_DEVICE, "e1000,id=net0,netdev=n0"), "guest.nic.model"),
])
def test_what_is_emulated_becomes_virtio(advise, name, change, rule):
    advice = advise(name, command_line(change))
    assert advice["answer"] == "virtio" and "instead of" in advice["sentence"]
    assert rule in [layer["rule"] for layer in advice["in-its-way"]]
    assert "virtio" in advice["libvirt"] and "virtio-" in advice["qemu"]


@pytest.mark.parametrize("old, new, rule", [
    (DEVICE, DEVICE.replace(",iothread=io0", ""), "guest.disk.iothread"),
    (DEVICE, DEVICE.replace("num-queues=2", "num-queues=1"), "guest.disk.queues"),
    (RAW, QCOW2, "guest.image.format"),
    (FILE, FILE.replace("native", "threads"), "guest.disk.aio"),
], ids=["iothread", "queues", "format", "aio"])
def test_what_is_in_the_way_goes_first(advise, old, new, rule):
    """Neither: virtio stays, and the layer by accident goes."""
    advice = advise(DISK, command_line((old, new)), options=["--workload", "database"])
    assert advice["answer"] == "neither"
    assert [layer["rule"] for layer in advice["in-its-way"]] == [rule]
    assert "iothread='1'" in advice["libvirt"] and "num-queues=2" in advice["qemu"]


def test_who_needs_snapshots_keeps_qcow2(advise):
    change = command_line((RAW, QCOW2))
    assert "type='raw'" in advise(DISK, change, options=["--workload", "database"])["libvirt"]
    kept = advise(DISK, change, options=["--workload", "database", "--needs", "snapshots"])
    assert "type='qcow2'" in kept["libvirt"] and "driver=qcow2" in kept["qemu"]


@pytest.mark.parametrize("word", ["vf0", "0000:03:00.1"])
@pytest.mark.parametrize("options, answer, sentence", [
    (ALL, "passthrough", "leave it"),
    ([], "passthrough", "if what cannot be read"),
    ([*ALL, "--needs", "migration"], "virtio", "not all that passthrough needs"),
    (["--workload", "density", "--failover"], "virtio", "not all that passthrough needs"),
])
def test_what_is_passed_through_already(advise, word, options, answer, sentence):
    advice = advise(word, options=options)
    assert advice["answer"] == answer and sentence in advice["sentence"] and advice["in-its-way"] == []
    assert ("host=0000:03:00.1" if answer == "passthrough" else "virtio-net-pci") in advice["qemu"]


def test_a_whole_nic_is_no_interface_of_libvirt(advise):
    """<interface type='hostdev'> is for virtual functions: a domain with another does not start."""
    assert "<hostdev mode='subsystem' type='pci'" in advise("vf0", options=ALL)["libvirt"]
    function = {"/sys/devices/pci0000:00/0000:03:00.1/physfn": {"link": "../0000:03:00.0"},
                "/sys/bus/pci/devices/0000:03:00.0": {"link": "../../../devices/pci0000:00/0000:03:00.0"},
                "/sys/devices/pci0000:00/0000:03:00.0/class": "0x020000"}
    assert "<interface type='hostdev'" in advise("vf0", function, options=ALL)["libvirt"]


def test_what_is_not_right_about_passthrough_is_told(advise):
    advice = advise("vf0", {"/sys/devices/pci0000:00/0000:03:00.1/numa_node": "0"}, options=ALL)
    assert "guest.hostdev.near" in [layer["rule"] for layer in advice["in-its-way"]]


COUNTED = [
    ({"rd_operations": 9, "wr_operations": 9}, "unknown"),
    ({"rd_operations": 50000, "wr_operations": 50000, "flush_operations": 40000,
      "rd_bytes": 4 << 26, "wr_bytes": 4 << 26},
     "latency"),
    ({"rd_operations": 5000, "wr_operations": 5000, "rd_bytes": 5000 << 20, "wr_bytes": 5000 << 20}, "throughput"),
    ({"rd_operations": 5000, "wr_operations": 5000, "rd_bytes": 5000 << 13, "wr_bytes": 5000 << 13}, "general"),
    ({"rd_operations": "many", "wr_operations": -1, "wr_bytes": None}, "unknown"),
]


@pytest.mark.parametrize("stats, workload", COUNTED)
def test_the_workload_by_what_qemu_counted(advise, stats, workload):
    words = [*arguments_of_guest(), "-qmp", "unix:/run/db1.qmp,server=on,wait=off"]
    answer = [{"device": "", "qdev": "/machine/peripheral/another"}, 7,
              {"device": "", "qdev": "/machine/peripheral/vda/virtio-backend", "stats": stats}]
    advice = advise(DISK, {COMMAND_LINE: {"arguments": words},
                           f"/.strait/qmp/{COMMAND_LINE.split('/')[2]}/query-blockstats.json": json.dumps(answer)})
    assert advice["workload"] == workload and "QEMU counted" in advice["workload-evidence"]


SPAN = 10  # seconds


def measured(to=(0, 0), back=(0, 0), dropped=0, interface="tap0", samples=2):
    """Packets of so many bytes through an interface in ten seconds of a capture, first what the host sends there."""
    def counters(sample):
        share = sample / (samples - 1)
        received, sent = (f"{int(packets * size * share)} {int(packets * share)}" for packets, size in (back, to))
        return (f"Inter-|\n face |\n {interface}: {received} 0 {int(dropped * share)} 0 0 0 0 {sent} 0 0 0 0 0 0\n"
                "    lo: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")

    times = [(1 + SPAN * sample / (samples - 1)) * 1e9 for sample in range(samples)]
    files = {"/.strait/manifest.json": json.dumps({"version": 1, "samples": [int(time) for time in times]})}
    for sample, time in enumerate(times):
        where = f"/.strait/samples/{sample}" if sample else ""
        files |= {f"{where}/.strait/clock": str(int(time)), f"{where}/proc/net/dev": counters(sample)}
    return files


def tap(interface="tap0", **files):
    return {f"/sys/devices/virtual/net/{interface}/ifindex": "4", **files,
            f"/sys/class/net/{interface}": {"link": f"../../devices/virtual/net/{interface}"},
            f"/sys/devices/virtual/net/{interface}/tun_flags": "0x1102"}


@pytest.mark.parametrize("samples", [2, 6])
@pytest.mark.parametrize("to, back, workload", [
    ((40000, 90), (40000, 120), "latency"),
    ((40000, 1400), (20000, 66), "throughput"),
    ((20000, 66), (1500, 60000), "throughput"),
    ((40000, 90), (400, 120), "general"),
    ((40000, 700), (40000, 120), "general"),
    ((400, 90), (400, 120), "unknown"),
])
def test_the_workload_of_a_nic_by_its_traffic(advise, to, back, workload, samples):
    advice = advise(NIC, tap(), measured(to, back, 50, samples=samples))
    assert advice["workload"] == workload, advice
    assert advice["traffic"] == pytest.approx({
        "interface": "tap0", "seconds": SPAN, "to-packets": to[0] / SPAN, "to-bytes": to[0] * to[1] / SPAN,
        "from-packets": back[0] / SPAN, "from-bytes": back[0] * back[1] / SPAN, "dropped": 5}, rel=0.01)
    assert f"Measured: tap0 carried in {SPAN}.0 s: to the guest {to[0] // SPAN} packets/s of {to[1]} bytes" in \
        advice["text"]
    assert "dropped 5/s" in advice["measured"] and "vhost-net has 8.5 Gb/s and 45 us" in advice["capacity"]
    # What was asked for goes before what was measured.
    asked = advise(NIC, tap(), measured(to, back, 50, samples=samples), options=["--workload", "density"])
    assert asked["workload"] == "density" and asked["traffic"] == advice["traffic"]


def test_a_macvtap_stands_for_the_guest(advise):
    """What it receives, the guest does; a tap receives what the guest sends."""
    macvtap = tap() | {"/sys/devices/virtual/net/tap0/tun_flags": None,
                       "/sys/devices/virtual/net/tap0/uevent": "DEVTYPE=macvtap\nINTERFACE=tap0\n"}
    traffic = advise(NIC, macvtap, measured((40000, 90), (20000, 1400)))["traffic"]
    assert (traffic["from-packets"], traffic["to-packets"]) == (4000, 2000)


VHOST_USER_NETDEV = "vhost-user,id=n0,chardev=c1"
NETDEV = word_of_guest("tap,")
ONE_QUEUE = NETDEV.replace(",queues=2", "")
ONE_CPU = ("2", "1")
GIGABIT = (SPAN * 10**9 // 8 // 1500, 1500)


def times(packets, factor):
    return int(packets[0] * factor), packets[1]


@pytest.mark.parametrize("changes, gigabits, answer, capacity, shape", [
    ([(NETDEV, ONE_QUEUE), ONE_CPU], 3, "virtio",
     "35.3% were used: that is no limit; vhost-user has 9.5 Gb/s and 25 us", "-netdev tap"),
    ([(NETDEV, ONE_QUEUE)], 7.6, "neither", "89.4% were used: it is near its end", "-netdev tap"),
    ([(NETDEV, ONE_QUEUE), ONE_CPU], 7.6, "virtio",
     "89.4% were used: it is near its end; vhost-user has 9.5", "-netdev vhost-user"),
    ([(NETDEV, ONE_QUEUE.replace("vhost=on", "vhost=off"))], 5.4, "neither",
     "virtio in QEMU has 6.0 Gb/s and 80 us where it was measured on 10 GbE, of which 90.0% were used: it is near its "
     "end; vhost-net has 8.5", "vhost=on"),
    ([(NETDEV, ONE_QUEUE), (NIC_DEVICE, "e1000,id=net0,netdev=n0")], 0.9, "virtio",
     "it is near its end; virtio in QEMU has 6.0", "vhost=on"),
])
def test_the_bandwidth_of_a_nic_against_its_back_end(advise, changes, gigabits, answer, capacity, shape):
    advice = advise(NIC, tap(), measured(times(GIGABIT, gigabits), times(GIGABIT, 0.1)), command_line(*changes))
    assert advice["answer"] == answer and advice["workload"] == "throughput"
    assert capacity in advice["capacity"] and f"Capacity: {advice['capacity']}" in advice["text"]
    assert shape in advice["qemu"]
    if "vhost-user" in shape:
        assert "vhost-net is near its end" in advice["sentence"] and "CPU" in advice["costs"]
        assert "SOCKET" in advice["fill-in"] and "<access mode='shared'/>" in advice["libvirt"]
        assert "path=SOCKET,server=on" in advice["qemu"] and "path='SOCKET' mode='server'" in advice["libvirt"]
        assert "share=on" in advice["qemu"]


def uplink(speed):
    """A bridge that the tap is a port of, and a NIC of so many Mb/s."""
    nic = "/sys/devices/pci0000:00/0000:00:09.0/net/ens8"
    return tap() | {
        "/sys/devices/virtual/net/tap0/master": {"link": "../br0"}, f"{nic}/master": {"link": "../../../../virtual/net/br0"},
        "/sys/devices/virtual/net/br0/ifindex": "5", "/sys/devices/virtual/net/br0/bridge/bridge_id": "1",
        "/sys/class/net/br0": {"link": "../../devices/virtual/net/br0"}, f"{nic}/ifindex": "6", f"{nic}/speed": str(speed),
        f"{nic}/device": {"link": "../../../0000:00:09.0"},
        "/sys/class/net/ens8": {"link": "../../devices/pci0000:00/0000:00:09.0/net/ens8"}}


@pytest.mark.parametrize("netdev, speed, gigabits, difference", [
    (NETDEV, 10000, 8.79, "it has 2 queues"),
    (ONE_QUEUE, 25000, 7.6, "ens8 below it has 25 Gb/s"),
    (ONE_QUEUE, 100000, 7.6, "ens8 below it has 100 Gb/s"),
    (ONE_QUEUE, -1, 8.79, "it can carry more than that"),
    (ONE_QUEUE, 10000, 7.6, None),
    (ONE_QUEUE, -1, 7.6, None),
])
def test_figures_of_others_are_no_limit(advise, netdev, speed, gigabits, difference):
    advice = advise(NIC, uplink(speed), measured(times(GIGABIT, gigabits), times(GIGABIT, 0.9996)),
                    command_line((NETDEV, netdev), ONE_CPU))
    assert ("near its end" in advice["capacity"]) == (not difference), advice["capacity"]
    assert ("vhost-user" in advice["qemu"]) == (not difference)
    assert f"which is no measure of this one: {difference};" in advice["capacity"] or not difference
    assert f"average, {gigabits} Gb/s; from it" in advice["measured"] and "bytes, 1 Gb/s;" in advice["measured"]


CHARDEV = word_of_guest("socket,id=c0,")


@pytest.mark.parametrize("server, mode, option", [("", "client", ""), (",server=on,wait=off", "server", ",server=on,wait=off"),
                                                  (",server=off", "client", "")])
def test_who_listens_for_a_switch_stays(advise, server, mode, option):
    """Open vSwitch connects to what QEMU listens at (dpdkvhostuserclient), or listens itself (dpdkvhostuser)."""
    advice = advise(NIC, command_line((NETDEV, "vhost-user,id=n0,chardev=c0"), (CHARDEV, CHARDEV + server)))
    path = re.search("path=(.*)", CHARDEV)[1]
    assert f"<source type='unix' path='{path}' mode='{mode}'/>" in advice["libvirt"]
    assert f"-chardev socket,id=strait-char,path={path}{option}\n" in advice["qemu"]


MEMORY = word_of_guest("memory-backend-memfd,")


@pytest.mark.parametrize("memory, shared", [
    (MEMORY, "memory-backend-memfd,hugetlb=on,hugetlbsize=1G,id=ram0,size=4G,share=on,prealloc=on,policy=bind,host-nodes=1"),
    ("memory-backend-ram,id=ram0,size=4095M,policy=interleave,host-nodes=0,host-nodes=2-3",
     "memory-backend-memfd,id=ram0,size=4095M,share=on,policy=interleave,host-nodes=0,host-nodes=2-3"),
    ("memory-backend-file,id=ram0,size=4G,mem-path=/dev/shm/a,,b",
     "memory-backend-file,mem-path=/dev/shm/a,,b,id=ram0,size=4G,share=on"),
], ids=["huge", "ordinary", "file"])
def test_who_serves_sees_the_memory(advise, memory, shared):
    """The guest's own objects, but shared."""
    advice = advise("vdb", command_line((MEMORY, memory)))
    assert advice["qemu"].startswith(f"-object {shared}\n-chardev "), advice["qemu"]
    assert "<access mode='shared'/>" in advice["libvirt"]
    assert ("<page size='1048576' unit='KiB'/>" in advice["libvirt"]) == (memory == MEMORY)


PLAIN = "-object memory-backend-memfd,id=strait-memory,size=4G,share=on"


@pytest.mark.parametrize("memory, numa, shared", [
    ("memory-backend-file,id=shm0,size=1M,mem-path=/dev/shm/a,share=on", "cpu,node-id=0",
     f"{PLAIN}\n-machine memory-backend=strait-memory"),
    ("memory-backend-file,id=nv0,size=1G,mem-path=/srv/a,share=off,readonly=on", "cpu,node-id=0",
     f"{PLAIN}\n-machine memory-backend=strait-memory"),
    (MEMORY.replace(",size=4G", ""), word_of_guest("node,nodeid"),
     "-object memory-backend-memfd,hugetlb=on,hugetlbsize=1G,id=ram0,size=SIZE,share=on,prealloc=on,policy=bind,host-nodes=1"),
], ids=["ivshmem", "nvdimm", "unknown size"])
def test_only_the_guests_memory_is_shared(advise, memory, numa, shared):
    """A device's stays what it is: who shared a private file would have the guest write to it."""
    advice = advise("vdb", command_line((MEMORY, memory), (word_of_guest("node,nodeid"), numa)))
    assert advice["qemu"].startswith(f"{shared}\n-chardev "), advice["qemu"]
    if "SIZE" in shared:
        assert advice["fill-in"] == "SIZE: of the guest's memory ram0, which is not known"
    else:
        assert "fill-in" not in advice and "hugepages" not in advice["libvirt"]


def test_a_private_file_that_gets_shared_is_said(advise):
    advice = advise("vdb", command_line((MEMORY, "memory-backend-file,id=ram0,size=4G,mem-path=/srv/a,share=off")))
    assert advice["fill-in"].startswith("/srv/a: where that is a file, ")


# The function that the guest has is the second of its NIC, which is in switchdev mode.
PORTS = {
    "/sys/devices/pci0000:00/0000:03:00.1/physfn": {"link": "../0000:03:00.0"},
    "/sys/bus/pci/devices/0000:03:00.0": {"link": "../../../devices/pci0000:00/0000:03:00.0"},
    "/sys/devices/pci0000:00/0000:03:00.0/class": "0x020000",
    "/sys/devices/pci0000:00/0000:03:00.0/virtfn0": {"link": "../0000:03:00.7"},
    "/sys/devices/pci0000:00/0000:03:00.7/class": "0x020000",
    "/sys/devices/pci0000:00/0000:03:00.0/virtfn1": {"link": "../0000:03:00.1"},
} | {path: content for name, port in (("ens9", "p0"), ("ens9_0", "pf0vf0"), ("ens9_1", "pf0vf1"), ("ens9_11", "pf0vf11"))
     for path, content in {
         f"/sys/class/net/{name}": {"link": f"../../devices/pci0000:00/0000:03:00.0/net/{name}"},
         f"/sys/devices/pci0000:00/0000:03:00.0/net/{name}/ifindex": "9",
         f"/sys/devices/pci0000:00/0000:03:00.0/net/{name}/phys_port_name": port}.items()}


def test_a_function_by_its_port(advise):
    """Of one that is passed through the host sees the port of the NIC's switch alone."""
    advice = advise("vf0", PORTS, measured((40000, 90), (40000, 120), interface="ens9_1"), options=["--failover"])
    assert advice["traffic"]["interface"] == "ens9_1" and advice["traffic"]["from-bytes"] == 480000
    assert advice["workload"] == "latency" and advice["answer"] == "passthrough"
    assert advice["capacity"].startswith("a virtual function has 9.7 Gb/s and 18 us")


@pytest.mark.parametrize("name, files, why", [
    (NIC, command_line((NETDEV, VHOST_USER_NETDEV), ("socket,id=c0,path=/run/strait/db1.sock",
                                                     "socket,id=c1,path=/run/ovs/v1")),
     "its packets pass by the host's kernel: ask the switch that serves /run/ovs/v1"),
    (NIC, command_line((NETDEV, "user,id=n0")), r"no interface of the host is known .* \(back end user\)"),
    (NIC, {}, "tap0 is no interface of this host"),
    (NIC, tap(), "expected a capture with at least 2 samples, it has 1"),
    (NIC, tap() | measured((4000, 90), interface="tap7"), "tap0 was not there all the time"),
    ("vf0", measured(), "no port of a switch stands for it: look in the guest"),
])
def test_what_cannot_be_measured_of_a_nic_is_said(advise, name, files, why):
    advice = advise(name, files)
    assert re.match("nothing: .*" + why, advice["measured"]) and advice["traffic"] is None, advice["measured"]
    assert advice["workload"] == "unknown" and f"Measured: {advice['measured']}" in advice["text"]


HEADER = bytes(10)  # of virtio, before each frame
FRAME = bytes(12) + b"\x88\xb5" + bytes(46)  # of a type that nobody answers to


@contextlib.contextmanager
def exchange(fd, interface):
    """Frames to and fro meanwhile, as a guest would read and write them at its end of the tap."""
    done = threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as host:
        host.bind((interface, 0))

        def work():
            while not done.is_set():
                with contextlib.suppress(BlockingIOError):
                    os.write(fd, HEADER + FRAME)
                    host.send(FRAME)
                    os.read(fd, 2048)
        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            done.set()
            worker.join()


def test_a_real_nic(build_dir, workdir):
    """A tap of a QEMU that waits to be started; what its guest would send and receive is done at the same descriptor."""
    name = f"sa{os.getpid() % 1000000}"
    with tap_device(name) as fd:
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        with qemu(workdir, "-netdev", f"tap,id=n0,fd={fd},vhost=off", "-device", "virtio-net-pci,netdev=n0,id=nic0",
                  pass_fds=[fd]) as (pid, _), exchange(fd, name):
            result = strait(build_dir, "--json", "--for", "2", str(pid), "nic0")
    assert result.returncode == 0, result.stderr
    advice = json.loads(result.stdout)
    traffic = advice["traffic"]
    assert traffic["interface"] == name and traffic["seconds"] > 0
    for way in ("to", "from"):
        assert traffic[f"{way}-bytes"] / traffic[f"{way}-packets"] == pytest.approx(len(FRAME), abs=5)
    packets = (traffic["to-packets"] + traffic["from-packets"]) * traffic["seconds"]
    assert advice["workload"] == ("latency" if packets >= 1000 else "unknown"), advice
    assert advice["capacity"].startswith("virtio in QEMU has 6.0 Gb/s and 80 us")


def test_hostile_names_are_quoted(advise):
    odd = "/dev/vg0/a,b'<&\\\"$(id)"
    image = {"driver": "host_device", "filename": odd, "node-name": "f0", "aio": "native", "cache": {"direct": True}}
    change = command_line((FILE, json.dumps(image)))
    advice = advise(DISK, change)
    assert "<source dev='/dev/vg0/a,b&apos;&lt;&amp;\\&quot;$(id)'/>" in advice["libvirt"]
    words = shlex.split(advice["qemu"])
    assert any(f"filename={odd.replace(',', ',,')}," in word for word in words), words


@pytest.mark.parametrize("arguments, complaint, code", [
    (["db1"], "expected", 2),
    (["--for", "0", "db1", "0"], "--for=0: expected seconds from 1 to 86400", 2),
    (["--needs", "sleep", "db1", "0"], "--needs=sleep: expected some of migration", 2),
    (["--workload", "sleep", "db1", "0"], "--workload=sleep: expected general", 2),
    (["none", "0"], "none: ", 3),
    (["db1", "vdx"], "vdx: the guest has no such disk or NIC: expected vda, vdb, net0, 0000:03:00.1", 3),
])
def test_usage(build_dir, workdir, arguments, complaint, code):
    build(workdir, machine("host"), machine("guest"))
    result = strait(build_dir, "--from", workdir, *arguments)
    assert result.returncode == code and complaint in result.stderr and result.stdout == ""


SHAPES = {
    "disk": (DISK, [], []),
    "hot disk": (DISK, [], ["--workload", "latency"]),
    "scsi disk": (DISK, [(DEVICE, "scsi-hd,id=vda,drive=d0,bus=s.0")], []),
    "qcow2": (DISK, [(RAW, QCOW2)], ["--needs", "snapshots"]),
    "straitd's": ("vdb", [], []),
    "switch's": (NIC, [(NETDEV, "vhost-user,id=n0,chardev=c0"), (CHARDEV, CHARDEV + ",server=on")], []),
    "nic": (NIC, [], []),
    "passed drive": (DISK, [], ALL),
    "passed function": (NIC, [], ALL),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_libvirt_knows_the_shape(advise, tmp_path, shape):
    if not shutil.which("xmllint") or not os.path.exists(SCHEMA):
        pytest.skip("xmllint or libvirt's schema is not installed")
    name, changes, options = SHAPES[shape]
    xml = advise(name, FREE_DRIVE | FUNCTIONS, command_line(*changes), options=options)["libvirt"]
    outside = re.sub(r"(<iothreads>.*?</iothreads>|<memoryBacking>.*?</memoryBacking>)\n", "", xml, flags=re.DOTALL)
    (tmp_path / "domain.xml").write_text(
        f"<domain type='kvm'><name>a</name><memory>1048576</memory>{xml[:len(xml) - len(outside)]}<vcpu>2</vcpu>"
        f"<os><type>hvm</type></os><devices>{outside}</devices></domain>")
    result = subprocess.run(["xmllint", "--noout", "--relaxng", SCHEMA, tmp_path / "domain.xml"], capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stderr + xml


@pytest.mark.parametrize("shape", ["disk", "scsi disk", "qcow2"])
def test_qemu_takes_the_options(advise, workdir, shape):
    """A real QEMU opens the image with them; a file stands in for the block device."""
    name, changes, options = SHAPES[shape]
    options_text = advise(name, command_line(*changes), options=options)["qemu"]
    image = pathlib.Path(workdir) / "image"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2" if shape == "qcow2" else "raw", image, "8M"], check=True)
    words = [word.replace(PATH, str(image)).replace("driver=host_device", "driver=file")
             for word in shlex.split(options_text)]
    result = subprocess.run(["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-smp", "2", "-nodefaults", "-S",
                             "-display", "none", "-monitor", "stdio", *words], input="info block\nquit\n",
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    assert str(image) in result.stdout


def test_qemu_takes_the_memory(advise):
    """What is before the socket, whose other end is not here."""
    words = [word for word in arguments_of_guest() if not str(word).startswith(("memory-backend-", "node,nodeid"))]
    for option in ("-object", "-numa"):
        words.pop(words.index(option))
    options_text = advise("vdb", {COMMAND_LINE: {"arguments": [256 if word == "4096" else word for word in words]}})["qemu"]
    result = subprocess.run(["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-m", "256", "-nodefaults", "-S", "-display",
                             "none", "-monitor", "stdio", *shlex.split(options_text.split("-chardev")[0])],
                            input="info memdev\nquit\n", capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    assert "memory backend: strait-memory" in result.stdout and "share: true" in result.stdout
