# SPDX-License-Identifier: Apache-2.0
"""strait exits: recorded traces in the forms that kernel, trace-cmd and perf write, captures, and the machine itself."""

import json
import os
import random
import shutil
import subprocess

import pytest

from machines import build, machine
from tracedat import EXIT, entry_record, exit_record, trace_dat

# A hundred times in a second each: an exit, and how long until the guest is entered again.
TURNS = 100


def strait(build_dir, *arguments, **options):
    return subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), *arguments], capture_output=True,
                          text=True, timeout=60, **options)


def report(build_dir, *arguments, code=0, **options):
    result = strait(build_dir, "exits", "--json", *arguments, **options)
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def rows(guest):
    return {row["reason"]: row for row in guest["exits"]}


FORMS = {
    "kernel": "       CPU 0/KVM-4711    [001] d..1. {time:.6f}: {event}: {text}\n",
    "kernel-tgid": "       CPU 0/KVM-4711    (   4700) [001] d..1. {time:.6f}: {event}: {text}\n",
    "kernel-no-tgid": "       CPU 0/KVM-4711    (-------) [001] d..1. {time:.6f}: {event}: {text}\n",
    "trace-cmd": "       CPU 0/KVM-4711  [001]  {time:.6f}: {event}: {text}\n",
    "trace-cmd-ns": "    [odd] name-4711  [001]  {time:.9f}: {event}: {text}\n",
    "perf": "CPU 0/KVM  4711 [001] {time:.6f}: kvm:{event}: {text}\n",
    "perf-pid": "qemu-system-x86  4700/4711  [001] {time:.6f}: kvm:{event}: {text}\n",
}


def trace(form, events):
    return "".join(FORMS[form].format(time=time, event=event, text=text) for time, event, text in events)


def turns(text, taken):
    """As many exits in one second, each with the time taken until the entry."""
    for turn in range(TURNS):
        start = 1000 + turn / TURNS
        yield start, "kvm_exit", text
        yield start + taken, "kvm_entry", "vcpu 0, rip 0xffffffff81000000"


@pytest.mark.parametrize("form", FORMS)
def test_a_recorded_trace(build_dir, workdir, form):
    path = os.path.join(workdir, "trace")
    with open(path, "w", encoding="ascii") as file:
        file.write("# tracer: nop\n#\n")
        file.write(trace(form, turns("vcpu 0 reason EPT_VIOLATION rip 0xffffffff810 info1 0x182 info2 0x0", 1e-5)))
    guest, = report(build_dir, "--trace", path)["guests"]
    assert guest["pid"] == (4700 if form in ("kernel-tgid", "perf-pid") else None)
    row = rows(guest)["EPT_VIOLATION"]
    assert row["rate"] == pytest.approx(TURNS, rel=0.02)
    assert row["min-ns"] == pytest.approx(10_000, abs=1_000)
    assert row["max-ns"] == pytest.approx(10_000, abs=1_000)
    assert row["time-share"] == pytest.approx(1e-3, rel=0.05)
    assert sum(step["count"] for step in row["histogram"]) == TURNS
    # A hundred a second is where normal ends.
    assert row["verdict"] == "raised"


def test_reasons_of_both_vendors(build_dir):
    texts = {
        "HLT": "vcpu 0 reason HLT rip 0x1 info1 0x0",
        "hlt": "vcpu 0 reason hlt rip 0x1 info1 0x0",
        "npf": "vcpu 0 reason npf rip 0x1 info1 0x0000000100000004 info2 0x0",
        "npf (MMIO)": "vcpu 0 reason npf rip 0x1 info1 0x000000010000000d info2 0x0",
        "PF excp": "reason PF excp rip 0x1 info 0 0",
        "write_cr4": "reason write_cr4 rip 0x1 info 0 0",
    }
    text = "".join(trace("kernel", turns(each, 1e-4)) for each in texts.values())
    by_plugin = {
        "npf": "reason EXIT_NPF rip 0x1 info 100000004 0",
        "npf (MMIO)": "reason EXIT_NPF rip 0x1 info 10000000d 0",
        "io": "reason EXIT_IOIO rip 0x1",
        "interrupt": "reason EXIT_INTR rip 0x1",
        "PF excp": "reason EXIT_EXCP_PF rip 0x1",
        "write_cr4": "reason EXIT_WRITE_CR4 rip 0x1",
    }
    plugins = "".join(trace("trace-cmd", turns(each, 1e-4)) for each in by_plugin.values())
    assert set(rows(report(build_dir, "--trace", "-", input=plugins)["guests"][0])) == set(by_plugin)
    guest, = report(build_dir, "--trace", "-", input=text)["guests"]
    assert set(rows(guest)) == set(texts)
    assert rows(guest)["npf"]["worrying-above"] == 1000
    assert rows(guest)["npf (MMIO)"]["worrying-above"] == 10000
    assert rows(guest)["hlt"]["verdict"] is None
    assert rows(guest)["write_cr4"]["verdict"] == "raised"


def test_worrying_rates_are_findings(build_dir):
    # The same hundred exits in 1/200 of the time.
    text = trace("trace-cmd-ns", ((1000 + (time - 1000) / 200, event, body)
                                  for time, event, body in turns("reason IO_INSTRUCTION rip 0x1", 1.2e-4)))
    assert rows(report(build_dir, "--trace", "-", input=text, code=1)["guests"][0])["IO_INSTRUCTION"]["verdict"] == \
        "worrying"
    result = strait(build_dir, "exits", "--histogram", "--trace", "-", input=text)
    assert result.returncode == 1
    assert "WORRYING: I/O above 10000/s" in result.stdout
    assert result.stdout.splitlines()[-1].split()[:5] == ["512", "ns", "and", "more", "100"]


def test_lost_and_odd_lines_do_no_harm(build_dir):
    entry = trace("kernel", [(1000, "kvm_entry", "vcpu 0")])
    text = entry + trace("kernel", [
        (1000.1, "kvm_exit", "vcpu 0 reason HLT rip 0x1"),
        (1000.2, "kvm_exit", "vcpu 0 reason HLT rip 0x1"),
        (1000.3, "kvm_entry", "vcpu 0"),
        (1000.25, "kvm_entry", "vcpu 0"),
        (1000.4, "kvm_exit", "nothing at all"),
        (1000.5, "kvm_exit", "vcpu 0 reason " + "x" * 100 + " rip 0x1"),
    ]) + "x" * 10000 + entry + "[001] 99999999999999999999.123456: kvm_exit: reason HLT rip\n-1 [001] 1.0: kvm_exit:\n"
    row, = report(build_dir, "--trace", "-", input=text)["guests"][0]["exits"]
    assert row["reason"] == "HLT"
    # The entry between the two was lost: two exits, of which one has a time.
    assert sum(step["count"] for step in row["histogram"]) == 1
    assert row["max-ns"] == 100_000_000


@pytest.mark.parametrize("line, lost", [
    ("CPU:1 [LOST 12 EVENTS]", 12), ("CPU:1 [12 EVENTS DROPPED]", 12), ("CPU:10 [LOST EVENTS]", 1),
    ("CPU:0 [EVENTS DROPPED]", 1), ("CPU:0 [99999999999999999999 EVENTS DROPPED]", 1), ("CPU:1 [LOST 12 THINGS]", 0),
])
def test_text_tells_lost_events(build_dir, line, lost):
    """As the kernel and trace-cmd write it between the events."""
    text = trace("kernel", turns("reason HLT rip 0x1", 1e-4))
    assert report(build_dir, "--trace", "-", input=f"{line}\n{text}{line}\n")["lost"] == 2 * lost
    result = strait(build_dir, "exits", "--trace", "-", input=f"{text}{line}\n")
    assert (f"{lost} events were lost" in result.stdout) == (lost > 0)


def test_a_file_that_is_no_trace(build_dir, workdir):
    path = os.path.join(workdir, "trace.dat")
    with open(path, "wb") as file:
        file.write(os.urandom(100_000))
    result = strait(build_dir, "exits", "--trace", path)
    assert result.returncode == 3
    assert "trace-cmd report" in result.stderr
    assert strait(build_dir, "exits", "--trace", path + ".none").returncode == 3
    assert strait(build_dir, "exits", "--trace", path, "vm1").returncode == 2
    result = strait(build_dir, "exits", "--for", "0")
    assert (result.returncode, "--for=0: expected seconds from 1 to 86400" in result.stderr) == (2, True)


NPF, IO, HLT = 0x400, 0x7b, 0x78
SVM = 2


def recorded(tid, start=10**12, gap=10**7):
    """As many exits for each of three reasons, and of npf some for a device's registers."""
    for turn in range(3 * TURNS):
        reason = (NPF, IO, HLT)[turn % 3]
        yield start + turn * gap, exit_record(tid, reason, SVM, 0xd if turn % 2 else 4)
        yield start + turn * gap + 10_000 + turn, entry_record(tid)


def dat(path, **how):
    """A trace.dat of two CPUs at this path; of one of them nothing happens for a while, which is an event of its own."""
    with open(path, "wb") as file:
        file.write(trace_dat([list(recorded(4711)), list(recorded(4712, start=10**12 + 3, gap=2 * 10**8))], **how))
    return path


@pytest.fixture
def binary(build_dir):
    if "-libtracecmd" in strait(build_dir, "--version").stdout:
        pytest.skip("built without libtracecmd")


def convert(path, *options):
    """The same trace as trace-cmd writes it."""
    other = path + ".other"
    subprocess.run(["trace-cmd", "convert", "-i", path, "-o", other, *options], check=True, capture_output=True)
    return other


def test_a_binary_trace(build_dir, workdir, binary):
    path = dat(os.path.join(workdir, "trace.dat"))
    told = report(build_dir, "--trace", path)
    guest, = told["guests"]
    assert {reason: sum(step["count"] for step in row["histogram"]) for reason, row in rows(guest).items()} == \
        {"npf": TURNS, "npf (MMIO)": TURNS, "io": 2 * TURNS, "hlt": 2 * TURNS}
    assert told["seconds"] == pytest.approx(299 * 0.2, rel=1e-3) and told["lost"] == 0
    assert rows(guest)["hlt"]["min-ns"] == 10_002 and rows(guest)["hlt"]["max-ns"] == 10_299
    with open(path, "rb") as file:
        assert report(build_dir, "--trace", "-", stdin=file)["guests"] == told["guests"]
    lost = report(build_dir, "--trace", dat(path, lost=7))
    assert lost["lost"] == 14 and lost["guests"] == told["guests"]


def test_a_binary_trace_tells_what_its_text_does(build_dir, workdir, binary):
    if not shutil.which("trace-cmd"):
        pytest.skip("trace-cmd is not installed")
    path = dat(os.path.join(workdir, "trace.dat"))
    for plugins in ([], ["-N"]):
        text = subprocess.run(["trace-cmd", "report", "-t", *plugins, "-i", path], check=True, capture_output=True,
                              text=True)
        told = report(build_dir, "--trace", "-", input=text.stdout)
        assert report(build_dir, "--trace", path) == told | {"source": path}
    for file in (path, convert(path, "--file-version", "7", "--compression", "none"),
                 convert(path, "--file-version", "7", "--compression", "any")):
        assert report(build_dir, "--trace", file) == told | {"source": file}


def test_a_binary_trace_of_something_else(build_dir, workdir, binary):
    path = os.path.join(workdir, "trace.dat")
    with open(dat(path), "r+b") as file:
        whole = file.read().replace(b"name: kvm_exit", b"name: kvm_exot")
        file.seek(0)
        file.write(whole)
    result = strait(build_dir, "exits", "--trace", path)
    assert result.returncode == 3 and "expected a trace with events kvm_exit and kvm_entry, found none" in result.stderr
    with subprocess.Popen(["cat", dat(path)], stdout=subprocess.PIPE) as pipe:
        result = strait(build_dir, "exits", "--trace", "-", stdin=pipe.stdout)
    assert result.returncode == 3 and "a trace.dat, which is no pipe" in result.stderr


def test_a_damaged_binary_trace(build_dir, workdir, binary):
    """The library may do with it what it will: what comes out are exits, or an error."""
    path = dat(os.path.join(workdir, "trace.dat"))
    with open(path, "rb") as file:
        whole = file.read()
    chance = random.Random(5)
    first = whole.index(bytes([EXIT, 0, 0, 0]))
    damaged = [whole[:length] for length in (10, 11, 12, 40, 200, 1000, 2000, 3000, first, first + 5000)]
    damaged += [whole[:10] + chance.randbytes(5000), whole[:10] + b"\xff" * 5000, whole[:10] + bytes(5000)]
    for _ in range(60):
        copy = bytearray(whole)
        for _ in range(chance.choice((1, 10, 100))):
            copy[chance.randrange(10, first + 400)] = chance.choice((0, 1, 0x7f, 0x80, 0xff, chance.randrange(256)))
        damaged.append(bytes(copy))
    wrong = 0
    for number, content in enumerate(damaged):
        with open(path, "wb") as file:
            file.write(content)
        result = strait(build_dir, "exits", "--json", "--trace", path)
        if result.returncode == 3:
            wrong += 1
            assert result.stderr.startswith(f"strait exits: {path}: ") and result.stdout == "", number
        else:
            assert result.returncode in (0, 1) and json.loads(result.stdout), (number, result.stderr)
    assert wrong >= 13


def test_a_binary_trace_of_root_in_a_namespace(build_dir, workdir, binary):
    """Who is root there cannot become nobody: the system calls are enough."""
    if subprocess.run(["unshare", "-r", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces of users can be made here")
    path = dat(os.path.join(workdir, "trace.dat"))
    result = subprocess.run(["unshare", "-r", os.path.join(build_dir, "cmd", "strait", "strait"), "exits", "--json",
                             "--trace", path], capture_output=True, text=True, check=False)
    assert json.loads(result.stdout) == report(build_dir, "--trace", path), result.stderr


def test_a_trace_whose_name_is_no_text(build_dir, workdir, binary):
    path = os.path.join(os.fsencode(workdir), b"x\xff\n\x1b[2J.dat")
    for name in (dat(path), path + b".none"):
        result = subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "exits", "--json", "--trace",
                                 name], capture_output=True, check=False)
        if name == path:
            assert json.loads(result.stdout)["source"].endswith("/x\ufffd\n\x1b[2J.dat")
        else:
            assert result.returncode == 3 and result.stderr.endswith(b"/x? ?[2J.dat.none: No such file or directory\n")


def test_a_binary_trace_without_the_library(build_dir, workdir):
    if "+libtracecmd" in strait(build_dir, "--version").stdout:
        pytest.skip("built with libtracecmd")
    result = strait(build_dir, "exits", "--trace", dat(os.path.join(workdir, "trace.dat")))
    assert result.returncode == 3 and "built without libtracecmd" in result.stderr


MANIFEST = {"/.strait/manifest.json": json.dumps({"version": 1, "samples": [0, 2_000_000_000]})}
SECOND = "/.strait/samples/1"


def capture(directory, *layers):
    """A machine with the guest db1, process 1000, in two samples two seconds apart."""
    return build(directory, machine("host"), machine("guest"), MANIFEST, *layers)


def test_exits_of_a_capture(build_dir, workdir):
    exits = [{"pid": 1000, "tid": 1001, "reason": "EPT_VIOLATION", "count": 4000, "ns": 8_000_000, "min-ns": 1000,
              "max-ns": 3000, "histogram": [[1000, 2000], [3000, 2000]]},
             {"pid": 4321, "tid": 4322, "reason": "HLT", "count": 1}]
    capture(workdir, {SECOND + "/.strait/kvm-exits.json": json.dumps(
        {"seconds": 2, "source": "tracepoints", "lost": 0, "exits": exits})})
    both = report(build_dir, "--from", workdir, code=1)["guests"]
    assert [guest["guest"] for guest in both] == ["db1", None]
    guest, = report(build_dir, "--from", workdir, "db1", code=1)["guests"]
    row = rows(guest)["EPT_VIOLATION"]
    assert (row["rate"], row["mean-ns"], row["verdict"]) == (2000, 2000, "worrying")
    result = strait(build_dir, "exits", "--from", workdir)
    assert "db1: 2000 exits/s of 1 CPU\n" in result.stdout
    assert "process 4321: " in result.stdout
    assert "huge pages" in result.stdout


def test_statistics_without_a_trace(build_dir, workdir):
    """KVM's own, as a capture has them that was taken without tracing."""
    capture(workdir, {"/sys/kernel/debug/kvm/1000-12/exits": "1000", "/sys/kernel/debug/kvm/1000-12/io_exits": "0",
                      SECOND + "/sys/kernel/debug/kvm/1000-12/exits": "3000",
                      SECOND + "/sys/kernel/debug/kvm/1000-12/io_exits": "30000"})
    guest, = report(build_dir, "--from", workdir, code=1)["guests"]
    assert (guest["guest"], guest["by"], guest["rate"]) == ("db1", "statistics", 1000)
    assert rows(guest)["io_exits"]["rate"] == 15000
    assert rows(guest)["io_exits"]["verdict"] == "worrying"
    result = strait(build_dir, "exits", "--from", workdir, "db1")
    assert "db1: 1000 exits/s by KVM's statistics" in result.stdout
    assert "nobody traced them" in result.stderr


def test_nothing_to_show(build_dir, workdir):
    """Each time it says why."""
    capture(workdir)
    result = strait(build_dir, "exits", "--from", workdir)
    assert result.returncode == 3
    assert "nobody traced them" in result.stderr
    assert "vm9: no guest has this name" in strait(build_dir, "exits", "--from", workdir, "vm9").stderr
    capture(os.path.join(workdir, "tcg"), {"/proc/1000/cmdline": {"arguments": ["qemu-system-x86_64", "-name", "slow",
                                                                                "-accel", "tcg"]}})
    result = strait(build_dir, "exits", "--from", os.path.join(workdir, "tcg"), "slow")
    assert result.returncode == 3
    assert "runs without KVM (tcg)" in result.stderr
    capture(os.path.join(workdir, "once"), {"/.strait/manifest.json": None})
    result = strait(build_dir, "exits", "--from", os.path.join(workdir, "once"))
    assert result.returncode == 3
    assert "strait capture --for" in result.stderr


def test_a_damaged_document(build_dir, workdir):
    for number, text in enumerate(("{", "[]", '{"seconds": 1}', '{"seconds": -1, "exits": []}', "\0" * 100)):
        path = os.path.join(workdir, str(number))
        capture(path, {SECOND + "/.strait/kvm-exits.json": text})
        result = strait(build_dir, "exits", "--from", path)
        assert result.returncode == 3
        assert "not what strait writes" in result.stderr


def instance(pid):
    return f"/sys/kernel/tracing/instances/strait-exits-{pid}"


def test_the_machine_itself(build_dir):
    """With or without KVM and root: it says what there is and leaves no tracing behind. Monitors of other tests may
    not answer, on which it loses two minutes at most."""
    with subprocess.Popen([os.path.join(build_dir, "cmd", "strait", "strait"), "exits", "--for", "1"],
                          stderr=subprocess.PIPE, text=True) as process:
        _, errors = process.communicate(timeout=180)
    assert process.returncode in (0, 1, 3)
    assert (process.returncode == 3) == ("KVM's statistics have nothing either" in errors)
    assert not os.path.exists(instance(process.pid))


def test_an_interrupt_ends_it_early(build_dir):
    if "-libtracefs" in strait(build_dir, "--version").stdout:
        pytest.skip("built without libtracefs")
    if not os.access("/sys/kernel/tracing/events/kvm/kvm_exit", os.R_OK | os.X_OK):
        pytest.skip("the tracepoints of KVM take root, tracefs and KVM")
    with subprocess.Popen([os.path.join(build_dir, "cmd", "strait", "strait"), "exits", "--for", "1000", "--json"],
                          stdout=subprocess.PIPE, text=True) as process:
        while not os.path.exists(instance(process.pid)):
            assert process.poll() is None
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 1)
    assert json.loads(output)["seconds"] < 1000
    assert not os.path.exists(instance(process.pid))
