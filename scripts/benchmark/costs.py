# SPDX-License-Identifier: Apache-2.0
"""What an I/O costs besides time: notifications, system calls, context switches, instructions."""

import os
import re
import subprocess
import tempfile

from guest.errors import GuestError

from . import backends
from .judge import Row, at_most
from .loads import Load, StraitBench, run
from .session import RINGS

# Loads of a fixed number of requests, so that what connecting costs is lost in them
LOADS = (
    ("null, QD1, polled", Load("null", 1, io_count=200000)),
    ("null, QD32, polled", Load("null", 32, io_count=1000000)),
    ("null, QD1, event", Load("null", 1, "event", io_count=20000)),
    ("null, QD32, event", Load("null", 32, "event", io_count=200000)),
    ("null, 20 k IOPS, event", Load("null", 32, "event", rate=20000, io_count=20000)),
    ("O_DIRECT, QD1, polled", Load("direct", 1, io_count=10000)),
    ("O_DIRECT, QD32, polled", Load("direct", 32, io_count=50000)),
    ("tmpfs, QD32, polled", Load("tmpfs", 32, io_count=200000)),
)
CALLS = {"io_uring_enter": "enter", "write": "write"}  # the ones worth a column
ALL = "raw_syscalls:sys_enter"


class Perf:
    """Counts a process's system calls by the kernel's trace points: next to free, so that it changes nothing."""

    name = "perf stat"

    def __init__(self, directory):
        self.directory = directory
        self.events = [ALL] + [f"syscalls:sys_enter_{call}" for call in CALLS]

    @classmethod
    def why_not(cls, directory):
        try:
            cls(directory).count(os.getpid(), ["true"])
            return None
        except GuestError as error:
            return str(error)

    def count(self, pid, argv):
        """(standard output of argv, {event: count}) while argv runs."""
        with tempfile.NamedTemporaryFile("r", dir=self.directory, suffix=".perf") as out:
            text = run(["perf", "stat", "-x,", "-o", out.name, "-e", ",".join(self.events), "-p", str(pid), "--",
                        *argv], 120)
            fields = [line.split(",") for line in out if "," in line and not line.startswith("#")]
        # "<not counted>": no such call was made
        counts = {field[2]: int(field[0]) if field[0].isdigit() else 0 for field in fields
                  if field[0].isdigit() or field[0] == "<not counted>"}
        if ALL not in counts:
            raise GuestError("perf cannot count system calls here (it needs trace points, and root)")
        named = {call: counts.get(f"syscalls:sys_enter_{call}", 0) for call in CALLS}
        return text, {"all": counts[ALL], **named}


class Strace:
    """The same by strace, which stops the process at each call: counts are right for what then happens, but that may
    be more calls an I/O than without."""

    name = "strace -c -f"

    def __init__(self, directory):
        self.directory = directory

    @staticmethod
    def why_not(_directory):
        return backends.missing("strace", "strace")

    def count(self, pid, argv):
        with tempfile.NamedTemporaryFile("r", dir=self.directory, suffix=".strace") as out:
            tracer = subprocess.Popen(["strace", "-c", "-f", "-o", out.name, "-p", str(pid)], stderr=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)
            try:
                said = tracer.stderr.readline()
                if "attached" not in said:
                    raise GuestError(f"strace cannot watch process {pid}: {said.strip()}")
                text = run(argv, 300)
            finally:
                tracer.terminate()
                tracer.communicate()
            counts = dict(parse_strace(line) for line in out if parse_strace(line))
        return text, {"all": sum(counts.values()), **{call: counts.get(call, 0) for call in CALLS}}


def parse_strace(line):
    """A line of strace -c: (name, calls); None for its headings and total."""
    words = line.split()
    if len(words) < 5 or not re.fullmatch(r"[0-9.]+", words[0]) or words[-1] == "total":
        return None
    return words[-1], int(words[3])


def notifications(session, report):
    """A table: what the loads cost each back end, an I/O."""
    counter = next((tool for tool in (Perf, Strace) if not tool.why_not(session.directory)), None)
    counter = counter(session.directory) if counter else None
    lines, data = [], []
    for name, load in LOADS:
        if load.disk not in session.straitd.sockets:
            continue
        for back, ring in [(session.straitd, ring) for ring in RINGS if not session.why_not.get(ring)] + \
                          [(back, "split") for back in (session.qsd,) if back]:
            report.progress.now(f"{name}: {back.name} {ring}")
            argv = session.bench.argv(back.sockets[load.disk], load, ring, warm_up=0)
            text, counted = counter.count(back.pid, argv) if counter else (run(argv, 120), {})
            sample = StraitBench.sample(text)
            entry = {"load": name, "back_end": back.name, "ring": ring, "kicks": sample.kicks, "calls": sample.calls,
                     "switches": sample.sleeps, "cpu_us": sample.cpu_us,
                     "system_calls": {key: value / sample.ios for key, value in counted.items()}}
            data.append(entry)
            lines.append(_line(entry))
    how = f"system calls by {counter.name}" if counter else \
        "system calls not counted: neither perf (as root) nor strace can"
    report.table("costs", f"{f'costs an I/O; {how}':46} {'kicks':>7} {'calls':>7} {'syscalls':>8} {'enter':>7} "
                          f"{'write':>7} {'switches':>8} {'CPU us':>7}", lines, data)


def _number(value):
    return "?" if value is None else f"{value:.3f}" if value < 100 else f"{value:.0f}"


def _line(entry):
    calls = entry["system_calls"]
    who = f"{entry['back_end']} {entry['ring'] if entry['back_end'] == 'straitd' else ''}"
    return (f"{entry['load']:23} {who:22} {_number(entry['kicks']):>7} {_number(entry['calls']):>7} "
            f"{_number(calls.get('all')):>8} {_number(calls.get('io_uring_enter')):>7} "
            f"{_number(calls.get('write')):>7} {_number(entry['switches']):>8} {_number(entry['cpu_us']):>7}")


REQUESTS = 16000
TOP = 6


def null_path(session, report):
    """Instructions of the device's side, which repeat to the last one, and its time on this machine."""
    program = os.path.join(session.options.build_dir, "tests", "perf", "null-path")
    reason = None if os.access(program, os.X_OK) else f"{program} has not been built"
    reason = reason or backends.missing("valgrind", "valgrind")
    tops = []
    for ring in RINGS:
        for batch in (16, 1):
            figure = f"null path, {f'{batch} at a time' if batch > 1 else 'one at a time'}"
            report.progress.now(f"callgrind, {ring}, batches of {batch}")
            instructions = Row(f"{figure}, callgrind", "instructions", [], None, ring, reason=reason)
            taken = Row(f"{figure}, device's side", "ns", [], None, ring, reason=reason)
            if not reason:
                try:
                    functions, instructions.ours = callgrind(session, program, ring, batch)
                    tops += [(ring, functions)] if batch > 1 else []
                    taken.ours = [_null_path_ns(session, program, ring, batch) for _ in range(session.options.pairs)]
                except GuestError as error:
                    instructions.reason = taken.reason = str(error).rpartition(": ")[2]
            report.row(instructions)
            report.row(taken)
    report.row(cycles(session, program, reason))
    for ring, functions in tops:
        report.table(f"null_path_{ring}", f"where these instructions are ({ring}, 16 at a time; a request, by file and "
                     f"function)", [f"  {count:8.1f}  {name}" for count, name in functions],
                     [{"instructions": count, "function": name} for count, name in functions])


def stage_clock(session, report):
    """What the stage clock costs the device's side of the null path, against a build without it: instructions, and
    time, of the two builds in turns."""
    program, without = (os.path.join(directory, "tests", "perf", "null-path")
                        for directory in (session.options.build_dir, session.options.without_clock_dir))
    absent = next((path for path in (program, without) if not os.access(path, os.X_OK)), None)
    reason = f"{absent} has not been built (meson setup -Dstage-clock=false)" if absent else None
    for ring in RINGS:
        counted = Row("stage clock, callgrind", "instructions", [], [], ring, "without it",
                      reason=reason or backends.missing("valgrind", "valgrind"))
        taken = Row("stage clock, device's side", "ns", [], [], ring, "without it", at_most(1.03), reason=reason)
        try:
            if not counted.reason:
                report.progress.now(f"callgrind, {ring}")
                counted.ours, counted.theirs = (callgrind(session, path, ring, 16)[1] for path in (program, without))
            for number in range(0 if reason else session.options.pairs):
                report.progress.now(f"{ring}, round {number + 1} of {session.options.pairs}")
                taken.ours.append(_null_path_ns(session, program, ring, 16))
                taken.theirs.append(_null_path_ns(session, without, ring, 16))
        except GuestError as error:
            counted.reason = taken.reason = str(error).rpartition(": ")[2]
        report.row(counted)
        report.row(taken)


def echo(session, report):
    """CPU time of a process that is woken by one eventfd and wakes by another: the least that a back end takes at this
    rate whose driver sleeps between requests."""
    program = os.path.join(session.options.build_dir, "tests", "perf", "echo")
    row = Row("an eventfd's echo at 20 k a second, CPU", "us")
    if not os.access(program, os.X_OK):
        row.reason = f"{program} has not been built"
    for number in range(0 if row.reason else session.options.pairs):
        report.progress.now(f"echo, round {number + 1} of {session.options.pairs}")
        row.ours.append(float(run([program, "--rate=20000", f"--count={int(20000 * session.options.seconds)}",
                                   f"--cpus={session.back_cpu},{session.front_cpu}"], 60).split()[1]))
    report.row(row)


def _null_path_ns(session, program, ring, batch):
    """Of one run, without callgrind, on the back end's CPU."""
    words = run(backends.pinned(session.back_cpu, [program, f"--ring={ring}", f"--batch={batch}",
                                                   "--requests=1000000"]), 60).split()
    return float(words[words.index("ns") + 1])


def callgrind(session, program, ring, batch):
    """([(instructions a request, "file:function"), ...] of the dearest, [instructions a request])."""
    out = os.path.join(session.directory, "callgrind.out")
    run(["valgrind", "-q", "--tool=callgrind", "--fair-sched=try", "--collect-atstart=no", "--toggle-collect=device_turn",
         f"--callgrind-out-file={out}", program, f"--ring={ring}", f"--batch={batch}", f"--requests={REQUESTS}"], 120)
    with open(out, encoding="utf-8", errors="replace") as file:
        total = next((int(line.split()[1]) for line in file if line.startswith(("summary:", "totals:"))), 0)
    if not total:
        raise GuestError("callgrind counted nothing")
    return parse_annotation(run(["callgrind_annotate", "--auto=no", out], 60), REQUESTS)[:TOP], [total / REQUESTS]


def parse_annotation(text, requests):
    """Lines of callgrind_annotate: "1,234,000 (12.3%)  path/file.c:function [object]"."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*([\d,]+) \([\s\d.]+%\)\s+(\S+?)(?: \[.*\])?$", line)
        if match and ":" in match.group(2):
            path, _, function = match.group(2).rpartition(":")
            where = path[path.rfind("src/") + 4:] if "src/" in path else os.path.basename(path)
            name = function if path == "???" else f"{where}: {function}"
            found.append((int(match.group(1).replace(",", "")) / requests, name))
    return found


def cycles(session, program, reason):
    """Of the whole program, driver's side included: what perf says where the machine lets it count."""
    row = Row("null path, driver and device, cycles", "cycles", [], None, "split", reason=reason)
    if reason or backends.missing("perf", "linux-perf"):
        row.reason = reason or backends.missing("perf", "linux-perf")
        return row
    requests = 1000000
    with tempfile.NamedTemporaryFile("r", dir=session.directory, suffix=".perf") as out:
        try:
            run(["perf", "stat", "-x,", "-o", out.name, "-e", "cycles:u", "--", program, f"--requests={requests}"], 60)
        except GuestError as error:
            row.reason = str(error)
            return row
        counted = next((line.split(",")[0] for line in out if ",cycles" in line), "")
    if counted.isdigit():
        row.ours = [int(counted) / requests]
    else:
        row.reason = f"perf stat: cycles {counted or 'not counted'} (a virtual machine without such a counter)"
    return row
