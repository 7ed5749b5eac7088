# SPDX-License-Identifier: Apache-2.0
"""Guests that break their rings and requests, over and over, on both kinds of rings: each costs itself its queue, or
gets an error, and another disk of the same worker under verified load sees nothing of it."""

import random

import pytest

import driver
from conftest import MIB, make_disk
from driver import OK, Disk
from frontend import bench, lines_about, verified_load  # noqa: F401 (fixture)
from hostile import BLOCK_CRIMES, F_EVENT_IDX, F_INDIRECT, READ_ONLY_CRIMES, RING_CRIMES, RINGS, HostileDisk, applicable

pytestmark = pytest.mark.straitd_only

ROUNDS = 3


@pytest.fixture
def disks(straitd, workdir):  # noqa: F811
    """A disk to be broken, one that cannot be written, and one that must not notice; all on one worker. A request of
    the first takes a while, so that what is offered twice is offered while it is out."""
    slow = {"mean-us": 500}
    described = [make_disk(workdir, "victim", 64 * MIB, cache="writeback", queues=1, delay=slow),
                 make_disk(workdir, "fixed", 64 * MIB, cache="writeback", queues=1, read_only=True),
                 make_disk(workdir, "other", 64 * MIB, cache="writeback")]
    daemon = straitd(disks=described, workers=1)
    return daemon, *(one["socket"] for one in described)


def broken_lines(daemon):
    return [line for line in daemon.log().splitlines() if "is broken by its driver" in line]


def commit(daemon, path, crime, ring):
    before = len(broken_lines(daemon))
    with HostileDisk(path, ring, crime.features) as disk:
        disk.commit(crime)
        if crime.cause:
            disk.wait_broken()
            said = broken_lines(daemon)
            assert len(said) == before + 1 and crime.cause in said[-1], f"{crime.name}, {ring}: {said[-1:]}"
            assert "disk victim" in said[-1], said[-1]
        else:
            assert disk.wait_status() == crime.status, f"{crime.name}, {ring}"
            assert not disk.is_broken(), f"{crime.name}, {ring}"
        disk.stop()


def test_crimes_on_both_rings(disks, bench):  # noqa: F811
    """The whole table, in another order each time."""
    daemon, victim, fixed, other = disks
    crimes = applicable(RING_CRIMES + BLOCK_CRIMES)
    assert len(crimes) >= 100
    breaking = sum(bool(crime.cause) for crime, _ in crimes)
    with verified_load(bench, other, daemon):
        for _ in range(ROUNDS):
            random.shuffle(crimes)
            for crime, ring in crimes:
                commit(daemon, victim, crime, ring)
            for crime, ring in applicable(READ_ONLY_CRIMES):
                commit(daemon, fixed, crime, ring)
        assert len(broken_lines(daemon)) == ROUNDS * breaking
        with Disk(victim) as disk:
            assert disk.write(0, b"n" * 4096) == OK
            assert disk.read(0, 4096) == (OK, b"n" * 4096)


@pytest.mark.parametrize("ring", RINGS)
def test_memory_changes_while_it_is_read(disks, bench, ring):  # noqa: F811
    """Descriptors that are good at one look and bad at the next: whatever the device saw, it was one or the other."""
    daemon, victim, _, other = disks
    numbers = random.Random(1)
    with verified_load(bench, other, daemon):
        for crime, _ in [(crime, name) for crime, name in applicable(RING_CRIMES) if name == ring] * 2:
            with HostileDisk(victim, ring, F_INDIRECT | F_EVENT_IDX) as disk:
                disk.commit(crime)
                for _ in range(300):
                    at = driver.DESC + numbers.randrange(0, 16 * driver.RING)
                    disk.memory[at] = numbers.randrange(256)
                disk.stop()
    assert all("disk victim" in line for line in broken_lines(daemon))
