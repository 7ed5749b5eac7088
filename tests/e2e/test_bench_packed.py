# SPDX-License-Identifier: Apache-2.0
"""Packed rings between strait bench and straitd: what test_bench_verify.py and test_bench_sessions.py do on split ones."""

import itertools

import pytest

from conftest import MIB, make_disk
from frontend import bench, serve_disk  # noqa: F401

PACKED = ("--ring", "packed")
VERIFY = (*PACKED, "--rw", "randrw", "--verify", "--size", "16m")


@pytest.fixture
def disk(straitd, workdir):
    return serve_disk(lambda disks: straitd(disks=disks), workdir)


@pytest.mark.parametrize("mode", ("polled", "event"))
def test_rings_and_notifications(bench, disk, mode):
    for event_idx, indirect in itertools.product(("", "--no-event-idx"), ("", "--no-indirect")):
        options = [option for option in (event_idx, indirect) if option]
        result = bench.run(disk, *PACKED, "--rw", "randrw", "--verify", "--block-size", "4k,16k", "--io-count", 4000,
                           "--queues", 2, "--mode", mode, *options)
        assert result.bad_sectors() == {}, options
        assert result["options"]["ring"] == "packed"
        features = result["device"]["features"]
        assert "VIRTIO_F_RING_PACKED" in features
        assert ("VIRTIO_F_EVENT_IDX" in features) == (not event_idx)
        assert ("VIRTIO_F_INDIRECT_DESC" in features) == (not indirect)


@pytest.mark.parametrize("size", (4, 5, 100, 1024))
def test_queue_sizes(bench, disk, size):
    """A ring that is always full, with and without indirect descriptors, often enough to go round many times."""
    full = bench.run(disk, *VERIFY, "--io-count", 4000, "--queue-size", size, "--depth", size)
    assert full.bad_sectors() == {}
    direct = bench.run(disk, *VERIFY, "--io-count", 4000, "--queue-size", size, "--depth", size // 3, "--no-indirect")
    assert direct.bad_sectors() == {}


def test_large_rings(bench, straitd, workdir):
    described = make_disk(workdir, "disk", 64 * MIB, cache="writeback", queue_size_max=32768)
    straitd(disks=[described])
    for size in (4095, 32768):
        result = bench.run(described["socket"], *VERIFY, "--block-size", "512", "--queue-size", size, "--depth", 4095,
                           "--io-count", 40000)
        assert result.bad_sectors() == {}


def test_many_segments(bench, disk):
    """Chains of different lengths, so that entries are skipped, across the end of the ring as well."""
    result = bench.run(disk, *PACKED, "--rw", "randrw", "--verify", "--block-size", "4k-256k", "--segment-size", "4k",
                       "--queue-size", 250, "--depth", 3, "--io-count", 1000, "--no-indirect")
    assert result.bad_sectors() == {}


def test_reconnects(bench, disk):
    """The base goes there and back at every place of a ring that is no power of two."""
    result = bench.run(disk, *VERIFY, "--queues", 3, "--queue-size", 100, "--reconnect", 50, "--io-count", 50000)
    assert result.bad_sectors() == {}
    assert result.errors() == 0
    assert result["reconnects"]["done"] == 50
    assert result["reconnects"]["undrained"] == 0


def test_both_layouts_on_one_disk(bench, disk):
    """One after the other over the same socket: nothing of the ring before is left."""
    for ring in ("packed", "split", "packed"):
        result = bench.run(disk, "--ring", ring, "--rw", "randrw", "--verify", "--size", "16m", "--io-count", 4000)
        assert result.bad_sectors() == {}
        assert result["options"]["ring"] == ring


def test_a_back_end_without_packed_rings(bench, qsd, workdir):
    result = bench.run(serve_disk(qsd, workdir), *PACKED, expect=2)
    assert "VIRTIO_F_RING_PACKED" in result.err
