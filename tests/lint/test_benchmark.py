# SPDX-License-Identifier: Apache-2.0
"""What scripts/benchmark makes of numbers, without a machine in it."""

import contextlib
import io
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from benchmark import backends, cli, costs, curves, figures, judge, report, session  # noqa: E402
from benchmark.judge import MET, MISSED, NO_LIMIT, NOT_MEASURED, Policy, Row, at_least, at_most  # noqa: E402
from benchmark.loads import Load, Sample  # noqa: E402


def test_ratio_is_the_median_of_the_pairs_not_of_the_medians():
    row = Row("x", "IOPS", [10, 40, 30], [10, 10, 40], must=at_least(1))
    assert (row.ratio.median, row.ratio.least, row.ratio.most) == (1, 0.75, 4)
    assert row.value.median / row.peer_value.median == 3
    assert row.verdict == MET


def test_a_pair_without_a_figure_does_not_count():
    row = Row("x", "us", [1, None, 3, 8], [2, 2, 0, 4])
    assert judge.ratios(row.ours, row.theirs) == [0.5, 2]
    assert row.ratio.median == 1.25


@pytest.mark.parametrize("ours, theirs, must, verdict", [
    ([16], [10], at_least(1.6), MET), ([15.9], [10], at_least(1.6), MISSED),
    ([1], [8], at_most(0.125), MET), ([1.01], [8], at_most(0.125), MISSED),
    ([0], None, at_most(0), MET), ([1], None, at_most(0), MISSED),
    ([5], [1], None, NO_LIMIT), ([], [1], at_least(1), NOT_MEASURED), ([1], [], at_least(1), NOT_MEASURED),
    ([1], [0], at_least(1), NOT_MEASURED), ([None], None, None, NOT_MEASURED),
])
def test_verdicts(ours, theirs, must, verdict):
    assert Row("x", "IOPS", ours, theirs, must=must).verdict == verdict


def test_a_reason_is_stronger_than_numbers():
    row = Row("x", "IOPS", [9], [1], must=at_least(1), reason="no such ring")
    assert row.verdict == NOT_MEASURED and row.words == "not measured: no such ring"


def test_exit_status_and_summary():
    met, missed = Row("a", "", [1], must=at_most(1)), Row("b", "", [2], must=at_most(1))
    not_measured, free = Row("c", "", reason="why"), Row("d", "", [1])
    assert judge.exit_status([met, not_measured, free]) == 0
    assert judge.exit_status([met, missed]) == 1
    assert judge.summary([met, missed, not_measured, free, met]) == "2 met, 1 missed, 1 not measured"


@pytest.mark.parametrize("value, unit, words", [
    (1953000, "IOPS", "1.953 M"), (20000, "IOPS", "20 k"), (875, "IOPS", "875"), (0.2437, "us", "0.244"),
    (0, "wake-ups", "0"), (19.66, "us", "19.7"), (1234.5, "us", "1,234"), (None, "us", "?"),
])
def test_quantities(value, unit, words):
    assert judge.quantity(value, unit) == words


def policies(adaptive, poll, event):
    return judge.judge_polling(Policy(*adaptive), {"poll": Policy(*poll), "event": Policy(*event)})


def test_polling_is_judged_by_the_better_p99_and_the_cheaper_that_reaches_it():
    # Never polling is too slow to count as cheap.
    p99, cpu, names, verdict = policies(([10.5] * 3, [1.0] * 3), ([10] * 3, [1.0] * 3), ([20] * 3, [0.1] * 3))
    assert (p99.median, cpu.median, names, verdict) == (1.05, 1, ("poll", "poll"), MET)
    # Within a tenth of the better one it does.
    _, cpu, names, verdict = policies(([10] * 3, [0.5] * 3), ([10] * 3, [1.0] * 3), ([10.9] * 3, [0.1] * 3))
    assert (cpu.median, names, verdict) == (5, ("poll", "event"), MISSED)
    assert policies(([11.1] * 3, [0.1] * 3), ([10] * 3, [1.0] * 3), ([10] * 3, [0.1] * 3))[3] == MISSED
    assert policies(([None], [1]), ([10], [1]), ([10], [1]))[3] == NOT_MEASURED


def sides(*names):
    return {session.Side(name, ring, None): [Sample(iops=iops, p50=1e6 / iops)] for name, ring, iops in names}


def test_rows_of_a_figure():
    figure = figures.FIGURES[0]
    samples = sides(("straitd", "split", 400), ("straitd", "packed", 300), (backends.QSD, "", 200), ("spdk0", "", 500),
                    ("other", "", 100))
    rows = figures.rows_of(figure.specs[0], samples, figure.against, {})
    found = [(row.ring, row.peer, row.ratio.median, row.verdict, str(row.aim or "")) for row in rows]
    assert found == [("split", backends.QSD, 2, MET, "above SPDK"), ("packed", backends.QSD, 1.5, MISSED, "above SPDK"),
                     ("split", "spdk0", 0.8, NO_LIMIT, ">= 1"), ("split", "other", 4, NO_LIMIT, "")]


def test_rows_say_why_a_ring_or_a_peer_is_missing():
    rows = figures.rows_of(figures.FIGURES[0].specs[0], sides(("straitd", "split", 400)), backends.QSD,
                           {"packed": "no packed rings", backends.QSD: "not installed"})
    assert [row.words for row in rows] == ["not measured: not installed", "not measured: no packed rings"]


def test_peers():
    assert backends.parse_peers(["spdk=/run/a.sock", "spdk/direct=/run/b.sock", "/run/c.sock"]) == \
        {"spdk": {"null": "/run/a.sock", "direct": "/run/b.sock"}, "c": {"null": "/run/c.sock"}}
    for bad in (["spdk/none=/a"], ["=/a"], ["a="], ["a=/b", "a/null=/c"]):
        with pytest.raises(ValueError, match="peer"):
            backends.parse_peers(bad)


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def test_a_peer_that_burns_its_cpu_is_stopped_while_others_run():
    child = subprocess.Popen(["sleep", "60"])
    try:
        peer = object.__new__(backends.Peer)
        peer.name, peer.pid, peer.burns = "spdk", child.pid, True
        with contextlib.suppress(KeyboardInterrupt), peer.held():
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)  # until the signal has arrived
            assert state_of(child.pid) == "T"
            raise KeyboardInterrupt
        os.waitid(os.P_PID, child.pid, os.WCONTINUED | os.WNOWAIT)
        assert state_of(child.pid) != "T"
    finally:
        child.kill()
        child.wait()


def test_lists_of_cpus():
    assert backends.cpu_words({0}) == "0" and backends.cpu_words({5, 1, 0, 2, 7, 8}) == "0-2,5,7-8"


def test_strace_and_callgrind_are_understood():
    assert costs.parse_strace(" 61.29    0.001900           1      1203       10 io_uring_enter") == \
        ("io_uring_enter", 1203)
    for line in ("% time     seconds  usecs/call     calls    errors syscall", "------ ----------- ----------- ---------",
                 "100.00    0.003100           1      2406           total"):
        assert costs.parse_strace(line) is None
    text = ("10,624,000 (100.0%)  PROGRAM TOTALS\n"
            "7,270,000 (68.43%)  build/x/../../src/engine/queue.c:queue_take [/x/null-path]\n"
            "  160,000 ( 1.51%)  ./string/../memmove.S:__memcpy_avx [/lib/libc.so.6]\n"
            "   16,000 ( 0.15%)  ???:on_done [/x/null-path]\n")
    assert costs.parse_annotation(text, 16000) == [(454.375, "engine/queue.c: queue_take"),
                                                   (10, "memmove.S: __memcpy_avx"), (1, "on_done")]


def test_each_round_turns_the_order_round(tmp_path):
    run = []
    options = type("Options", (), {"pairs": 3, "seconds": 1, "build_dir": str(tmp_path), "peers": {}})
    rounds = session.Session(options, str(tmp_path), str(tmp_path)).rounds
    taken = rounds([session.Side(name, "", lambda load, name=name: run.append(name)) for name in "ab"], Load("null", 1),
                   report.Progress(io.StringIO()))
    assert "".join(run) == "abbaab" and all(len(samples) == 3 for samples in taken.values())


def test_what_is_chosen():
    def names(*words):
        return [step.name for step in cli.parse([*words]).steps]
    assert "idle" in names() and not {"polling", "placement", "curves"} & set(names())
    assert names("--only", "polling") == ["polling"]
    assert names("--draw", "x") == ["curves"] and names("--draw", "x", "--only", "idle") == ["idle", "curves"]
    assert {"polling", "placement"} < set(names("--all"))
    for wrong in (["--only", "nothing of that name"], ["--pairs", "0"], ["--peer", "a/b=/c"]):
        with pytest.raises(SystemExit) as ended:
            cli.parse(wrong)
        assert ended.value.code == 2


def test_gnuplot_script():
    text = curves.script("/d", {"straitd split": "straitd-split"}, "dumb", None, "rate", ((4, "p99"),))
    assert "plot '/d/rate-straitd-split.dat' using 2:4 with linespoints title 'straitd split'" in text
    assert "multiplot" not in text


def test_what_is_left_follows_the_pace():
    out, now = io.StringIO(), [0]
    progress = report.Progress(out, lambda: now[0])
    progress.plan(300)
    progress.step("null", 60)
    progress.now("straitd")
    now[0] = 120
    progress.step("idle", 240)
    assert out.getvalue() == "null ... about 60 s, 5 min in all\nidle ... about 4 min, 8 min in all\n"
    now[0] = 240
    assert progress.left() == 360
