# SPDX-License-Identifier: Apache-2.0
"""What a disk notices of another front end of its worker, one that breaks its rings and requests over and over. It is
compared with one that comes and goes as often and does nothing wrong, so that what is seen is hostility."""

import contextlib
import os
import sys

from guest.errors import GuestError
from guest.proc import Process

from . import backends
from .judge import Row, at_most
from .loads import Load
from .session import Side

OFFENDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "e2e", "offender.py")
RATE = 5000
NOISE = 1.25
KINDS = {"alone": None, "beside a friend": "friend", "beside a foe": "foe"}


class Offender:
    """The other front end. sessions: how many it had, once it has ended."""

    def __init__(self, session, cpu, socket, kind):
        self._argv = backends.pinned(cpu, [sys.executable, OFFENDER, socket, kind])
        self._log = os.path.join(session.directory, "offender.log")
        self.sessions = None

    def __enter__(self):
        if os.path.exists(self._log):
            os.unlink(self._log)
        self._process = Process(self._argv, self._log)
        return self

    def __exit__(self, *exc):
        status = self._process.stop(15)
        with open(self._log, encoding="utf-8") as log:
            said = log.read().strip()
        if status:
            raise GuestError(f"offender.py ended with {status}: {said[-200:]}")
        self.sessions = int(said)


def compare(session, report):
    """Latencies of a disk at a fixed rate, by who else is there."""
    cpus = sorted(os.sched_getaffinity(0))
    # A request of the victim takes a while: some crimes are about a request that is still out
    disks = [{"name": "other", "null": 64 << 20}, {"name": "victim", "null": 64 << 20, "delay": {"mean-us": 500}}]
    sessions = {label: [] for label in KINDS}
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(backends.straitd(session.options.build_dir, session.directory, "straitd-neighbour",
                                                      session.back_cpu, disks, worker_cpus=str(session.back_cpu)))
        other, victim = daemon.sockets

        def drive(load, label, kind):
            if not kind:
                return session.bench.run(other, load)
            with Offender(session, cpus[len(cpus) // 2], victim, kind) as offender:
                sample = session.bench.run(other, load)
            sessions[label].append(offender.sessions)
            return sample
        sides = [Side(label, "", lambda load, label=label, kind=kind: drive(load, label, kind))
                 for label, kind in KINDS.items()]
        samples = session.rounds(sides, Load("null", 8, session.options.front_end, RATE), report.progress)
    taken = {side.name: samples[side] for side in sides}
    for label in ("beside a friend", "beside a foe"):
        report.text(f"{label}: {sum(sessions[label])} sessions")
    for figure, field in (("median", "p50"), ("p99", "p99")):
        foe = [getattr(sample, field) for sample in taken["beside a foe"]]
        for label in ("beside a friend", "alone"):
            report.row(Row(f"{RATE} IOPS beside a foe, {figure}", "us", foe,
                           [getattr(sample, field) for sample in taken[label]], "split", label,
                           at_most(NOISE) if label != "alone" else None))
