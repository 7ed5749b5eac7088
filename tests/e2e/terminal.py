# SPDX-License-Identifier: Apache-2.0
"""A terminal with a program in it: what stands on its screen, keys, and another size."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

pyte = pytest.importorskip("pyte", reason="needs python3-pyte")

DOWN, LEFT, RIGHT, PAGE_DOWN, ESCAPE = "\x1b[B", "\x1b[D", "\x1b[C", "\x1b[6~", "\x1b"


class Terminal:
    """Runs a command on a pseudo terminal, as its session's leader. It is the console of Linux, which pyte plays."""

    def __init__(self, command, columns=80, lines=24, **environment):
        self.master, self.slave = pty.openpty()
        self._set_size(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.written = b""
        env = {**os.environ, "TERM": "linux", "LC_ALL": "C.UTF-8", **environment}
        self.process = subprocess.Popen(command, stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE, env=env,
                                        preexec_fn=self._take_terminal)

    @staticmethod
    def _take_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _set_size(self, columns, lines):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        """As a window that is dragged: the kernel sends SIGWINCH."""
        self.look()
        assert (columns, lines) != (self.screen.columns, self.screen.lines), "nothing would happen"
        self.screen.resize(lines, columns)
        self.screen.reset()  # what a real one keeps must be drawn over anyway
        self._set_size(columns, lines)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def look(self, timeout=0.05):
        """The lines of the screen once the program has said what it had to say."""
        while select.select([self.master], [], [], timeout)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            self.written += data
            self.stream.feed(data)
        return [line.rstrip() for line in self.screen.display]

    def shows(self, condition, what, timeout=20):
        """Wait until condition(lines) is true; the lines."""
        end = time.monotonic() + timeout
        while True:
            lines = self.look()
            if condition(lines):
                return lines
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.process.stderr.read()}"
            assert time.monotonic() < end, f"waited {timeout} s for {what}:\n" + "\n".join(lines)

    def ends(self, timeout=20):
        """Wait for its end; the exit status."""
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            self.look()
            assert time.monotonic() < end, "it does not end:\n" + "\n".join(self.screen.display)
        self.look()
        return self.process.returncode

    def is_as_before(self):
        """Whether the terminal's modes are those that it had before."""
        return termios.tcgetattr(self.slave) == self.before

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)
