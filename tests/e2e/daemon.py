# SPDX-License-Identifier: Apache-2.0
"""Runs straitd as its users do, and sees what they see: its exit status, its log, what it tells systemd."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

import pytest

MIB = 1 << 20


@pytest.fixture
def straitd(build_dir):
    path = os.path.join(build_dir, "cmd", "straitd", "straitd")
    assert os.path.exists(path), f"{path} has not been built"
    return path


@pytest.fixture
def image(workdir):
    return make_image(workdir, "disk.img")


@pytest.fixture
def sock(workdir):
    return os.path.join(workdir, "disk.sock")


def make_image(directory, name, size=16 * MIB):
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def single(sock, image, *more):
    """The command line for one disk."""
    return [f"--socket-path={sock}", f"--blk-file={image}", *more]


def write_config(workdir, disks, **keys):
    """A configuration file; JSON is YAML."""
    path = os.path.join(workdir, "straitd.yaml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**keys, "disks": disks}, file)
    return path


@contextlib.contextmanager
def mounted(kind, path, options="defaults"):
    """A file system of the test's own; skips where that is not allowed."""
    os.makedirs(path, exist_ok=True)
    result = subprocess.run(["mount", "-t", kind, "-o", options, "strait-test", path], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"cannot mount a {kind}: {result.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def wait_for(condition, what, timeout=15):
    """Until condition() is true; its value. AssertionError after the timeout."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {timeout} s for {what}"
        time.sleep(0.01)


def listening(path):
    """Whether somebody listens on a socket, found out without connecting."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        rows = [line.split(maxsplit=7) for line in table]
    return any(len(row) == 8 and row[3] == "00010000" and row[7].strip() == path for row in rows)


class Notifications:
    """What systemd would hear: a real datagram socket named by NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        self.heard = []

    def listen(self, condition, what, timeout=15):
        """Until condition(all lines heard so far) is true."""
        def look():
            self._drain()
            return condition(self.heard)
        return wait_for(look, f"{what}; heard {self.heard}", timeout)

    def _drain(self):
        self.sock.setblocking(False)
        while True:
            try:
                self.heard += self.sock.recv(4096).decode().splitlines()
            except BlockingIOError:
                return

    def status(self):
        self._drain()
        return [line.removeprefix("STATUS=") for line in self.heard if line.startswith("STATUS=")]


class Straitd:
    """A running straitd; with it goes its process, whatever happens."""

    def __init__(self, program, *arguments, directory, environment=None, **popen):
        self.log_path = os.path.join(directory, f"straitd-{time.monotonic_ns()}.log")
        env = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC")}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**env, **(environment or {})}, **popen)

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def serves(self, *sockets, timeout=15):
        """Wait until it listens on all of them."""
        def look():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log()}"
            return all(listening(s) for s in sockets)
        wait_for(look, f"straitd to listen on {sockets}:\n{self.log()}", timeout)
        return self

    def logs(self, words, timeout=15):
        """Wait for words in the log; the first line that has them."""
        return wait_for(lambda: next((line for line in self.log().splitlines() if words in line), None),
                        f"{words!r} in the log:\n{self.log()}", timeout)

    def ends(self, timeout=15):
        """Wait for its end; the exit status."""
        return self.process.wait(timeout)

    def stop(self, number=signal.SIGTERM, timeout=15):
        self.process.send_signal(number)
        return self.ends(timeout)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.kill()
        if exc[0] is None:
            assert "sandbox: system call" not in self.log(), f"the sandbox is too narrow:\n{self.log()}"


def run(program, *arguments, **options):
    """straitd to its end; what subprocess.run() gives, as text."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, **options)
