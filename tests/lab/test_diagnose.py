# SPDX-License-Identifier: Apache-2.0
"""What makes a guest slow is put into the lab for real while its guest reads its disk; the diagnosis ranks it first."""

import pytest

from lab import faults
from lab.stage import Stage


@pytest.fixture(scope="module")
def stage(machine):
    stage = Stage(machine)
    yield stage
    stage.clear()


def measured(report):
    """The causes that were measured, and not only set."""
    return [(cause["id"], cause["weight"], cause["evidence"]) for cause in report["causes"] if cause["weight"] >= 40]


def wait_for_reads(stage, disk):
    """Firmware is done, and the guest reads its disk."""
    stage.lab.run(f"cd /sys/block/{disk}; read first rest <stat; until read now rest <stat; [ $now -gt $((first + 50)) ]; "
                  "do sleep 0.2; done", timeout=120)


def test_starved_iothread_is_first(stage):
    """Four loops on the I/O thread's CPU."""
    stage.play(faults.GOOD)
    wait_for_reads(stage, "nvme0n1")
    stage.lab.run("for i in 1 2 3 4; do taskset -c 3 sh -c 'while :; do :; done' >/dev/null 2>&1 & "
                  "echo $! >>/run/hogs; done")
    try:
        causes = measured(stage.strait("diagnose --for 5 good"))
    finally:
        stage.lab.run("kill -9 $(cat /run/hogs); rm /run/hogs; true")
    assert causes and causes[0][0] == "threads.iothread", causes
    assert any("CPU 3" in line for line in causes[0][2])
