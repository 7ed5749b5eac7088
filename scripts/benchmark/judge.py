# SPDX-License-Identifier: Apache-2.0
"""What is made of measured numbers: medians of ratios, limits, verdicts."""

import statistics
from dataclasses import dataclass, field

MET, MISSED, NOT_MEASURED, NO_LIMIT = "met", "missed", "not measured", ""


@dataclass(frozen=True)
class Limit:
    """At least or at most a value. absolute: it is one of time or bytes, which depends on the machine."""
    at_least: bool
    value: float
    unit: str = ""
    absolute: bool = False

    def holds(self, value):
        return value >= self.value if self.at_least else value <= self.value

    def __str__(self):
        return f"{'>=' if self.at_least else '<='} {self.value:g}{' ' + self.unit if self.unit else ''}" \
               f"{'*' if self.absolute else ''}"


def at_least(value):
    return Limit(True, value)


def at_most(value, unit="", absolute=False):
    return Limit(False, value, unit, absolute)


@dataclass(frozen=True)
class Spread:
    """Median, least and most of some values."""
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values):
        values = [value for value in values if value is not None]
        return cls(statistics.median(values), min(values), max(values)) if values else None


def ratios(ours, theirs):
    """Of each pair; a pair of which one is missing or zero says nothing."""
    return [a / b for a, b in zip(ours, theirs) if a is not None and b]


@dataclass
class Row:
    """One line of the report. ours and theirs have a value for each round; what is judged is the median of the ratios
    of the pairs, or of our values where there is nobody to compare with."""
    figure: str
    unit: str
    ours: list = field(default_factory=list)
    theirs: list = None
    ring: str = ""
    peer: str = ""
    must: Limit = None
    aim: object = None  # a Limit, or words
    note: str = ""
    reason: str = None  # why there is nothing measured

    @property
    def value(self):
        return Spread.of(self.ours)

    @property
    def peer_value(self):
        return Spread.of(self.theirs) if self.theirs is not None else None

    @property
    def ratio(self):
        return Spread.of(ratios(self.ours, self.theirs)) if self.theirs is not None else None

    @property
    def judged(self):
        """The Spread that is held against the limit."""
        return self.value if self.theirs is None else self.ratio

    @property
    def verdict(self):
        if self.reason or self.value is None or self.must is not None and self.judged is None:
            return NOT_MEASURED
        if self.must is None:
            return NO_LIMIT
        return MET if self.must.holds(self.judged.median) else MISSED

    @property
    def words(self):
        """The verdict as it is printed."""
        if self.verdict == NOT_MEASURED:
            return f"{NOT_MEASURED}: {self.reason or 'there is no such figure of both'}"
        return self.verdict

    def as_json(self):
        def spread(value):
            return None if value is None else {"median": value.median, "min": value.least, "max": value.most}
        return {"figure": self.figure, "ring": self.ring or None, "unit": self.unit, "peer": self.peer or None,
                "straitd": spread(self.value), "peer_value": spread(self.peer_value), "ratio": spread(self.ratio),
                "must": str(self.must) if self.must else None, "aim": str(self.aim) if self.aim else None,
                "verdict": self.verdict or None, "reason": self.reason, "note": self.note or None,
                "rounds": {"straitd": self.ours, "peer": self.theirs}}


def exit_status(rows):
    """1 where a limit was missed. What could not be measured says so and does not count."""
    return 1 if any(row.verdict == MISSED for row in rows) else 0


def summary(rows):
    count = [sum(row.verdict == verdict for row in rows) for verdict in (MET, MISSED, NOT_MEASURED)]
    return f"{count[0]} met, {count[1]} missed, {count[2]} not measured"


def quantity(value, unit):
    """A number as people read it: four digits, IOPS in k or M."""
    if value is None:
        return "?"
    if unit == "IOPS":
        for factor, letter in ((1e6, " M"), (1e3, " k")):
            if value >= factor:
                return f"{value / factor:.4g}{letter}"
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


@dataclass
class Policy:
    """One polling policy at one rate: a value for each round."""
    p99: list
    cpus: list


def judge_polling(adaptive, others, p99_margin=1.10, cpu_margin=1.15):
    """Adaptive polling against {name: Policy}. Its p99 is to be within a margin of the better one's, and its CPU time
    within another of the cheaper of those that reach that p99.

    Returns (Spread of p99 ratios, Spread of CPU ratios, names of the two compared with, verdict)."""
    medians = {name: statistics.median(policy.p99) for name, policy in others.items()}
    best = min(medians, key=medians.get)
    good = [name for name in others if medians[name] <= medians[best] * p99_margin]
    cheapest = min(good, key=lambda name: statistics.median(others[name].cpus))
    p99 = Spread.of(ratios(adaptive.p99, others[best].p99))
    cpu = Spread.of(ratios(adaptive.cpus, others[cheapest].cpus))
    if p99 is None or cpu is None:
        return p99, cpu, (best, cheapest), NOT_MEASURED
    met = p99.median <= p99_margin and cpu.median <= cpu_margin
    return p99, cpu, (best, cheapest), MET if met else MISSED
