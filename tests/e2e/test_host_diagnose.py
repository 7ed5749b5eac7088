# SPDX-License-Identifier: Apache-2.0
"""strait diagnose: each suspect on a machine on which it is the cause, what is ruled out on one without, and a real QEMU."""

import json
import os
import shlex
import subprocess
import time

import pytest

from machines import build, machine

SECOND = "/.strait/samples/1"
LAYERS = ("host", "guest", "devices", "measured")
THREAD = SECOND + "/proc/1000/task/{}/schedstat"
KSMD = "60 (ksmd) S 2 0 0 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 1 1 1 1 1 1 1 1 0 0 0 0 0 0 0 0 17 1 0 0 0"
STAGES = {"ring": 10000, "held": 0, "submit": 10000, "backend": 29000000, "publish": 10000, "notify": 10000}
BUDGET = {"disk": "vdb", "requests": 5000, "levels": [{"total-ns": 30000000, "stages": STAGES}] * 3}
STRAITD_DISK = {"name": "vdb", "socket": "/run/strait/db1.sock", "file": "/dev/nvme1n1", "queues": 2, "state": "running"}


def diskstats(requests, milliseconds, busy):
    """What both devices count in the second sample, beyond the first."""
    return "\n".join(f" {number} {name} {10000 + requests} 0 80000 {2000 + milliseconds} 10000 0 80000 2000 0 {4000 + busy} "
                     f"{4000 + milliseconds} 0 0 0 0 0 0" for number, name in (("259 1", "nvme1n1"), ("252 0", "dm-0")))


MONITOR = {"/proc/1000/cmdline": {"replace": {"-uuid": "-qmp\0unix:/run/qmp,server=on,wait=off\0-uuid"}}}
SLOWED = "-drive\0file=/dev/nvme0n1,if=none,id=d1,format=raw,cache=none,aio=native,bps=50000000\0" \
         "-device\0virtio-blk-pci,id=vdc,drive=d1,iothread=io0,num-queues=2\0-netdev"
THROTTLED = {"/proc/1000/cmdline": {"replace": {
    "-uuid": "-qmp\0unix:/run/qmp,server=on,wait=off\0-uuid",
    "-netdev": "-drive\0file=/dev/nvme0n1,if=none,id=d1,format=raw,cache=none,aio=native,iops=500\0"
               "-device\0virtio-blk-pci,id=vdc,drive=d1,iothread=io0,num-queues=2\0-netdev"}}}


def blockstats(disk, requests, milliseconds):
    """QEMU's counters in both samples: so many requests between them, of which each took so long."""
    samples = [{"rd_operations": 1000, "wr_operations": 1000, "flush_operations": 0, "rd_total_time_ns": 10 ** 9,
                "wr_total_time_ns": 10 ** 9, "flush_total_time_ns": 0, "rd_bytes": 10 ** 9, "wr_bytes": 0} for _ in range(2)]
    samples[1]["rd_operations"] += requests
    samples[1]["rd_bytes"] += requests * 10 ** 6
    samples[1]["rd_total_time_ns"] += requests * milliseconds * 10 ** 6
    return {f"{sample}/.strait/qmp/1000/query-blockstats.json":
            json.dumps([{"device": "", "qdev": f"/machine/peripheral/{disk}/virtio-backend", "stats": stats}])
            for sample, stats in zip(("", SECOND), samples)}


def grouped(limit, reads, device="259:1"):
    """A limit of the guest's control group, and how many reads of 4 KiB it did in the second that was measured."""
    group = "/sys/fs/cgroup/machine.slice/db1.scope"
    return {f"{group}/io.max": f"{device} {limit}"} | {
        f"{sample}{group}/io.stat": f"8:0 rbytes=1 wbytes=0 rios=7000\n{device} rbytes={count * 4096} wbytes=0 rios={count} "
                                    "wios=0 dbytes=0 dios=0" for sample, count in (("", 1000), (SECOND, 1000 + reads))}


def grouped_threads(*groups):
    """The guest's main loop, vCPUs and I/O thread in groups of their own below its scope, as libvirt has them."""
    below = "0::/machine.slice/db1.scope/libvirt/"
    return {"/proc/1000/cgroup": below + groups[0]} | {
        f"/proc/1000/task/{1000 + i}/cgroup": below + group for i, group in enumerate(groups)} | {
        f"/sys/fs/cgroup/machine.slice/db1.scope/libvirt/{group}/cpu.stat": "throttled_usec 0" for group in groups}


def quota(group, held):
    """A quota of a group in the guest's scope, and how long it held back, in us."""
    directory = "/sys/fs/cgroup/machine.slice/db1.scope" + group
    return {f"{directory}/cpu.max": "50000 100000", f"{directory}/cpu.stat": "throttled_usec 5000",
            f"{SECOND}{directory}/cpu.stat": f"throttled_usec {5000 + held}"}


# What is changed, the cause that has to be first, and what its evidence has to say.
CAUSES = {
    "iothread starved": ({THREAD.format(1003): "90200000000 600000000 1500",
                          SECOND + "/.strait/processes-run": "77 6 80 stressor",
                          SECOND + "/proc/stat": {"replace": {"cpu6 135": "cpu6 225", "12585": "12500"}}},
                         "threads.iothread", "io0 waited for a CPU 75 % of the time", "stressor (process 77) took 80 %"),
    "vcpu starved": ({THREAD.format(1001): "90300000000 400000000 1500"}, "threads.vcpu", "vCPU 0 waited for a CPU"),
    "emulator starved": ({THREAD.format(1000): "90300000000 400000000 1500"}, "threads.emulator", "on CPUs 7"),
    "iothread pegged": ({THREAD.format(1003): "90980000000 100000 1500"}, "threads.pegged", "io0 ran 98 %"),
    "steal": ({SECOND + "/proc/stat": "cpu{0-7} 135 0 130 12550 0 0 0 35"}, "threads.steal", "% of the host's CPU time"),
    "quota": ({SECOND + "/sys/fs/cgroup/machine.slice/db1.scope/cpu.stat": "throttled_usec 305000",
               "/sys/fs/cgroup/machine.slice/db1.scope/cpu.max": "50000 100000"}, "threads.quota", "50000 100000"),
    "quota above": ({**grouped_threads("emulator", "vcpu0", "vcpu1", "iothread1"), **quota("", 300000)}, "threads.quota",
                    "cpu.max (50000 100000) of /sys/fs/cgroup/machine.slice/db1.scope held back vCPUs 0-1, I/O thread io0, 1 other "
                    "thread 30 % of the time"),
    "quota of a vCPU": ({**grouped_threads("emulator", "vcpu0", "vcpu1", "emulator"), **quota("/libvirt/vcpu0", 20000),
                         **quota("/libvirt/vcpu1", 300000)}, "threads.quota", "libvirt/vcpu1 held back vCPU 1 30 % of the time",
                        "1 other quota"),
    "quota of version 1": ({"/proc/1000/cgroup": "4:cpu,cpuacct:/db1",
                            "/proc/1000/task/{1000-1003}/cgroup": "4:cpu,cpuacct:/db1",
                            "/sys/fs/cgroup/cpu/db1/cpu.cfs_quota_us": "50000",
                            "/sys/fs/cgroup/cpu/db1/cpu.cfs_period_us": "100000",
                            "/sys/fs/cgroup/cpu/db1/cpu.stat": "throttled_time 0",
                            SECOND + "/sys/fs/cgroup/cpu/db1/cpu.stat": "throttled_time 305000000"},
                           "threads.quota", "50000 100000"),
    "saturated": ({SECOND + "/proc/diskstats": diskstats(8000, 64000, 1000)}, "storage.saturated",
                  "nvme1n1 was 100 % busy with 8000 requests a second, 8.00 ms each"),
    "slow device": ({SECOND + "/proc/diskstats": diskstats(20, 800, 800)}, "storage.slow", "40.0 ms each"),
    "slow in straitd": ({"/.strait/straitd/disk.list.json": json.dumps({"disks": [STRAITD_DISK]}),
                         "/.strait/straitd/budget.get/vdb.json": json.dumps(BUDGET)}, "storage.straitd",
                        'the stage "backend"'),
    "slow by QEMU's count": ({**MONITOR, **blockstats("vda", 500, 20)}, "storage.requests",
                             "vda: 500 requests a second of 20.0 ms each by QEMU's count, the device below took 200 us: most of "
                             "it is spent in QEMU"),
    "throttled": ({**THROTTLED, **blockstats("vdc", 495, 100)}, "storage.limits", "and did 495.0 I/Os a second of 100 ms each"),
    "throttled in bursts": ({**THROTTLED, **blockstats("vdc", 250, 100)}, "storage.limits", "and did 250.0 I/Os a second"),
    "throttled by size": ({"/proc/1000/cmdline": {"replace": {**MONITOR["/proc/1000/cmdline"]["replace"], "-netdev": SLOWED}},
                           **blockstats("vdc", 49, 100)}, "storage.limits", "and moved 49000000 bytes a second"),
    "limited with its group": (grouped("rbps=max wbps=max riops=500 wiops=max", 480), "storage.limits",
                               "lets it do 500 reads a second on nvme1n1, and it did 480.0 reads"),
    "limited by size": (grouped("rbps=2097152 wbps=1000 riops=max wiops=9", 500), "storage.limits",
                        "and it did 2048000.0 bytes read"),
    "limited in bursts": ({**MONITOR, **blockstats("vda", 250, 100), **grouped("riops=500", 250, "253:0")}, "storage.limits",
                          "lets it do 500 reads a second on dm-0, and it did 250.0 reads"),
    "swapping": ({SECOND + "/proc/vmstat": "pswpin 4100\npswpout 1100\npgsteal_direct 100"}, "memory.reclaim",
                 "4000 pages a second were swapped in"),
    "reclaim": ({SECOND + "/proc/vmstat": "pswpin 100\npswpout 100\npgsteal_direct 30100"}, "memory.reclaim",
                "30000 pages a second were freed"),
    "memory pressure": ({SECOND + "/proc/pressure/memory": "some avg10=0 avg60=0 avg300=0 total=400120"},
                        "memory.reclaim", "40 % of the time (PSI)"),
    "writeback": ({SECOND + "/proc/meminfo": {"replace": {"Dirty:              1200": "Dirty:          20000000"}}},
                  "memory.writeback", "19.1 GiB were dirty"),
    "ksm": ({"/.strait/servants.json": '{"servants": [{"pid": 60, "threads": [60]}]}', "/proc/60/task/60/stat": KSMD, SECOND + "/proc/60/task/60/stat": KSMD,
             "/proc/60/task/60/schedstat": "0 0 0", SECOND + "/proc/60/task/60/schedstat": "900000000 0 10"},
            "memory.kernel", "ksmd ran 90 %"),
    "nvme health": ({"/.strait/nvme/nvme1.json": '{"critical_warning":4,"percent_used":103,"media_errors":7,'
                                                 '"error_log_entries":9}'}, "device.health", "critical warning 0x4"),
    "nvme timeout": ({SECOND + "/.strait/kernel-log": "[100.5] nvme nvme1: I/O 12 QID 3 timeout, aborting\n"},
                     "device.log", "during the measurement: nvme nvme1: I/O 12 QID 3 timeout"),
    "pcie errors": ({"/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0/aer_dev_nonfatal": "TOTAL_ERR_NONFATAL 3"},
                    "device.link", "3 uncorrectable PCIe errors since boot, 0 of them fatal"),
    "interrupts": ({SECOND + "/proc/interrupts": "  CPU0 CPU1 CPU2 CPU3 CPU4 CPU5 CPU6 CPU7\n"
                    " 30: 10 0 0 0 0 0 0 0 x nvme1q0\n 31: 0 0 0 0 20050 50 0 0 x nvme1q1\n 32: 0 0 0 0 9000 0 50 50 x nvme1q2",
                    SECOND + "/proc/stat": {"replace": {"cpu4 135 0 130 12585 0 0 0": "cpu4 135 0 130 12545 0 10 30"}}},
                   "device.interrupts", "it is that of vCPU 0"),
    "exits": ({SECOND + "/sys/kernel/debug/kvm/1000-12/io_exits": "91000"}, "device.exits", "90000 a second of io_exits"),
    "drops": ({SECOND + "/proc/net/dev": {"replace": {"tap0: 1100000    1100    0    0": "tap0: 1100000    1100    0  900"}}},
              "device.drops", "tap0 dropped 900 packets"),
    "unsafe": ({"/proc/1000/cmdline": {"replace": {"cache.direct=on": "cache.direct=on,cache.no-flush=on"}}},
               "guest.disk.cache", "unsafe"),
    "no iothread": ({"/proc/1000/cmdline": {"replace": {",iothread=io0": ""}}}, "guest.disk.iothread", "the main loop"),
    "e1000": ({"/proc/1000/cmdline": {"replace": {"virtio-net-pci,id=net0,netdev=n0,mq=on": "e1000,id=net0,netdev=n0"}}},
              "guest.nic.model", "e1000"),
}


def diagnose(build_dir, source, *options, expect=None):
    """What strait diagnose says of db1, as JSON."""
    tool = os.path.join(build_dir, "cmd", "strait", "strait")
    result = subprocess.run([tool, "diagnose", "--json", *source, *options], capture_output=True, text=True, timeout=120)
    assert result.returncode in (0, 1), result.stderr
    report = json.loads(result.stdout)
    assert result.returncode == bool(report["causes"])
    weights = [cause["weight"] for cause in report["causes"]]
    assert weights == sorted(weights, reverse=True) and all(0 < weight <= 100 for weight in weights)
    return report


def ids(causes):
    return [cause["id"] for cause in causes]


@pytest.mark.parametrize("name", CAUSES)
def test_cause_is_first(build_dir, workdir, name):
    files, cause, *evidence = CAUSES[name]
    build(workdir, *map(machine, LAYERS), files)
    report = diagnose(build_dir, ["--from", workdir], "db1")
    assert report["samples"] == 1 and report["seconds"] == pytest.approx(1)
    assert report["causes"], report
    first = report["causes"][0]
    assert first["id"] == cause, report["causes"]
    assert first["next"] and first["cure"]
    for text in evidence:
        assert any(text in line for line in first["evidence"]), first["evidence"]
    assert "%s" not in "".join(found["cure"] for found in report["causes"])
    # What was measured weighs more than what is only set.
    assert (first["weight"] >= 40) == (not cause.startswith("guest."))


def test_nothing_is_found_where_nothing_is_wrong(build_dir, workdir):
    build(workdir, *map(machine, LAYERS))
    report = diagnose(build_dir, ["--from", workdir], "db1")
    assert report["causes"] == []
    assert {"threads.vcpu", "threads.iothread", "threads.steal", "storage.saturated", "memory.reclaim", "device.health",
            "device.log", "device.interrupts", "device.exits", "layers.settings"} <= set(ids(report["ruled-out"]))
    assert all(cause["evidence"] for cause in report["ruled-out"])


@pytest.mark.parametrize("changes", [grouped("riops=5000", 480), grouped("riops=500", 480, "8:16") | {
    SECOND + "/sys/fs/cgroup/machine.slice/db1.scope/io.stat": ""}])
def test_a_limit_of_the_group_that_is_not_reached_is_a_setting(build_dir, workdir, changes):
    build(workdir, *map(machine, LAYERS), changes)
    cause, = diagnose(build_dir, ["--from", workdir], "db1")["causes"]
    assert cause["id"] == "storage.limits" and cause["weight"] == 36 and "and it did" not in cause["evidence"][0]


def test_a_limit_above_a_server_is_a_setting_until_it_is_reached(build_dir, workdir):
    """How long a server takes is not known: half of a limit does not say that it is the limit that holds back."""
    command = THROTTLED["/proc/1000/cmdline"]["replace"]
    server = command["-netdev"].replace("file=/dev/nvme0n1", "file=nbd://10.0.0.1/a")
    causes = {}
    for requests in (210, 495):
        directory = build(os.path.join(workdir, str(requests)), *map(machine, LAYERS), blockstats("vdc", requests, 8),
                          {"/proc/1000/cmdline": {"replace": {**command, "-netdev": server}}})
        found = diagnose(build_dir, ["--from", directory], "db1")["causes"]
        causes[requests] = {cause["id"]: (cause["weight"], cause["evidence"]) for cause in found}
    weight, evidence = causes[210]["storage.limits"]
    assert weight == 35 and "and did" not in evidence[0], causes
    assert causes[210]["storage.requests"][0] > 35
    assert causes[495]["storage.limits"][0] == 88


@pytest.mark.parametrize("cgroup, group", [(None, "ruled-out"), ("0::/gone.slice/db1.scope", "unknown")])
def test_limits_that_are_not_known_are_not_ruled_out(build_dir, workdir, cgroup, group):
    build(workdir, *map(machine, LAYERS), {"/proc/1000/cgroup": cgroup} if cgroup else {})
    assert {"storage.limits", "threads.quota"} <= set(ids(diagnose(build_dir, ["--from", workdir], "db1")[group]))


@pytest.mark.parametrize("changes", [{"/proc/1000/task/1001/cgroup": None}, quota("", 0) | {
    SECOND + "/sys/fs/cgroup/machine.slice/db1.scope/cpu.stat": "usage_usec 1"}])
def test_a_quota_that_is_not_known_is_not_ruled_out(build_dir, workdir, changes):
    build(workdir, *map(machine, LAYERS), changes)
    assert "threads.quota" in ids(diagnose(build_dir, ["--from", workdir], "db1")["unknown"])


def test_a_quota_is_looked_up_where_it_is(build_dir, workdir):
    name = "machine-qemu\\x2d1\\x2ddb1.scope"
    group = f"/sys/fs/cgroup/machine.slice/{name}"
    build(workdir, *map(machine, LAYERS), {
        "/proc/1000/cgroup": f"0::/machine.slice/{name}/libvirt/emulator",
        f"{group}/libvirt/emulator/cpu.max": "max 100000", f"{group}/cpu.max": "50000 100000",
        f"{group}/cpu.stat": "throttled_usec 0", f"{SECOND}{group}/cpu.stat": "throttled_usec 300000"})
    cause = diagnose(build_dir, ["--from", workdir], "db1")["causes"][0]
    assert cause["id"] == "threads.quota" and shlex.split(cause["next"])[:3] == ["grep", ".", group + "/cpu.*"], cause


def test_a_command_takes_a_name_as_one_word(build_dir, workdir):
    build(workdir, *map(machine, LAYERS), {"/proc/1000/cmdline": {"replace": {
        **CAUSES["e1000"][0]["/proc/1000/cmdline"]["replace"], "guest=db1,": "guest=it's $(id) 1,"}}})
    cause = diagnose(build_dir, ["--from", workdir], "it's $(id) 1")["causes"][0]
    assert shlex.split(cause["next"])[:4] == ["strait", "audit", "--vm", "it's $(id) 1"], cause["next"]


@pytest.mark.parametrize("slot, causes", [("8.0 GT/s PCIe", []), ("16.0 GT/s PCIe", ["device.link", "host.pci.link"])])
def test_a_slot_that_can_do_no_more_is_no_cause(build_dir, workdir, slot, causes):
    build(workdir, *map(machine, LAYERS), {
        "/sys/devices/pci0000:80/0000:80:01.0/max_link_speed": slot,
        "/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0/current_link_speed": "8.0 GT/s PCIe"})
    assert ids(diagnose(build_dir, ["--from", workdir], "db1")["causes"]) == causes


def test_what_happened_once_comes_after_what_is_measured(build_dir, workdir):
    build(workdir, *map(machine, LAYERS), CAUSES["pcie errors"][0], {
        "/.strait/nvme/nvme1.json": '{"critical_warning":0,"percent_used":3,"media_errors":1,"error_log_entries":1}',
        THREAD.format(1001): "90500000000 60000000 1500"})
    causes = ids(diagnose(build_dir, ["--from", workdir], "db1")["causes"])
    assert causes[:3] == ["threads.vcpu", "device.link", "device.health"], causes


def test_the_measured_cause_comes_before_settings(build_dir, workdir):
    files, cause, *_ = CAUSES["slow device"]
    build(workdir, *map(machine, LAYERS), files, CAUSES["no iothread"][0], CAUSES["e1000"][0])
    assert ids(diagnose(build_dir, ["--from", workdir], "db1")["causes"]) == [cause, "guest.nic.model", "guest.disk.iothread"]


@pytest.mark.parametrize("cpus, name", [("3", "cpu3"), ("{2,3}", "NAME")])
def test_a_cure_says_of_what(build_dir, workdir, cpus, name):
    build(workdir, *map(machine, LAYERS), {f"/sys/devices/system/cpu/cpu{cpus}/cpufreq/scaling_governor": "powersave"})
    cause = diagnose(build_dir, ["--from", workdir], "db1")["causes"][0]
    assert cause["id"] == "host.cpu.governor"
    assert cause["cure"].startswith(f"echo performance >/sys/devices/system/cpu/{name}/cpufreq/scaling_governor")


def test_one_sample_is_settings_alone(build_dir, workdir):
    build(workdir, *map(machine, LAYERS[:-1]), CAUSES["e1000"][0])
    report = diagnose(build_dir, ["--from", workdir], "db1")
    assert report["samples"] == 0 and "nothing was measured" in report["verdict"]
    assert ids(report["causes"]) == ["guest.nic.model"]
    assert {"threads.vcpu", "storage.saturated", "threads.steal"} <= set(ids(report["unknown"]))


def test_text_has_verdict_causes_and_what_was_ruled_out(build_dir, workdir):
    build(workdir, *map(machine, LAYERS), CAUSES["slow device"][0])
    result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "diagnose", "--from", workdir, "db1"],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    for text in ("Verdict: the back end", "1. the device below is slow", "next: iostat", "Ruled out:", "Could not be looked at:"):
        assert text in result.stdout, result.stdout
    assert "\033" not in result.stdout


@pytest.mark.parametrize("arguments, code, text", [
    (["nobody"], 3, "nobody"), ([], 2, "VM"), (["--for=0", "db1"], 2, "--for=0"), (["--for=30x", "db1"], 2, "1 to 86400"),
])
def test_usage(build_dir, workdir, arguments, code, text):
    build(workdir, *map(machine, LAYERS))
    result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "diagnose", "--from", workdir, *arguments],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == code and text in result.stderr


def test_guest_that_does_not_run_is_refused(build_dir, workdir):
    build(workdir, *map(machine, LAYERS), {"/proc/1000": None})
    result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "diagnose", "--from", workdir, "db1"],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 3 and "db1" in result.stderr


def wait_until_it_spins(pid):
    """Until the guest's CPU has taken a second, which firmware alone does not."""
    def ticks():
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return int(file.read().rpartition(")")[2].split()[11])
    deadline = time.monotonic() + 60
    while ticks() < 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ticks() >= 200


@pytest.fixture
def qemu(workdir):
    """A real QEMU with a monitor, whose guest is a boot sector that jumps to itself."""
    image = os.path.join(workdir, "disk.raw")
    with open(image, "wb") as file:
        file.write(b"\xeb\xfe".ljust(510, b"\0") + b"\x55\xaa")
        file.truncate(16 << 20)
    process = subprocess.Popen(
        ["qemu-system-x86_64", "-name", "guest=spinner,debug-threads=on", "-accel", "tcg", "-m", "64", "-display", "none",
         "-serial", "null", "-object", "iothread,id=io0", "-drive", f"file={image},if=none,id=d0,format=raw,cache=none",
         "-device", "virtio-blk-pci,id=vda,drive=d0,iothread=io0", "-qmp", f"unix:{workdir}/qmp,server=on,wait=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_spins(process.pid)
        yield process
    finally:
        process.kill()
        process.wait()


def test_real_guest_and_its_capture_say_the_same_of_settings(build_dir, workdir, qemu):
    tool = os.path.join(build_dir, "cmd", "strait", "strait")
    # A monitor that has no CPU for most of a second counts as one that does not answer.
    deadline = time.monotonic() + 120
    live = diagnose(build_dir, [], "--for", "2", str(qemu.pid))
    while "storage.requests" in ids(live["unknown"]) and time.monotonic() < deadline:
        live = diagnose(build_dir, [], "--for", "2", str(qemu.pid))
    assert live["guest"] == "spinner" and live["samples"] >= 2 and 1 < live["seconds"]
    looked = ids(live["causes"]) + ids(live["ruled-out"])
    assert {"guest.accelerator", "threads.vcpu", "threads.pegged", "storage.requests"} <= set(looked), live["unknown"]
    capture = os.path.join(workdir, "host.tar.zst")
    subprocess.run([tool, "capture", "--for", "2", "-o", capture], check=True, capture_output=True, timeout=60)
    recorded = diagnose(build_dir, ["--from", capture], "spinner")
    assert recorded["samples"] == 2
    settings = [[cause for cause in ids(report["causes"]) if cause.startswith("guest.")] for report in (live, recorded)]
    assert settings[0] == settings[1]
    looked = ids(recorded["causes"]) + ids(recorded["ruled-out"])
    assert {"threads.vcpu", "threads.pegged", "memory.reclaim"} <= set(looked), recorded["unknown"]


def test_starved_vcpu_is_first(build_dir, qemu):
    cpu = sorted(os.sched_getaffinity(0))[0]
    for thread in os.listdir(f"/proc/{qemu.pid}/task"):
        os.sched_setaffinity(int(thread), {cpu})
    hogs = [subprocess.Popen(["sh", "-c", "while :; do :; done"], preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
            for _ in range(4)]
    try:
        report = diagnose(build_dir, [], "--for", "3", "spinner")
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    causes = {cause["id"]: cause for cause in report["causes"]}
    assert report["causes"][0]["id"].startswith("threads.") and report["verdict"].startswith("jitter")
    starved = causes["threads.vcpu"]["evidence"]
    assert "vCPU 0 waited for a CPU" in starved[0] and any("with others than this guest" in line for line in starved)
