# SPDX-License-Identifier: Apache-2.0
"""A lab that has been tuned, the guest that runs in it just now, and what strait says of both."""

import json
from contextlib import contextmanager

from .faults import GOOD, TUNE
from .nested import RunningNested, write_boot_sector


class Stage:
    def __init__(self, lab):
        self.lab = lab
        self.guest = None
        self._before = {}
        lab.run(TUNE, timeout=120)

    def play(self, nested):
        """See to it that this guest runs, and no other."""
        if self.guest and self.guest.nested == nested:
            return self.guest
        self.clear()
        write_boot_sector(self.lab, "/dev/nvme0n1", nested.code)
        self.guest = RunningNested(self.lab, nested)
        return self.guest

    def clear(self):
        if self.guest:
            self.guest.stop()
        self.guest = None

    @contextmanager
    def fault(self, fault):
        """What is wrong is wrong within the block."""
        if fault.guest != GOOD:
            self.clear()  # what is put in may need what the guest has
        else:
            self.play(GOOD)
        try:
            self.lab.run(fault.put or "true", timeout=120)
            self._set(fault.property[:3])
            guest = self.play(fault.guest)
            if fault.started:
                self.lab.run(fault.started.format(pid=guest.pid))
            yield guest
        finally:
            if fault.guest != GOOD:
                self.clear()
            self._set((*fault.property[:2], *fault.property[3:]))
            self.lab.run(fault.undo or "true", timeout=120)

    def _set(self, what):
        if what:
            path, name, value = what
            self.lab.qmp("qom-set", path=path, property=name, value=value)

    def baseline(self, profile):
        """What is said against the good host. Nothing, but for what only other machines have (low-latency)."""
        if profile not in self._before:
            self.play(GOOD)
            self._before[profile] = {(f["id"], f["object"]) for f in self.audit(profile)}
        return self._before[profile]

    def strait(self, command, timeout=120, statuses=(0, 1)):
        """The JSON of a command of strait's."""
        status, text = self.lab.run(f"strait {command} --json 2>/run/strait.err", timeout=timeout, check=False)
        assert status in statuses, f"strait {command} ended with {status}:\n{text}"
        return json.loads(text)

    def audit(self, profile="general", only=None):
        """The findings that are to be worried about."""
        report = self.strait(f"audit --profile {profile}" + (f" --only {','.join(only)}" if only else ""))
        return [f for f in report["findings"] if f["status"] in ("WARN", "FAIL")]
