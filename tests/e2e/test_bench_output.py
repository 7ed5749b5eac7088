# SPDX-License-Identifier: Apache-2.0
"""What strait and strait bench print, and how they refuse."""

import subprocess

import pytest

from frontend import back_end, bench, disk, serve_disk  # noqa: F401

LATENCY = {"min", "mean", "p50", "p90", "p99", "p99_9", "p99_99", "max"}
TOTAL = {"ios", "iops", "bytes", "bytes_per_second", "latency_ns"}
ERRORS = {"io-error", "unsupported", "bad-status", "short"}
CPU = {"user_seconds", "system_seconds", "cpus", "us_per_io", "voluntary_switches", "involuntary_switches"}
SCHEMA = {
    "schema", "version", "socket", "failure", "exit_code", "interrupted", "options", "region", "device", "seconds",
    "connect_ns", "first_completion_ns", "total", "operations", "errors", "error_samples", "notifications", "backlog",
    "back_end", "front_end", "reconnects", "survived",
    "verify",
}
OPTIONS = {
    "rw", "read_percent", "block_size", "segment_size", "depth", "queues", "queue_size", "ring", "mode", "event_idx",
    "indirect", "flush_every", "unmap", "rate", "time_seconds", "warm_up_seconds", "io_count", "verify", "seed",
    "reconnect", "inflight", "survive_seconds",
}
DEVICE = {
    "capacity_bytes", "block_size", "read_only", "queues", "memory_slots", "serial", "features", "protocol_features",
    "config_changes",
}
VERIFY = {"bytes_written", "bytes_checked", "bytes_unknown", "bad_requests", "bad_sectors", "samples"}
SECTORS = {"stale", "torn", "misplaced", "foreign", "zeroed", "corrupt", "untouched"}


def test_json_schema(bench, disk):
    result = bench.run(disk, "--rw", "randrw", "--verify", "--io-count", 1000, "--reconnect", 1, "--rate", "100k")
    assert result.err == ""
    assert result.json.keys() == SCHEMA
    assert result["schema"] == 1
    assert result["options"].keys() == OPTIONS
    assert result["device"].keys() == DEVICE
    assert result["region"].keys() == {"offset_bytes", "size_bytes"}
    assert result["total"].keys() == TOTAL
    assert result["total"]["latency_ns"].keys() == LATENCY
    assert result["operations"].keys() == {"read", "write"}
    for operation in result["operations"].values():
        assert operation.keys() == TOTAL | {"errors"}
        assert operation["errors"].keys() == ERRORS
    assert result["errors"].keys() == ERRORS
    assert result["notifications"].keys() == {"kicks", "calls", "kicks_per_io", "calls_per_io", "publishes",
                                              "ios_per_publish"}
    assert result["back_end"].keys() == {"pid", "process", "cpu"}
    assert result["back_end"]["cpu"].keys() == result["front_end"].keys() == CPU
    assert result["reconnects"].keys() == {"done", "retries", "undrained", "left_in_ring", "longest_ns"}
    assert result["verify"].keys() == VERIFY
    assert result["verify"]["bad_sectors"].keys() == SECTORS
    assert result["total"]["bytes"] == 1000 * 4096
    assert result["failure"] is None and result["exit_code"] == 0


def test_json_says_null_for_what_was_not_asked(bench, disk):
    result = bench.run(disk, "--io-count", 10)
    assert [result[key] for key in ("verify", "reconnects", "survived", "backlog", "failure")] == [None] * 5


def test_json_of_a_failure(bench, workdir):
    result = bench.run(f"{workdir}/none.sock", expect=3)
    assert result.json.keys() == SCHEMA
    assert result["exit_code"] == 3 and "none.sock" in result["failure"]
    assert result["total"]["latency_ns"] is None


def test_table(bench, disk):
    result = bench.run(disk, "--rw", "randrw", "--io-count", 1000, json_report=False)
    lines = result.out.splitlines()
    assert lines[0].startswith(disk)
    header = next(line for line in lines if "IOPS" in line)
    assert header.split() == ["IOPS", "THROUGHPUT", "MIN", "MEAN", "P50", "P90", "P99", "P99.9", "P99.99", "MAX",
                              "ERRORS"]
    for word in ("read ", "write ", "all ", "back end", "front end", "notifications", "first completion"):
        assert any(line.startswith(word) for line in lines), word
    assert result.err == ""  # no terminal, no progress


def test_quiet(bench, disk):
    result = bench.run(disk, "--io-count", 100, "--quiet", json_report=False)
    assert result.out == "" and result.err == ""
    result = bench.run(disk, "--io-count", 100, "--quiet", "--json", json_report=False)
    assert result.ios() == 100


def test_progress(bench, disk):
    result = bench.run(disk, "--time", "1200ms", "--warm-up", "1200ms", "--progress", json_report=False)
    lines = result.err.splitlines()
    assert any(line.startswith("warm-up") for line in lines)
    assert any(line.startswith("measure") and "%" in line and "IOPS" in line for line in lines)


def test_same_seed_same_load(bench, disk):
    seeds = [bench.run(disk, "--io-count", 10, *options)["options"]["seed"]
             for options in (("--seed", 7), ("--seed", 7), (), ())]
    assert seeds[0] == seeds[1] == 7
    assert seeds[2] != seeds[3]


@pytest.mark.parametrize("options, words", (
    (("--depth", "0"), ("--depth=0", "1 to 4096")),
    (("--rw", "append"), ("--rw=append", "randwrite")),
    (("--block-size", "1000"), ("--block-size=1000", "512")),
    (("--ring", "ring"), ("--ring=ring", "split or packed")),
    (("--queue-size", "100"), ("--queue-size=100", "power of two")),
    (("--depth", "300"), ("--depth=300", "--queue-size=256")),
    (("--time", "soon"), ("--time=soon", "10s")),
    (("--cpu", "x"), ("--cpu=x", "0-3,8")),
    (("--flush-every", "3", "--rw", "read"), ("--flush-every=3", "writes")),
    (("--no-such-thing",), ("--no-such-thing", "no such option")),
    (("--verify", "--rw", "flush"), ("--verify", "--rw=flush")),
))
def test_usage_errors(bench, workdir, options, words):
    result = bench.run(f"{workdir}/none.sock", *options, expect=2)
    assert result.out == ""
    for word in words:
        assert word in result.err
    assert "strait bench --help" in result.err


@pytest.mark.parametrize("options, word", (
    (("--queues", "9"), "--queues=9"),
    (("--size", "65m"), "--size=65m"),
    (("--offset", "64m"), "--offset=64m"),
    (("--block-size", "64m", "--offset", "1m", "--size", "1m"), "--offset"),
    (("--depth", "100", "--no-indirect"), "--depth=100"),
    (("--depth", "256", "--flush-every", "5", "--rw", "write"), "--depth=256"),
    (("--block-size", "1m", "--segment-size", "512"), "descriptors"),
))
def test_what_does_not_go_with_the_disk(bench, disk, options, word):
    result = bench.run(disk, *options, expect=2)
    assert word in result.err


def test_missing_socket(bench):
    result = subprocess.run([bench.program, "bench"], capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "SOCKET" in result.stderr


def test_strait_itself(bench):
    def strait(*argv):
        return subprocess.run([bench.program, *argv], capture_output=True, text=True, check=False)

    help_text = strait("--help")
    assert help_text.returncode == 0 and "bench" in help_text.stdout and help_text.stderr == ""
    version = strait("--version")
    assert version.returncode == 0 and version.stdout.startswith("strait ")
    for argv in ((), ("frobnicate",), ("--frobnicate",)):
        bad = strait(*argv)
        assert bad.returncode == 2 and bad.stdout == "" and "strait --help" in bad.stderr
    assert "--depth=N" in strait("bench", "--help").stdout
