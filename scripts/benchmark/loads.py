# SPDX-License-Identifier: Apache-2.0
"""One run of a load: `strait bench` on a socket, or fio on the file behind it."""

import json
import os
import subprocess
from dataclasses import dataclass, replace

from guest.errors import GuestError


@dataclass(frozen=True)
class Load:
    """4 KiB random reads of a disk ("null", "tmpfs", "direct")."""
    disk: str
    depth: int
    mode: str = "polled"
    rate: float = None  # IOPS, evenly spaced; None: the next when one is back
    queues: int = 1
    io_count: int = None  # instead of a time

    def at(self, **changes):
        return replace(self, **changes)


@dataclass
class Sample:
    """What one run found. Latencies in us; what a kind of run does not know is None."""
    iops: float
    p50: float = None
    p99: float = None
    p999: float = None
    cpu_us: float = None  # of the back end, an I/O
    cpus: float = None
    ios: int = None
    sleeps: float = None  # voluntary context switches of the back end, an I/O
    kicks: float = None
    calls: float = None
    first_ms: float = None  # from connect to the first completion
    backlog: float = None


def run(argv, timeout, cwd=None):
    """A program to its end; its standard output. GuestError with what it said where it fails."""
    name = os.path.basename(argv[0])
    try:
        result = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, cwd=cwd,
                                timeout=timeout, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise GuestError(f"{argv[0]} is missing") from error
    except subprocess.TimeoutExpired as error:
        raise GuestError(f"{name} did not end within {timeout:.0f} s: {' '.join(map(str, argv))}") from error
    if result.returncode:
        said = (result.stderr.strip() or result.stdout.strip()[-400:]).splitlines()
        raise GuestError(f"{name} ended with {result.returncode}: {said[0] if said else 'without a word'}")
    return result.stdout


class StraitBench:
    """`strait bench`, pinned to the front end's CPU."""

    def __init__(self, program, cpu, seconds):
        self.program, self.cpu, self.seconds = program, cpu, seconds
        self.warm_up = min(0.5, seconds / 2)

    def argv(self, socket, load, ring="split", warm_up=None):
        warm_up = self.warm_up if warm_up is None else warm_up
        argv = [self.program, "bench", socket, "--rw=randread", "--block-size=4k", f"--depth={load.depth}",
                f"--mode={load.mode}", f"--queues={load.queues}", f"--warm-up={warm_up:.3f}", f"--cpu={self.cpu}",
                "--json", "--quiet"]
        # Said only where it is not the default, for versions that know no other
        argv += [f"--ring={ring}"] if ring != "split" else []
        argv += [f"--rate={load.rate:g}"] if load.rate else []
        return argv + [f"--io-count={load.io_count}" if load.io_count else f"--time={self.seconds:.3f}"]

    def run(self, socket, load, ring="split", **how):
        # A count at a rate takes as long as it takes; what hangs gives up by itself after 30 s
        longest = load.io_count / load.rate if load.io_count and load.rate else self.seconds
        return self.sample(run(self.argv(socket, load, ring, **how), longest + 90))

    @staticmethod
    def sample(text):
        result = json.loads(text)
        total, back_end, notified = result["total"], result["back_end"]["cpu"] or {}, result["notifications"]
        latency, ios = total["latency_ns"] or {}, total["ios"]
        first = result["first_completion_ns"]

        def us(key):
            return latency[key] / 1000 if key in latency else None
        return Sample(total["iops"], us("p50"), us("p99"), us("p99_9"), back_end.get("us_per_io"),
                      back_end.get("cpus"), ios,
                      back_end["voluntary_switches"] / ios if back_end and ios else None, notified["kicks_per_io"],
                      notified["calls_per_io"], first / 1e6 if first else None, result["backlog"])


class Fio:
    """fio's io_uring on a file, without virtio in between, on the back end's CPU."""

    def __init__(self, cpu, seconds, directory):
        self.cpu, self.seconds, self.directory = cpu, seconds, directory

    def run(self, file, load):
        argv = ["fio", "--name=bench", "--ioengine=io_uring", f"--direct={int(load.disk == 'direct')}",
                "--rw=randread", "--bs=4k", f"--iodepth={load.depth}", f"--cpus_allowed={self.cpu}", "--time_based",
                "--norandommap", f"--runtime={self.seconds * 1000:.0f}ms", "--ramp_time=500ms", f"--filename={file}",
                "--lat_percentiles=1", "--clat_percentiles=0", "--output-format=json"]
        read = json.loads(run(argv, self.seconds + 60, cwd=self.directory))["jobs"][0]["read"]
        percentile = read["lat_ns"]["percentile"]
        return Sample(read["iops"], *(percentile[f"{q:.6f}"] / 1000 for q in (50, 99, 99.9)))
