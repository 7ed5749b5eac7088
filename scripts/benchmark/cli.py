# SPDX-License-Identifier: Apache-2.0
"""What is asked for: the command line, the steps it means, and how the run ends."""

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass

from guest.errors import GuestError
from guest.proc import exit_on_signals

from . import backends, costs, curves, figures, judge, life, neighbour, placement, polling, scraping, sharing
from .report import Progress, Report, minutes
from .session import Session

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIGURES, COSTS = "Figures of merit", "Costs of an I/O"


@dataclass
class Step:
    """Something to measure. asked: only where --only names it (or --draw is given)."""
    title: str
    name: str
    kinds: tuple  # of disks it needs
    seconds: float
    run: object  # (session, report)
    asked: bool = False


def steps(options):
    each = options.seconds + min(0.5, options.seconds / 2) + 0.3
    sides = 3 + len(options.peers)
    rounds = options.pairs * each
    found = [Step(FIGURES, figure.name, (figure.load.disk,), (sides + (figure.against == figures.FIO)) * rounds,
                  lambda session, report, figure=figure: figures.compare(session, report, figure))
             for figure in figures.FIGURES]
    found.insert(1, Step(FIGURES, "null, QD1", ("null",), 2 * sides * rounds, figures.compare_depth_1))
    idle = 2 * (life.idle_seconds(options) + 1)
    found += [
        Step(FIGURES, "idle", ("null",), idle, life.idle),
        Step(FIGURES, "memory", ("null", "direct"), 2 * (options.seconds + 1), life.memory),
        Step(FIGURES, "connect", ("null", "direct"), 2 * sides * options.pairs * 0.2, life.connect),
        Step(FIGURES, "restart", ("direct",), 2 * options.pairs, life.restart),
        Step(COSTS, "costs", ("null", "direct", "tmpfs"), 30, costs.notifications),
        Step(COSTS, "CPU at 20 k IOPS, least", (), options.pairs * options.seconds, costs.echo),
        Step(COSTS, "null path", (), 12 + 4 * options.pairs * 0.3, costs.null_path),
        Step(COSTS, "stage clock", (), 12 + 4 * options.pairs * 0.3, costs.stage_clock, True),
        Step("A hostile neighbour", "neighbour", (), 3 * rounds + 4 * options.pairs * 0.3, neighbour.compare),
        Step("Metrics", "scraping", (), 2 * rounds, scraping.compare),
        Step("Shares of one device", "sharing", ("direct",), options.pairs * 4 * (options.seconds + sharing.WARM_UP + 2),
             sharing.compare, True),
        Step("Placement of one disk's queues", "placement", (), 12 * rounds, placement.compare, True),
        Step("Polling policies", "polling", (), len(polling.RATES) * 3 * rounds, polling.sweep, True),
        Step("Latency against IOPS", "curves", ("null",), sides * (len(polling.RATES) + len(curves.DEPTHS)) * rounds,
             curves.draw, True),
    ]
    return found


def choose(options):
    """The steps asked for, in their order."""
    def wanted(step):
        if step.name == "curves":
            return options.draw is not None and options.only != ["sharing"]  # which draws a picture of its own
        if options.only:
            return any(word.lower() in step.name.lower() for word in options.only)
        return not step.asked and options.draw is None or options.all
    return [step for step in steps(options) if wanted(step)]


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="bench", description="Measure straitd against qemu-storage-daemon, fio and other peers on this machine, "
        "and judge each line. Ratios count: absolute figures are this machine's, today.",
        epilog="Exit status: 0 no limit was missed, 1 one was, 2 wrong usage, 3 the run failed or was interrupted.")
    parser.add_argument("--build-dir", default=os.path.join(ROOT, "build", "release"), help="a release build")
    parser.add_argument("--without-clock-dir", default=os.path.join(ROOT, "build", "without-clock"), metavar="DIR",
                        help="the same with -Dstage-clock=false, to see what the stage clock costs (--only 'stage "
                        "clock')")
    parser.add_argument("--pairs", type=int, default=7, metavar="N", help="rounds of each comparison (default 7)")
    parser.add_argument("--seconds", type=float, default=2, metavar="S", help="of each run (default 2)")
    parser.add_argument("--only", action="append", metavar="WORD",
                        help="only what has this word in its name (see --list); may be given several times")
    parser.add_argument("--all", action="store_true", help="also the long ones: placement and polling")
    parser.add_argument("--list", action="store_true", help="say what there is and how long it takes, and exit")
    parser.add_argument("--peer", action="append", default=[], metavar="[NAME[/KIND]=]SOCKET", dest="peer_texts",
                        help="one more peer: a vhost-user-blk target that listens on this socket, whatever serves it "
                        "(SPDK, for instance), as a disk of KIND null (default), tmpfs or direct. It is only read")
    parser.add_argument("--peers", default="", metavar="SOCKET[,SOCKET]...", help="the same, several in one word")
    parser.add_argument("--draw", metavar="DIR",
                        help="measure latency against IOPS and draw it there: PNG, data, and text on standard output; "
                        "without --only nothing else is measured")
    parser.add_argument("--front-end", choices=("event", "polled"), default="event",
                        help="in sweeps of rates: sleep until called, as a guest does (default), or poll")
    parser.add_argument("--poll-max-us", type=int, metavar="US",
                        help="the longest look of adaptive polling in the sweep of policies (default: straitd's own)")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured there as well")
    parser.add_argument("--directory", default="/var/tmp", metavar="DIR",
                        help="where the image for O_DIRECT goes (1 GiB; default /var/tmp)")
    options = parser.parse_args(argv)
    if options.pairs < 1 or options.seconds <= 0:
        parser.error("--pairs and --seconds are above 0")
    try:
        options.peers = backends.parse_peers(options.peer_texts + [text for text in options.peers.split(",") if text])
    except ValueError as error:
        parser.error(str(error))
    options.build_dir = os.path.abspath(options.build_dir)
    options.without_clock_dir = os.path.abspath(options.without_clock_dir)
    options.steps = choose(options)
    if not options.steps:
        parser.error(f"--only {' '.join(options.only)}: there is no such step; --list names them")
    return options


def list_steps(options):
    for step in steps(options):
        note = " (with --draw)" if step.name == "curves" else " (with --all, or --only)" if step.asked else ""
        print(f"{step.name:24} {minutes(step.seconds):>8}{note}")


def about(options, session):
    return {"date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "kernel": platform.release(), "cpus": os.cpu_count(),
            "pairs": options.pairs, "seconds": options.seconds, "back_end_cpu": session.back_cpu,
            "front_end_cpu": session.front_cpu, "why_not": {k: v for k, v in session.why_not.items() if v}}


def measure(options, session, report):
    planned = sum(step.seconds for step in options.steps)
    report.progress.plan(planned)
    report.text(f"{options.pairs} rounds of {options.seconds:g} s, 4 KiB random reads, back ends on CPU "
                f"{session.back_cpu}, front end on CPU {session.front_cpu}; about {minutes(planned)}, until "
                f"{time.strftime('%H:%M', time.localtime(time.time() + planned))}")
    if session.back_cpu == session.front_cpu:
        report.text("there is one CPU only: front and back end share it, and figures say little")
    kinds = [kind for kind in backends.KINDS if any(kind in step.kinds for step in options.steps)]
    session.start(kinds)
    for peer in session.peers:
        report.text(peer.describe())
    title = None
    for step in options.steps:
        if step.title != title:
            report.title(step.title)
            title = step.title
        report.progress.step(step.name, step.seconds)
        step.run(session, report)
    session.stop()


def main(argv=None):
    options = parse(argv)
    if options.list:
        list_steps(options)
        return 0
    exit_on_signals()
    report = Report(Progress())
    status = 0
    try:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="strait-bench-", dir=options.directory))
            memory = stack.enter_context(tempfile.TemporaryDirectory(prefix="strait-bench-", dir="/dev/shm"))
            session = stack.enter_context(Session(options, directory, memory))
            try:
                measure(options, session, report)
            finally:
                report.finish()
                if options.json:
                    report.write_json(options.json, about(options, session))
            status = judge.exit_status(report.rows)
    except (GuestError, OSError, json.JSONDecodeError) as error:
        report.progress.clear()
        print(f"bench: {error}", file=sys.stderr)
        status = 3
    except KeyboardInterrupt:
        print("\nbench: interrupted; what was measured is above", file=sys.stderr)
        status = 3
    return status
