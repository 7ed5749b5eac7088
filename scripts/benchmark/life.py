# SPDX-License-Identifier: Apache-2.0
"""What a disk costs that does nothing, what it keeps in memory, and how soon it serves."""

import json
import os
import signal
import subprocess
import time

from guest.daemon import Daemon
from guest.errors import GuestError
from guest.proc import wait_until

from . import backends
from .judge import Row, at_most
from .loads import Load, run
from .session import RINGS

QUEUES = 16
MEMORY_MIB = 16 + QUEUES  # 16 MiB and 1 MiB a queue
GUEST_MEMORY = "/memfd:strait-guest"  # what strait bench calls it


def _front_end(session, kind, ring, load, seconds):
    """A strait bench in the background, that runs so long."""
    argv = session.bench.argv(session.straitd.sockets[kind], load, ring, warm_up=0)
    argv[-1] = f"--time={seconds:.3f}"
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def _end(process):
    """The first SIGINT ends a run early."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _has_guest(pid):
    """Whether a front end's memory is mapped: it has connected."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        return GUEST_MEMORY in maps.read()


def idle_seconds(options):
    return 10 if options.seconds >= 1 else 1


def _switches(pid):
    """Context switches of all threads of a process."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as status:
            total += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
    return total


def idle(session, report):
    """A front end is connected, its queues run, and it asks for nothing."""
    seconds = idle_seconds(session.options)
    settle = min(1, seconds / 4)
    for ring in RINGS:
        row = Row(f"idle disk, wake-ups in {seconds} s", "wake-ups", [], None, ring, must=at_most(0),
                  reason=session.why_not.get(ring))
        if not row.reason:
            report.progress.now(f"straitd {ring}, nothing asked of it")
            # The first request is due at once, the second long after the end
            process = _front_end(session, "null", ring, Load("null", 1, "event", rate=0.001), seconds + 60)
            try:
                wait_until(lambda: _has_guest(session.straitd.pid), 10, "straitd to map the guest's memory")
                time.sleep(settle)
                before = _switches(session.straitd.pid)
                time.sleep(seconds)
                row.ours = [_switches(session.straitd.pid) - before]
                if process.poll() is not None:
                    raise GuestError(f"strait bench ended with {process.returncode} instead of staying idle")
            finally:
                _end(process)
        report.row(row)


def resident_mib(pid):
    """Resident memory of a process but for the guest's, which is another's."""
    kib, counts = 0, True
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            if "-" in line.split(" ", 1)[0]:
                counts = GUEST_MEMORY not in line
            elif counts and line.startswith("Rss:"):
                kib += int(line.split()[1])
    return kib / 1024


def memory(session, report):
    """With many queues busy, on the disk whose requests take longest."""
    kind = next(kind for kind in ("direct", "tmpfs", "null") if kind in session.straitd.sockets)
    must = at_most(MEMORY_MIB, "MiB")
    for ring in RINGS:
        row = Row(f"resident memory, {QUEUES} busy queues", "MiB", [], None, ring, must=must,
                  reason=session.why_not.get(ring))
        if not row.reason:
            report.progress.now(f"straitd {ring}")
            process = _front_end(session, kind, ring, Load(kind, 32, queues=QUEUES), 60)
            try:
                wait_until(lambda: _has_guest(session.straitd.pid), 10, "straitd to map the guest's memory")
                time.sleep(min(1, session.options.seconds))
                row.ours = [resident_mib(session.straitd.pid)]
                if process.poll() is not None:
                    raise GuestError(f"strait bench ended with {process.returncode} while memory was looked at")
            finally:
                _end(process)
        report.row(row)


def connect(session, report):
    """From connect(2) over all of the negotiation to the first request that is back, by the front end's clock."""
    for kind, words in (("null", "null"), ("direct", "O_DIRECT file")):
        if kind not in session.straitd.sockets:
            continue
        sides = session.ours() + session.others(kind)
        samples = session.rounds(sides, Load(kind, 1, "event", io_count=1), report.progress)
        first = {side: [sample.first_ms for sample in taken] for side, taken in samples.items()}
        for ring in RINGS:
            ours = next((first[side] for side in sides if (side.name, side.ring) == ("straitd", ring)), [])
            report.row(Row(f"connect to first I/O, {words}", "ms", ours, None, ring, must=at_most(20, "ms", True),
                           reason=session.why_not.get(ring)))


def restart(session, report):
    """kill -9 under load, the same command again, and the first request that comes back to a front end which stayed and
    found its way by the in-flight region. The time begins when its connection ends."""
    why_not = None if "--survive" in run([session.program("strait"), "bench", "--help"], 30) else \
        "this strait bench cannot stay while its back end restarts"
    for ring in RINGS:
        row = Row("kill -9 to first I/O after restart", "ms", [], None, ring, must=at_most(100, "ms", True),
                  aim=at_most(20, "ms"), reason=session.why_not.get(ring) or why_not)
        if not row.reason:
            for number in range(session.options.pairs):
                report.progress.now(f"straitd {ring}, round {number + 1} of {session.options.pairs}")
                row.ours.append(_outage_ms(session, ring))
        report.row(row)


def _outage_ms(session, ring):
    """One crash, seen by a front end that keeps 32 reads in flight on a file of its own."""
    image = os.path.join(session.directory, "restart.img")
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    disk = {"name": "restart", "file": image, "cache": "writeback"}
    log = os.path.join(session.directory, "straitd-restart.log")
    with backends.straitd(session.options.build_dir, session.directory, "straitd-restart", session.back_cpu, [disk],
                          worker_cpus=str(session.back_cpu)) as first:
        argv = session.bench.argv(first.sockets[0], Load("direct", 32), ring, warm_up=0)
        argv[-1] = "--time=60"
        with subprocess.Popen(argv + ["--survive=30s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL) as front:
            try:
                wait_until(lambda: _has_guest(first.pid), 10, "straitd to map the guest's memory")
                time.sleep(0.3)
                first.kill()
                with Daemon(first.argv, log, first.sockets) as second:
                    wait_until(lambda: _has_guest(second.pid), 30, "the front end to connect again")
                    time.sleep(0.2)
                    front.send_signal(signal.SIGINT)
                    out, said = front.communicate(timeout=60)
            finally:
                front.kill()
    if front.returncode:
        raise GuestError(f"strait bench ended with {front.returncode} after a restart: {said.strip()}")
    survived = json.loads(out)["survived"]
    if survived["count"] != 1:
        raise GuestError(f"strait bench saw {survived['count']} crashes instead of one")
    return survived["outage_ns"]["max"] / 1e6
