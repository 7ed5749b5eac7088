# SPDX-License-Identifier: Apache-2.0
"""The polling policies against each other over fixed rates: adaptive is to be about as fast as the better of always
polling and never polling, and about as cheap as the cheaper of those that are that fast."""

import contextlib

from . import backends, judge
from .judge import Policy, Row
from .loads import Load

RATES = (100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 400000)
POLICIES = ("adaptive", "poll", "event")
DEPTH = 128


def _daemon(session, policy, named):
    """A straitd for each policy: they are measured in turns, and one that is not asked for anything does not run."""
    disk = backends.straitd_disk("null", {})
    keys = {}
    if policy == "adaptive" and session.options.poll_max_us is not None:
        keys["poll_max_us"] = session.options.poll_max_us
    if named:
        disk["polling"] = policy
    elif policy != "adaptive":
        keys["poll_max_us"] = 0 if policy == "event" else 1000000
    return backends.straitd(session.options.build_dir, session.directory, f"straitd-{policy}", session.back_cpu, [disk],
                            worker_cpus=str(session.back_cpu), **keys)


def sweep(session, report):
    named = backends.accepts(session.options.build_dir, session.directory, {"polling": "poll"})
    with contextlib.ExitStack() as stack:
        backs = {}
        for policy in POLICIES:
            daemon = stack.enter_context(_daemon(session, policy, named))
            backs[policy] = backends.Back(policy, {"null": daemon.sockets[0]}, daemon.pid)
        if not named:
            report.text("this straitd has no key \"polling\": poll-max-us 1000000 and 0 stand for poll and event")
        report.text(f"null disk, split ring, front end {session.options.front_end}, the medians of "
                    f"{session.options.pairs} rounds")
        report.text(f"{'IOPS':>7}  {'p99, us: adaptive':>17} {'poll':>9} {'event':>9}   {'CPUs: adaptive':>14} {'poll':>6} "
                    f"{'event':>6}   p99 to the better     CPU to the cheaper")
        table = [_rate(session, report, rate, backs) for rate in RATES]
    report.tables["polling"] = table


def _rate(session, report, rate, backs):
    sides = [session.side(back) for back in backs.values()]
    samples = session.rounds(sides, Load("null", DEPTH, session.options.front_end, rate), report.progress)
    policies = {side.name: Policy([sample.p99 for sample in taken], [sample.cpus for sample in taken])
                for side, taken in samples.items()}
    adaptive = policies.pop("adaptive")
    p99, cpu, (best, cheapest), verdict = judge.judge_polling(adaptive, policies)
    medians = [judge.Spread.of(values).median for values in
               (adaptive.p99, policies["poll"].p99, policies["event"].p99,
                adaptive.cpus, policies["poll"].cpus, policies["event"].cpus)]

    def words(spread, name):
        return f"{spread.median:.2f} ({spread.least:.2f}-{spread.most:.2f}) {name}" if spread else "?"
    report.text(f"{rate:>7}  {medians[0]:>17.1f} {medians[1]:>9.1f} {medians[2]:>9.1f}   {medians[3]:>14.3f} "
                f"{medians[4]:>6.3f} {medians[5]:>6.3f}   {words(p99, best):21} {words(cpu, cheapest):21} {verdict}")
    # For the count at the end: one row each, judged by the ratio to the one it is compared with
    report.rows += [Row(f"polling at {rate} IOPS, p99", "us", adaptive.p99, policies[best].p99, "split", best,
                        judge.at_most(1.10)),
                    Row(f"polling at {rate} IOPS, CPU", "CPUs", adaptive.cpus, policies[cheapest].cpus, "split",
                        cheapest, judge.at_most(1.15))]
    return {"rate": rate, "verdict": verdict, "better_p99": best, "cheaper_cpu": cheapest,
            "policies": {name: {"p99_us": policy.p99, "cpus": policy.cpus}
                         for name, policy in {"adaptive": adaptive, **policies}.items()}}
