# SPDX-License-Identifier: Apache-2.0
"""What seven quiet disks notice of an eighth on the same device that has 128 writes of 256 KiB under way: without QoS, with
a limit for it, and with latency targets for them. Drawn by gnuplot where --draw says."""

import contextlib
import json
import os
import statistics
import subprocess

from . import backends
from .judge import Row, at_most
from .loads import run

IMAGE_MIB = 128
RATE = 200  # requests a second of each quiet disk
QUIET = 7
WARM_UP = 3  # seconds, in which targets take effect
NEAR_ALONE = 1.25
LIMIT = "16m"
HOSTILE = ("--rw", "randwrite", "--block-size", "256k", "--depth", 128, "--time", "600s")


def depth_of(number):
    return 1 + (number - 1) // 2


def _images(directory):
    """Without holes, whose reads would not reach the device."""
    paths = [os.path.join(directory, f"sharing-{number}.img") for number in range(1 + QUIET)]
    for path in paths:
        with open(path, "wb") as file:
            for _ in range(IMAGE_MIB):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
    return paths


class Sharing:
    """The disks, each time with other limits."""

    def __init__(self, session, directory):
        self._session = session
        self._directory = directory
        self._images = _images(directory)
        self._bench = os.path.join(session.options.build_dir, "cmd", "strait", "strait")

    def _start(self, socket, *options):
        argv = [self._bench, "bench", "--mode", "event", "--json", "--no-progress", *options, socket]
        return subprocess.Popen(backends.pinned(self._session.front_cpu, [str(word) for word in argv]),
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def measure(self, hostile, limit=None, target_us=None):
        """p99 of each quiet disk in us, and what the hostile one got in MB/s."""
        disks = [{"name": f"disk{number}", "file": path, "cache": "none", "queues": 1}
                 for number, path in enumerate(self._images)]
        if limit:
            disks[0]["qos"] = {"bps": limit}
        for disk in disks[1:] if target_us else []:
            disk["qos"] = {"latency-target-us": int(target_us)}
        with contextlib.ExitStack() as stack:
            daemon = stack.enter_context(backends.straitd(self._session.options.build_dir, self._directory, "sharing",
                                                          self._session.back_cpu, disks,
                                                          worker_cpus=str(self._session.back_cpu)))
            if hostile:
                aggressor = self._start(daemon.sockets[0], *HOSTILE)
                stack.callback(aggressor.kill)
            quiet = [self._start(socket, "--depth", depth_of(number), "--rate", RATE, "--warm-up", f"{WARM_UP}s",
                                 "--time", f"{self._session.options.seconds}s", "--timeout", "120s")
                     for number, socket in enumerate(daemon.sockets[1:], 1)]
            reports = [json.loads(process.communicate(timeout=300)[0]) for process in quiet]
            rate = 0
            if hostile:
                aggressor.terminate()
                report = json.loads(aggressor.communicate(timeout=300)[0])
                rate = report["total"]["ios"] * 0.262144 / report["seconds"]
        return [report["operations"]["read"]["latency_ns"]["p99"] / 1000 for report in reports], rate


def compare(session, report):
    rows = {"alone": [], "without QoS": [], f"limit {LIMIT}": [], "latency target": []}
    rates = {label: [] for label in rows}
    sharing = Sharing(session, session.directory)
    for number in range(session.options.pairs):
        target = None
        for label in rows:
            report.progress.now(f"{label}, round {number + 1} of {session.options.pairs}")
            p99, rate = sharing.measure(label != "alone", LIMIT if label.startswith("limit") else None,
                                        target if label == "latency target" else None)
            rows[label].append(p99)
            rates[label].append(rate)
            if label == "alone":
                target = NEAR_ALONE * statistics.median(p99)
    alone = [statistics.median(sample) for sample in rows["alone"]]
    for label in list(rows)[1:]:
        report.row(Row(f"quiet disks, p99, {label}", "us", [statistics.median(sample) for sample in rows[label]], alone,
                       "", "alone", at_most(NEAR_ALONE) if label != "without QoS" else None))
        report.text(f"{label}: the hostile disk wrote {statistics.median(rates[label]):.0f} MB/s")
    if session.options.draw:
        draw(session, report, rows)


def _license(path):
    """It is kept with the sources."""
    with open(path, encoding="utf-8") as file:
        first, rest = file.read().split("\n", 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{first}\n<!-- SPDX-License-Identifier: Apache-2.0 -->\n{rest}")


def draw(session, report, rows):
    """A cluster for each disk, a bar for each way."""
    directory = os.path.abspath(session.options.draw)
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "sharing.dat")
    with open(path, "w", encoding="utf-8") as file:
        file.write("disk " + " ".join(f'"{label}"' for label in rows) + "\n")
        for disk in range(QUIET):
            values = (statistics.median(sample[disk] for sample in samples) for samples in rows.values())
            file.write(f"QD{depth_of(disk + 1)} " + " ".join(f"{value / 1000:.3f}" for value in values) + "\n")
    reason = backends.missing("gnuplot", "gnuplot-nox")
    if reason:
        report.text(f"not drawn: {reason}; the data are in {path}")
        return
    script = os.path.join(directory, "sharing.gnuplot")
    with open(script, "w", encoding="utf-8") as file:
        file.write(f"""set terminal svg size 760,380 background '#ffffff' font 'sans-serif,12'
set output '{os.path.join(directory, "sharing.svg")}'
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set logscale y
set ylabel 'p99, ms'
set xlabel 'seven quiet disks, 4 KiB reads, beside 128 writes of 256 KiB'
set grid ytics
set key outside top center horizontal
set format y '%g'
plot for [column=2:{1 + len(rows)}] '{path}' using column:xtic(1) title columnheader(column)
""")
    run(["gnuplot", script], 60)
    _license(os.path.join(directory, "sharing.svg"))
    report.text(f"picture, data and script: {directory}")
