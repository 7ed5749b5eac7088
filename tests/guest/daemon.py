# SPDX-License-Identifier: Apache-2.0
"""Starts back ends: straitd, and qemu-storage-daemon as the implementation to compare with."""

import json
import os
import shutil

from .errors import GuestError, tail
from .proc import Process, wait_until

_ACCEPTING = "00010000"  # SO_ACCEPTCON in /proc/net/unix


def straitd_config(disks, workers=2):
    """The configuration as YAML. Each disk is a dict with the keys of the file; spell read-only etc. as there."""
    lines = [f"workers: {workers}", "disks:"]
    for disk in disks:
        for number, (key, value) in enumerate(disk.items()):
            # JSON scalars and collections are YAML, and quoting is then nobody's concern
            lines.append(f"  {'- ' if number == 0 else '  '}{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


class Daemon:
    """A back end in its own process that listens on `sockets`."""

    WHERE_FROM = "install it"

    def __init__(self, argv, log, sockets, timeout=20):
        if not shutil.which(argv[0]):
            raise GuestError(f"{argv[0]} is missing: {self.WHERE_FROM}")
        self.sockets = [os.fspath(s) for s in sockets]
        self.ended = False  # by us
        self.process = Process(argv, log)
        try:
            wait_until(self._listening, timeout, f"{self.process.name} to listen on {', '.join(self.sockets)}")
        except BaseException as e:
            self.process.kill()
            if isinstance(e, GuestError):
                raise GuestError(f"{e}\n{tail(log)}") from None
            raise

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        """What it has said so far."""
        with open(self.process.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self, timeout=15):
        """SIGTERM; GuestError unless it ends in time and with 0."""
        self.ended = True
        if not self.process.alive():
            raise GuestError(f"{self.process.name} had ended by itself with {self.process.returncode()}\n"
                             f"{tail(self.process.log)}")
        status = self.process.stop(timeout)
        if status != 0:
            raise GuestError(f"{self.process.name} ended with {status} after SIGTERM\n{tail(self.process.log)}")
        if "sandbox: system call" in self.log():
            raise GuestError(f"the sandbox of {self.process.name} is too narrow\n{tail(self.process.log)}")

    def kill(self):
        self.ended = True
        self.process.kill()

    def _listening(self):
        """Look without touching: a connection, even a short one, would be a session."""
        status = self.process.returncode()
        if status is not None:
            raise GuestError(f"{self.process.name} ended with {status}")
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as f:
            rows = [line.split(maxsplit=7) for line in f]
        accepting = {row[7].strip() for row in rows if len(row) == 8 and row[3] == _ACCEPTING}
        return accepting.issuperset(self.sockets)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()


class Straitd(Daemon):
    """straitd from a build directory. Either disks=[{name:, socket:, file:, ...}], which go into a configuration
    file, or socket=, file= and read_only=, which go onto the command line."""

    WHERE_FROM = "build it (meson compile), or name another build directory with --build-dir"

    def __init__(self, build_dir, directory, disks=None, workers=2, socket=None, file=None, read_only=False, log=None):
        argv = [os.path.join(build_dir, "cmd", "straitd", "straitd")]
        if disks is not None:
            self.config = os.path.join(directory, "straitd.yaml")
            with open(self.config, "w", encoding="utf-8") as f:
                f.write(straitd_config(disks, workers))
            argv += ["--config", self.config]
            sockets = [d["socket"] for d in disks]
        else:
            argv += [f"--socket-path={socket}", f"--blk-file={file}"] + (["--read-only"] if read_only else [])
            sockets = [socket]
        super().__init__(argv, log or os.path.join(directory, "straitd.log"), sockets)


class QemuStorageDaemon(Daemon):
    """qemu-storage-daemon with a vhost-user-blk export for each disk; disks as for Straitd where it can do that."""

    WHERE_FROM = "install the package qemu-system-common"

    def __init__(self, directory, disks):
        argv = ["qemu-storage-daemon"]
        for n, disk in enumerate(disks):
            if "fault" in disk or "delay" in disk:
                raise GuestError(f"disk {disk['name']}: the qemu-storage-daemon fixture has no faults or delays")
            read_only = disk.get("read-only", False)
            direct = disk.get("cache", "none") in ("none", "directsync")
            argv += ["--blockdev", json.dumps({"driver": "file", "node-name": f"f{n}", "filename": disk["file"],
                                               "cache": {"direct": direct}, "discard": "unmap",
                                               "read-only": read_only}),
                     "--export", f"type=vhost-user-blk,id=e{n},node-name=f{n},addr.type=unix,"
                                 f"addr.path={disk['socket']},writable={'off' if read_only else 'on'},"
                                 f"num-queues={disk.get('queues', 1)}"]
        super().__init__(argv, os.path.join(directory, "qemu-storage-daemon.log"), [d["socket"] for d in disks])
