# SPDX-License-Identifier: Apache-2.0
"""What is read is what was written, however the rings are laid out and notifications work."""

import itertools
import os

import pytest

from conftest import make_disk
from frontend import MIB, back_end, bench, disk, serve_disk  # noqa: F401

GIB = 1024 * MIB


@pytest.mark.parametrize("cache", ("none", "writeback"))
def test_mixed_blocks_over_a_gigabyte(bench, back_end, workdir, cache):
    socket = serve_disk(back_end, workdir, size=GIB, cache=cache)
    result = bench.run(socket, "--rw", "randrw", "--read-percent", 30, "--block-size", "8k-1m", "--queues", 4,
                       "--depth", 8, "--io-count", 5000, "--verify", "--flush-every", 200, timeout=120)
    assert result.bad_sectors() == {}
    # 3500 writes of 190 KiB on average leave more than a third of the disk written.
    assert result.checked() > GIB / 3


@pytest.mark.parametrize("mode", ("polled", "event"))
def test_rings_and_notifications(bench, disk, mode):
    for event_idx, indirect in itertools.product(("", "--no-event-idx"), ("", "--no-indirect")):
        options = [option for option in (event_idx, indirect) if option]
        result = bench.run(disk, "--rw", "randrw", "--verify", "--block-size", "4k,16k", "--io-count", 4000,
                           "--queues", 2, "--mode", mode, *options)
        assert result.bad_sectors() == {}, options
        assert ("VIRTIO_F_EVENT_IDX" in result["device"]["features"]) == (not event_idx)
        assert ("VIRTIO_F_INDIRECT_DESC" in result["device"]["features"]) == (not indirect)


@pytest.mark.parametrize("load", ("read", "randread", "write", "randwrite", "rw", "write-zeroes"))
def test_loads(bench, disk, load):
    result = bench.run(disk, "--rw", load, "--verify", "--size", "16m", "--io-count", 4500)
    assert result.bad_sectors() == {}
    # A mixed stream writes a third of what it covers, and checks little but that.
    assert result.checked() > 4 * MIB


@pytest.mark.parametrize("size", (4, 16, 128, 1024))
def test_queue_sizes(bench, disk, size):
    """A ring that is always full, with and without indirect descriptors, often enough for the indices to wrap."""
    load = ("--rw", "randrw", "--verify", "--size", "16m", "--io-count", 4000, "--queue-size", size)
    full = bench.run(disk, *load, "--depth", size)
    assert full.bad_sectors() == {}
    direct = bench.run(disk, *load, "--depth", size // 3, "--no-indirect")
    assert direct.bad_sectors() == {}


def test_indices_wrap(bench, disk):
    result = bench.run(disk, "--rw", "randrw", "--verify", "--block-size", "512", "--size", "4m", "--queue-size", 64,
                       "--io-count", 140000)
    assert result.bad_sectors() == {}


def test_large_rings_of_straitd(bench, straitd, workdir):
    described = make_disk(workdir, "disk", 64 * MIB, cache="writeback", queue_size_max=32768)
    straitd(disks=[described])
    for size in (4096, 32768):
        result = bench.run(described["socket"], "--rw", "randrw", "--verify", "--block-size", "512",
                           "--queue-size", size, "--depth", 4096, "--io-count", 40000)
        assert result.bad_sectors() == {}


@pytest.mark.parametrize("indirect", ((), ("--no-indirect",)), ids=("indirect", "direct"))
def test_many_segments(bench, disk, indirect):
    result = bench.run(disk, "--rw", "randrw", "--verify", "--block-size", "4k-256k", "--segment-size", "4k",
                       "--depth", 3, "--io-count", 1000, *indirect)
    assert result.bad_sectors() == {}


def test_odd_segments(bench, back_end, workdir):
    """Pieces that are no multiple of a page or of what O_DIRECT wants."""
    socket = serve_disk(back_end, workdir, cache="none")
    result = bench.run(socket, "--rw", "randrw", "--verify", "--block-size", "4k-64k", "--segment-size", "1536",
                       "--depth", 4, "--io-count", 1000)
    assert result.bad_sectors() == {}


def test_corruption_is_found(bench, back_end, workdir):
    """Somebody else writes to the image: the report must say where and what."""
    described = make_disk(workdir, "disk", 16 * MIB, cache="writeback")
    back_end([described])
    run = bench.start(described["socket"], "--rw", "randread", "--verify", "--time", "2s", "--depth", 4)
    garbage = os.urandom(512)
    with open(described["file"], "r+b") as image:
        while run.poll() is None:
            # Again and again, so that it comes after the fill as well.
            os.pwrite(image.fileno(), garbage, 5 * MIB + 1024)
    result = bench.finish(run, expect=1)
    assert result.bad_sectors().keys() == {"corrupt"}
    assert result["verify"]["samples"][0]["offset"] == 5 * MIB + 1024
    assert result["exit_code"] == 1


def test_null_disk_is_not_believed(bench, straitd, workdir):
    described = make_disk(workdir, "disk", 16 * MIB, null=16 * MIB)
    del described["file"], described["cache"]
    straitd(disks=[described])
    result = bench.run(described["socket"], "--rw", "randwrite", "--verify", "--io-count", 1000, expect=1)
    assert result.errors() == 0
    assert sum(result.bad_sectors().values()) > 0
