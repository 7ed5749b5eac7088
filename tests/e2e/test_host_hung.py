# SPDX-License-Identifier: Apache-2.0
"""File systems that do not answer, which is when people look: FUSE whose server never reads a request."""

import contextlib
import ctypes
import json
import os
import subprocess
import time

import pytest

from paused import called_qemu

MNT_DETACH = 2


@contextlib.contextmanager
def hung(directory):
    """As long as the device is open all who look into the directory wait."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.mkdir(directory)
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"/dev/fuse: {error.strerror}")
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if libc.mount(b"hung", directory.encode(), b"fuse", 0, options) < 0:
            pytest.skip(f"FUSE cannot be mounted: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            assert libc.umount2(directory.encode(), MNT_DETACH) == 0
    finally:
        os.close(device)


WAIT = "import time; print(flush=True); time.sleep(3600)"
# in a file system of its own at DIRECTORY, whose server is DEVICE
MOUNT = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
options = b"fd=DEVICE,rootmode=40000,user_id=0,group_id=0"
assert libc.unshare(0x20000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0
assert libc.mount(b"hung", b"DIRECTORY", b"fuse", 0, options) == 0
"""


def waiting(code, *arguments, **options):
    """QEMU itself would hang before it could be looked at."""
    return called_qemu(code, *arguments, without="no file system can be mounted here for one process", **options)


def twenty_disks(directory):
    return [word for number in range(20)
            for word in ("-drive", f"file={directory}/{number}.img,format=qcow2,if=virtio")]


@pytest.mark.parametrize("command", [["list", "--json"], ["map", "PID"], ["audit", "--vm", "PID"],
                                     ["capture", "-o", "CAPTURE"]], ids=lambda command: command[0])
def test_images_that_hang(build_dir, workdir, command):
    """Nothing waits for them for good, nor once for each; what is not known is said."""
    directory = os.path.join(workdir, "hung")
    disks = twenty_disks(directory)
    with hung(directory), waiting(WAIT, "-name", "waiter", *disks) as pid:
        words = [word.replace("PID", str(pid)).replace("CAPTURE", os.path.join(workdir, "c")) for word in command]
        began = time.monotonic()
        result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), *words], capture_output=True,
                                text=True, timeout=300)
        took = time.monotonic() - began
    assert result.returncode in (0, 1), result.stderr
    assert directory in result.stderr + result.stdout and "timed out" in (result.stderr + result.stdout).lower()
    if command[0] == "list":
        guest, = [guest for guest in json.loads(result.stdout)["guest"] if guest["pid"] == pid]
        assert len(guest["disk"]) == 20 and guest["disk"][7]["image"][0]["file"] == f"{directory}/7.img"
    assert took < 60, "each of them was waited for"


def test_images_that_hang_in_a_namespace(build_dir, workdir):
    """Where none of our own mounts tells that they would, each is asked, but not for as long as the first ones."""
    directory = os.path.join(workdir, "hung")
    os.mkdir(directory)
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"/dev/fuse: {error.strerror}")
    code = MOUNT.replace("DEVICE", str(device)).replace("DIRECTORY", directory) + WAIT
    try:
        with waiting(code, *twenty_disks(directory), pass_fds=(device,)) as pid:
            began = time.monotonic()
            result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "list", "--json"],
                                    capture_output=True, text=True, timeout=300)
            took = time.monotonic() - began
    finally:
        os.close(device)
    guest, = [guest for guest in json.loads(result.stdout)["guest"] if guest["pid"] == pid]
    assert len(guest["disk"]) == 20 and directory in result.stderr and "timed out" in result.stderr
    assert took < 60, "each of them was waited for"
