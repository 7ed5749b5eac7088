# SPDX-License-Identifier: Apache-2.0
"""Measures one disk of a guest while fio loads it: rates and costs between two moments in the middle of the run, so
that fio's own start and end, which are expensive in an emulated guest, are not in the figures."""

import statistics
import time
from dataclasses import dataclass, fields

from . import fio
from .errors import GuestError

_WARM_UP = 0.7


@dataclass
class Figures:
    """Latencies and CPU times in microseconds; kicks is None where the guest's kernel cannot count them."""
    iops: float
    p50: float
    p99: float
    kicks: float | None  # per I/O, as the rest
    calls: float
    cpu: float  # of QEMU, and of the back end if that is another process
    backend_cpu: float


def measure(guest, device, depth, seconds, process_cpu, backend_cpu):
    """Load `device` with 4 KiB random reads at `depth` for about `seconds` and return Figures.

    process_cpu, backend_cpu: functions that return seconds of CPU used so far."""
    guest.kick_count(device)  # arms the counter
    job = guest.fio_start("/dev/" + device, rw="randread", iodepth=depth, norandommap=1, randrepeat=0,
                          time_based=True, runtime=seconds + 3 * _WARM_UP)
    idle = guest.sample(device).ios
    deadline = time.monotonic() + 30
    while guest.sample(device).ios == idle:
        if time.monotonic() > deadline:
            raise GuestError(f"fio did not begin to read {device} within 30 s")
        time.sleep(0.1)
    time.sleep(_WARM_UP)
    before, began = (guest.sample(device), process_cpu(), backend_cpu()), time.monotonic()
    time.sleep(max(0.1, seconds))
    after, took = (guest.sample(device), process_cpu(), backend_cpu()), time.monotonic() - began
    result = job.result()
    ios = after[0].ios - before[0].ios
    if ios == 0 or fio.errors(result):
        raise GuestError(f"{device}: {ios} reads in {took:.1f} s, {fio.errors(result)} errors")
    kicks = None if after[0].kicks is None else (after[0].kicks - before[0].kicks) / ios
    return Figures(ios / took, fio.percentile(result, 50), fio.percentile(result, 99), kicks,
                   (after[0].calls - before[0].calls) / ios,
                   (after[1] - before[1]) / ios * 1e6, (after[2] - before[2]) / ios * 1e6)


def median(rounds):
    """The Figures whose every field is the median of that field over the rounds."""
    columns = {f.name: [getattr(r, f.name) for r in rounds] for f in fields(Figures)}
    return Figures(**{name: None if None in values else statistics.median(values) for name, values in columns.items()})


def apart(a_rounds, b_rounds, name):
    """Whether a figure differs beyond the noise: no round of the one reached any of the other, nor came within 2 %."""
    a, b = ([getattr(r, name) for r in rounds] for rounds in (a_rounds, b_rounds))
    if None in a or None in b:
        return False
    return max(a) * 1.02 < min(b) or max(b) * 1.02 < min(a)
