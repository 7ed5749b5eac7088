# SPDX-License-Identifier: Apache-2.0
"""scripts/bench, run for moments: that it measures, judges, says what it cannot, ends well and leaves nothing."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import ROOT, make_disk, need_straitd

QSD = "qemu-storage-daemon"


@pytest.fixture
def suite(build_dir, workdir):
    """suite(*options) runs it to its end with one short round a comparison."""
    need_straitd(build_dir)

    def run(*options, expect=(0, 1)):
        result = subprocess.run(command(build_dir, workdir, *options), capture_output=True, text=True, timeout=240)
        assert result.returncode in expect, result.stderr + result.stdout
        assert glob.glob(f"{workdir}/strait-bench-*") == []
        return result
    return run


def command(build_dir, workdir, *options):
    return [os.path.join(ROOT, "scripts", "bench"), "--build-dir", build_dir, "--directory", workdir, "--pairs", "1",
            "--seconds", "0.2", *options]


def rows_of(workdir, name="out.json"):
    with open(os.path.join(workdir, name), encoding="utf-8") as file:
        return json.load(file)["rows"]


def test_null_rows_and_their_verdicts(suite, workdir):
    if not shutil.which(QSD):
        pytest.skip(f"needs {QSD} (package qemu-system-common)")
    result = suite("--only", "null", "--json", f"{workdir}/out.json")
    rows = {(row["figure"], row["ring"]): row for row in rows_of(workdir)}
    fast = rows["null, QD32", "split"]
    assert fast["peer"] == QSD and fast["must"] == ">= 1.6" and fast["verdict"] in ("met", "missed")
    assert fast["ratio"]["median"] == pytest.approx(fast["straitd"]["median"] / fast["peer_value"]["median"])
    slow = [row for (figure, ring), row in rows.items() if "front end" in figure and ring == "split"]
    assert sorted(str(row["must"]) for row in slow) == ["<= 0.125", "None"]  # exactly one is judged
    assert all("slept" in row["note"] for row in slow)
    instructions = rows["null path, 16 at a time, callgrind", "split"]
    if shutil.which("valgrind"):
        assert 100 < instructions["straitd"]["median"] < 10000
    else:
        assert "valgrind" in instructions["reason"]
    for row in rows.values():
        assert (row["verdict"] == "not measured") == (row["reason"] is not None), row
    assert result.returncode == any(row["verdict"] == "missed" for row in rows.values())
    assert re.search(r"^\d+ met, \d+ missed, \d+ not measured$", result.stdout, re.MULTILINE)
    assert "\033" not in result.stdout  # no terminal


def test_life_of_a_disk(suite, workdir):
    suite("--only", "idle", "--only", "memory", "--only", "connect", "--only", "restart", "--json", f"{workdir}/out.json")
    rows = {row["figure"]: row for row in rows_of(workdir) if row["ring"] == "split"}
    assert rows["idle disk, wake-ups in 1 s"]["straitd"]["median"] >= 0
    assert 1 < rows["resident memory, 16 busy queues"]["straitd"]["median"] < 1000
    assert rows["connect to first I/O, null"]["straitd"]["median"] > 0
    restarted = rows["kill -9 to first I/O after restart"]
    assert restarted["reason"] or restarted["straitd"]["median"] > 0  # no reason: strait bench can survive one


@pytest.mark.parametrize("kind", ["straitd", QSD])
def test_peer_behind_a_socket(suite, workdir, request, kind):
    """Whatever serves it: here, a straitd and a qemu-storage-daemon that the benchmark did not start."""
    disk = make_disk(workdir, "elsewhere", 16 << 20, cache="writeback")
    fixture = request.getfixturevalue("straitd" if kind == "straitd" else "qsd")
    daemon = fixture(disks=[disk]) if kind == "straitd" else fixture([disk])
    result = suite("--only", "null, QD32", "--only", "CPU at", "--peer", f"spdk-like={disk['socket']}", "--json",
                   f"{workdir}/out.json")
    assert f"pid {daemon.pid}" in result.stdout
    rows = {row["figure"]: row for row in rows_of(workdir) if row["peer"] == "spdk-like"}
    assert rows["null, QD32"]["peer_value"]["median"] > 0 and rows["null, QD32"]["aim"] == ">= 1"
    assert rows["null at 20 k IOPS, CPU an I/O"]["peer_value"]["median"] > 0  # its process was found


def test_peer_that_is_not_there(suite, workdir):
    result = suite("--only", "idle", "--peer", f"{workdir}/none.sock", expect=(3,))
    assert "none.sock" in result.stderr and "start what serves it first" in result.stderr


def test_usage(suite):
    result = suite("--only", "no such step", expect=(2,))
    assert "--list" in result.stderr
    assert "null, QD32" in suite("--list", expect=(0,)).stdout


def processes_with(*words):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
            if all(word.encode() in line for word in words):
                found.append(int(pid))
        except OSError:
            continue
    return found


def test_ctrl_c_leaves_nothing_behind(build_dir, workdir):
    need_straitd(build_dir)
    argv = command(build_dir, workdir, "--only", "null, QD32", "--pairs", "1000")
    # What runs in the background of a script has SIGINT ignored, and hands that down.
    bench = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    try:
        deadline = time.monotonic() + 60
        while not processes_with(workdir, "straitd-null.sock"):  # strait bench: it has begun to measure
            assert bench.poll() is None and time.monotonic() < deadline, bench.communicate()
            time.sleep(0.02)
        os.killpg(bench.pid, signal.SIGINT)
        out, err = bench.communicate(timeout=30)
    finally:
        bench.kill()
        bench.wait()
    assert bench.returncode == 3 and "interrupted" in err, err
    assert "not measured" in out  # the summary of what there was
    assert glob.glob(f"{workdir}/strait-bench-*") == [] and processes_with(f"{workdir}/strait-bench-") == []
