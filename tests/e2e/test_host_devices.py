# SPDX-License-Identifier: Apache-2.0
"""Real devices of this machine, made for a test: loop devices, bridges and taps, live and in a capture of them."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def findings(build_dir, rule, *options):
    """What strait audit finds by one rule: object: (status, value)."""
    result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "audit", "--json", "--only", rule, *options],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode in (0, 1), result.stderr
    return {finding["object"]: (finding["status"], finding["value"]) for finding in json.loads(result.stdout)["findings"]}


def capture(build_dir, workdir):
    where = os.path.join(workdir, "captured.tar.zst")
    run(os.path.join(build_dir, "cmd", "strait", "strait"), "capture", "-o", where)
    return where


@pytest.fixture
def loop(workdir):
    """A loop device on a file with a file system: its name and the file."""
    image = pathlib.Path(workdir, "image.raw")
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    try:
        run("mkfs.ext4", "-q", image)
        device = run("losetup", "--find", "--show", image)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no loop device can be made here: {error}")
    yield os.path.basename(device), image
    run("losetup", "--detach", device)


@pytest.fixture
def bridge():
    """A bridge with a tap: their names."""
    names = [f"strait{kind}{os.getpid() % 100000}" for kind in "bt"]
    if not shutil.which("ip"):
        pytest.skip("there is no ip here")
    try:
        run("ip", "link", "add", names[0], "type", "bridge")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no bridge can be made here: {error.stderr}")
    try:
        run("ip", "tuntap", "add", names[1], "mode", "tap", "multi_queue")
        run("ip", "link", "set", names[1], "master", names[0])
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)


def test_loop_device(build_dir, workdir, loop):
    name, image = loop
    path = pathlib.Path("/sys/class/block", name)
    assert findings(build_dir, "host.block.loop")[name] == ("NOTE", f"cached, {image}")
    captured = capture(build_dir, workdir)
    assert findings(build_dir, "host.block.loop", "--from", captured)[name] == ("NOTE", f"cached, {image}")
    if subprocess.run(["losetup", "--direct-io=on", f"/dev/{name}"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        assert findings(build_dir, "host.block.loop")[name] == ("PASS", f"direct, {image}")
        # What was captured stays what it was.
        assert findings(build_dir, "host.block.loop", "--from", captured)[name] == ("NOTE", f"cached, {image}")
    assert findings(build_dir, "host.block.alignment")[name] == ("PASS", "aligned")
    (path / "queue" / "scheduler").write_text("none", encoding="ascii")
    assert findings(build_dir, "host.block.scheduler")[name] == ("PASS", "none")
    if "mq-deadline" in (path / "queue" / "scheduler").read_text(encoding="ascii"):
        (path / "queue" / "scheduler").write_text("mq-deadline", encoding="ascii")
        assert findings(build_dir, "host.block.scheduler")[name] == ("WARN", "mq-deadline")


def test_empty_loop_device_is_none(build_dir, loop):
    """Those that wait for a file are there on every machine."""
    free = run("losetup", "--find")
    assert os.path.basename(free) != loop[0]
    assert os.path.basename(free) not in findings(build_dir, "host.block")


def test_bridge_and_tap(build_dir, workdir, bridge):
    name, tap = bridge
    assert findings(build_dir, "host.net.mtu")[name][0] == "PASS"
    # A second port, which carries larger packets than the tap.
    other = f"straito{os.getpid() % 100000}"
    run("ip", "tuntap", "add", other, "mode", "tap")
    try:
        run("ip", "link", "set", other, "master", name)
        run("ip", "link", "set", other, "mtu", "1600")
        run("ip", "link", "set", tap, "mtu", "1400")
        expected = ("WARN", f"1400 ({tap}) to 1600 ({other})")
        assert findings(build_dir, "host.net.mtu")[name] == expected
        captured = capture(build_dir, workdir)
        run("ip", "link", "set", other, "nomaster")
        assert findings(build_dir, "host.net.mtu")[name][0] == "PASS"
        assert findings(build_dir, "host.net.mtu", "--from", captured)[name] == expected
    finally:
        run("ip", "link", "del", other)
