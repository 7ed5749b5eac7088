# SPDX-License-Identifier: Apache-2.0
"""A real QEMU that waits to be started, what can be opened for it, and what only has its name."""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

import pytest

QEMU = "qemu-system-x86_64"


@contextlib.contextmanager
def qemu(workdir, *arguments, qmp=True, pass_fds=()):
    """A machine that does not run its vCPUs. Its monitor answers, so that all that it was told to open is open."""
    path = os.path.join(workdir, "ready")
    extra = os.path.join(workdir, "qmp")
    command = [QEMU, "-S", "-accel", "tcg", "-display", "none", "-nodefaults", "-chardev",
               f"socket,id=ready,path={path},server=on,wait=off", "-mon", "chardev=ready,mode=readline", *arguments]
    if qmp:
        command += ["-qmp", f"unix:{extra},server=on,wait=off"]
    process = subprocess.Popen(command, cwd=workdir, stdin=subprocess.DEVNULL, pass_fds=pass_fds)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, "qemu has ended"
            assert time.monotonic() < deadline
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as monitor:
                monitor.connect(path)
                monitor.settimeout(60)
                assert monitor.recv(1)
                break
            time.sleep(0.05)
        yield process.pid, extra
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def called_qemu(code, *arguments, without, pass_fds=()):
    """What runs under that name until it is not needed, once it has printed a line: where it does not, it could not
    be set up, and the test is skipped without it."""
    process = subprocess.Popen([QEMU, "-c", code, *arguments], executable=sys.executable, stdout=subprocess.PIPE,
                               pass_fds=pass_fds)
    try:
        if not process.stdout.readline():
            pytest.skip(without)
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def tap_device(name):
    """A descriptor of a new tap device, which goes with it."""
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        pytest.skip(f"no tap devices here: {error}")
    try:
        # TUNSETIFF with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH14x", name.encode(), 0x0002 | 0x1000 | 0x4000))
    except OSError as error:
        os.close(fd)
        pytest.skip(f"no tap devices here: {error}")
    try:
        yield fd
    finally:
        os.close(fd)
