# SPDX-License-Identifier: Apache-2.0
"""A guest of a real libvirt is the same by libvirt, by its process and in a capture; and so is the way of its I/O."""

import json
import os
import signal
import subprocess
import uuid

import pytest

from daemon import Straitd, make_image, straitd, write_config  # noqa: F401
from libvirtd import libvirtd  # noqa: F401
from rpc import connect

pytestmark = pytest.mark.straitd_only

# Of this run: others may have guests on this machine at the same time.
UUID = str(uuid.uuid4())
NAME = f"db-{UUID[:8]}"
DOMAIN = """\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata><user:data xmlns:user='http://example.com/user'>hunter2-of-metadata</user:data></metadata>
  <memory unit='MiB'>96</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu placement='static'>2</vcpu>
  <iothreads>2</iothreads>
  <cputune><vcpupin vcpu='0' cpuset='0'/><iothreadpin iothread='1' cpuset='0'/></cputune>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/><apic/></features>
  <cpu mode='custom' match='exact'><model>qemu64</model></cpu>
  <clock offset='utc'><timer name='hpet' present='no'/></clock>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='scsi' index='0' model='virtio-scsi'><driver queues='2' iothread='2'/></controller>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap' iothread='1' queues='2'/>
      <source file='{workdir}/top.qcow2'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe'/><source file='{workdir}/raw.img'/>
      <target dev='sda' bus='scsi'/><iotune><total_iops_sec>1000</total_iops_sec></iotune>
    </disk>
    <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>
    {more}
    <interface type='user'><mac address='52:54:00:11:22:33'/><model type='e1000'/></interface>
    <memballoon model='virtio'/>
  </devices>
  <qemu:commandline><qemu:env name='SECRET' value='hunter2-of-environment'/></qemu:commandline>
</domain>
"""

VHOST_USER = """\
<disk type='vhostuser' device='disk'><driver name='qemu' type='raw'/>
  <source type='unix' path='{socket}'/><target dev='vdb' bus='virtio'/></disk>
"""


class Tool:
    """strait, with or without a libvirt to ask."""

    def __init__(self, build_dir, workdir):
        self.path = os.path.join(build_dir, "cmd", "strait", "strait")
        self.workdir = workdir
        self.environment = {"LC_ALL": "C.UTF-8", "STRAIT_SOCKET": os.path.join(workdir, "rpc.sock")}

    def run(self, *arguments, uri=None, expect=0):
        # A socket that nobody has is no libvirt at all.
        uri = uri or f"qemu:///system?socket={self.workdir}/nobody"
        result = subprocess.run([self.path, *arguments], text=True, capture_output=True, timeout=600,
                                env={**os.environ, **self.environment, "LIBVIRT_DEFAULT_URI": uri})
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout if expect == 0 else result.stderr

    def guest(self, *arguments, **how):
        """Our guest, as strait list has it."""
        guests = json.loads(self.run("list", "--json", *arguments, **how))["guest"]
        found = [guest for guest in guests if guest["uuid"] == UUID]
        assert len(found) == 1, "listed once, however many know it"
        # QEMU's workers come and go.
        return {**found[0], "other": [thread for thread in found[0]["other"] if thread["name"] != "worker"]}

    def capture(self, name, **how):
        path = os.path.join(self.workdir, name)
        self.run("capture", "-o", path, **how)
        return path


@pytest.fixture
def tool(build_dir, workdir):
    return Tool(build_dir, workdir)


@pytest.fixture
def define(libvirtd, workdir):  # noqa: F811
    def define_with(more=""):
        for arguments in (["base.qcow2", "32M"], ["-b", f"{workdir}/base.qcow2", "-F", "qcow2", "top.qcow2"]):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *arguments], check=True, cwd=workdir)
        make_image(workdir, "raw.img")
        libvirtd.define(DOMAIN.format(uuid=UUID, name=NAME, workdir=workdir, more=more))
    yield define_with
    libvirtd.forget(NAME)


def without_what_only_libvirt_knows(guest):
    """Of these there is no trace in the process: names of libvirt's own, and what it told QEMU by its monitor."""
    return {**{key: value for key, value in guest.items() if key not in ("source", "state", "unreadable")},
            "disk": [{key: value for key, value in disk.items() if key not in ("target", "throttle")}
                     for disk in guest["disk"]]}


def test_the_same_by_all_ways(libvirtd, define, tool):  # noqa: F811
    define()
    # Paused, it touches no memory: what is read twice is the same.
    libvirtd.virsh("start", NAME, "--paused")
    told = tool.guest(uri=libvirtd.uri)
    seen = tool.guest()
    assert told["source"] == "libvirt" and told["state"] == "paused" and seen["source"] == "command-line"
    assert [disk["target"] for disk in told["disk"]] == ["vda", "sda", "sdb"]
    assert told["disk"][1]["throttle"]["iops"] == 1000
    assert without_what_only_libvirt_knows(told) == without_what_only_libvirt_knows(seen)

    # It is the guest that was asked for, and not two empty ones.
    assert told["pid"] > 0 and told["machine"].startswith("pc-q35") and told["cpu-model"] == "qemu64"
    assert [image["file"].rsplit("/", 1)[1] for image in told["disk"][0]["image"]] == ["top.qcow2", "base.qcow2"]
    assert told["disk"][0]["iothread"] == "iothread1" and told["disk"][0]["cache"] == "none"
    assert told["vcpu"][0]["allowed"] == "0" and told["iothread"][0]["allowed"] == "0"
    assert told["memory"]["backend"][0]["share"] is True and told["nic"][0]["model"] == "e1000"

    with_libvirt = tool.capture("with.tar.zst", uri=libvirtd.uri)
    without = tool.capture("without.tar.zst")
    assert tool.guest("--from", with_libvirt) == told
    assert tool.guest("--from", without) == seen
    live = tool.run("map", NAME, uri=libvirtd.uri)
    assert tool.run("map", "--from", with_libvirt, NAME) == live
    by_process = json.loads(tool.run("map", "--json", NAME))
    assert json.loads(tool.run("map", "--json", "--from", without, NAME)) == by_process
    # But for what targets and limits are called, the drawing is the same too.
    kinds = [[layer["kind"] for layer in path["layers"] if layer["kind"] != "limit"] for path in
             json.loads(tool.run("map", "--json", NAME, uri=libvirtd.uri))]
    assert kinds == [[layer["kind"] for layer in path["layers"]] for path in by_process]

    packed = subprocess.run(["zstd", "-dc", with_libvirt], check=True, capture_output=True).stdout
    assert b"virtio-disk0" in packed and b"hunter2" not in packed


def test_a_definition_alone(libvirtd, define, tool):  # noqa: F811
    define()
    guest = tool.guest(uri=libvirtd.uri)
    assert guest["state"] == "shut off" and guest["pid"] is None
    assert [disk["target"] for disk in guest["disk"]] == ["vda", "sda", "sdb"]
    # libvirt looks for backing files when it starts a guest; until then we do.
    assert [image["file"].rsplit("/", 1)[1] for image in guest["disk"][0]["image"]] == ["top.qcow2", "base.qcow2"]
    assert "does not run" in tool.run("map", NAME, "vda", uri=libvirtd.uri)
    assert UUID not in tool.run("list", "--json")


def test_a_daemon_that_hangs(libvirtd, define, tool):  # noqa: F811
    define()
    libvirtd.virsh("start", NAME, "--paused")
    libvirtd.process.send_signal(signal.SIGSTOP)
    try:
        answer = json.loads(tool.run("list", "--json", uri=libvirtd.uri))
    finally:
        libvirtd.process.send_signal(signal.SIGCONT)
    assert "timed out" in answer["libvirt-unreadable"]
    assert UUID in [guest["uuid"] for guest in answer["guest"]], "its process is there nevertheless"


def test_nobody_to_ask(tool):
    answer = json.loads(tool.run("list", "--json"))
    assert answer["libvirt"] is None and "nobody" in answer["libvirt-unreadable"]


def test_a_disk_of_straitd(libvirtd, define, tool, straitd, build_dir, workdir):  # noqa: F811
    """The path of one of our own disks has the daemon's live figures, and goes on below its image."""
    sock, rpc = os.path.join(workdir, "vm0.sock"), os.path.join(workdir, "rpc.sock")
    config = write_config(workdir, [{"name": "vm0", "socket": sock, "file": make_image(workdir, "strait.img")}],
                          **{"rpc-socket": rpc, "sandbox": "off"})
    with Straitd(straitd, "--config", config, directory=workdir) as daemon:
        daemon.serves(rpc)
        load = subprocess.run([tool.path, "bench", "--json", "--no-progress", "--io-count=200", sock],
                              capture_output=True, text=True, timeout=60)
        assert load.returncode == 0, load.stderr
        with connect(rpc) as client:
            requests = client.call("budget.get", disk="vm0", window=60)["requests"]
        assert requests == 200
        define(VHOST_USER.format(socket=sock))
        libvirtd.virsh("start", NAME, "--paused")
        told, seen = tool.guest(uri=libvirtd.uri), tool.guest()
        assert without_what_only_libvirt_knows(told) == without_what_only_libvirt_knows(seen)
        assert {disk["target"]: disk["vhost-socket"] for disk in told["disk"]}["vdb"] == sock
        path = json.loads(tool.run("map", "--json", NAME, "vdb", uri=libvirtd.uri))[0]
        layers = {layer["kind"]: layer for layer in path["layers"]}
        assert list(layers)[:3] == ["device", "vhost-user", "straitd"]
        assert layers["straitd"]["name"] == "vm0" and layers["straitd"]["facts"]["state"] in ("connected", "serving")
        assert layers["image"]["name"].endswith("strait.img") and "file system" in layers
        text = tool.run("map", NAME, "vdb", uri=libvirtd.uri)
        assert "straitd" in text and "vm0" in text
        capture = tool.capture("straitd.tar.zst", uri=libvirtd.uri)
        captured = json.loads(tool.run("map", "--json", "--from", capture, NAME, "vdb"))[0]
        assert [layer["name"] for layer in captured["layers"]] == [layer["name"] for layer in path["layers"]]


@pytest.fixture
def bridge():
    """A bridge with a tap, of names that nobody has; skips where they cannot be made. Ask for it before a guest that has
    the tap open, so that it goes after it."""
    names = {"bridge": f"sb{os.getpid() % 100000}", "tap": f"st{os.getpid() % 100000}"}
    commands = [f"ip link add {names['bridge']} type bridge", f"ip tuntap add dev {names['tap']} mode tap",
                f"ip link set {names['tap']} master {names['bridge']}"]
    try:
        for command in commands:
            result = subprocess.run(command.split(), capture_output=True, text=True)
            if result.returncode:
                pytest.skip(f"{command}: {result.stderr.strip()}")
        yield names
    finally:
        for command in (f"ip tuntap del dev {names['tap']} mode tap", f"ip link del {names['bridge']}"):
            subprocess.run(command.split(), capture_output=True)


def test_a_tap_by_descriptor(libvirtd, bridge, define, tool):  # noqa: F811
    """libvirt opens the tap and hands it over: the command line names a descriptor, /proc says of what."""
    define(f"<interface type='ethernet'><target dev='{bridge['tap']}' managed='no'/><model type='virtio'/></interface>")
    libvirtd.virsh("start", NAME, "--paused")
    told, seen = tool.guest(uri=libvirtd.uri), tool.guest()
    assert without_what_only_libvirt_knows(told) == without_what_only_libvirt_knows(seen)
    nic = next(nic for nic in told["nic"] if nic["model"] == "virtio-net")
    assert nic["interface"] == bridge["tap"] and nic["vhost"] == os.path.exists("/dev/vhost-net")
    layers = json.loads(tool.run("map", "--json", NAME, nic["id"], uri=libvirtd.uri))[0]["layers"]
    assert [(layer["kind"], layer["name"]) for layer in layers][2:] == [("tap", bridge["tap"]),
                                                                        ("bridge", bridge["bridge"])]
    capture = tool.capture("tap.tar.zst")
    assert tool.guest("--from", capture) == seen
