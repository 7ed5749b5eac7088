# SPDX-License-Identifier: Apache-2.0
"""fio in the guest: its command line from Python arguments, its JSON as a result."""

import json
import shlex

from .errors import GuestError

DEFAULTS = {"ioengine": "libaio", "direct": 1, "bs": "4k", "iodepth": 16, "group_reporting": True}


def command(devices, options, output):
    """The shell command. Options are fio's, with Python's spelling; True means an option without a value.

    Each device gets a job of its own and all run at once; DEFAULTS hold unless overridden, None removes one."""
    words = ["fio", "--output-format=json", f"--output={output}"]
    for name, value in {**DEFAULTS, **options}.items():
        if value is not None and value is not False:
            words.append(f"--{name}" if value is True else f"--{name}={value}")
    for device in [devices] if isinstance(devices, str) else devices:
        words += [f"--name={device.replace('/', '_')}", f"--filename={device}"]
    return shlex.join(words)


class FioJob:
    """A fio that runs in the background of a guest."""

    def __init__(self, guest, devices, options, output):
        self._guest = guest
        self._output = output
        self._command = command(devices, options, output)
        self._job = guest.start(self._command)

    def moved(self, guest):
        """The guest it runs in has migrated."""
        self._guest = guest
        self._job.moved(guest)

    def running(self):
        return self._job.running()

    def status(self, timeout=120):
        """Wait for the end; (exit status, messages), for runs that are expected to fail."""
        return self._job.wait(timeout, check=False)

    def result(self, timeout=120):
        """Wait for the end and return the JSON; GuestError with fio's messages if it failed."""
        status, messages = self._job.wait(timeout, check=False)
        if status != 0:
            raise GuestError(f"`{self._command}` in the guest ended with {status}:\n{messages}\n"
                             + self._guest.run("dmesg | tail -5"))
        text = self._guest.run(f"cat {self._output}; rm {self._output}")
        return json.loads(text[text.index("{"):])


def total(result, field, kinds=("read", "write", "trim")):
    """A figure such as total_ios or io_bytes, summed over jobs and kinds."""
    return sum(job[kind][field] for job in result["jobs"] for kind in kinds)


def errors(result):
    """fio's count of failed I/Os and verifications."""
    return sum(job["error"] + job.get("total_err", 0) for job in result["jobs"])


def percentile(result, which, kind="read"):
    """A completion latency percentile in microseconds, of the first job (with group_reporting: of all)."""
    return result["jobs"][0][kind]["clat_ns"]["percentile"][f"{which:.6f}"] / 1000
