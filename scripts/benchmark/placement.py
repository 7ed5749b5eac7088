# SPDX-License-Identifier: Apache-2.0
"""One disk with several queues on one worker or on two, where CPUs are free and where others want them too: whether
spreading helps or hurts."""

import contextlib
import os

from guest.proc import Process

from . import backends, judge
from .loads import Load
from .session import Side

QUEUES = 4
DISK_BYTES = 256 << 20
BUSY = "while :; do :; done"


def _create(session):
    """An image of its own in memory, which several may read: reading it costs a copy, and the more workers copy."""
    path = os.path.join(os.path.dirname(session.files["tmpfs"]), "placement.img")
    with open(path, "wb") as file:
        for _ in range(DISK_BYTES >> 20):
            file.write(bytes(1 << 20))
    return path


def _daemon(session, name, keys, image):
    disk = {"name": "tmpfs", "file": image, "cache": "writeback", "queues": QUEUES, "read-only": True}
    return backends.straitd(session.options.build_dir, session.directory, f"straitd-{name}", keys["worker_cpus"], [disk],
                            **keys)


def _ways(session, cpus):
    """{name: keys of the configuration}: all queues on one worker, spread over two, and what adaptive makes of it."""
    two = {"workers": 2, "worker_cpus": backends.cpu_words(cpus)}
    if backends.accepts(session.options.build_dir, session.directory, workers=2, placement="adaptive"):
        return {name: {**two, "placement": name} for name in ("together", "spread", "adaptive")}
    return {"together": {"workers": 1, "worker_cpus": str(cpus[0])}, "spread": two}


def _busy_processes(session, stack, cpus):
    """A process on each of these CPUs that computes all the time."""
    for cpu in cpus:
        busy = Process(backends.pinned(cpu, ["/bin/sh", "-c", BUSY]), os.path.join(session.directory, "busy.log"))
        stack.callback(busy.kill)


def compare(session, report):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        report.text("not measured: there is one CPU only")
        return
    back = cpus[:2]
    ways, table, image = _ways(session, back), [], _create(session)
    report.text(f"one disk on tmpfs, {QUEUES} queues, depth 32 on each; workers on CPUs {backends.cpu_words(back)}, the "
                f"front end on CPU {session.front_cpu}"
                + ("" if len(cpus) > 2 else ", which one of them shares with it: there is no third"))
    report.text(f"{'CPUs':8} {'front end':9}" + "".join(f" {name:>10}" for name in ways) + "  spread to together  "
                + ("adaptive to better  " if "adaptive" in ways else "") + f"p99, us: {', '.join(ways)}")
    for crowded in (False, True):
        with contextlib.ExitStack() as stack:
            if crowded:
                _busy_processes(session, stack, back)
            sides = {}
            for name, keys in ways.items():
                daemon = stack.enter_context(_daemon(session, name, keys, image))
                sides[name] = _side(session, name, daemon.sockets[0])
            table += [_case(session, report, crowded, mode, sides) for mode in ("polled", "event")]
    report.tables["placement"] = table


def _side(session, name, socket):
    return Side(name, "", lambda load: session.bench.run(socket, load))


def _case(session, report, crowded, mode, sides):
    samples = session.rounds(list(sides.values()), Load("tmpfs", 32, mode, queues=QUEUES), report.progress)
    iops = {name: [sample.iops for sample in samples[side]] for name, side in sides.items()}
    p99 = {name: judge.Spread.of([sample.p99 for sample in samples[side]]).median for name, side in sides.items()}
    medians = {name: judge.Spread.of(values).median for name, values in iops.items()}
    spread = judge.Spread.of(judge.ratios(iops["spread"], iops["together"]))
    words = "helps" if spread.least > 1.02 else "hurts" if spread.most < 0.98 else "no clear difference"
    line = f"{'crowded' if crowded else 'free':8} {mode:9}" + \
        "".join(f" {judge.quantity(value, 'IOPS'):>10}" for value in medians.values()) + f"  {_words(spread):18}  "
    adaptive = None
    if "adaptive" in iops:
        better = max(("together", "spread"), key=medians.get)
        adaptive = judge.Spread.of(judge.ratios(iops["adaptive"], iops[better]))
        line += f"{_words(adaptive):18}  "
    report.text(line + ", ".join(f"{value:.0f}" for value in p99.values()) + f"; spreading: {words}")
    return {"cpus": "crowded" if crowded else "free", "front_end": mode, "iops": iops, "p99_us": p99,
            "spread_to_together": spread.median, "spreading": words,
            "adaptive_to_better": adaptive.median if adaptive else None}


def _words(spread):
    return f"{spread.median:.2f} ({spread.least:.2f}-{spread.most:.2f})"
