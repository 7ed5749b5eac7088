# SPDX-License-Identifier: Apache-2.0
"""Latency against IOPS for each back end, from a sweep of fixed rates and one of queue depths; drawn by gnuplot."""

import os
import statistics

from guest.errors import GuestError

from . import backends
from .loads import Load, run
from .polling import RATES

DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128)
SATURATED = 0.95  # of the rate asked for: beyond, latencies only say how long it was asked
FIELDS = ("iops", "p50", "p99", "p999")


def draw(session, report):
    directory = session.options.draw
    os.makedirs(directory, exist_ok=True)
    sides = session.ours() + session.others("null")
    rates = _by_rate(session, report, sides)
    depths = _sweep(session, report, sides, [Load("null", depth) for depth in DEPTHS], DEPTHS)
    names = {side.label: side.label.replace(" ", "-").replace("/", "-") for side in sides}
    for kind, points in (("rate", rates), ("depth", depths)):
        for side in sides:
            _write(os.path.join(directory, f"{kind}-{names[side.label]}.dat"), kind, points[side])
    report.tables["curves"] = {kind: {side.label: [dict(zip((kind, *FIELDS), point)) for point in points[side]]
                                      for side in sides} for kind, points in (("rate", rates), ("depth", depths))}
    _plot(session, report, names)


def _medians(samples):
    """A point of a curve; None where the back end did not complete enough to have a p99.9."""
    columns = [[getattr(sample, field) for sample in samples] for field in FIELDS]
    return None if any(None in column for column in columns) else tuple(map(statistics.median, columns))


def _by_rate(session, report, sides):
    """As far as each can follow: the first rate that is too much for it is its last."""
    points, left = {side: [] for side in sides}, list(sides)
    for rate in RATES:
        load = Load("null", 128, session.options.front_end, rate)
        for side, samples in session.rounds(left, load, report.progress).items():
            point = _medians(samples)
            if point:
                points[side].append((rate, *point))
            if not point or point[0] < SATURATED * rate:
                left.remove(side)
    return points


def _sweep(session, report, sides, loads, labels):
    points = {side: [] for side in sides}
    for label, load in zip(labels, loads):
        for side, samples in session.rounds(sides, load, report.progress).items():
            point = _medians(samples)
            points[side] += [(label, *point)] if point else []
    return points


def _write(path, kind, points):
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"# {kind} IOPS p50_us p99_us p99.9_us\n")
        for point in points:
            file.write(" ".join(f"{value:g}" for value in point) + "\n")


def script(directory, names, terminal, output, kind, percentiles):
    """A gnuplot script: a panel for each percentile, a curve for each back end."""
    lines = [f"set terminal {terminal}", f"set output '{output}'" if output else "unset output",
             "set logscale xy", "set xlabel 'IOPS'", "set ylabel 'us'", "set grid", "set key left top",
             "set format x '%.0s%c'"]
    lines += [f"set multiplot layout 1,{len(percentiles)}"] if len(percentiles) > 1 else []
    for column, name in percentiles:
        curves = ", ".join(f"'{os.path.join(directory, f'{kind}-{file}.dat')}' using 2:{column} with linespoints "
                           f"title '{label}'" for label, file in names.items())
        lines += [f"set title '{name} by {'fixed rate' if kind == 'rate' else 'queue depth'}, null disk'",
                  f"plot {curves}"]
    lines += ["unset multiplot"] if len(percentiles) > 1 else []
    return "\n".join(lines) + "\n"


def _plot(session, report, names):
    directory = os.path.abspath(session.options.draw)
    reason = backends.missing("gnuplot", "gnuplot-nox")
    if reason:
        report.text(f"not drawn: {reason}; the data are in {directory}")
        return
    panels = ((3, "p50"), (4, "p99"), (5, "p99.9"))
    for kind in ("rate", "depth"):
        path = os.path.join(directory, f"{kind}.gnuplot")
        picture = os.path.join(directory, f"latency-by-{kind}.png")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script(directory, names, "pngcairo size 1800,600", picture, kind, panels))
        run(["gnuplot", path], 60)
        report.text(run_dumb(directory, names, kind))
    report.text(f"pictures, data and scripts: {directory}")


def run_dumb(directory, names, kind):
    """The p99 as text."""
    path = os.path.join(directory, f"{kind}-text.gnuplot")
    with open(path, "w", encoding="utf-8") as file:
        file.write(script(directory, names, "dumb size 110,30", None, kind, ((4, "p99"),)))
    text = run(["gnuplot", path], 60)
    if not text.strip():
        raise GuestError("gnuplot drew nothing")
    return text
