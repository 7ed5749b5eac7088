# SPDX-License-Identifier: Apache-2.0
"""Where the time went, as those see it who ask: RPC and the commands over it, against loads whose answer is known."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from daemon import Straitd, straitd, wait_for, write_config  # noqa: F401
from driver import OK, Disk
from rpc import RpcError, connect

pytestmark = pytest.mark.straitd_only

STAGES = ["ring", "held", "submit", "backend", "publish", "notify"]
MS = 1000000


class Service:
    """A daemon with null disks, a connection to it, and the tools."""

    def __init__(self, build_dir, workdir, daemon, rpc):
        self.tool = os.path.join(build_dir, "cmd", "strait", "strait")
        self.workdir, self.daemon, self.rpc = workdir, daemon, rpc
        self.rpc_path = os.path.join(workdir, "rpc.sock")

    def bench(self, disk, *options):
        """Start a load; it is not waited for."""
        return subprocess.Popen([self.tool, "bench", "--json", "--no-progress", *options,
                                 os.path.join(self.workdir, disk + ".sock")], stdout=subprocess.PIPE, text=True)

    def load(self, disk, *options):
        """A load to its end; how many requests it made."""
        process = self.bench(disk, *options)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return json.loads(out)

    def run(self, command, *arguments, expect=0, **environment):
        """A command of strait that talks to the daemon; what it wrote."""
        result = subprocess.run([self.tool, command, "--socket", self.rpc_path, *arguments], text=True, timeout=30,
                                capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8", **environment})
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout if expect == 0 else result.stderr

    def budget(self, disk, **params):
        return self.rpc.call("budget.get", disk=disk, **params)


@pytest.fixture
def serve(straitd, build_dir, workdir):  # noqa: F811
    """serve(disk={...}, ...) starts a daemon with these null disks; keys with _ are the daemon's."""
    with contextlib.ExitStack() as stack:
        def start(*, _keys=None, **disks):
            listed = [{"name": name, "socket": os.path.join(workdir, name + ".sock"), "null": "1GiB", **keys}
                      for name, keys in disks.items()]
            path = os.path.join(workdir, "rpc.sock")
            config = write_config(workdir, listed, **{"rpc-socket": path, "sandbox": "off", **(_keys or {})})
            daemon = stack.enter_context(Straitd(straitd, "--config", config, directory=workdir))
            daemon.serves(path)
            return Service(build_dir, workdir, daemon, stack.enter_context(connect(path)))
        yield start


def assert_adds_up(budget):
    """Stages are the total, at each level and on average."""
    for level in budget["levels"]:
        assert list(level["stages"]) == STAGES
        assert sum(level["stages"].values()) == level["total-ns"]
    means = sum(budget["stages"][stage]["mean-ns"] for stage in STAGES)
    assert abs(means - budget["total"]["mean-ns"]) <= len(STAGES)
    for level, key in zip(budget["levels"], ("p50-ns", "p99-ns", "p999-ns")):
        # Those around a quantile are some percent from it at most.
        assert abs(level["total-ns"] - budget["total"][key]) <= 0.1 * budget["total"][key] + 10


def test_a_delay_is_the_back_ends(serve):
    service = serve(vm0={"delay": {"mean-us": 20000}}, vm1={})
    service.load("vm0", "--io-count=300", "--depth=4")
    budget = service.budget("vm0")
    assert budget["requests"] == 300
    assert_adds_up(budget)
    for level in budget["levels"]:
        assert level["stages"]["backend"] >= 19 * MS
        assert level["stages"]["held"] == 0
    assert budget["levels"][0]["stages"]["backend"] > 0.5 * budget["levels"][0]["total-ns"]
    assert budget["stages"]["backend"]["p50-ns"] >= 19 * MS
    assert service.budget("vm1")["requests"] == 0

    latency = service.rpc.call("stats.get", disk="vm0")["disks"][0]["latency"]
    assert latency["dominant-stage"] == "backend" and latency["dominant-share"] > 0.5
    text = service.run("budget", "vm0")
    assert "300 requests" in text and "p99 is the back end" in text and "█" in text
    assert "\033[" not in text, "colours, though nobody looks at a terminal"
    plain = service.run("budget", "vm0", LC_ALL="C")
    assert plain.isascii() and "|bbb" in plain
    assert "no requests" in service.run("budget") and "backend" in service.run("budget")
    assert "No requests" in service.run("budget", "vm1")


def test_types_of_requests(serve):
    service = serve(vm0={})
    service.load("vm0", "--io-count=200", "--rw=randread", "--depth=2")
    service.load("vm0", "--io-count=100", "--rw=randwrite", "--depth=2")
    assert service.budget("vm0", op="read")["requests"] == 200
    assert service.budget("vm0", op="write")["requests"] == 100
    assert service.budget("vm0", op="discard")["requests"] == 0
    assert service.budget("vm0")["requests"] == 300
    assert "100 write requests" in service.run("budget", "--op=write", "vm0")


def test_windows(serve):
    service = serve(vm0={})
    service.load("vm0", "--io-count=1000")
    first_end = time.monotonic_ns()
    # Until that is more than three seconds ago by the clock of the windows.
    wait_for(lambda: service.budget("vm0", window=2)["requests"] == 0, "the load to leave the window")
    service.load("vm0", "--io-count=500")
    late = service.budget("vm0", window=2)
    assert late["requests"] == 500
    assert late["from-ns"] < late["to-ns"] and late["from-ns"] >= first_end - 1000 * MS
    assert service.budget("vm0")["requests"] == service.budget("vm0", window=600)["requests"] == 1500
    seconds = (time.monotonic_ns() - first_end) / 1e9 - 1
    assert service.budget("vm0", window=600, ago=max(1, int(seconds)))["requests"] in (1000, 1500)
    # What is not remembered, or was not yet, is not claimed to be covered.
    whole = service.budget("vm0", window=86400)
    assert whole["to-ns"] - whole["from-ns"] < 3600 * 1e9
    compared = json.loads(service.run("budget", "--compare=2,600", "--json", "vm0"))
    assert compared["now"]["requests"] + compared["before"]["requests"] == 1500
    assert compared["before"]["to-ns"] <= compared["now"]["from-ns"] + 1000 * MS
    assert "against" in service.run("budget", "--compare=2,600", "vm0")


def test_history(serve):
    service = serve(vm0={"delay": {"mean-us": 1000}})
    service.load("vm0", "--time=3s", "--depth=8")
    total = service.budget("vm0")["requests"]
    history = service.rpc.call("history.get", disk="vm0", seconds=60)
    frames = history["frames"]
    assert history["step-ns"] == 1000 * MS and len(frames) >= 3
    assert sum(frame["requests"] for frame in frames) == total
    assert sum(frame["bytes"] for frame in frames) == 4096 * total
    for frame in frames:
        assert sum(count for _, count in frame["buckets"]) == frame["requests"]
        assert frame["buckets"] == sorted(frame["buckets"])
        assert frame["p50-ns"] >= 0.9 * MS
    assert [frame["at-ns"] for frame in frames] == sorted(frame["at-ns"] for frame in frames)
    coarse = service.rpc.call("history.get", disk="vm0", seconds=60, steps=2)
    assert coarse["step-ns"] == 30000 * MS and len(coarse["frames"]) <= 2
    assert sum(frame["requests"] for frame in coarse["frames"]) == total


def test_reset(serve):
    service = serve(vm0={}, vm1={})
    for disk in ("vm0", "vm1"):
        service.load(disk, "--io-count=100")
    before = service.rpc.call("stats.get")
    assert [disk["counters"]["reads"] for disk in before["disks"]] == [100, 100]
    epoch = service.rpc.call("stats.reset", disk="vm0")["epoch"]
    assert epoch > before["epoch"]
    assert service.budget("vm0")["requests"] == service.budget("vm0", window=600)["requests"] == 0
    assert service.budget("vm0")["epoch"] == epoch
    assert service.budget("vm1")["requests"] == 100
    service.load("vm0", "--io-count=40")
    assert service.budget("vm0")["requests"] == service.budget("vm0", window=600)["requests"] == 40
    service.run("stats", "--reset")
    after = service.rpc.call("stats.get")
    assert after["epoch"] > epoch
    assert all(disk["counters"]["reads"] == disk["latency"]["requests"] == 0 for disk in after["disks"])


BURN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


def test_a_thread_that_does_not_run(serve):
    """The worker has to share its CPU with two others: that is the host's part, and said in words."""
    cpu = min(os.sched_getaffinity(0))
    service = serve(vm0={}, _keys={"worker-cpus": [str(cpu)]})
    assert service.budget("vm0")["host"]["workers"] == []  # nobody is connected
    load = service.bench("vm0", "--time=20s")
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                burner = subprocess.Popen([sys.executable, "-c", BURN, str(cpu)])
                stack.callback(lambda process=burner: (process.kill(), process.wait()))

            def starved():
                share = service.budget("vm0", window=3)["host"]["run-delay-share"]
                return share > 0.25 and share
            wait_for(starved, "the run delay to be told")
            host = service.budget("vm0", window=3)["host"]
            text = service.run("budget", "--last=3", "vm0")
        assert host["workers"][0]["index"] == 0 and host["workers"][0]["cpu-ns"] > 0
        assert host["run-delay-ns"] > 0 and 0 <= host["steal-share"] <= 1
        assert "The thread did not run" in text
    finally:
        load.send_signal(signal.SIGINT)
        load.communicate(timeout=30)


def test_counters_and_workers(serve):
    service = serve(vm0={})
    service.load("vm0", "--io-count=400", "--rw=randwrite", "--block-size=8k",
                 "--flush-every=4", "--depth=1")
    stats = service.rpc.call("stats.get")
    counters = stats["disks"][0]["counters"]
    assert counters["writes"] == 400 and counters["bytes-written"] == 400 * 8192 and counters["flushes"] == 100
    # Beside these it asks for the disk's name.
    assert counters["requests"] in (500, 501) and counters["in-flight"] == 0 and counters["errors"] == 0
    worker = stats["workers"][0]
    assert worker["cpu-ns"] > 0 and worker["turns"] > 0 and worker["idle-ns"] > 0
    assert stats["host"]["cpu-count"] == os.cpu_count()
    text = service.run("stats", "vm0")
    assert "400" in text and "flushes" in text
    assert "WORKER" in service.run("stats")


def test_idle_means_asleep(serve):
    """Statistics wake nobody once nothing is counted any more."""
    service = serve(vm0={})
    service.load("vm0", "--io-count=1000")

    def wakeups():
        count = 0
        for task in os.listdir(f"/proc/{service.daemon.pid}/task"):
            with open(f"/proc/{service.daemon.pid}/task/{task}/status", encoding="ascii") as status:
                count += sum(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt"))
        return count

    def asleep():
        before = wakeups()
        time.sleep(2.5)
        return wakeups() == before
    wait_for(asleep, "straitd to be left alone", timeout=30)


def test_profiles(serve):
    """Loads are recognised."""
    service = serve(lone={}, stream={}, log={}, idle={}, **{"many": {"delay": {"mean-us": 500}}})
    loads = [service.bench("lone", "--time=3s", "--rw=randread", "--depth=1"),
             service.bench("stream", "--time=3s", "--rw=write", "--block-size=1m", "--depth=32", "--rate=300"),
             service.bench("many", "--time=3s", "--rw=randread", "--depth=32")]
    with Disk(os.path.join(service.workdir, "log.sock")) as disk:
        for i in range(300):
            assert disk.write(i * 4096, b"l" * 4096) == OK
            assert disk.flush() == OK
    for load in loads:
        load.communicate(timeout=60)
        assert load.returncode == 0
    profile = {name: service.rpc.call("profile.get", disk=name) for name in ("lone", "stream", "log", "idle", "many")}
    assert {name: answer["class"] for name, answer in profile.items()} == {
        "lone": "latency-sensitive", "stream": "throughput", "log": "latency-sensitive", "idle": "idle",
        "many": "throughput"}
    assert profile["lone"]["mix"]["read"] == 1 and profile["lone"]["sequential"]["read"] < 0.1
    assert profile["lone"]["evidence"][0] == "100% of requests are reads of 4 KiB at depth 1.0"
    assert profile["stream"]["sequential"]["write"] > 0.9
    assert [size for size, _ in profile["stream"]["sizes"]["write"]] == [1 << 20]
    assert profile["log"]["sync-share"] > 0.9 and abs(profile["log"]["mix"]["flush"] - 0.5) < 0.01
    assert profile["many"]["depth"]["mean"] > 12 and profile["many"]["depth"]["p99"] == 32
    assert profile["idle"]["requests"] == 0 and "no request" in profile["idle"]["evidence"][0]
    # 4 KiB at random places all over the disk, against a stream that is as long as it is.
    assert profile["lone"]["working-set"]["bytes"] > 100 << 20
    text = service.run("profile", "log")
    assert text.startswith("log: latency-sensitive") and "stable one by one" in text
    assert service.run("profile").count("throughput") == 2


def test_slow_requests(serve):
    """Of a storage that is slow now and then, the slowest, and where they were."""
    service = serve(vm0={"delay": {"distribution": "pareto", "mean-us": 1000}})
    service.load("vm0", "--io-count=3000", "--depth=8")
    slow = service.rpc.call("slow.get", disk="vm0", limit=10)
    requests = slow["requests"]
    assert len(requests) == 10 and slow["threshold-ns"] == 0
    assert [r["total-ns"] for r in requests] == sorted((r["total-ns"] for r in requests), reverse=True)
    p99 = service.budget("vm0")["total"]["p99-ns"]
    for request in requests:
        assert sum(request["stages"].values()) == request["total-ns"] >= 0.95 * p99
        assert request["op"] == "read" and request["length"] == 4096 and request["offset"] % 4096 == 0
        assert 1 <= request["depth"] <= 8 and request["queue"] == request["worker"] == 0
        assert request["activity"] in ("asleep", "looking", "busy") and abs(request["at"] / 1000 - time.time()) < 120
    assert requests[0]["stages"]["backend"] > 0.5 * requests[0]["total-ns"]
    lines = service.run("slow", "--count=3", "vm0").splitlines()
    assert len(lines) == 4 and lines[0].startswith("AT") and "backend" in lines[1]
    service.run("stats", "--reset", "vm0")
    assert service.rpc.call("slow.get", disk="vm0")["requests"] == []
    assert "no slow requests" in service.run("slow", "vm0")


def test_what_counts_as_slow(serve):
    service = serve(over={"delay": {"mean-us": 1000}, "slow-threshold-us": 60000000},
                    most={"delay": {"mean-us": 1000}, "slow-percentile": 90})
    service.load("over", "--io-count=100")
    assert service.rpc.call("slow.get", disk="over")["requests"] == []
    assert "60.0 s and more" in service.run("slow", "over")
    service.rpc.call("disk.set", name="over", set={"slow-threshold-us": 500})
    service.load("over", "--io-count=100")
    slow = service.rpc.call("slow.get", disk="over")
    assert slow["threshold-ns"] == 500000 and len(slow["requests"]) == 20
    load = service.bench("most", "--time=20s", "--depth=4")
    try:
        wait_for(lambda: service.rpc.call("slow.get", disk="most")["threshold-ns"] > 500000, "a percentile to be known")
    finally:
        load.send_signal(signal.SIGINT)
        load.communicate(timeout=30)


def test_held_is_not_the_back_end(serve):
    """Who exceeds a limit waits for that, and not for the storage."""
    service = serve(vm0={"qos": {"iops": 100}})
    service.load("vm0", "--time=2s", "--depth=8")
    budget = service.budget("vm0")
    assert_adds_up(budget)
    median = budget["levels"][0]
    assert median["stages"]["held"] > 0.9 * median["total-ns"] > 10 * MS
    assert median["stages"]["backend"] < 10 * MS
    disk = service.rpc.call("stats.get", disk="vm0")["disks"][0]
    assert disk["latency"]["dominant-stage"] == "held" and disk["counters"]["held"] > 50
    assert disk["counters"]["held-ns"] > 50 * 10 * MS
    assert service.rpc.call("slow.get", disk="vm0")["requests"][0]["stages"]["held"] > 10 * MS
    assert "Most of p99 is being held by QoS" in service.run("budget", "vm0")
    assert sum(frame["held"] for frame in service.rpc.call("history.get", disk="vm0", seconds=60)["frames"]) > 50


def test_wrong_usage(serve):
    service = serve(vm0={}, vm1={})
    for command in ("budget", "profile", "stats", "slow"):
        error = service.run(command, "vm9", expect=1)
        assert "vm9" in error and "did you mean vm" in error
        json.loads(service.run(command, "--json", "vm0"))
        subprocess.run([service.tool, command, "--help"], check=True, capture_output=True)
    for arguments in (["--last=x", "vm0"], ["--last=0", "vm0"], ["--compare=10", "vm0"], ["--compare=10,", "vm0"],
                      ["--op=read"], ["--compare=1,2", "--last=3", "vm0"], ["vm0", "vm1"]):
        assert "strait budget" in service.run("budget", *arguments, expect=2)
    service.run("budget", "--op=trim", "vm0", expect=1)
    with pytest.raises(RpcError) as error:
        service.budget("vm0", window=0)
    assert error.value.data["field"] == "window"
    service.daemon.stop()
    assert "rpc.sock" in service.run("budget", expect=3)
