# SPDX-License-Identifier: Apache-2.0
"""Says what a comparison found: a table, and a sentence made from the numbers, whoever wins."""

from .measure import apart, median

_ROWS = (("IOPS", "iops", ",.0f", True), ("p50, us", "p50", ",.0f", False), ("p99, us", "p99", ",.0f", False),
         ("kicks per I/O", "kicks", ".2f", False), ("calls per I/O", "calls", ".2f", False),
         ("host CPU per I/O, us", "cpu", ",.1f", False), ("  of it the back end", "backend_cpu", ",.1f", False))
_GREEN, _YELLOW, _BOLD, _PLAIN = "\033[32m", "\033[33m", "\033[1m", "\033[0m"


def _paint(text, code, color):
    return f"{code}{text}{_PLAIN}" if color else text


def table(results, name, color=False):
    """results: {depth: (rounds of `name`, rounds of QEMU)}. A ratio within the noise is in parentheses."""
    lines = [_paint(f"{'median of ' + str(len(next(iter(results.values()))[0])) + ' rounds':28}{name:>20}"
                    f"{'QEMU virtio-blk':>17}{'ratio':>9}", _BOLD, color)]
    for depth, (ours, theirs) in results.items():
        lines.append(_paint(f"4 KiB random reads, depth {depth}", _BOLD, color))
        a, b = median(ours), median(theirs)
        for label, field, form, more_is_better in _ROWS:
            x, y = getattr(a, field), getattr(b, field)
            if x is None or y is None:
                lines.append(f"  {label:26}{'not countable here':>20}")
                continue
            ratio, differs = (x / y if y else 0.0), apart(ours, theirs, field)
            text = f"{ratio:.2f}x" if differs else f"({ratio:.2f}x)"
            if differs:
                text = " " * (9 - len(text)) + _paint(text, _GREEN if (x > y) == more_is_better else _YELLOW, color)
            lines.append(f"  {label:26}{format(x, form):>20}{format(y, form):>17}{text:>9}")
    lines.append("(ratio): the rounds overlap or nearly do, so the difference is within the noise")
    return "\n".join(lines)


_COMPARED = (("IOPS", "iops", True), ("p99", "p99", False), ("kicks per I/O", "kicks", False),
             ("calls per I/O", "calls", False), ("back-end CPU per I/O", "backend_cpu", False))


def _wins(results):
    """(what ours is better at, what QEMU is better at), as words; what is within the noise is in neither."""
    ours, theirs = [], []
    for what, field, more_is_better in _COMPARED:
        by_depth = {}
        for depth, (a, b) in results.items():
            x, y = getattr(median(a), field), getattr(median(b), field)
            if x and y and apart(a, b, field):
                by_depth[depth] = x / y if more_is_better else y / x
        for found, better in ((ours, {d: f for d, f in by_depth.items() if f > 1}),
                              (theirs, {d: 1 / f for d, f in by_depth.items() if f < 1})):
            if better:
                found.append(f"{what} ({', '.join(f'{f:.2f}x at depth {d}' for d, f in better.items())})")
    return ours, theirs


def _and(words):
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def sentence(results, name, kvm):
    """What the numbers mean, in one sentence."""
    parts = [f"{who} is better in {_and(what)}"
             for who, what in zip((name, "QEMU's virtio-blk"), _wins(results)) if what]
    total = sum(getattr(r, field) is not None for a, _ in results.values() for r in a[:1] for _, field, _ in _COMPARED)
    even = total - sum(what.count(" at depth ") for what in parts)
    if even:
        parts.append(f"{even} of {total} comparisons are within the noise")
    medians = [median(rounds) for pair in results.values() for rounds in pair]
    share = 100 * min(1 - m.backend_cpu / m.cpu for m in medians if m.cpu)
    if not kvm:
        parts.append(f"the guest is emulated here (no KVM), which took {share:.0f} % or more of the CPU time, so IOPS "
                     "and latency mostly measure QEMU's emulator, and kicks, calls and back-end CPU per I/O say more "
                     "about a real host")
    elif share > 75:
        parts.append(f"{share:.0f} % or more of the CPU time went into the guest itself, which limits both")
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
