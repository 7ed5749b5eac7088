# SPDX-License-Identifier: Apache-2.0
"""strait list: real QEMU processes, told by their command lines, QMP and /proc, live and from a capture."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from machines import build, machine
from paused import QEMU, called_qemu, qemu, tap_device


@pytest.fixture(autouse=True)
def _needs_qemu():
    if not shutil.which(QEMU):
        pytest.skip(f"{QEMU} is not installed")


def strait(build_dir, *arguments):
    return subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), *arguments], capture_output=True,
                          text=True, timeout=60)


def guests(build_dir, *arguments):
    result = strait(build_dir, "list", "--json", *arguments)
    assert result.returncode == 0, result.stderr
    return {guest["pid"]: guest for guest in json.loads(result.stdout)["guest"]}


class Monitor:
    """One client of QMP: there can be no other meanwhile."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw")
        assert "QMP" in json.loads(self.file.readline())
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "event" not in answer:
                assert "return" in answer, answer
                return answer["return"]

    def close(self):
        self.file.close()
        self.socket.close()


def images(workdir):
    for name, options in (("base.qcow2", []), ("middle.qcow2", ["-b", "base.qcow2", "-F", "qcow2"]),
                          ("top.qcow2", ["-b", "middle.qcow2", "-F", "qcow2"])):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, name, "64M"], cwd=workdir, check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", "-o", "preallocation=full", "raw.img", "1M"], cwd=workdir,
                   check=True)


MACHINE = ["-name", "db1,debug-threads=on", "-uuid", "5a7d1c0e-1111-4222-8333-444455556666", "-machine", "q35",
           "-smp", "2", "-m", "256", "-object", "iothread,id=io1,poll-max-ns=1000",
           "-drive", "file=top.qcow2,if=none,id=d0,cache=none,aio=native,iops=300",
           "-device", "virtio-blk-pci,drive=d0,id=vda,iothread=io1",
           "-blockdev", '{"driver":"file","filename":"raw.img","node-name":"s1"}',
           "-blockdev", "driver=raw,file=s1,node-name=f1", "-device", "virtio-scsi-pci,id=scsi0,num_queues=3",
           "-device", '{"driver":"scsi-hd","drive":"f1","bus":"scsi0.0","id":"sda"}',
           "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,id=net0,mac=52:54:00:12:34:56"]


CONFIG = """# What QEMU's -writeconfig once wrote
[name]
  guest = "of-a-file"
[machine]
  type = "q35"
[memory]
  size = "64"
[smp-opts]
  cpus = "2"
[object "s0"]
  qom-type = "secret"
  data = "correcthorse"
[drive "d0"]
  file = "raw.img"
  format = "raw"
  if = "none"
  cache.direct = "on"
[device "vda"]
  driver = "virtio-blk-pci"
  drive = "d0"
  num-queues = "2"
[spice]
  password = "batterystaple"
"""


def without(guest, *keys):
    return {key: value for key, value in guest.items() if key not in keys}


def test_a_guest_of_a_file(build_dir, workdir):
    """-readconfig, which QEMU itself reads too; a capture has it, but no secret of it."""
    images(workdir)
    with open(os.path.join(workdir, "q.cfg"), "w", encoding="utf-8") as file:
        file.write(CONFIG.split("[spice]", maxsplit=1)[0])
    path = os.path.join(workdir, "capture.tar.zst")
    with qemu(workdir, "-readconfig", "q.cfg", qmp=False) as (pid, _):
        with open(os.path.join(workdir, "q.cfg"), "w", encoding="utf-8") as file:
            file.write(CONFIG)
        guest = guests(build_dir)[pid]
        assert strait(build_dir, "capture", "-o", path).returncode == 0
        assert without(guests(build_dir, "--from", path)[pid], "memory") == without(guest, "memory")
    assert guest["name"] == "of-a-file" and guest["machine"] == "q35" and guest["unreadable"] is None
    assert len(guest["vcpu"]) == 2 and guest["memory"]["size"] == 64 << 20
    disk, = guest["disk"]
    assert (disk["id"], disk["queues"], disk["cache"]) == ("vda", 2, "none")
    assert disk["image"][0]["file"] == os.path.join(workdir, "raw.img")
    subprocess.run(["tar", "--zstd", "-xf", path, "-C", workdir], check=True)
    with open(os.path.join(workdir, f".strait/readconfig/{pid}/0.json"), encoding="utf-8") as file:
        kept = file.read()
    assert '"data":"***"' in kept and "batterystaple" not in kept and "spice" not in kept


def test_a_guest_with_qmp(build_dir, workdir):
    images(workdir)
    with qemu(workdir, *MACHINE) as (pid, _):
        guest = guests(build_dir)[pid]
    assert guest["name"] == "db1" and guest["uuid"].startswith("5a7d1c0e") and guest["source"] == "command-line"
    assert guest["state"] == "prelaunch" and guest["accelerator"] == "tcg" and guest["machine"] == "q35"
    assert guest["version"].split(".")[0].isdigit() and guest["unreadable"] is None
    assert guest["memory"]["size"] == 256 << 20
    assert sum(place["bytes"] for place in guest["memory"]["place"]) > 1 << 20
    tids = [thread["tid"] for thread in guest["vcpu"] + guest["iothread"] + guest["other"]]
    assert len(guest["vcpu"]) == 2 and None not in tids and len(set(tids)) == len(tids) and pid in tids
    assert guest["iothread"][0]["name"] == "io1" and guest["iothread"][0]["poll-max-ns"] == 1000
    assert all(thread["allowed"] for thread in guest["vcpu"] + guest["iothread"] + guest["other"])
    vda, sda = guest["disk"]
    assert (vda["id"], vda["model"], vda["cache"], vda["aio"], vda["iothread"]) == \
        ("vda", "virtio-blk", "none", "native", "io1")
    # one a vCPU, which only the running QEMU says
    assert vda["queues"] == 2 and vda["throttle"]["iops"] == 300
    assert [image["file"] for image in vda["image"]] == \
        [os.path.join(workdir, name) for name in ("top.qcow2", "middle.qcow2", "base.qcow2")]
    assert not any(image["preallocated"] for image in vda["image"])
    assert (sda["id"], sda["bus"], sda["controller"], sda["queues"], sda["cache"]) == \
        ("sda", "scsi", "scsi0", 3, "writeback")
    assert sda["image"] == [{"format": "raw", "protocol": "file", "file": os.path.join(workdir, "raw.img"),
                             "preallocated": True, "size": 1 << 20, "cluster": 0, "cache-bytes": 0}]
    assert guest["nic"][0]["mac"] == "52:54:00:12:34:56" and guest["nic"][0]["model"] == "virtio-net"


def test_the_command_line_alone_says_the_same(build_dir, workdir):
    """But for what only QMP knows."""
    images(workdir)
    with qemu(workdir, *MACHINE) as (pid, _):
        asked = guests(build_dir)[pid]
    with qemu(workdir, *MACHINE, qmp=False) as (pid, _):
        guest = guests(build_dir)[pid]
    assert guest["qmp"] is None and guest["state"] is None and guest["version"] is None
    # by the names of threads
    assert [thread["tid"] is not None for thread in guest["vcpu"] + guest["iothread"]] == [True] * 3
    volatile = ("pid", "qmp", "state", "version", "vcpu", "iothread", "other", "memory", "disk")
    assert without(guest, *volatile) == without(asked, *volatile)
    for disk, same in zip(guest["disk"], asked["disk"]):
        assert without(disk, "queues", "queue-size") == without(same, "queues", "queue-size")


def test_a_capture_says_the_same(build_dir, workdir):
    images(workdir)
    file = os.path.join(workdir, "host.tar.zst")
    with qemu(workdir, *MACHINE) as (pid, _):
        assert strait(build_dir, "capture", "-o", file).returncode == 0
        live = guests(build_dir)[pid]
    captured = guests(build_dir, "--from", file)[pid]
    # some pages more or less
    live["memory"].pop("place"), captured["memory"].pop("place")
    assert without(captured, "memory", "other") == without(live, "memory", "other")
    assert without(captured["memory"], "huge-bytes") == without(live["memory"], "huge-bytes")


def test_what_was_plugged_in_and_out(build_dir, workdir):
    images(workdir)
    with qemu(workdir, *MACHINE) as (pid, path):
        monitor = Monitor(path)
        monitor.ask("blockdev-add", driver="raw", **{"node-name": "h1", "read-only": True},
                    file={"driver": "file", "filename": os.path.join(workdir, "base.qcow2")})
        monitor.ask("device_add", driver="scsi-hd", id="hot", drive="h1", bus="scsi0.0")
        monitor.ask("device_del", id="sda")
        monitor.close()
        names = {disk["id"]: disk for disk in guests(build_dir)[pid]["disk"]}
    assert set(names) in ({"vda", "hot"}, {"vda", "sda", "hot"})
    assert names["hot"]["model"] == "scsi-hd" and names["hot"]["read-only"] is True
    assert names["hot"]["image"][0]["file"] == os.path.join(workdir, "base.qcow2")


def test_a_snapshot_lengthens_the_chain(build_dir, workdir):
    images(workdir)
    with qemu(workdir, *MACHINE) as (pid, path):
        monitor = Monitor(path)
        monitor.ask("blockdev-snapshot-sync", device="d0", **{"snapshot-file": os.path.join(workdir, "newer.qcow2")})
        monitor.close()
        chain = guests(build_dir)[pid]["disk"][0]["image"]
    assert [os.path.basename(image["file"]) for image in chain] == \
        ["newer.qcow2", "top.qcow2", "middle.qcow2", "base.qcow2"]


IN_A_NAMESPACE = """
import ctypes, subprocess, sys, time
directory, size = sys.argv[-2:]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0, "no namespace"
assert libc.mount(b"none", directory.encode(), b"tmpfs", 0, None) == 0
subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", directory + "/disk.img", size], check=True)
print(flush=True)
time.sleep(3600)
"""


def in_a_namespace(directory, size):
    """What has a file system there that nobody else has: a pod."""
    return called_qemu(IN_A_NAMESPACE, "-drive", f"file={directory}/disk.img,format=qcow2,if=virtio", directory, size,
                       without="no namespaces of mounts can be made here")


def test_a_path_is_another_file_in_another_namespace(build_dir, workdir):
    directory = os.path.join(workdir, "disks")
    os.mkdir(directory)
    with in_a_namespace(directory, "1M") as one, in_a_namespace(directory, "2M") as other:
        found = guests(build_dir)
    assert [found[pid]["disk"][0]["image"][0]["size"] for pid in (one, other)] == [1 << 20, 2 << 20]


def test_somebody_else_is_connected(build_dir, workdir):
    """It is said, does not take long, and all else is there."""
    images(workdir)
    with qemu(workdir, *MACHINE) as (pid, path):
        monitor = Monitor(path)
        result = strait(build_dir, "list", "--json")
        monitor.close()
    guest, = [guest for guest in json.loads(result.stdout)["guest"] if guest["pid"] == pid]
    assert result.returncode == 0 and "another client" in guest["unreadable"]
    assert "db1: QMP at" in result.stderr and len(guest["disk"]) == 2 and len(guest["disk"][0]["image"]) == 3


GREETINGS = {"silence": b"", "mail": b"220 mail ready\r\n", "no object": b'{"QMP":1}\n',
             "deep": b'{"QMP":{}}\n' + b"[" * 100000, "endless": b'{"QMP":{}}\n{"return":[' + b"1," * (4 << 20)}


@pytest.mark.parametrize("greeting", GREETINGS)
def test_a_socket_that_is_none_of_qmp(build_dir, workdir, greeting):
    """Whatever answers there: nobody waits for it for ever."""
    path = os.path.join(workdir, "other")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(60)
        impostor = subprocess.Popen(["qemu-system-fake", "-c", "import sys; sys.stdin.read()", "-name", "fake", "-qmp",
                                     f"unix:{path},server=on,wait=off"], executable=sys.executable,
                                    stdin=subprocess.PIPE)
        try:
            running = subprocess.Popen([os.path.join(build_dir, "cmd", "strait", "strait"), "list", "--json"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(60)
                with contextlib.suppress(OSError):
                    peer.sendall(GREETINGS[greeting])
                # what comes after it: silence
                out, err = running.communicate(timeout=60)
        finally:
            impostor.kill()
            impostor.wait()
    assert running.returncode == 0, err
    found = {guest["pid"]: guest for guest in json.loads(out)["guest"]}
    assert "QMP" in found[impostor.pid]["unreadable"]


def test_others_are_no_guests(build_dir, workdir):
    """A machine without a machine, and a process that only mentions QEMU."""
    with qemu(workdir, "-machine", "none") as (pid, _), \
            subprocess.Popen(["sleep", "1000"], executable="sleep") as sleeper:
        found = guests(build_dir)
        sleeper.kill()
    assert pid not in found and sleeper.pid not in found


def test_the_table(build_dir, workdir):
    with qemu(workdir, "-name", "tab1", "-m", "64") as (pid, _):
        result = strait(build_dir, "list")
    assert result.returncode == 0
    line, = [line for line in result.stdout.splitlines() if f" {pid} " in line]
    assert line.split()[:6] == ["tab1", str(pid), "prelaunch", "process", "qemu", "tcg"] and "64 MiB" in line


def test_where_memory_lies(build_dir, workdir):
    """Of a file and of memory without a name, once it is all there."""
    size = 64 << 20
    file = os.path.join(workdir, "memory")
    with qemu(workdir, "-m", "128", "-smp", "2", "-object", f"memory-backend-memfd,id=m0,size={size},prealloc=on",
              "-object", f"memory-backend-file,id=m1,size={size},mem-path={file},share=on,prealloc=on",
              "-numa", "node,cpus=0,memdev=m0", "-numa", "node,cpus=1,memdev=m1") as (pid, _):
        guest = guests(build_dir)[pid]
    backends = {backend["id"]: backend for backend in guest["memory"]["backend"]}
    assert backends["m0"]["guest-cpus"] == "0" and backends["m1"]["guest-cpus"] == "1"
    assert backends["m1"]["path"] == file and backends["m1"]["page"] == 0 and backends["m1"]["prealloc"]
    places = guest["memory"]["place"]
    if not os.path.exists(f"/proc/{os.getpid()}/numa_maps"):
        assert places == []
    else:
        assert 2 * size <= sum(place["bytes"] for place in places) < 4 * size


def test_a_tap_device_of_a_descriptor(build_dir, workdir):
    """As managers hand it over: the command line has a number alone."""
    name = f"st{os.getpid() % 1000000}"
    with tap_device(name) as fd, \
            qemu(workdir, "-netdev", f"tap,id=n0,fd={fd},vhost=off", "-device", "e1000,netdev=n0,id=nic0",
                 pass_fds=[fd]) as (pid, _):
        nic, = guests(build_dir)[pid]["nic"]
    assert (nic["id"], nic["model"], nic["backend"], nic["interface"], nic["vhost"]) == \
        ("nic0", "e1000", "tap", name, False)


def test_without_rights(build_dir, workdir):
    """Somebody else's guest: what everybody may see is there, and what may not is said."""
    program = os.path.join(build_dir, "cmd", "strait", "strait")
    if os.geteuid() != 0 or subprocess.run(["setpriv", "--reuid=65534", program, "--version"]).returncode != 0:
        pytest.skip("needs root, and a build directory that others may look into")
    images(workdir)
    with qemu(workdir, *MACHINE) as (pid, _):
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "list", "--json"],
                                capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    guest, = [guest for guest in json.loads(result.stdout)["guest"] if guest["pid"] == pid]
    assert guest["name"] == "db1" and guest["disk"][0]["cache"] == "none" and len(guest["disk"]) == 2
    assert guest["vcpu"][0]["tid"] is not None and guest["vcpu"][0]["allowed"]
    assert guest["memory"]["place"] == [] and guest["memory"]["huge-bytes"] is None
    assert "Permission denied" in guest["unreadable"] and "run as root" in result.stderr


def test_wrong_usage(build_dir):
    assert strait(build_dir, "list", "vm1").returncode == 2
    assert strait(build_dir, "list", "--from", "/nonexistent").returncode == 3


def test_an_unreadable_disk_is_nothing_to_guests(build_dir, workdir):
    """Who lists guests is not told of it; who audits the machine is, once, by its name."""
    files = {"sys/class/block/sdz/size": "2048", "sys/class/block/sdz/dev": "65:144",
             ".strait/manifest.json": '{"version": 1, "errors": {"/.strait/blkid/sdz.json": "EPERM"}}'}
    for name, text in files.items():
        path = os.path.join(workdir, "machine", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    source = ["--from", os.path.join(workdir, "machine")]
    assert strait(build_dir, "list", *source).stderr == ""
    audit = strait(build_dir, "audit", *source)
    assert audit.returncode in (0, 1) and audit.stderr.count("sdz") == 1
    assert "could not read /dev/sdz (Operation not permitted)" in audit.stderr


def test_who_failed_to_answer_is_told(build_dir, workdir):
    """The process that reads an image's header has ended before it had."""
    errors = {"version": 1, "samples": [0], "errors": {"/.strait/image/1000/srv/a.qcow2.json": "EPROTO"}}
    replace = {"driver=host_device,node-name=f0,filename=/dev/mapper/vg-db1":
               "driver=file,node-name=f0,filename=/srv/a.qcow2",
               "driver=raw,node-name=d0": "driver=qcow2,node-name=d0"}
    build(workdir, machine("host"), machine("guest"), {"/.strait/manifest.json": json.dumps(errors),
                                                       "/proc/1000/cmdline": {"replace": replace}})
    result = strait(build_dir, "list", "--from", workdir)
    assert result.returncode == 0 and "could not read /srv/a.qcow2 (no answer" in result.stderr
