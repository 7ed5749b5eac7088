# SPDX-License-Identifier: Apache-2.0
"""What a run says: its lines on standard output, its progress on standard error, and the same as JSON."""

import json
import os
import sys
import time

from . import judge

_COLORS = {judge.MET: "\033[32m", judge.MISSED: "\033[31m", judge.NOT_MEASURED: "\033[33m"}
_PLAIN, _BOLD = "\033[0m", "\033[1m"
_HEADING = f"{'figure':44} {'ring':6} {'straitd':>8} {'peer':>8}  {'ratio, min-max':18} {'must':>9} {'aim':>10}  verdict"


def minutes(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """A line on a terminal that says what runs and how long all of it will take; elsewhere, a line a step."""

    def __init__(self, stream=sys.stderr, clock=time.monotonic):
        self.stream, self.clock = stream, clock
        self.terminal = stream.isatty()
        self._plan, self._done, self._step, self._estimate = 0, 0, "", 0
        self._began = self._step_began = clock()

    def plan(self, seconds):
        self._plan = seconds
        self._began = self.clock()

    def step(self, name, estimate):
        """The next step begins; the one before has taken what it was expected to."""
        self._done += self._estimate
        self._step, self._estimate, self._step_began = name, estimate, self.clock()
        if not self.terminal:
            print(f"{name} ... about {minutes(estimate)}, {minutes(self.left())} in all", file=self.stream, flush=True)

    def left(self):
        """By the plan, stretched by what the steps done took more or less than planned."""
        pace = (self._step_began - self._began) / self._done if self._done > 20 else 1
        in_step = min(self.clock() - self._step_began, self._estimate * pace)
        return max(0, (self._plan - self._done) * pace - in_step)

    def now(self, what):
        if self.terminal:
            share = 100 * (1 - self.left() / self._plan) if self._plan else 0
            print(f"\r\033[K[{max(0, min(99, share)):2.0f}%] {self._step}: {what}; about {minutes(self.left())} left",
                  end="", file=self.stream, flush=True)

    def clear(self):
        if self.terminal:
            print("\r\033[K", end="", file=self.stream, flush=True)


class Report:
    """Collects rows and tables, printing them as they come."""

    def __init__(self, progress, stream=sys.stdout):
        self.progress, self.stream = progress, stream
        self.rows, self.tables = [], {}
        self._heading_due = True
        self._color = stream.isatty() and "NO_COLOR" not in os.environ

    def text(self, line=""):
        self.progress.clear()
        print(line, file=self.stream, flush=True)

    def title(self, line):
        self.text()
        self.text(f"{_BOLD}{line}{_PLAIN}" if self._color else line)
        self._heading_due = True

    def row(self, row):
        self.rows.append(row)
        if self._heading_due:
            self.text(_HEADING)
            self._heading_due = False
        self.text(self._line(row))
        if row.note:
            self.text(f"    {row.note}")

    def table(self, name, heading, lines, data):
        """A table that is no row of figures: text for people, data for JSON."""
        self.text(heading)
        for line in lines:
            self.text(line)
        self.tables[name] = data

    def _line(self, row):
        ours, theirs = (judge.quantity(spread.median, row.unit) if spread else ""
                        for spread in (row.value, row.peer_value))
        figure = row.figure + (f", {row.unit}" if row.unit not in row.figure else "")
        ratio = row.ratio
        if ratio:
            spread = f"{ratio.median:.3g} ({ratio.least:.3g}-{ratio.most:.3g})"
        elif row.theirs is None and row.value and len(row.ours) > 1:
            spread = f"({judge.quantity(row.value.least, row.unit)}-{judge.quantity(row.value.most, row.unit)})"
        else:
            spread = ""
        against = f" [{row.peer}]" if row.peer else ""
        words = row.words
        if self._color and row.verdict in _COLORS:
            words = _COLORS[row.verdict] + words + _PLAIN
        return (f"{figure:44} {row.ring:6} {ours:>8} {theirs:>8}  {spread:18} {str(row.must or ''):>9} "
                f"{str(row.aim or ''):>10}  {words}{against}").rstrip()

    def finish(self):
        """The last lines. Rows with limits that are times or sizes get their footnote."""
        self.progress.clear()
        if any(row.must is not None and row.must.absolute for row in self.rows):
            self.text("* an absolute limit: it depends on the machine and on what else runs there")
        self.text(judge.summary(self.rows))

    def write_json(self, path, about):
        document = {"schema": 1, **about, "rows": [row.as_json() for row in self.rows], **self.tables}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
