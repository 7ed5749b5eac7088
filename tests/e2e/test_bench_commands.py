# SPDX-License-Identifier: Apache-2.0
"""Every request of virtio-blk, over one and several queues, against each back end."""

import pytest

from frontend import MIB, back_end, bench, disk, serve_disk  # noqa: F401

LOADS = ("read", "write", "randread", "randwrite", "rw", "randrw", "discard", "write-zeroes", "flush")


@pytest.mark.parametrize("queues", (1, 2, 4))
def test_every_load(bench, disk, queues):
    for load in LOADS:
        count = 300 if load == "flush" else 2000
        result = bench.run(disk, "--rw", load, "--queues", queues, "--io-count", count)
        assert result.ios() == count, load
        assert result.errors() == 0, load
        if load in ("rw", "randrw"):
            assert result.ios("read") + result.ios("write") == count
            assert 0.6 < result.ios("read") / count < 0.8
        else:
            assert result.ios(load.removeprefix("rand")) == count


def test_block_sizes(bench, disk):
    for sizes in ("512", "4k", "1m", "512,4k,64k", "4k-256k"):
        result = bench.run(disk, "--rw", "randrw", "--block-size", sizes, "--io-count", 500)
        assert result.ios() == 500
        assert result.errors() == 0


def test_flush_every(bench, disk):
    result = bench.run(disk, "--rw", "randwrite", "--flush-every", 10, "--io-count", 2000, "--queues", 2)
    assert result.ios("write") == 2000
    # One flush at a time: where it takes longer than ten writes, fewer go out.
    assert 2 <= result.ios("flush") <= 200


def test_write_zeroes_may_unmap(bench, disk):
    assert bench.run(disk, "--rw", "write-zeroes", "--unmap", "--io-count", 500).errors() == 0


def test_region(bench, disk):
    result = bench.run(disk, "--rw", "randwrite", "--offset", "1m", "--size", "1m", "--io-count", 2000)
    assert result["region"] == {"offset_bytes": MIB, "size_bytes": MIB}


def test_disk_is_described(bench, back_end, workdir):
    socket = serve_disk(back_end, workdir, size=48 * MIB)
    device = bench.run(socket, "--io-count", 1)["device"]
    assert device["capacity_bytes"] == 48 * MIB
    assert device["read_only"] is False
    assert device["queues"] == 4
    assert device["serial"]
    assert {"VIRTIO_F_VERSION_1", "VIRTIO_F_EVENT_IDX", "VIRTIO_F_INDIRECT_DESC"} <= set(device["features"])
    assert {"MQ", "CONFIG", "REPLY_ACK"} <= set(device["protocol_features"])


def test_back_end_is_measured(bench, back_end, workdir):
    socket = serve_disk(back_end, workdir)
    result = bench.run(socket, "--rw", "randread", "--time", "700ms")
    assert result["back_end"]["process"].startswith(back_end.name[:15])
    cpu = result["back_end"]["cpu"]
    assert cpu["user_seconds"] + cpu["system_seconds"] > 0
    assert result["first_completion_ns"] >= result["connect_ns"] > 0
    latency = result["total"]["latency_ns"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["p99_99"] <= latency["max"]


def test_read_only_disk(bench, back_end, workdir):
    socket = serve_disk(back_end, workdir, read_only=True)
    assert bench.run(socket, "--rw", "randread", "--io-count", 100)["device"]["read_only"] is True
    refused = bench.run(socket, "--rw", "randwrite", "--io-count", 100, expect=2)
    assert "read-only" in refused.err and socket in refused.err


def test_read_only_disk_refuses_writes(bench, back_end, workdir):
    socket = serve_disk(back_end, workdir, read_only=True)
    for load in ("randwrite", "write-zeroes", "discard"):
        result = bench.run(socket, "--rw", load, "--force-writes", "--io-count", 100, expect=None)
        if result.code == 2:
            # Not even offered on a read-only disk.
            assert "sectors of 512 is 0" in result.err
            continue
        assert result.code == 1
        assert result.ios() == 0
        assert result["errors"]["io-error"] + result["errors"]["unsupported"] == 100


@pytest.mark.parametrize("mode", ("polled", "event"))
def test_rate(bench, disk, mode):
    result = bench.run(disk, "--rw", "randread", "--rate", "2k", "--time", "1s", "--mode", mode, "--depth", 64)
    # On a busy machine some are not sent in time; they are told, and never made up for by a burst. Nor may it notice at
    # once that the second is over.
    due = 2000 * result["seconds"]
    assert result.ios() <= due + 20
    assert 2000 - 20 <= result.ios() + result["backlog"] <= due + 20


def test_rate_beyond_reach(bench, disk):
    """An overloaded disk shows a backlog, and latencies that grow with it."""
    result = bench.run(disk, "--rw", "randread", "--rate", "50m", "--time", "500ms")
    assert result["backlog"] > 1000000
    assert result["total"]["latency_ns"]["p50"] > 50_000_000


def test_calls_and_kicks(bench, disk):
    """At depth 1 every request needs a kick at most, and in event mode a call at most."""
    event = bench.run(disk, "--rw", "randread", "--depth", 1, "--mode", "event", "--io-count", 3000)
    assert event["notifications"]["calls"] <= 3001
    polled = bench.run(disk, "--rw", "randread", "--depth", 1, "--io-count", 3000)
    assert polled["notifications"]["kicks"] <= 3000
    # A ring with an in-flight region is called at its start, and the first completion may call, whatever was asked.
    assert polled["notifications"]["calls"] <= 2
