# SPDX-License-Identifier: Apache-2.0
"""strait exits where guests really leave: by tracepoints, by KVM's statistics, and from a capture."""

import json

import pytest

from guest import GuestError
from guest.proc import wait_until
from lab.nested import EXITS, IDLE, Nested, RunningNested, write_boot_sector

# ordinary memory and no network: what it leaves for is what its boot sector does
PLAIN = Nested(backend=("memory-backend-ram", ""), overcommit="", netdev="", nic="", smp="1")
TRACING = "/sys/kernel/tracing"


def runs_its_code(machine, pid, limit):
    """Whether it leaves for what its boot sector does, by KVM's own count, and not for the firmware's sake alone."""
    counted = f"cat /sys/kernel/debug/kvm/{pid}-*/io_exits /sys/kernel/debug/kvm/{pid}-*/halt_exits"

    def look():
        return [int(line) for line in machine.run(counted).split()]

    def goes_on():
        before = look()
        machine.run("sleep 0.5")
        after = look()
        return after[0] > before[0] + 20 and after[0] > 1500 or after[1] > before[1] > 5

    try:
        wait_until(goes_on, limit, "the guest's boot sector to run", 0.1)
    except GuestError:
        return False
    return True


@pytest.fixture
def guest(machine, request):
    """One that runs the boot sector of the test's parameter. Emulated twice, the firmware goes astray at times: then
    another one is started."""
    write_boot_sector(machine, "/dev/nvme0n1", request.param)
    for limit in (15, 30, 60, 120):
        running = RunningNested(machine, PLAIN)
        if runs_its_code(machine, running.pid, limit):
            break
        running.stop()
    try:
        yield running
    finally:
        running.stop()


def exits(machine, *options):
    output = machine.run(f"strait exits --json {' '.join(options)} 2>/run/exits.log; code=$?; "
                         "[ $code -le 1 ] || { cat /run/exits.log; false; }", timeout=120)
    return json.loads(output)


def rows(report, name="good"):
    """Those of the guest; none where it had no exit."""
    assert [guest["guest"] for guest in report["guests"]] in ([], [name])
    return {row["reason"]: row for guest in report["guests"] for row in guest["exits"]}


def wait_for(machine, reason, *options):
    """The first report with exits of this reason."""
    found = []

    def look():
        found[:] = [exits(machine, "--for", "2", *options)]
        return rows(found[0]).get(reason, {"rate": 0})["rate"] > 0

    wait_until(look, 300, f"exits for {reason}", 0.1)
    return found[0]


@pytest.mark.parametrize("guest", [EXITS], indirect=True)
def test_a_guest_that_leaves_all_the_time(machine, guest):
    report = wait_for(machine, "io", "good")
    row = rows(report)["io"]
    assert 0 < row["min-ns"] <= row["p50-ns"] <= row["max-ns"]
    assert 0 < row["time-share"] <= 1
    assert report["guests"][0]["by"] == "tracepoints"
    assert machine.run(f"ls {TRACING}/instances") == ""


@pytest.mark.parametrize("guest", [IDLE], indirect=True)
def test_a_guest_that_is_idle(machine, guest):
    row = rows(wait_for(machine, "hlt", "good"))["hlt"]
    assert row["verdict"] is None
    assert row["time-share"] > 0


@pytest.mark.parametrize("guest", [EXITS], indirect=True)
def test_without_tracing(machine, guest):
    """KVM counts them in debugfs and tells QEMU, which tells us; both without times."""
    # debugfs shows tracefs, too
    machine.run(f"umount {TRACING} && mount -t tmpfs none /sys/kernel/debug/tracing")
    try:
        counted = wait_for(machine, "io_exits")
        assert rows(counted)["io_exits"]["time-share"] is None
        machine.run("umount /sys/kernel/debug/tracing && umount /sys/kernel/debug")
        report = wait_for(machine, "io_exits")
        assert report["guests"][0]["by"] == "statistics"
        assert "no tracefs is mounted" in report["not-traced"]
        assert machine.run(f"ls {TRACING}") == ""
    finally:
        machine.run(f"umount /sys/kernel/debug/tracing /sys/kernel/debug; mount -t debugfs none /sys/kernel/debug; "
                    f"mount -t tracefs none {TRACING}")


@pytest.mark.parametrize("guest", [EXITS], indirect=True)
def test_a_capture_has_them(machine, guest):
    wait_for(machine, "io")
    machine.run("strait capture -o /run/exits.tar.zst", timeout=120)
    try:
        assert rows(exits(machine, "--from", "/run/exits.tar.zst"))["io"]["rate"] > 0
    finally:
        machine.run("rm /run/exits.tar.zst")


@pytest.mark.parametrize("guest", [EXITS], indirect=True)
@pytest.mark.parametrize("form", ["--compression none", "--compression zstd", "-B exits"])
def test_a_trace_that_trace_cmd_recorded(machine, guest, form):
    """The file and its text tell the same; neither needs the machine."""
    if "-libtracecmd" in machine.run("strait --version"):
        pytest.skip("built without libtracecmd")
    machine.run(f"cd /run && trace-cmd record -q -b 1024 -o trace.dat {form} -e kvm:kvm_exit -e kvm:kvm_entry sleep 1 "
                ">record.log 2>&1 || { cat record.log; false; }", timeout=120)
    try:
        of_file = rows(exits(machine, "--trace", "/run/trace.dat"), None)
        machine.run("cd /run && trace-cmd report -t -N trace.dat 2>/run/record.log >trace.txt", timeout=120)
        of_text = rows(exits(machine, "--trace", "/run/trace.txt"), None)
    finally:
        machine.run(f"rm -f /run/trace.*; rmdir {TRACING}/instances/exits 2>/run/record.log; true")
    assert of_file["io"]["rate"] > 0 and of_file == of_text
