# SPDX-License-Identifier: Apache-2.0
"""Live migration of a guest from one QEMU to another on the same machine."""

import os
import re
import tempfile
import time

from .errors import GuestError, GuestTimeout

_UNLIMITED = 8 << 30
_SLOW = 64 << 20  # bytes a second: the first round takes a second or two


def migrate(source, target, timeout=60):
    """Move the guest that runs in `source` into `target`, which was made with incoming=True and has the same hardware.

    The source's QEMU is left as it is, with the machine stopped. Return its figures (query-migrate)."""
    with tempfile.TemporaryDirectory(prefix="strait-migrate-") as directory:
        uri = "unix:" + os.path.join(directory, "sock")
        target.qmp("migrate-incoming", uri=uri)
        if source.kvm:
            _set_bandwidth(source, _UNLIMITED)
            source.qmp("migrate", uri=uri)
        else:
            _emulated(source, uri, timeout)
        figures = _wait(source, lambda f: f["status"] == "completed", timeout)
    _wait_status(target, ("running", "paused"), timeout)
    target.qmp("cont")
    target.take_over(source)
    return figures


def _emulated(source, uri, timeout):
    """Begin a migration under TCG and stop the guest when most of its memory has been sent.

    QEMU before 9.0 does not notice what an emulated CPU writes to a page that it had in its TLB when the dirty bitmap
    was read: a guest that is migrated while it runs ends in a panic, whatever serves its disks. So the guest stands
    still each time the bitmap is read, and its TLBs are emptied after the first time. In between it runs, its memory
    is being sent, and its disks write into what was sent already: those writes are in the dirty log or lost."""
    source.qmp("stop")
    _set_bandwidth(source, 4096)
    source.qmp("migrate", uri=uri)
    _wait(source, lambda f: f.get("ram", {}).get("dirty-sync-count", 0) > 0, timeout)
    _flush_tlbs(source)
    source.qmp("cont")
    _set_bandwidth(source, _SLOW)
    _wait(source, lambda f: f["ram"]["remaining"] < f["ram"]["total"] / 4, timeout)
    source.qmp("stop")
    figures = source.qmp("query-migrate")
    if figures["ram"]["dirty-sync-count"] != 1:
        raise GuestError(f"the dirty bitmap was read while the guest ran: {figures}")
    _set_bandwidth(source, _UNLIMITED)


def _set_bandwidth(guest, bytes_per_second):
    guest.qmp("migrate-set-parameters", max_bandwidth=bytes_per_second)


def _flush_tlbs(guest):
    """Change the memory map for a moment, unseen by the guest, which stands still: QEMU then empties the CPUs' TLBs.

    What is changed is whether addresses from 0xf0000 on are memory: register 0x90 of q35's host bridge."""
    def read(size, port):
        answer = guest.qmp("human-monitor-command", command_line=f"i /{size} {port:#x}")
        return int(re.search(r"= (0x[0-9a-f]+)", answer)[1], 16)

    def write(size, port, value):
        guest.qmp("human-monitor-command", command_line=f"o /{size} {port:#x} {value:#x}")
    selected = read("w", 0xcf8)
    write("w", 0xcf8, 0x80000090)
    pam = read("b", 0xcfc)
    write("b", 0xcfc, pam ^ 0x30)
    write("b", 0xcfc, pam)
    write("w", 0xcf8, selected)


def cancel(source, timeout=60):
    """Begin a migration that goes nowhere and give it up; the guest stays where it is."""
    _set_bandwidth(source, 4096)
    source.qmp("migrate", uri="exec:cat >/dev/null")
    _wait(source, lambda f: f.get("ram", {}).get("dirty-sync-count", 0) > 0, timeout)
    source.qmp("migrate_cancel")
    _wait(source, lambda f: f["status"] == "cancelled", timeout)


def _wait(source, condition, timeout):
    deadline = time.monotonic() + timeout
    while True:
        figures = source.qmp("query-migrate")
        if figures.get("status") == "failed":
            raise GuestError(f"the migration failed: {figures.get('error-desc')}")
        if "status" in figures and condition(figures):
            return figures
        if time.monotonic() > deadline:
            raise GuestTimeout(f"timeout while migrating: {figures}")
        time.sleep(0.01)


def _wait_status(guest, states, timeout):
    deadline = time.monotonic() + timeout
    while (status := guest.qmp("query-status")["status"]) not in states:
        if time.monotonic() > deadline:
            raise GuestTimeout(f"the guest is {status} after its migration")
        time.sleep(0.01)
