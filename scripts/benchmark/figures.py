# SPDX-License-Identifier: Apache-2.0
"""The table "Figures of merit": back ends against each other and against fio, under the loads it names."""

import statistics
from dataclasses import dataclass

from . import backends
from .judge import Limit, Row, at_least, at_most
from .loads import Load
from .session import RINGS


@dataclass(frozen=True)
class Spec:
    """A figure of a load: which field of Sample, what it must reach, what it should."""
    figure: str
    unit: str
    field: str
    must: Limit = None
    aim: object = None
    absolute: bool = False  # our value is judged, not its ratio to the peer's


@dataclass(frozen=True)
class Figure:
    """A load, whom straitd is compared with under it, and what is read off. name is what --only looks for."""
    name: str
    load: Load
    against: str  # the peer of the limits: qemu-storage-daemon or "fio io_uring"
    specs: tuple


FIO = "fio io_uring"
RATE = 20000
ABOVE_SPDK = "above SPDK"
FIGURES = (
    Figure("null, QD32", Load("null", 32), backends.QSD,
           (Spec("null, QD32", "IOPS", "iops", at_least(1.6), ABOVE_SPDK),)),
    Figure("tmpfs, QD32", Load("tmpfs", 32), FIO,
           (Spec("file on tmpfs, QD32", "IOPS", "iops", at_least(0.90), at_least(0.95)),)),
    Figure("tmpfs, QD1", Load("tmpfs", 1), FIO,
           (Spec("file on tmpfs, QD1, median", "us", "p50", at_most(2.5, "us", True), at_most(2, "us"), True),)),
    Figure("direct, QD32", Load("direct", 32), FIO,
           (Spec("O_DIRECT file, QD32", "IOPS", "iops", at_least(0.97), at_least(1.0)),
            Spec("O_DIRECT file, QD32, p99", "us", "p99", at_most(1.1)))),
    Figure("direct, QD1", Load("direct", 1), FIO,
           (Spec("O_DIRECT file, QD1", "IOPS", "iops", at_least(0.97), at_least(1.0)),)),
    *(Figure(f"CPU at 20 k IOPS, {disk}", Load(disk, 32, "event", RATE), backends.QSD,
             (Spec(f"{name} at 20 k IOPS, CPU an I/O", "us", "cpu_us", at_most(0.5), at_most(0.33)),))
      for disk, name in (("null", "null"), ("tmpfs", "file on tmpfs"), ("direct", "O_DIRECT file"))),
)


def column(samples, field):
    return [getattr(sample, field) for sample in samples]


def rows_of(spec, samples, against, why_not):
    """A row for each ring, and one for each further peer, beside the split ring, without a limit."""
    sides = {(side.name, side.ring): side for side in samples}
    peer = next((side for side in samples if side.name == against), None)
    rows = []
    for ring in RINGS:
        ours = sides.get(("straitd", ring))
        reason = why_not.get(ring) if ours is None else None
        if peer is None and not spec.absolute:
            reason = reason or why_not.get(against) or why_not.get("fio") or f"{against} did not run"
        rows.append(Row(spec.figure, spec.unit, column(samples[ours], spec.field) if ours else [],
                        column(samples[peer], spec.field) if ours and peer and not spec.absolute else None, ring,
                        against if not spec.absolute else "", spec.must, spec.aim, reason=reason))
    for side in samples:
        if side.name not in ("straitd", against):
            theirs = column(samples[side], spec.field)
            spdk = spec.aim == ABOVE_SPDK and "spdk" in side.name.lower()
            # What a peer does not tell (its CPU time) is not a figure that we failed to measure
            if any(value is not None for value in theirs):
                rows.append(Row(spec.figure, spec.unit, column(samples[sides["straitd", "split"]], spec.field), theirs,
                                "split", side.name, None, at_least(1.0) if spdk else None))
    return rows


def compare(session, report, figure):
    if session.why_not.get(figure.load.disk):
        report.row(Row(figure.specs[0].figure, figure.specs[0].unit, must=figure.specs[0].must,
                       aim=figure.specs[0].aim, peer=figure.against, reason=session.why_not[figure.load.disk]))
        return
    sides = session.ours() + session.others(figure.load.disk)
    if figure.against == FIO and not session.why_not["fio"]:
        sides.append(session.fio_side())
    samples = session.rounds(sides, figure.load, report.progress)
    for spec in figure.specs:
        for row in rows_of(spec, samples, figure.against, session.why_not):
            report.row(row)


MODES = {"polled": "polling", "event": "sleeping"}  # of the front end


def compare_depth_1(session, report):
    """An eighth of qemu-storage-daemon's median is about one that sleeps between requests. Whether it does depends on
    how soon the front end sends the next: so both kinds of front end are measured, and the one is judged under which it
    slept more often."""
    specs = {mode: Spec(f"null, QD1, {words} front end, median", "us", "p50", at_most(0.125), at_most(1, "us"))
             for mode, words in MODES.items()}
    sides = session.ours() + session.others("null")
    taken = {mode: session.rounds(sides, Load("null", 1, mode), report.progress) for mode in MODES}
    slept = {mode: _sleeps_of(samples, backends.QSD) for mode, samples in taken.items()}
    judged = max(slept, key=slept.get)
    for mode, samples in taken.items():
        for row in rows_of(specs[mode], samples, backends.QSD, session.why_not):
            if row.peer == backends.QSD and row.ring == "split":
                row.note = _why(mode == judged, slept[mode])
            if mode != judged:
                row.must = None
            report.row(row)


def _sleeps_of(samples, name):
    for side, taken in samples.items():
        values = [value for value in column(taken, "sleeps") if value is not None]
        if side.name == name and values:
            return statistics.median(values)
    return 0


def _why(judged, sleeps):
    there = f"{backends.QSD} slept {sleeps:.2f} times an I/O"
    return f"judged: {there}, as it did where it had the 19.7 us that the limit is an eighth of" if judged else \
           f"not judged, because {there}: the limit is about one that sleeps"
