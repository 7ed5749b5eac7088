# SPDX-License-Identifier: Apache-2.0
"""/metrics of straitd: promtool and a real Prometheus read it, its numbers are those of the load, the alert rules fire when
something is wrong and not otherwise."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse

import pytest

from daemon import Straitd, straitd, wait_for, write_config  # noqa: F401
from frontend import bench  # noqa: F401
from web import free_address, get, metrics, need_http

pytestmark = pytest.mark.straitd_only

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(ROOT, "packaging", "prometheus", "strait-alerts.yaml")


def need(program):
    if not shutil.which(program):
        pytest.skip(f"needs {program} (package prometheus)")


def null_disk(workdir, name, **keys):
    return {"name": name, "socket": os.path.join(workdir, f"{name}.sock"), "null": "1GiB", "queues": 4, **keys}


@pytest.fixture
def serve(straitd, workdir):  # noqa: F811
    """with serve(disks, failing, **keys) as (daemon, address). Those that fail are configured, too."""
    need_http(straitd)

    @contextlib.contextmanager
    def start(disks, failing=(), **keys):
        address = free_address()
        config = write_config(workdir, [*disks, *failing], **{"http-listen": address, "sandbox": "off", **keys})
        with Straitd(straitd, "--config", config, directory=workdir) as daemon:
            daemon.serves(*(d["socket"] for d in disks))
            daemon.logs(f"HTTP on {address}")
            yield daemon, address
            if daemon.process.poll() is None:
                assert daemon.stop() == 0
    return start


def check_with_promtool(text):
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert result.returncode == 0 and result.stdout + result.stderr == "", result.stdout + result.stderr


GROUPS = [{"name": "outer", "iops": 100000}, {"name": "inner", "parent": "outer", "read-bps": "100m"}]


def test_promtool_finds_nothing_wrong(serve, bench, workdir):  # noqa: F811
    """With disks that are loaded, idle, limited and failed, and groups in each other."""
    need("promtool")
    disks = [null_disk(workdir, "a-1.x_Y"), null_disk(workdir, "idle", qos={"group": "inner", "latency-target-us": 500}),
             null_disk(workdir, "limited", qos={"group": "inner", "iops": 1000, "write-bps": "1m"})]
    failing = [{"name": "failed", "socket": os.path.join(workdir, "f.sock"), "file": os.path.join(workdir, "none.img")}]
    with serve(disks, failing, groups=GROUPS) as (_, address):
        loads = [bench.running(disks[i]["socket"], "--rw", "randrw", "--queues", 2, "--time", "300s") for i in (0, 2)]
        check_with_promtool(metrics(address).text)
        wait_for(lambda: metrics(address)("strait_disk_held_requests_total", disk="limited") > 0, "a limit to hold requests")
        page = metrics(address)
        check_with_promtool(page.text)
        for load in loads:
            load.terminate()
            bench.finish(load, expect=None)
    assert page("strait_disk_up") == 3 and page("strait_disk_up", disk="failed") == 0
    assert page("strait_disks", state="failed") == 1 and page("strait_disk_connected") == 2
    assert page("strait_disk_limit_per_second", disk="limited", limit="write-bps") == 1 << 20
    assert page("strait_group_limit_per_second", group="inner", limit="read-bps") == 100 << 20
    assert page("strait_group_info", group="inner", parent="outer") == page("strait_disk_info", disk="idle", group="inner") == 1
    assert page("strait_disk_latency_target_seconds", disk="idle") == 0.0005
    assert page("strait_request_seconds_count", disk="idle") == 0
    assert page("strait_disk_in_flight_requests", disk="limited") >= page("strait_disk_waiting_requests", disk="limited") > 0


def test_documentation_lists_what_there_is(serve, workdir):
    """Each family with its type and labels, no less and no more."""
    with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| `([a-z_]+)` \| (\w+)\*? \|([a-z, ]*)\|", file.read(), re.MULTILINE)
    documented = {name: (kind, set(filter(None, labels.replace(" ", "").split(",")))) for name, kind, labels in rows}
    disk = null_disk(workdir, "d", qos={"group": "inner", "iops": 1000, "latency-target-us": 500})
    with serve([disk], groups=GROUPS) as (_, address):
        page = metrics(address)
    found = {}
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)", page.text, re.MULTILINE):
        samples = page.each(name + "_bucket" if kind == "histogram" else name)
        assert samples, f"{name} has no sample here"
        found[name] = (kind, set().union(*(labels for labels, _ in samples)) - {"le"})
    if "process_open_fds" not in found:  # before Linux 6.2
        del documented["process_open_fds"]
    assert found == documented


def test_counters_are_those_of_the_load(serve, bench, workdir):  # noqa: F811
    disk = null_disk(workdir, "d")
    with serve([disk]) as (_, address):
        expected = {"read": 0, "write": 0, "flush": 0, "discard": 0, "write-zeroes": 0}
        for op, count in (("read", 5000), ("write", 3000), ("flush", 200), ("discard", 300), ("write-zeroes", 400)):
            rw = {"read": "randread", "write": "randwrite"}.get(op, op)
            result = bench.run(disk["socket"], "--rw", rw, "--block-size", "8k", "--io-count", count, "--queues", 2)
            expected[op] += result.ios()
        wait_for(lambda: metrics(address)("strait_disk_connected") == 0, "the front end to have gone")
        page = metrics(address)
        for op, count in expected.items():
            assert page("strait_disk_requests_total", op=op) == count
            assert page("strait_request_seconds_count", op=op) == count
            assert page("strait_request_seconds_bucket", op=op, le="+Inf") == count
        assert page("strait_disk_read_bytes_total") == expected["read"] * 8192
        assert page("strait_disk_written_bytes_total") == expected["write"] * 8192
        assert page("strait_disk_errors_total") == page("strait_disk_in_flight_requests") == 0
        # Each request has a part in each stage, and the parts add up.
        for _, count in page.each("strait_stage_seconds_count"):
            assert count == sum(expected.values())
        assert abs(page("strait_stage_seconds_sum") - page("strait_request_seconds_sum")) < 1e-6
        assert page("strait_request_seconds_sum") > 0 and page("strait_worker_turns_total") > 0
        assert page("process_resident_memory_bytes") > 1 << 20 and page("strait_worker_cpu_seconds_total") > 0


def test_errors_are_counted(serve, bench, workdir):  # noqa: F811
    disk = null_disk(workdir, "d", fault=[{"on": ["write"], "rate": "1.0", "error": "EIO"}])
    with serve([disk]) as (_, address):
        result = bench.run(disk["socket"], "--rw", "randwrite", "--io-count", 300, expect=1)
        assert metrics(address)("strait_disk_errors_total") == result.errors() == 300


def test_numbers_never_go_back(serve, bench, workdir):  # noqa: F811
    """Clocks are read while workers write them. A bucket that shrank would look like a restart."""
    disk = null_disk(workdir, "d")
    with serve([disk]) as (_, address):
        load = bench.running(disk["socket"], "--rw", "randrw", "--queues", 4, "--time", "300s")
        before = {}
        for _ in range(60):
            page = metrics(address)
            now = {(name, tuple(sorted(labels.items()))): value for name, labels, value in page.samples
                   if name.endswith(("_total", "_count", "_bucket"))}
            for key, value in before.items():
                assert now[key] >= value, (key, value, now[key])
            for labels, count in page.each("strait_stage_seconds_count"):
                values = [value for _, value in page.each("strait_stage_seconds_bucket", **labels)]
                assert values == sorted(values) and values[-1] == count
            before = now
            time.sleep(0.1)
        load.terminate()
        bench.finish(load, expect=None)


class Prometheus:
    """A real one, that scrapes straitd once a second and evaluates the rules, whose times are short here."""

    def __init__(self, workdir, target):
        directory = os.path.join(workdir, "prometheus")
        os.mkdir(directory)
        with open(RULES, encoding="utf-8") as file:
            rules = re.sub(r"for: \w+", "for: 1s", re.sub(r"\[(5m|15m|1h)\]", "[15s]", file.read()))
        with open(os.path.join(directory, "rules.yaml"), "w", encoding="utf-8") as file:
            file.write(rules)
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yaml"],
                  "scrape_configs": [{"job_name": "strait", "static_configs": [{"targets": [target]}]}]}
        with open(os.path.join(directory, "prometheus.yaml"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        self.address = free_address()
        with open(os.path.join(directory, "prometheus.log"), "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={directory}/prometheus.yaml", f"--storage.tsdb.path={directory}/data",
                 f"--web.listen-address={self.address}"], stdout=log, stderr=log)

    def ask(self, path, **parameters):
        answer = get(self.address, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}").json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        return [(row["metric"], float(row["value"][1])) for row in self.ask("query", query=expression)["result"]]

    def ready(self):
        try:
            return get(self.address, "/-/ready").status == 200
        except OSError:
            assert self.process.poll() is None, "prometheus has ended"
            return False

    def firing(self):
        return {(labels["alertname"], labels.get("disk")) for labels, _ in self.query('ALERTS{alertstate="firing"}')}

    def __enter__(self):
        wait_for(self.ready, "prometheus to be ready", 60)
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()


# Those that a busy machine can set off are not among them.
ABOUT_DISKS = {"StraitBackendSlow", "StraitDiskErrors", "StraitDiskFailed", "StraitDiskStuck", "StraitBrokenQueue", "StraitQosHolds"}


def test_prometheus_and_its_rules(serve, bench, workdir):  # noqa: F811
    need("prometheus")
    disks = {"well": null_disk(workdir, "well"),
             "slow": null_disk(workdir, "slow", delay={"mean-us": "200000"}),
             "faulty": null_disk(workdir, "faulty", fault=[{"on": ["read"], "rate": "0.5", "error": "EIO"}]),
             "limited": null_disk(workdir, "limited", qos={"iops": 20})}
    with serve(list(disks.values())) as (daemon, address), Prometheus(workdir, address) as prometheus, \
            contextlib.ExitStack() as loads:
        def load(name, *options):
            process = bench.start(disks[name]["socket"], "--time", "600s", "--rate", 2000, *options)
            loads.callback(process.communicate)
            loads.callback(process.kill)

        load("well")
        wait_for(lambda: any(value > 0 for labels, value in prometheus.query("strait:requests:rate_5m")
                             if labels["disk"] == "well"), "a rate of requests", 60)
        wait_for(lambda: len(prometheus.query('count_over_time(up{job="strait"}[1m]) > 10')) == 1, "ten scrapes", 60)
        assert {alert for alert in prometheus.firing() if alert[0] in ABOUT_DISKS} == set()
        assert prometheus.query("min_over_time(up[1m])")[0][1] == 1

        for name in ("slow", "faulty", "limited"):
            load(name, "--depth", 8)
        expected = {("StraitBackendSlow", "slow"), ("StraitDiskErrors", "faulty"), ("StraitQosHolds", "limited")}
        wait_for(lambda: expected <= prometheus.firing(), f"{expected} to fire", 120)
        assert {alert for alert in prometheus.firing() if alert[0] in ABOUT_DISKS} == expected
        # What the budget says: of the time of the limited disk, nearly all was spent held; of the slow one, in the back end.
        shares = {(labels["disk"], labels["stage"]): value for labels, value in prometheus.query("strait:stage_share:rate_5m")}
        assert shares["limited", "held"] > 0.9 and shares["slow", "backend"] > 0.9

        groups = prometheus.ask("rules")["groups"]
        for rule in (rule for group in groups for rule in group["rules"]):
            assert rule["health"] == "ok" and not rule.get("lastError"), rule
        assert sum(len(group["rules"]) for group in groups) > 15

        daemon.kill()
        wait_for(lambda: ("StraitDown", None) in prometheus.firing(), "StraitDown to fire", 60)
