# SPDX-License-Identifier: Apache-2.0
"""Who serves the disks: straitd, qemu-storage-daemon, and peers that somebody else has started."""

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

from guest.daemon import Daemon
from guest.errors import GuestError

KINDS = ("null", "tmpfs", "direct")
NULL_BYTES = 8 << 30
QSD = "qemu-storage-daemon"
_TICK = os.sysconf("SC_CLK_TCK")


def pinned(cpus, argv):
    return ["taskset", "-c", str(cpus), *argv]


def straitd(build_dir, directory, name, cpus, disks, **keys):
    """A straitd pinned to cpus that serves disks, dicts with the keys of straitd.yaml but "socket", which is made up.
    keys go to the top of its configuration, _ for -."""
    disks = [{"socket": os.path.join(directory, f"{name}-{disk['name']}.sock"), **disk} for disk in disks]
    config = os.path.join(directory, f"{name}.yaml")
    with open(config, "w", encoding="utf-8") as file:
        json.dump({"workers": 1, **{key.replace("_", "-"): value for key, value in keys.items()}, "disks": disks}, file)
    argv = pinned(cpus, [os.path.join(build_dir, "cmd", "straitd", "straitd"), "--config", config])
    daemon = Daemon(argv, os.path.join(directory, f"{name}.log"), [disk["socket"] for disk in disks])
    daemon.argv = argv
    return daemon


def accepts(build_dir, directory, disk=None, **keys):
    """Whether this straitd takes a configuration with these keys."""
    config = os.path.join(directory, "accepts.yaml")
    disk = {"name": "null", "socket": os.path.join(directory, "none.sock"), "null": 1 << 20, **(disk or {})}
    with open(config, "w", encoding="utf-8") as file:
        json.dump({**keys, "disks": [disk]}, file)
    program = os.path.join(build_dir, "cmd", "straitd", "straitd")
    return subprocess.run([program, "--check", "--config", config], check=False,
                          capture_output=True).returncode == 0


def straitd_disk(kind, files):
    """A disk of straitd: {"null": ..., or a file}."""
    if kind == "null":
        return {"name": "null", "null": NULL_BYTES}
    return {"name": kind, "file": files[kind], "cache": "none" if kind == "direct" else "writeback"}


class Back:
    """A back end as it is measured: its name, its process, and a socket for each kind of disk it has."""

    burns = False  # a CPU while nothing is asked of it

    def __init__(self, name, sockets, pid):
        self.name, self.sockets, self.pid = name, sockets, pid

    def has(self, kind):
        return kind in self.sockets


def start_straitd(build_dir, directory, cpu, kinds, files):
    daemon = straitd(build_dir, directory, "straitd", cpu, [straitd_disk(kind, files) for kind in kinds],
                     worker_cpus=str(cpu))
    return daemon, Back("straitd", dict(zip(kinds, daemon.sockets)), daemon.pid)


def start_qsd(directory, cpu, kinds, files):
    """qemu-storage-daemon with the options that serve it best."""
    nodes = {"null": {"driver": "null-co", "size": NULL_BYTES, "read-zeroes": False}}
    for kind, file in files.items():
        nodes[kind] = {"driver": "file", "filename": file, "aio": "io_uring", "locking": "off",
                       "cache": {"direct": kind == "direct"}}
    sockets = {kind: os.path.join(directory, f"qsd-{kind}.sock") for kind in kinds}
    argv = [QSD]
    for kind, path in sockets.items():
        argv += ["--blockdev", json.dumps({**nodes[kind], "node-name": kind}), "--export",
                 f"type=vhost-user-blk,id=e-{kind},node-name={kind},addr.type=unix,addr.path={path},writable=on,"
                 f"num-queues=4"]
    daemon = Daemon(pinned(cpu, argv), os.path.join(directory, "qsd.log"), sockets.values())
    return daemon, Back(QSD, sockets, daemon.pid)


def parse_peer(text):
    """ "[NAME[/KIND]=]SOCKET": (name, kind, path). ValueError with a sentence."""
    name, equals, path = text.rpartition("=")
    name, slash, kind = name.partition("/")
    if not equals:
        name = os.path.splitext(os.path.basename(path))[0]
    if not path or not name or slash and kind not in KINDS:
        raise ValueError(f"peer \"{text}\": expected SOCKET, NAME=SOCKET or NAME/KIND=SOCKET, KIND one of "
                         f"{', '.join(KINDS)}")
    return name, kind or "null", os.path.abspath(path)


def listener(path):
    """The process that listens on a socket, None where it is not told; GuestError where nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            raise GuestError(f"peer socket {path}: {error.strerror}: start what serves it first") from error
        pid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return pid or None


def _ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Peer(Back):
    """A target that listens already, whatever serves it. It keeps its CPUs and its configuration; we only connect."""

    def __init__(self, name, sockets):
        super().__init__(name, sockets, None)
        for path in sockets.values():
            self.pid = listener(path)
        self.burns = self.pid is not None and self._busy()

    def _busy(self, seconds=0.5):
        """Whether it uses half a CPU or more without being asked anything."""
        time.sleep(0.2)  # what our look at its socket has set off
        before = _ticks(self.pid)
        time.sleep(seconds)
        return (_ticks(self.pid) - before) / _TICK >= seconds / 2

    @contextlib.contextmanager
    def held(self):
        """Stopped while others are measured, where it would take their CPU."""
        if not self.burns:
            yield
            return
        try:
            os.kill(self.pid, signal.SIGSTOP)
        except PermissionError as error:
            raise GuestError(f"{self.name} burns a CPU and cannot be stopped while others are measured: pin it to a "
                             f"CPU of its own, or run the benchmark as its user") from error
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def describe(self):
        whose = f"pid {self.pid} on CPUs {cpu_words(os.sched_getaffinity(self.pid))}" if self.pid else "unknown pid"
        return (f"peer {self.name}: {', '.join(f'{kind} {path}' for kind, path in self.sockets.items())}, {whose}"
                + (", burns a CPU: stopped (SIGSTOP) while others run" if self.burns else ""))


def cpu_words(cpus):
    """{0, 1, 2, 5}: "0-2,5"."""
    words, cpus = [], sorted(cpus)
    for i, cpu in enumerate(cpus):
        if i and cpu == cpus[i - 1] + 1:
            words[-1] = f"{words[-1].split('-')[0]}-{cpu}"
        else:
            words.append(str(cpu))
    return ",".join(words)


def parse_peers(texts):
    """Peer descriptions by name: {name: {kind: socket}}."""
    peers = {}
    for text in texts:
        name, kind, path = parse_peer(text)
        if kind in peers.setdefault(name, {}):
            raise ValueError(f"peer \"{text}\": {name} has a socket for {kind} already")
        peers[name][kind] = path
    return peers


def missing(program, package):
    """Why a program cannot be used, or None."""
    return None if shutil.which(program) else f"{program} is not installed (package {package})"
