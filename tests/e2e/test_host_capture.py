# SPDX-License-Identifier: Apache-2.0
"""strait capture and --from: the same answers, secrets, full disks, and captures that somebody made in bad faith."""

import io
import json
import os
import subprocess
import tarfile
import time

import pytest

from machines import build, machine

MANIFEST = {"version": 1, "samples": [0], "errors": {}, "absent": [], "listed": ["/"]}


def strait(build_dir, *arguments, **options):
    return subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), *arguments], capture_output=True,
                          timeout=120, **{"text": True, **options})


def capture(build_dir, path, *arguments):
    """Take one of this machine; what strait said of it."""
    result = strait(build_dir, "capture", "--for", "1", "--json", "-o", path, *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def taken(build_dir, tmp_path_factory):
    """A capture of the machine that the tests run on and of a guest on it, with what was said of it."""
    directory = tmp_path_factory.mktemp("capture")
    (directory / "image").write_bytes(bytes(1 << 20))
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-name", "captured", "-accel", "tcg", "-display", "none", "-nodefaults", "-m", "32",
         "-qmp", f"unix:{directory}/qmp,server=on,wait=off", "-device", "virtio-blk-pci,id=disk,drive=d",
         "-blockdev", f"driver=file,node-name=f,filename={directory}/image",
         "-blockdev", "driver=raw,node-name=d,file=f"])
    try:
        while not (directory / "qmp").exists():
            assert qemu.poll() is None
            time.sleep(0.01)
        said = capture(build_dir, str(directory / "a.tar.zst"))
    finally:
        qemu.kill()
        qemu.wait()
    return str(directory / "a.tar.zst"), said


def test_what_was_captured_is_told(taken):
    path, said = taken
    assert said["file"] == path and said["bytes"] == os.path.getsize(path) < 5 << 20
    assert said["files"] > 50 and said["samples"] == 2
    assert os.stat(path).st_mode & 0o777 == 0o600


COMMANDS = [["list"], ["audit", "--profile", "general"], ["audit", "--profile", "low-latency"], ["map"], ["exits"],
            ["diagnose", "captured"], ["advise", "captured", "disk"], ["map", "captured", "disk"]]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_capture_has_all_that_is_read(build_dir, taken, tmp_path, arguments):
    """From the file and from what it unpacks to come the same answers, and nothing is missing in either."""
    path, _ = taken
    subprocess.run(["tar", "--zstd", "-xf", path, "-C", tmp_path], check=True)
    packed, unpacked = (strait(build_dir, arguments[0], "--from", source, "--json", *arguments[1:])
                        for source in (path, str(tmp_path)))
    assert packed.returncode in (0, 1), packed.stderr
    assert (packed.returncode, packed.stdout) == (unpacked.returncode, unpacked.stdout)
    for result in (packed, unpacked):
        assert "has not got" not in result.stderr
    if arguments[0] == "list":
        assert "captured" in [guest["name"] for guest in json.loads(packed.stdout)["guest"]]


def test_the_model_is_the_same(build_dir, taken):
    """What does not change while a machine runs is in a capture as it is live."""
    path, _ = taken
    command = ["audit", "--json", "--only", "host.cpu,host.kvm,host.thp"]
    live, captured = (json.loads(strait(build_dir, *command, *source).stdout) for source in ([], ["--from", path]))
    key = lambda finding: (finding["id"], finding["object"], finding["status"], finding["value"])  # noqa: E731
    assert [key(finding) for finding in live["findings"]] == [key(finding) for finding in captured["findings"]]


def test_a_capture_of_a_process_has_no_secret(build_dir, tmp_path):
    """A real QEMU with a secret in its command line, and a process whose arguments are nobody's business."""
    qemu = subprocess.Popen(["qemu-system-x86_64", "-name", "keeper", "-accel", "tcg", "-S", "-display", "none",
                             "-nodefaults", "-object", "secret,id=s0,data=correcthorse", "-m", "16"])
    try:
        said = capture(build_dir, str(tmp_path / "a.tar.zst"))
    finally:
        qemu.kill()
        qemu.wait()
    subprocess.run(["tar", "--zstd", "-xf", tmp_path / "a.tar.zst", "-C", tmp_path], check=True)
    command_line = (tmp_path / f"proc/{qemu.pid}/cmdline").read_bytes()
    assert b"keeper" in command_line and b"secret,id=s0,data=***" in command_line
    assert {"path": f"/proc/{qemu.pid}/cmdline", "what": "1 secret"} in said["left_out"]
    found = subprocess.run(["grep", "-r", "correcthorse", tmp_path / "proc", tmp_path / ".strait"], check=False)
    assert found.returncode == 1


def test_to_standard_output(build_dir, tmp_path):
    result = strait(build_dir, "capture", "--for", "1", "-o", "-", text=False)
    assert result.returncode == 0
    (tmp_path / "piped").write_bytes(result.stdout)
    assert strait(build_dir, "list", "--from", str(tmp_path / "piped")).returncode == 0


def test_name_by_default(build_dir, tmp_path):
    result = strait(build_dir, "capture", "--for", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    name, = os.listdir(tmp_path)
    assert name.startswith("strait-") and name.endswith(".tar.zst") and result.stdout.startswith(f"{name}: ")


def test_a_full_disk_leaves_what_was_there(build_dir, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "strait-test", disk], capture_output=True,
                      check=False).returncode:
        pytest.skip("no tmpfs can be mounted: not root")
    try:
        (disk / "a").write_text("the old one")
        result = strait(build_dir, "capture", "--for", "1", "-o", str(disk / "a"))
        assert result.returncode == 3
        assert result.stderr == f"strait capture: {disk}/a: cannot be written: No space left on device\n"
        assert os.listdir(disk) == ["a"] and (disk / "a").read_text() == "the old one"
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("name, why", [("/dev/full", "No space left on device"), ("/", "Is a directory")])
def test_a_device_is_written_to_and_stays_one(build_dir, name, why):
    before = os.lstat(name)
    result = strait(build_dir, "capture", "--for", "1", "-o", name)
    assert result.returncode == 3 and result.stderr == f"strait capture: {name}: cannot be written: {why}\n"
    assert (os.lstat(name).st_mode, os.lstat(name).st_rdev) == (before.st_mode, before.st_rdev)
    assert strait(build_dir, "capture", "--for", "1", "-o", "/dev/null").returncode == 0


@pytest.mark.parametrize("arguments, complaint", [
    (["--for", "0"], "--for=0: expected seconds from 1 to 86400"),
    (["--from", "x"], "--from: no such option"),
    (["--json", "-o", "-"], "--json and --output=- both want the standard output"),
    (["x"], "x: not expected"),
])
def test_usage(build_dir, arguments, complaint):
    result = strait(build_dir, "capture", *arguments)
    assert result.returncode == 2 and complaint in result.stderr


def test_who_is_not_root_gets_what_he_may(build_dir, tmp_path):
    """As nobody: the capture is there, and says what is not in it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    program = tmp_path / "strait"
    program.write_bytes(open(os.path.join(build_dir, "cmd", "strait", "strait"), "rb").read())
    program.chmod(0o755)
    for command in (["capture", "--for", "1", "--json", "-o", str(tmp_path / "a.tar.zst")], ["list"], ["audit", "-q"]):
        result = subprocess.run([program, *command], user=65534, group=65534, extra_groups=[], capture_output=True,
                                text=True, timeout=60, env={"PATH": os.environ["PATH"]}, check=False)
        assert result.returncode in (0, 1), result.stderr
        if command[0] == "capture":
            assert json.loads(result.stdout)["files"] > 50
    assert strait(build_dir, "audit", "--from", str(tmp_path / "a.tar.zst")).returncode in (0, 1)


# Captures that no strait wrote.

def entry(name, data=b"", type=tarfile.REGTYPE, **fields):  # noqa: A002
    info = tarfile.TarInfo(name)
    info.type = type
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def archive(*entries, manifest=MANIFEST):
    """A tar; entries as entry() makes them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
        if manifest is not None:
            text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
            tar.addfile(*(lambda info, data: (info, io.BytesIO(data)))(*entry(".strait/manifest.json", text)))
    return buffer.getvalue()


def header_only(name, size):
    """A file that says that it is larger than what comes."""
    info, _ = entry(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT) + b"x" * 512


def many():
    """More empty files than a capture may have. tarfile needs 20 s for that."""
    empty = bytearray(entry("a/000000")[0].tobuf(tarfile.GNU_FORMAT))
    checksum = sum(empty) - sum(empty[148:156]) + 8 * 32
    blocks = []
    for number in range(270000):
        digits = b"%06d" % number
        empty[2:8] = digits
        empty[148:156] = b"%06o\0 " % (checksum + sum(digits) - 6 * ord("0"))
        blocks.append(bytes(empty))
    return b"".join(blocks) + bytes(1024)


def sparse():
    """A file of 1 TiB of nothing, as pax has it."""
    info, data = entry("proc/hole", b"1\n0\n1\n".ljust(512, b"\0"))
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "proc/hole",
                        "GNU.sparse.realsize": str(1 << 40)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


HOSTILE = {
    "empty": (b"", "expected a whole file"),
    "text": (b"hello\n" * 1000, "expected a whole file"),
    "zeroes": (bytes(10240), "manifest.json is not in it"),
    "no manifest": (archive(entry("proc/cmdline", b"x"), manifest=None), "manifest.json is not in it"),
    "manifest no JSON": (archive(manifest=b"{"), "is no JSON"),
    "manifest a list": (archive(manifest=b"[]"), '"version" is missing'),
    "manifest deep": (archive(manifest=b"[" * 1000000), "is no JSON"),
    "version": (archive(manifest=MANIFEST | {"version": 2}), '"version" is not 1'),
    "samples": (archive(manifest=MANIFEST | {"samples": [5, 1]}), '"samples"'),
    "samples negative": (archive(manifest=MANIFEST | {"samples": [-5]}), '"samples"'),
    "not partial": (archive(manifest={"version": 1}), "is no capture"),
    "dots": (archive(entry("proc/../../../tmp/out", b"x")), 'leads out of the capture by ".."'),
    "absolute": (archive(entry("/tmp/out", b"x")), "begins at the root"),
    "device": (archive(entry("dev/kvm", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "is a device or a pipe"),
    "pipe": (archive(entry("dev/pipe", type=tarfile.FIFOTYPE)), "is a device or a pipe"),
    "hard link": (archive(entry("proc/a", b"x"), entry("proc/b", type=tarfile.LNKTYPE, linkname="proc/a")),
                  "is a hard link"),
    "twice": (archive(entry("proc/a", b"x"), entry("proc/a", b"y")), "is there twice"),
    "below a file": (archive(entry("proc/a", b"x"), entry("proc/a/b", b"y")), "is below what is no directory"),
    "below a link": (archive(entry("proc/a", type=tarfile.SYMTYPE, linkname="/tmp"), entry("proc/a/b", b"y")),
                     "is below what is no directory"),
    "file over directory": (archive(entry("proc", type=tarfile.DIRTYPE), entry("proc", b"y")), "is there twice"),
    "empty link": (archive(entry("proc/a", type=tarfile.SYMTYPE, linkname="")), ""),
    "large": (archive(entry("proc/a", bytes((16 << 20) + 1))), "is larger than a file of a capture can be"),
    "says it is large": (header_only("proc/a", 1 << 50), "is larger than a file of a capture can be"),
    "short": (header_only("proc/a", 100000), ""),
    "sparse": (sparse(), "proc/hole: "),
    "many": (many, "is one file too many"),
    "much": (lambda: archive(*[entry(f"a/{number}", bytes(16 << 20)) for number in range(17)]), "is too much"),
    "long name": (archive(entry("a/" * 5000 + "b", b"x")), "name too long"),
}


def compressed(data):
    return subprocess.run(["zstd", "-q", "-1"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_captures_are_refused(build_dir, tmp_path, name):
    data, complaint = HOSTILE[name]
    data = data() if callable(data) else data
    path = tmp_path / "hostile"
    path.write_bytes(compressed(data) if len(data) > 1 << 20 else data)
    before = sorted(tmp_path.rglob("*"))
    result = strait(build_dir, "list", "--from", str(path), cwd=tmp_path)
    assert result.returncode == 3 and result.stdout == ""
    assert result.stderr.startswith(f"strait list: {path}: ") and complaint.lower() in result.stderr.lower()
    assert result.stderr.count("\n") == 1 and len(result.stderr) < 1000
    assert sorted(tmp_path.rglob("*")) == before and not os.path.exists("/tmp/out")


def test_links_of_a_capture_stay_inside(build_dir, tmp_path):
    """They may point anywhere; what they point to is looked for in the capture."""
    path = tmp_path / "links"
    path.write_bytes(archive(
        entry("proc/sys/kernel/hostname", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("proc/cmdline", type=tarfile.SYMTYPE, linkname="../" * 30 + "etc/passwd"),
        entry("proc/meminfo", type=tarfile.SYMTYPE, linkname="meminfo"),
        entry("etc/passwd", b"of the capture\n")))
    result = strait(build_dir, "audit", "--from", str(path), "--json")
    assert result.returncode in (0, 1) and "root:" not in result.stdout
    assert json.loads(result.stdout)["machine"] == "of the capture"


def test_every_cut_is_refused(build_dir, taken, tmp_path):
    whole = open(taken[0], "rb").read()
    path = tmp_path / "cut"
    for length in [*range(0, len(whole), len(whole) // 30 + 1), len(whole) - 1]:
        path.write_bytes(whole[:length])
        result = strait(build_dir, "list", "--from", str(path))
        assert result.returncode == 3 and result.stderr.startswith(f"strait list: {path}: "), length


WRONG = {
    "/proc/cpuinfo": "\0" * 1000, "/proc/meminfo": "MemTotal: -5 kB\nMemTotal: 99999999999999999999999 kB\n",
    "/proc/interrupts": "CPU0 CPU1\n 1: x y\n" + "9" * 5000, "/proc/stat": "cpu0\ncpu-1 1 2\ncpu99999999999 1",
    "/proc/self": {"link": "1"}, "/proc/1/mountinfo": "1 1 1\n- - - -\n" * 100,
    "/proc/1000/cmdline": {"arguments": ["qemu-system-x86_64", "-device", "{" * 3000, "-smp", "cpus=99999999999",
                                         "-m", "-1"]},
    "/sys/class/block/sda/size": "-7", "/sys/class/block/sda/queue": "a file, no directory",
    "/sys/class/net/eth0": "a file, no directory", "/sys/devices/system/node/online": "0-99999999",
    "/sys/devices/system/cpu/online": "5-1,,,,-", "/sys/kernel/iommu_groups/x/type": "\x1b[2J",
    "/.strait/libvirt/domains.json": '[{"name": 5, "uuid": [], "pid": {}}]',
    "/.strait/processes.json": '{"processes": 7}',
    "/.strait/topology.json": "[" * 5000, "/.strait/kernel-log": "\0\n\n\x1b]0;x\x07\n",
}


@pytest.mark.parametrize("path", WRONG)
@pytest.mark.parametrize("command", [["list", "--json"], ["audit", "--profile", "low-latency"]], ids=" ".join)
def test_wrong_contents_are_unknown(build_dir, workdir, path, command):
    """Of a machine that is well otherwise: the rest is still told, and no control character arrives at the terminal."""
    build(workdir, machine("host"), machine("guest"), {path: None}, {path: WRONG[path]})
    result = strait(build_dir, *command, "--from", workdir)
    assert result.returncode in (0, 1), result.stderr
    assert "\x1b" not in result.stdout and "\x1b" not in result.stderr


def test_a_pipe_is_not_waited_for(build_dir, workdir):
    """Neither as the capture nor inside of a directory."""
    os.mkfifo(os.path.join(workdir, "capture"))
    result = strait(build_dir, "list", "--from", os.path.join(workdir, "capture"))
    assert result.returncode == 3 and "neither a file nor a directory" in result.stderr
    os.makedirs(os.path.join(workdir, "root", "proc"))
    for name in ("cmdline", "meminfo", "stat", "interrupts"):
        os.mkfifo(os.path.join(workdir, "root", "proc", name))
    assert strait(build_dir, "list", "--from", os.path.join(workdir, "root")).returncode == 0


def test_no_such_capture(build_dir, tmp_path):
    result = strait(build_dir, "list", "--from", str(tmp_path / "none"))
    assert result.returncode == 3
    assert result.stderr == f"strait list: {tmp_path}/none: cannot be opened: No such file or directory\n"
