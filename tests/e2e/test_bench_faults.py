# SPDX-License-Identifier: Apache-2.0
"""straitd's disks that fail or dawdle on purpose, as strait bench sees them."""

import pytest

from conftest import make_disk
from frontend import MIB, bench  # noqa: F401


@pytest.fixture
def serve(straitd, workdir):
    """serve(fault=..., delay=...) serves a disk of 64 MiB. Its socket."""
    def start(**keys):
        described = make_disk(workdir, "disk", 64 * MIB, cache="writeback", **keys)
        straitd(disks=[described])
        return described["socket"]
    return start


def test_reads_that_fail(bench, serve):
    socket = serve(fault=[{"on": ["read"], "rate": 0.01, "error": "EIO"}])
    result = bench.run(socket, "--rw", "randrw", "--io-count", 40000, "--queues", 2, expect=1)
    read = result["operations"]["read"]
    failed = read["errors"]["io-error"]
    assert 0.005 < failed / (read["ios"] + failed) < 0.02
    assert result["errors"] == {"io-error": failed, "unsupported": 0, "bad-status": 0, "short": 0}
    assert sum(result["operations"]["write"]["errors"].values()) == 0
    assert result["error_samples"][0]["operation"] == "read"


def test_writes_that_fail_lose_nothing_else(bench, serve):
    socket = serve(fault=[{"on": ["write"], "rate": 0.05, "error": "ENOSPC"}])
    result = bench.run(socket, "--rw", "randrw", "--verify", "--block-size", "4k-64k", "--io-count", 10000, expect=1)
    assert result["operations"]["write"]["errors"]["io-error"] > 100
    assert result.bad_sectors() == {}
    assert result.checked() > MIB


def test_a_bad_range(bench, serve):
    socket = serve(fault=[{"on": ["read"], "offset": "1MiB", "length": "1MiB"}])
    clean = bench.run(socket, "--rw", "read", "--offset", "2m", "--io-count", 2000)
    assert clean.errors() == 0
    bad = bench.run(socket, "--rw", "read", "--offset", "1m", "--size", "1m", "--io-count", 256, expect=1)
    assert bad.errors() == 256
    assert bad.ios() == 0


def test_fixed_delay(bench, serve):
    socket = serve(delay={"distribution": "fixed", "mean-us": 10000})
    result = bench.run(socket, "--rw", "randread", "--depth", 1, "--io-count", 50)
    assert result["total"]["latency_ns"]["min"] >= 10_000_000
    # Requests are delayed beside each other, not one after the other.
    deep = bench.run(socket, "--rw", "randread", "--depth", 64, "--io-count", 2000)
    assert deep["total"]["iops"] > 3 * result["total"]["iops"]


def test_reconnect_waits_for_delayed_requests(bench, serve):
    socket = serve(delay={"distribution": "uniform", "mean-us": 5000, "spread-us": 5000})
    result = bench.run(socket, "--rw", "randrw", "--verify", "--queues", 2, "--reconnect", 10, "--time", "2s")
    assert result["reconnects"]["done"] == 10
    assert result["reconnects"]["undrained"] == 0
    assert result.bad_sectors() == {}


def test_open_loop_sees_the_stall(bench, serve):
    """The same disk, slower than asked for: only the open loop says how long requests really waited."""
    socket = serve(delay={"distribution": "fixed", "mean-us": 10000})
    closed = bench.run(socket, "--rw", "randread", "--depth", 1, "--time", "1s")
    opened = bench.run(socket, "--rw", "randread", "--depth", 1, "--time", "1s", "--rate", 500)
    assert closed["total"]["latency_ns"]["p50"] < 50_000_000
    assert opened["total"]["latency_ns"]["p50"] > 100_000_000
    assert opened["backlog"] > 200
