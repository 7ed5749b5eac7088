# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive us: ended by pid on exit, on an exception, on SIGTERM, and by the kernel if we
are killed."""

import atexit
import os
import signal
import subprocess
import time

from .errors import GuestError, tail

_running = set()
_TICK = os.sysconf("SC_CLK_TCK")


class Process:
    """A child with its stderr (and stdout) in a log file.

    It has a process group of its own, so that Ctrl-C reaches only us. Not a session: the kernel's autogroups would
    schedule QEMU and its back end against each other, and on a busy machine halve the I/O of any back end that is not a
    thread of QEMU. It runs under `setpriv --pdeathsig KILL`, which execs it, so that the pid is its own and a killed
    test leaves nothing behind."""

    def __init__(self, argv, log, pass_fds=(), env=None):
        self.argv = [str(a) for a in argv]
        self.name = os.path.basename(self.argv[0])
        self.log = str(log)
        with open(self.log, "ab") as out:
            try:
                self._child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--"] + self.argv,
                                               stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=pass_fds,
                                               env=env, process_group=0)
            except FileNotFoundError as e:
                raise GuestError("setpriv is missing: install the package util-linux") from e
        self.pid = self._child.pid
        _running.add(self)

    def returncode(self):
        """The exit status (negative: the signal), None while it runs."""
        rc = self._child.poll()
        if rc is not None:
            _running.discard(self)
        return rc

    def alive(self):
        return self.returncode() is None

    def send_signal(self, sig):
        if self.alive():
            self._child.send_signal(sig)

    def wait(self, timeout):
        """Wait for the end and return the exit status; GuestError if it does not come in time."""
        try:
            rc = self._child.wait(timeout)
        except subprocess.TimeoutExpired as e:
            raise GuestError(f"{self.name} (pid {self.pid}) still runs after {timeout} s\n{tail(self.log)}") from e
        _running.discard(self)
        return rc

    def kill(self):
        """SIGKILL and reap; harmless if it is gone already."""
        self.send_signal(signal.SIGKILL)
        self._child.wait()
        _running.discard(self)

    def stop(self, timeout=10):
        """SIGTERM and return the exit status; SIGKILL and GuestError if it does not obey."""
        self.send_signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except GuestError:
            self.kill()
            raise

    def cpu_seconds(self):
        """CPU time of the whole process, threads that have ended included."""
        return _stat_cpu(f"/proc/{self.pid}/stat")

    def thread_cpu_seconds(self, tid):
        """CPU time of one thread and of the io_uring workers the kernel made for it."""
        return self._sum_run_time(lambda task, name: task == tid or name == f"iou-wrk-{tid}")

    def threads_cpu_seconds(self):
        """CPU time of all threads that live now: finer than cpu_seconds(), which counts in clock ticks."""
        return self._sum_run_time(lambda task, name: True)

    def _sum_run_time(self, wanted):
        total = 0.0
        for entry in os.listdir(f"/proc/{self.pid}/task"):
            task = f"/proc/{self.pid}/task/{entry}"
            try:
                with open(f"{task}/comm", encoding="ascii", errors="replace") as f:
                    name = f.read().strip()
                if wanted(int(entry), name):
                    total += _run_time(task)
            except FileNotFoundError:
                continue  # ended meanwhile
        return total


def _stat_cpu(path):
    with open(path, encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _run_time(task):
    """Nanosecond accounting where the kernel has it, ticks otherwise."""
    try:
        with open(f"{task}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9
    except (FileNotFoundError, IndexError):
        return _stat_cpu(f"{task}/stat")


def wait_until(condition, timeout, what, step=0.05):
    """Poll `condition` until it is true and return its value; GuestError names `what` if it never was."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise GuestError(f"waited {timeout} s for {what}")
        time.sleep(step)


def exit_on_signals():
    """Turn SIGTERM and SIGHUP into SystemExit, so that finalizers run and temporary files go."""
    def leave(signum, _frame):
        raise SystemExit(128 + signum)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


@atexit.register
def _end_all():
    for process in list(_running):
        process.kill()
