# SPDX-License-Identifier: Apache-2.0
"""Kills straitd again and again under the load of several `strait bench` at once, and adds up what they saw."""

import json
import os
import random
import subprocess
import time

from daemon import listening, wait_for
from frontend import Result

# How a crash is survived by each of the runs: rings, modes, numbers of queues and depths differ.
LOADS = (
    ("--ring", "split", "--mode", "polled", "--queues", 1, "--depth", 64),
    ("--ring", "split", "--mode", "event", "--queues", 3, "--depth", 16, "--block-size", "4k,16k"),
    ("--ring", "packed", "--mode", "polled", "--queues", 2, "--depth", 32, "--no-indirect", "--queue-size", 256),
    ("--ring", "packed", "--mode", "event", "--queues", 4, "--depth", 16, "--no-event-idx", "--flush-every", 50),
)
WARM_UP = 1  # seconds that a run works before the first kill


class Crasher:
    """straitd on these disks, killed and started by kill(); a process of its own each time."""

    def __init__(self, build_dir, directory, disks):
        self.program = os.path.join(build_dir, "cmd", "straitd", "straitd")
        self.disks = disks
        self.config = os.path.join(directory, "straitd.yaml")
        self.log = open(os.path.join(directory, "straitd.log"), "a+b")
        self.process = None
        self.kills = 0

    def start(self, workers=1):
        with open(self.config, "w", encoding="utf-8") as file:
            # JSON is YAML
            json.dump({"workers": workers, "placement": "spread", "disks": self.disks}, file)
        self.process = subprocess.Popen([self.program, "--config", self.config], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)

    def check(self):
        """It lives. A run that waits for it does not know better for a long time."""
        if self.process.poll() is not None:
            self.log.seek(max(0, os.fstat(self.log.fileno()).st_size - 4000))
            raise AssertionError(f"straitd ended by itself with {self.process.returncode}:\n"
                                 + self.log.read().decode(errors="replace"))

    def wait(self):
        """Until it listens."""
        def look():
            self.check()
            return all(listening(disk["socket"]) for disk in self.disks)
        wait_for(look, "straitd to listen", 60)

    def kill(self, workers=1):
        self.check()
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.start(workers)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.log.close()


def once(crasher):
    """A crash at a random moment."""
    time.sleep(random.uniform(0, 0.1))
    crasher.kill()


def while_recovering(crasher):
    """A crash, and another one while the next process starts, connects or recovers."""
    time.sleep(random.uniform(0.02, 0.08))
    crasher.kill()
    time.sleep(random.uniform(0, 0.03))
    crasher.kill()


def to_other_workers(crasher):
    """The next process spreads the queues over another number of threads."""
    time.sleep(random.uniform(0, 0.1))
    crasher.kill(workers=random.choice((1, 2, 3, 5)))


def survive(bench, crasher, how, kills, loads, seconds):
    """Kill at least that often, in as many rounds of so many seconds as it takes; the results of all runs."""
    results = []
    while crasher.kills < kills:
        crasher.wait()
        runs = [bench.start(disk["socket"], "--rw", "randrw", "--verify", "--time", f"{seconds}s", "--warm-up",
                            f"{WARM_UP}s", "--survive", "60s", "--timeout", "60s", *load)
                for disk, load in zip(crasher.disks, loads)]
        # From here on a run is under way: what is before, the set-up, is not to be survived.
        for disk in crasher.disks:
            wait_for_load(runs, disk["file"])
        end = time.monotonic() + seconds * 0.8
        while crasher.kills < kills and time.monotonic() < end:
            # All are at work again, so that each crash counts for all.
            for run, disk in zip(runs, crasher.disks):
                wait_for_work(run, disk["file"], crasher)
            if time.monotonic() < end:
                how(crasher)
        crasher.wait()
        results += [bench.finish(run, timeout=180) for run in runs]
    return results


def wait_for_load(runs, image):
    """Until requests have reached the image: it is written to for the first time, or again."""
    before = os.stat(image).st_mtime_ns
    while os.stat(image).st_mtime_ns == before:
        assert all(run.poll() is None for run in runs), "a run ended before it began"
        time.sleep(0.01)


def wait_for_work(run, image, crasher):
    """Until a run writes, or has ended."""
    before = os.stat(image).st_mtime_ns
    while os.stat(image).st_mtime_ns == before and run.poll() is None:
        crasher.check()
        time.sleep(0.002)


def check(results):
    """Each run found everything in order. How many connections each layout of rings has lost altogether."""
    lost = {"split": 0, "packed": 0}
    for result in results:
        assert isinstance(result, Result) and result.code == 0
        assert result["failure"] is None
        assert result.errors() == 0
        assert result.bad_sectors() == {}
        assert result.checked() > 0
        lost[result["options"]["ring"]] += result["survived"]["count"]
    return lost


def describe(results):
    """The distribution of the times, over all runs, in milliseconds."""
    lines = []
    for key in ("to_connect_ns", "to_first_completion_ns", "outage_ns"):
        seen = [result["survived"][key] for result in results if result["survived"][key]]
        if seen:
            medians = sorted(each["p50"] for each in seen)
            lines.append(f"{key[:-3]}: median {medians[len(medians) // 2] / 1e6:.1f} ms, highest p99 "
                         f"{max(each['p99'] for each in seen) / 1e6:.1f} ms, max "
                         f"{max(each['max'] for each in seen) / 1e6:.1f} ms")
    lines.append(f"longest stall: {max(r['survived']['longest_stall_ns'] for r in results) / 1e6:.1f} ms")
    return "; ".join(lines)
