# SPDX-License-Identifier: Apache-2.0
"""The way of a guest's I/O, on machines that exist as files: which layers it has, and what each is said to cost."""

import json
import os
import re
import shutil
import subprocess

import pytest

from machines import FIXTURES, build, machine

pytestmark = pytest.mark.straitd_only

GUEST = ["/usr/bin/qemu-system-x86_64", "-name", "guest=deep,debug-threads=on", "-machine", "q35,accel=kvm",
         "-smp", "4", "-m", "1024"]


def disk(number, node, *device, model="virtio-blk-pci"):
    return ["-blockdev", json.dumps({"node-name": f"n{number}", **node}), "-device",
            ",".join([model, f"id=d{number}", f"drive=n{number}", *device])]


def image(driver, path, **keys):
    return {"driver": driver, "file": {"driver": "file", "filename": path, **keys.pop("file", {})}, **keys}


def device(path, **keys):
    return {"driver": "raw", "file": {"driver": "host_device", "filename": path}, **keys}


class Maps:
    def __init__(self, build_dir, directory):
        self.tool = os.path.join(build_dir, "cmd", "strait", "strait")
        self.directory = directory

    def run(self, *arguments, expect=0, **environment):
        result = subprocess.run([self.tool, "map", "--from", self.directory, *arguments], text=True, timeout=60,
                                capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8", **environment})
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout if expect == 0 else result.stderr

    def layers(self, *arguments):
        """Of one device: its layers."""
        paths = json.loads(self.run("--json", *arguments))
        assert len(paths) == 1
        return paths[0]["layers"]


@pytest.fixture
def tuned(build_dir, workdir):
    def make(**changes):
        build(workdir, *[machine(name) for name in ("host", "guest", "devices")], changes.get("files", {}))
        return Maps(build_dir, workdir)
    return make


@pytest.fixture
def deep(build_dir, workdir):
    """The machine of deep stacks, with a guest that has these options."""
    def make(*options, files=None):
        directory = os.path.join(workdir, "machine")
        shutil.copytree(FIXTURES / "devices", directory, symlinks=True)
        build(directory, {"/proc/4100/cmdline": {"arguments": GUEST + list(options)},
                          "/proc/4100/comm": "qemu-system-x86"}, files or {})
        return Maps(build_dir, directory)
    return make


def chain(layers, start=0):
    """Kinds and names from a layer down, as long as each stands on one other."""
    found = []
    while True:
        found.append((layers[start]["kind"], layers[start]["name"]))
        if len(layers[start]["below"]) != 1:
            return found
        start = layers[start]["below"][0]


def notes(layers, kind=None):
    return [(note["weight"], note["text"]) for layer in layers for note in layer["notes"]
            if kind in (None, layer["kind"])]


def test_well_tuned(tuned):
    maps = tuned()
    assert chain(maps.layers("db1", "vda")) == [
        ("device", "vda"), ("thread", "io0"), ("cache", "none"), ("image", "/dev/mapper/vg-db1"),
        ("LVM volume", "dm-0"), ("disk", "nvme1n1"), ("controller", "0000:81:00.0"),
        ("interrupts", "nvme1"), ("NUMA node", "1")]
    assert chain(maps.layers("db1", "net0")) == [
        ("device", "net0"), ("vhost-net", None), ("tap", "tap0"), ("bridge", "br0"), ("NIC", "ens1"),
        ("controller", "0000:82:00.0"), ("interrupts", "ens1"), ("NUMA node", "1")]
    assert chain(maps.layers("db1", "vf0")) == [
        ("device", "vf0"), ("VFIO", "0000:03:00.1"), ("controller", "0000:03:00.1"), ("interrupts", "0000:03:00.1"),
        ("NUMA node", "1")]
    assert maps.layers("db1", "0000:03:00.1") == maps.layers("db1", "vf0")
    assert maps.layers("1000", "0") == maps.layers("db1", "vda")
    assert [weight for path in json.loads(maps.run("--json")) for weight, _ in notes(path["layers"])
            if weight == "risk"] == []


COMMAND = "/proc/1000/cmdline"
IOTHREAD = "/proc/1000/task/1003/status"
NVME = "/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0"
NIC = "devices/pci0000:80/0000:80:02.0/0000:82:00.0"


@pytest.mark.parametrize("files, what, kind, weight, words", [
    ({COMMAND: {"replace": {"cache.direct=on": "cache.no-flush=on"}}}, "vda", "cache", "risk", "ignores flushes"),
    ({COMMAND: {"replace": {"aio=native": "aio=threads"}}}, "vda", "cache", "cost", "pool of threads"),
    ({COMMAND: {"replace": {"iothread=io0,": ""}}}, "vda", "thread", "cost", "main loop"),
    ({COMMAND: {"replace": {"num-queues=2\0-chardev": "num-queues=1\0-chardev"}}}, "vda",
     "device", "cost", "one queue"),
    ({IOTHREAD: "Name:\tIO io0\nCpus_allowed_list:\t4\n"}, "vda", "thread", "risk", "shares a CPU with vCPU 0"),
    ({IOTHREAD: "Name:\tIO io0\nCpus_allowed_list:\t0-7\n"}, "vda", "thread", "cost", "not pinned"),
    ({NVME + "/nvme/nvme1/nvme1n1/queue/scheduler": "none [mq-deadline]"}, "vda", "disk", "cost",
     "scheduler mq-deadline"),
    ({"/.strait/nvme/nvme1.json": '{"critical_warning":4,"percent_used":3,"media_errors":9,"error_log_entries":0}'},
     "vda", "disk", "risk", "9 media errors"),
    ({NVME + "/current_link_width": "2"}, "vda", "controller", "risk", "link x2 of x4"),
    ({NVME + "/numa_node": "0"}, "vda", "NUMA node", "risk", "the guest runs on node 1"),
    ({"/proc/irq/{31,32}/{smp,effective}_affinity_list": "6"}, "vda", "interrupts", "risk", "all 2 queues' on CPU 6"),
    ({"/sys/fs/cgroup/machine.slice/db1.scope/io.max": "253:0 riops=100"}, "vda", "limit", "cost", "waits here"),
    ({COMMAND: {"replace": {"vhost=on": "vhost=off"}}}, "net0", "back end", "cost", "no vhost"),
    ({COMMAND: {"replace": {"virtio-net-pci,": "e1000,"}}}, "net0", "device", "cost", "emulated"),
    ({"/sys/devices/virtual/net/br0/operstate": "down"}, "net0", "bridge", "risk", "down"),
    ({"/sys/devices/pci0000:00/0000:03:00.1/driver": {"link": "../../../bus/pci/drivers/iavf"}}, "vf0", "VFIO", "risk",
     "not bound to vfio-pci"),
    ({"/sys/kernel/iommu_groups/1/devices/0000:82:00.0": {"link": f"../../../../{NIC}"}},
     "vf0", "VFIO", "risk", "shares IOMMU group 1 with 0000:82:00.0"),
], ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else None)
def test_what_it_costs(tuned, files, what, kind, weight, words):
    """Each of these is told at its layer, and is not where nothing was changed."""
    found = notes(tuned(files=files).layers("db1", what), kind)
    assert any(weight == w and words in text for w, text in found), found


def test_the_same_words_are_not_of_a_good_one(tuned):
    maps = tuned()
    good = [text for what in ("vda", "net0", "vf0") for _, text in notes(maps.layers("db1", what))]
    for words in ("flushes", "pool of", "main loop", "one queue", "shares", "pinned", "scheduler", "media", "link",
                  "node", "queues'", "waits", "vhost", "emulated", "down", "not bound"):
        assert not [text for text in good if words in text], words


def test_deep_stacks(deep):
    maps = deep(*disk(0, device("/dev/mapper/vg-vm1")),
                *disk(1, image("qcow2", "/var/lib/images/vm1.qcow2")),
                *disk(2, device("/dev/loop0")),
                "-drive", "file=nbd://filer/vm,if=none,id=n3,format=raw", "-device", "virtio-blk-pci,drive=n3,id=d3")
    layers = maps.layers("deep", "d0")
    assert [kind for kind, _ in chain(layers)] == ["device", "thread", "cache", "image", "LVM volume", "dm-crypt",
                                                   "partition", "disk", "controller", "NUMA node"]
    assert ("cost", "encrypts each byte on the host's CPUs") in notes(layers, "dm-crypt")
    assert ("cost", "12 corrected PCIe errors") in notes(layers, "controller")

    layers = maps.layers("deep", "d1")
    assert chain(layers)[3:] == [("image", "/var/lib/images/vm1.qcow2"), ("file system", "/var/lib/images"),
                                 ("md RAID", "md0")]
    assert ("risk", "degraded: 1 missing") in notes(layers, "md RAID")
    assert ("cost", "qcow2 on xfs: metadata writes, host page cache") in notes(layers, "image")
    raid = next(layer for layer in layers if layer["kind"] == "md RAID")
    assert [chain(layers, below)[:2] for below in raid["below"]] == [[("partition", "sda1"), ("disk", "sda")],
                                                                     [("partition", "sdb1"), ("disk", "sdb")]]
    assert len(notes(layers, "disk")) == 2 and all("rotating" in text for _, text in notes(layers, "disk"))
    # Both disks hang on one controller, which is drawn once.
    text = maps.run("deep", "d1")
    assert text.count("0000:00:1f.2") == 2 and text.count("0000:00:1f.2 (above)") == 1
    assert "├─ partition" in text and "└─ partition" in text
    plain = maps.run("deep", "d1", LC_ALL="C")
    assert plain.isascii() and "|- partition" in plain and "`- partition" in plain

    kinds = [kind for kind, _ in chain(maps.layers("deep", "d2"))]
    assert kinds[3:] == ["image", "loop device", "file system", "md RAID"]
    layers = maps.layers("deep", "d3")
    assert layers[-1]["facts"]["protocol"] == "nbd" and "by network" in notes(layers, "image")[0][1]


def test_nics(deep):
    maps = deep("-netdev", "tap,id=n0,ifname=tap0", "-device", "virtio-net-pci,id=net0,netdev=n0",
                "-chardev", "socket,id=c0,path=/run/ovs/vm.sock", "-netdev", "vhost-user,id=n1,chardev=c0",
                "-device", "virtio-net-pci,id=net1,netdev=n1", "-device", "vfio-pci,host=82:01.0,id=vf0",
                "-device", "vfio-pci,host=0000:82:01.1,id=vf1")
    assert chain(maps.layers("deep", "net0"))[1:6] == [("back end", "tap"), ("tap", "tap0"), ("bridge", "br0"),
                                                        ("VLAN", "bond0.7"), ("bond", "bond0")]
    assert maps.layers("deep", "tap0") == maps.layers("deep", "net0")
    assert [layer["name"] for layer in maps.layers("deep", "net1")] == ["net1", "/run/ovs/vm.sock"]
    layers = maps.layers("deep", "vf0")
    assert ("virtual function of", "0000:82:00.0") in chain(layers)
    assert next(layer for layer in layers if layer["kind"] == "virtual function of")["facts"]["interface"] == "ens1"
    assert notes(layers, "VFIO") == []
    assert ("risk", "not bound to vfio-pci") in notes(maps.layers("deep", "vf1"), "VFIO")


def test_backing_files_share_what_they_stand_on(deep):
    node = image("qcow2", "/var/lib/images/top.qcow2", backing=image(
        "qcow2", "/var/lib/images/middle.qcow2", backing=image("raw", "/srv/base.raw")))
    layers = deep(*disk(0, node)).layers("deep", "d0")
    images = [layer for layer in layers if layer["kind"] in ("image", "backing image")]
    assert [layer["name"].rsplit("/", 1)[1] for layer in images] == ["top.qcow2", "middle.qcow2", "base.raw"]
    assert any("chain of 3" in note["text"] for note in images[0]["notes"])
    systems = [layer for layer in layers if layer["kind"] == "file system"]
    assert [layer["name"] for layer in systems] == ["/var/lib/images", "/srv"]
    assert systems[0]["id"] in images[0]["below"] and systems[0]["id"] in images[1]["below"]
    assert any("in memory" in note["text"] for note in systems[1]["notes"])


def test_dot(tuned):
    """Graphviz understands it, and what two guests share is one node."""
    other = {path.replace("/1000", "/2000").replace("{1000-1003}", "{2000-2003}"): content
             for path, content in machine("guest").items() if "/proc/1000/" in path}
    other["/proc/2000/cmdline"] = {"arguments": [
        word.replace("guest=db1", "guest=db2").replace("1111", "2222")
        for word in machine("guest")[COMMAND]["arguments"]]}
    dot = tuned(files=other).run("--dot")
    assert dot.count("subgraph") == 2 and dot.count('label="db1"') == 1 and dot.count('label="db2"') == 1
    assert dot.count('[label="disk nvme1n1') == 1 and dot.count('[label="device vda') == 2
    volume = re.search(r'n(\d+) \[label="LVM volume dm-0', dot)[1]
    assert len(re.findall(rf"-> n{volume};", dot)) == 2
    if not shutil.which("dot"):
        pytest.skip("there is no Graphviz to read it")
    drawn = subprocess.run(["dot", "-Tsvg"], input=dot, text=True, capture_output=True, timeout=60)
    assert drawn.returncode == 0 and drawn.stderr == "" and drawn.stdout.count("<title>cluster") == 2


def test_hostile_machines(deep):
    """Circles end, and names do nothing to a terminal or to Graphviz."""
    virtual = "/sys/devices/virtual/block"
    maps = deep("-name", 'guest=e"v\\i\033[31ml\n\xff', *disk(0, device("/dev/mapper/vg-vm1")),
                *disk(1, device("/dev/loop0")),
                files={virtual + "/dm-0/slaves/dm-1": {"link": "../../dm-1"},
                       virtual + "/dm-0/slaves/dm-0": {"link": "../../dm-0"},
                       virtual + "/loop0/loop/backing_file": "/dev/loop0"})
    text = maps.run()
    assert "\033" not in text and "(above)" in text and "dm-1 (above)" in text
    paths = json.loads(maps.run("--json"))
    assert len(paths) == 2
    dot = maps.run("--dot")
    assert "\033" not in dot
    if shutil.which("dot"):
        assert subprocess.run(["dot", "-Tsvg"], input=dot, text=True, capture_output=True, timeout=60).returncode == 0


def test_wrong_usage(tuned, build_dir, workdir):
    maps = tuned()
    assert "no guest" in maps.run("nobody", expect=3)
    assert "no such disk" in maps.run("db1", "vdz", expect=3)
    assert "choose one" in maps.run("--dot", "--json", expect=2)
    maps.run("db1", "vda", "more", expect=2)
    empty = os.path.join(workdir, "empty")
    os.mkdir(empty)
    assert Maps(build_dir, empty).run() == "No guests.\n"
    assert json.loads(Maps(build_dir, empty).run("--json")) == []
