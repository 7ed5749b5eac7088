# SPDX-License-Identifier: Apache-2.0
"""A real QEMU that waits to be started, and what can be opened for it."""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import time

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


def open_tap(name):
    """A descriptor of a new tap device, which goes with it."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    # TUNSETIFF with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR
    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH14x", name.encode(), 0x0002 | 0x1000 | 0x4000))
    return fd
