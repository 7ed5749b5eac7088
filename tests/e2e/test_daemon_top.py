# SPDX-License-Identifier: Apache-2.0
"""`strait top` as people use it: on a terminal of its own with a loaded straitd, resized, with keys pressed, with the
daemon taken away; and as programs use it, with --batch and --json."""

import contextlib
import json
import os
import re
import signal
import subprocess

import pytest

from daemon import MIB, Straitd, wait_for, write_config
from daemon import straitd  # noqa: F401  (a fixture)
from frontend import bench  # noqa: F401  (a fixture)
from terminal import DOWN, ESCAPE, LEFT, PAGE_DOWN, RIGHT, Terminal

LIMIT = 500
ESCAPES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Host:
    """A straitd with some disks of which two are loaded: "busy", and "limited", which QoS holds back."""

    def __init__(self, program, workdir, strait):
        self.program, self.workdir, self.strait = program, workdir, strait
        self.socket = os.path.join(workdir, "rpc.sock")
        self.names = ["busy", "limited", *(f"idle-{i}" for i in range(30))]
        disks = [{"name": name, "socket": self.path(name), "null": f"{64 * MIB} B"} for name in self.names]
        disks[1]["qos"] = {"group": "tenant", "iops": LIMIT}
        self.config = write_config(workdir, disks, groups=[{"name": "tenant"}], sandbox="off", workers=2,
                                   **{"rpc-socket": self.socket})
        self.daemon = None

    def path(self, name):
        return os.path.join(self.workdir, f"{name}.sock")

    def start(self):
        self.daemon = Straitd(self.program, "--config", self.config, directory=self.workdir)
        return self.daemon.serves(self.socket, *map(self.path, self.names))

    def top(self, *options):
        """strait top to its end."""
        return subprocess.run([self.strait, "top", "--socket", self.socket, *options], capture_output=True, text=True,
                              timeout=60)

    def terminal(self, *options, **size):
        return Terminal([self.strait, "top", "--socket", self.socket, *options], **size)


@pytest.fixture
def host(straitd, bench, workdir):  # noqa: F811
    """A loaded one."""
    host = Host(straitd, workdir, bench.program)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: host.daemon.kill())
        host.start()
        loads = [bench.start(host.path(name), "--time", "300s", "--mode", "event", *how) for name, how in {
            "busy": ["--rw", "randrw", "--depth", 4, "--rate", "5k"],
            "limited": ["--rw", "randwrite", "--depth", 8],
        }.items()]
        for load in loads:
            stack.callback(load.communicate)
            stack.callback(load.kill)
        wait_for(lambda: row_of(batch(host), "limited")["IOPS"] > 0 < row_of(batch(host), "busy")["IOPS"], "load", 60)
        yield host


def batch(host, *options):
    """The blocks of lines of --batch."""
    result = host.top("--batch", "--count", "1", "--delay", "0.5", *options)
    assert result.returncode == 0, result.stderr
    return [block.splitlines() for block in result.stdout.split("\n\n") if block.strip()]


def row_of(blocks, name):
    """The cells of a disk's row of the last block by title, as numbers where they are."""
    lines = blocks[-1]
    titles = next(line for line in lines if line.startswith("DISK")).split()
    cells = next(line for line in lines if line.lstrip("!").startswith(f"{name} "))
    # GROUP is empty where a disk is in none.
    row = cells.split()
    if len(row) < len(titles):
        row.insert(titles.index("GROUP"), "")
    assert len(row) == len(titles), cells
    return {title: float(cell) if re.fullmatch(r"[\d.]+", cell) else cell for title, cell in zip(titles, row)}


def disks(lines):
    """Names of the disks on a screen, from above."""
    start = next(i for i, line in enumerate(lines) if line.startswith("DISK"))
    names = [line.lstrip("!").split()[0] for line in lines[start + 1:] if line]
    return [name for name in names if name in ("busy", "limited") or name.startswith("idle-")]


def test_batch_says_what_happens(host):
    blocks = batch(host)
    assert len(blocks) == 1
    busy, limited, idle = (row_of(blocks, name) for name in ("busy", "limited", "idle-7"))
    assert 0 < busy["IOPS"] < 20000
    assert busy["IOPS"] == pytest.approx(busy["READ/s"] + busy["WRITE/s"], rel=0.1)
    assert busy["MB/s"] == pytest.approx(busy["IOPS"] * 4096 / 1e6, rel=0.1, abs=0.02)
    assert busy["STATE"] == "connected" and busy["ERR/s"] == 0 and busy["KICK/IO"] > 0
    assert busy["P50us"] <= busy["P99us"] <= busy["P99.9us"]
    stage, share = busy["STAGE"].split(":")
    assert stage in ("ring", "submit", "backend", "publish", "notify") and share.endswith("%")
    # QoS lets through what it may, holds the rest, and the time is its own.
    assert limited["IOPS"] <= 1.5 * LIMIT and limited["READ/s"] == 0
    assert limited["GROUP"] == "tenant" and limited["STAGE"].startswith("held:")
    now, share = limited["HELD"].split(":")
    assert float(now) > 0 and float(share.rstrip("%")) > 50
    assert (idle["IOPS"], idle["STATE"], idle["P99us"]) == (0, "serving", "-")
    # The worker that does it has used a CPU; both are there.
    workers = [line for line in blocks[0] if line.startswith("worker ")]
    assert len(workers) == 2 and busy["CPU"] != "-" and busy["SLEEPS"] + busy["POLLS"] > 0


def test_batch_has_plain_lines_only(host):
    result = host.top("--batch", "--count", "3", "--delay", "0.3")
    assert result.returncode == 0 and not ESCAPES.search(result.stdout)
    blocks = result.stdout.split("\n\n")
    assert [block.count("DISK ") for block in blocks] == [1, 1, 1, 0]


def test_batch_sorts_filters_and_chooses(host):
    blocks = batch(host, "--sort", "name", "--filter", "IDLE-1", "--columns", "name,iops,p99")
    start = next(i for i, line in enumerate(blocks[0]) if line.startswith("DISK"))
    assert blocks[0][start].split() == ["DISK", "IOPS", "P99us"]
    assert [line.split()[0] for line in blocks[0][start + 1:]] == ["idle-1", *(f"idle-{i}" for i in range(10, 20))]
    blocks = batch(host, "--sort", "iops", "--reverse")
    assert disks(blocks[0])[-2:] == ["limited", "busy"]


def test_json(host):
    result = host.top("--json", "--count", "2", "--delay", "0.3", "--sort", "held")
    assert result.returncode == 0
    readings = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(readings) == 2
    for reading in readings:
        assert reading["seconds"] > 0 and len(reading["workers"]) == 2 and len(reading["disks"]) == 32
        first = reading["disks"][0]
        assert first["name"] == "limited" and first["held"] > 0 and 0.5 < first["held-share"] <= 1
        assert first["stage"] == "held" and first["p50-ns"] <= first["p99-ns"]
        idle = next(disk for disk in reading["disks"] if disk["name"] == "idle-3")
        assert idle["p99-ns"] is None and idle["iops"] == 0


@pytest.mark.parametrize("options, words", [
    (["--sort=speed"], "no such column"), (["--delay=0"], "expected seconds"), (["disk"], "options only"),
])
def test_wrong_usage(bench, options, words):  # noqa: F811
    result = subprocess.run([bench.program, "top", *options], capture_output=True, text=True)
    assert result.returncode == 2 and words in result.stderr and result.stdout == ""


def test_without_a_terminal_or_a_daemon(bench, workdir):  # noqa: F811
    command = [bench.program, "top", "--socket", os.path.join(workdir, "none.sock")]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 2 and "not a terminal" in result.stderr
    result = subprocess.run([*command, "--batch"], capture_output=True, text=True)
    assert result.returncode == 3 and "no straitd listens" in result.stderr and result.stdout == ""


def fits(terminal, columns, lines):
    """A size of the window at which the page is whole: the title above, the keys below, nothing wrapped."""
    def whole(seen):
        # What is too long has been cut with a mark, so nothing has run over into a line of its own.
        return len(seen) == lines and seen[0].startswith("strait top"[:columns - 1]) and \
            re.match(r"q quit|1-\d+ of|1-\d+ o?>", seen[-1])
    return terminal.shows(whole, f"a page of {columns} by {lines}")


def test_every_size(host):
    with host.terminal() as terminal:
        terminal.shows(lambda lines: disks(lines)[:2] == ["busy", "limited"] if has_rows(lines) else False, "disks")
        for columns, lines in ((132, 50), (200, 20), (60, 12), (40, 10), (20, 6), (12, 4), (8, 2), (80, 24)):
            terminal.resize(columns, lines)
            seen = fits(terminal, columns, lines)
            if lines >= 6 and columns >= 20:
                terminal.shows(lambda now: has_rows(now) and disks(now)[0] == "busy", f"disks in {seen}")
        seen = terminal.shows(lambda now: has_rows(now), "disks")
        title = next(line for line in seen if line.startswith("DISK"))
        assert title.split() == ["DISK", "IOPS", "MB/s", "DEPTH", "P50", "P99", "P99.9", "STAGE", "HELD", "CPU"]
        terminal.press("q")
        assert terminal.ends() == 0 and terminal.is_as_before()


def has_rows(lines):
    return any(line.startswith("DISK ") and "name of" not in line for line in lines)


def test_keys(host):
    with host.terminal("--delay", "0.3") as terminal:
        terminal.shows(lambda lines: has_rows(lines) and disks(lines)[:2] == ["busy", "limited"], "disks by IOPS")
        terminal.press("n")
        lines = terminal.shows(lambda lines: disks(lines)[:3] == ["busy", "idle-0", "idle-1"], "disks by name")
        count = len(disks(lines))
        terminal.press("r")
        terminal.shows(lambda lines: disks(lines)[:2] == ["limited", "idle-29"], "the other way round")
        terminal.press("r" + DOWN + DOWN)
        terminal.shows(lambda lines: disks(lines)[:2] == ["idle-1", "idle-2"], "two lines further")
        terminal.press(2 * PAGE_DOWN)
        terminal.shows(lambda lines: disks(lines)[-1] == "limited" and len(disks(lines)) == count, "the last page")
        terminal.press("/LIMIT")
        terminal.shows(lambda lines: lines[-1] == "filter: LIMIT_" and disks(lines) == ["limited"], "what is typed")
        terminal.press("x\x7f\r")
        terminal.shows(lambda lines: 'filter "LIMIT"' in lines[0] and disks(lines) == ["limited"], "the filter")
        terminal.press(ESCAPE)
        terminal.shows(lambda lines: len(disks(lines)) == count, "all again")
        terminal.press("w")
        terminal.shows(lambda lines: not any(line.startswith("worker") for line in lines), "no workers")
        terminal.press("u")
        terminal.shows(lambda lines: any("P99us" in line for line in lines), "plain numbers")
        terminal.press("?")
        terminal.shows(lambda lines: any("99th percentile" in line for line in lines) and not has_rows(lines), "help")
        terminal.press("?" + RIGHT + LEFT + "+")
        terminal.shows(lambda lines: has_rows(lines) and "every 0.6s" in lines[0], "another delay")
        terminal.press("q")
        assert terminal.ends() == 0 and terminal.is_as_before()


def test_freeze(host):
    with host.terminal("--delay", "0.2", "--sort", "name") as terminal:
        terminal.shows(lambda lines: has_rows(lines) and "- IOPS" not in lines[0], "rates")
        terminal.press(" ")
        frozen = terminal.shows(lambda lines: "FROZEN" in lines[0], "that it stands still")
        for _ in range(10):
            assert terminal.look(0.1) == frozen
        terminal.press(" ")
        terminal.shows(lambda lines: "FROZEN" not in lines[0] and lines[1:] != frozen[1:], "other numbers")


def test_count_ends_it(host):
    with host.terminal("--delay", "0.1", "--count", "3") as terminal:
        assert terminal.ends() == 0 and terminal.is_as_before()


def test_straitd_goes_and_comes_back(host):
    with host.terminal("--delay", "0.3") as terminal:
        terminal.shows(lambda lines: has_rows(lines) and "busy" in disks(lines), "disks")
        host.daemon.kill()
        # The last numbers stay, and it is said why.
        terminal.shows(lambda lines: "trying again" in lines[1] + lines[2] and "busy" in disks(lines), "what is wrong")
        host.start()
        terminal.shows(lambda lines: "trying again" not in " ".join(lines) and "- IOPS" not in lines[0], "numbers")
        # One that is silent keeps nobody from leaving.
        os.kill(host.daemon.pid, signal.SIGSTOP)
        try:
            terminal.shows(lambda lines: "trying again" in " ".join(lines[1:3]), "that it is silent")
            terminal.press("q")
            assert terminal.ends() == 0
        finally:
            os.kill(host.daemon.pid, signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_restore_the_terminal(host, number):
    with host.terminal(TERM="xterm") as terminal:
        wait_for(lambda: terminal.look() and b"limited" in terminal.written, "disks")
        assert not terminal.is_as_before() and b"\x1b[?1049h" in terminal.written
        terminal.process.send_signal(number)
        assert terminal.ends() == -number
        # Modes, and what was on the screen before.
        assert terminal.is_as_before()
        assert terminal.written.rfind(b"\x1b[?1049l") > terminal.written.rfind(b"limited")


def test_colours_only_where_wanted(host):
    with host.terminal("--delay", "0.2", TERM="vt100") as terminal:
        terminal.shows(has_rows, "disks")
        assert not re.search(rb"\x1b\[(\d+;)*3\dm", terminal.written)
    with host.terminal(TERM="no-such-terminal") as terminal:
        assert terminal.ends() == 2
        assert b"not known" in terminal.process.stderr.read()
