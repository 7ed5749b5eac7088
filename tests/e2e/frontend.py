# SPDX-License-Identifier: Apache-2.0
"""Runs `strait bench` against each back end there is: fixtures and the result as Python has it."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

from conftest import MIB, make_disk

BACK_ENDS = ("qemu-storage-daemon", "straitd")
QUIET = ("--json", "--no-progress")


class Result:
    """Exit status, standard error and, unless it was a usage error, the JSON report of a run."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.json = json.loads(out) if out.startswith("{") else None

    def __getitem__(self, key):
        return self.json[key]

    def ios(self, operation=None):
        """Requests that succeeded in the measured phase."""
        if operation is None:
            return self.json["total"]["ios"]
        return self.json["operations"].get(operation, {"ios": 0})["ios"]

    def errors(self):
        return sum(self.json["errors"].values())

    def bad_sectors(self):
        return {kind: count for kind, count in self.json["verify"]["bad_sectors"].items() if count}

    def checked(self):
        return self.json["verify"]["bytes_checked"]


def kernel_state(pid):
    """Whether a process that should have ended runs, sleeps or is stuck, and where."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as stat, \
            open(f"/proc/{pid}/wchan", encoding="utf-8") as wchan:
        fields = stat.read().rsplit(")", 1)[1].split()
        return f"state {fields[0]}, {fields[11]} user and {fields[12]} system ticks, wchan {wchan.read()}"
    return "state unknown"


class Bench:
    """`strait bench` of a build."""

    def __init__(self, build_dir):
        self.program = os.path.join(build_dir, "cmd", "strait", "strait")
        if not os.access(self.program, os.X_OK):
            pytest.skip(f"needs strait, and {self.program} is not there: build it, or name another with --build-dir")

    def start(self, socket, *options, json_report=True):
        """A run in the background; finish() awaits it."""
        argv = [self.program, "bench", *map(str, options), *(QUIET if json_report else ()), str(socket)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def running(self, socket, *options):
        """A run in the background that has been sending requests for a second."""
        process = self.start(socket, *options, "--json", "--progress", json_report=False)
        line = process.stderr.readline()
        assert line.startswith("measure"), line + process.communicate()[1]
        return process

    @staticmethod
    def finish(process, expect=0, timeout=60):
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            state = kernel_state(process.pid)
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"{' '.join(process.args)} did not end within {timeout} s: {state}\n{err}{out}")
        result = Result(process.returncode, out, err)
        if expect is not None:
            assert result.code == expect, f"{' '.join(process.args)} ended with {result.code}:\n{err}{out[-6000:]}"
        return result

    def run(self, socket, *options, expect=0, timeout=60, json_report=True):
        return self.finish(self.start(socket, *options, json_report=json_report), expect, timeout)


@pytest.fixture
def bench(build_dir):
    return Bench(build_dir)


@pytest.fixture(params=BACK_ENDS)
def back_end(request):
    """back_end(disks) starts one of the back ends; back_end.name says which. The test runs once for each."""
    if request.param == "straitd":
        start = request.getfixturevalue("straitd")
        server = lambda disks: start(disks=disks)  # noqa: E731
    else:
        server = request.getfixturevalue("qsd")
    server.name = request.param
    return server


@pytest.fixture
def disk(back_end, workdir):
    """A served disk of 64 MiB in the page cache, with four queues. Its socket."""
    return serve_disk(back_end, workdir)


def serve_disk(back_end, workdir, size=64 * MIB, **keys):
    """Serve one disk. Its socket."""
    described = make_disk(workdir, "disk", size, **{"cache": "writeback", **keys})
    back_end([described])
    return described["socket"]


@contextlib.contextmanager
def stopped(pid):
    """A process that stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def lines_about(daemon, disk):
    """What the log says of a disk at levels that an operator is to look at: everything but its comings and goings."""
    return [line for line in daemon.log().splitlines()
            if f"disk {disk}" in line and "connected" not in line and " bytes in blocks of " not in line]


@contextlib.contextmanager
def verified_load(bench, path, daemon):
    """On another disk; afterwards every sector is as it was written, and nothing was said of it."""
    process = bench.running(path, "--rw", "randrw", "--verify", "--size", "16m", "--time", "60s", "--depth", 8)
    try:
        yield
    finally:
        process.terminate()
    result = bench.finish(process, expect=None)
    assert result.json, result.err
    assert result.errors() == 0 and result.bad_sectors() == {} and result.ios() > 0 and result.checked() > 0
    assert lines_about(daemon, "other") == []
