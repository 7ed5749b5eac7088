# SPDX-License-Identifier: Apache-2.0
"""strait exits where guests really leave: by tracepoints, by KVM's statistics, and from a capture."""

import json

import pytest

from lab.nested import EXITS, IDLE, Nested, RunningNested, write_boot_sector

# ordinary memory and no network: what it leaves for is what its boot sector does
PLAIN = Nested(backend=("memory-backend-ram", ""), overcommit="", netdev="", nic="", smp="1")
TRACING = "/sys/kernel/tracing"


@pytest.fixture
def guest(machine, request):
    """One that runs the boot sector of the test's parameter."""
    write_boot_sector(machine, "/dev/nvme0n1", request.param)
    running = RunningNested(machine, PLAIN)
    try:
        # the BIOS is done, and what runs is the boot sector
        machine.run(f"for i in $(seq 600); do [ $(awk '{{print $1}}' /sys/block/nvme0n1/stat) -gt {reads(machine)} ] && "
                    "break; sleep 0.1; done", timeout=120)
        yield running
    finally:
        running.stop()


def reads(machine):
    return machine.run("awk '{print $1}' /sys/block/nvme0n1/stat")


def exits(machine, *options):
    output = machine.run(f"strait exits --json {' '.join(options)} 2>/run/exits.log; code=$?; "
                         "[ $code -le 1 ] || { cat /run/exits.log; false; }", timeout=120)
    return json.loads(output)


def rows(report):
    guest, = report["guests"]
    assert guest["guest"] == "good"
    return {row["reason"]: row for row in guest["exits"]}


@pytest.mark.parametrize("guest", [EXITS], indirect=True)
def test_a_guest_that_leaves_all_the_time(machine, guest):
    report = exits(machine, "--for", "3", "good")
    row = max(rows(report).values(), key=lambda row: row["rate"])
    assert row["reason"] == "io", report
    assert row["rate"] > 10
    assert 0 < row["min-ns"] <= row["p50-ns"] <= row["max-ns"]
    assert 0 < row["time-share"] <= 1
    assert report["guests"][0]["by"] == "tracepoints"
    assert machine.run(f"ls {TRACING}/instances") == ""


@pytest.mark.parametrize("guest", [IDLE], indirect=True)
def test_a_guest_that_is_idle(machine, guest):
    row = rows(exits(machine, "--for", "3", "good"))["hlt"]
    assert row["verdict"] is None
    assert row["time-share"] > 0.1


@pytest.mark.parametrize("guest", [EXITS], indirect=True)
def test_without_tracing(machine, guest):
    """KVM counts them in debugfs and tells QEMU, which tells us; both without times."""
    # debugfs shows tracefs, too
    machine.run(f"umount {TRACING} && mount -t tmpfs none /sys/kernel/debug/tracing")
    try:
        counted = rows(exits(machine, "--for", "2"))
        assert counted["io_exits"]["rate"] > 10
        assert counted["io_exits"]["time-share"] is None
        machine.run("umount /sys/kernel/debug/tracing && umount /sys/kernel/debug")
        report = exits(machine, "--for", "2")
        assert rows(report)["io_exits"]["rate"] > 10
        assert report["guests"][0]["by"] == "statistics"
        assert "no tracefs is mounted" in report["not-traced"]
        assert machine.run(f"ls {TRACING}") == ""
    finally:
        machine.run(f"umount /sys/kernel/debug/tracing /sys/kernel/debug; mount -t debugfs none /sys/kernel/debug; "
                    f"mount -t tracefs none {TRACING}")


@pytest.mark.parametrize("guest", [EXITS], indirect=True)
def test_a_capture_has_them(machine, guest):
    machine.run("strait capture -o /run/exits.tar.zst", timeout=120)
    try:
        assert rows(exits(machine, "--from", "/run/exits.tar.zst"))["io"]["rate"] > 10
    finally:
        machine.run("rm /run/exits.tar.zst")
