# SPDX-License-Identifier: Apache-2.0
"""The two conversations with a running guest: the agent inside it, and QMP with the QEMU around it.

Both go over one end of a socketpair whose other end QEMU inherits: no paths, no connecting, end of file when QEMU ends.
"""

import base64
import json
import select
import time

from .errors import GuestError, GuestTimeout


class Channel:
    """Buffered reading from a socket with a deadline. `check` raises when waiting has become pointless."""

    def __init__(self, sock, check):
        self.sock = sock
        self._check = check
        self._buffer = b""

    def line(self, deadline, what):
        while b"\n" not in self._buffer:
            self._fill(deadline, what)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def exactly(self, size, deadline, what):
        while len(self._buffer) < size:
            self._fill(deadline, what)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            self._check()
            raise GuestError(f"QEMU does not listen: {e}") from None

    def _fill(self, deadline, what):
        while not select.select([self.sock], [], [], 0.25)[0]:
            self._check()
            if time.monotonic() > deadline:
                raise GuestTimeout(f"timeout while waiting for {what}")
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            time.sleep(0.2)  # QEMU is ending; then its exit status says more
            self._check()
            raise GuestError(f"QEMU closed its end while waiting for {what}")
        self._buffer += data


class Agent(Channel):
    """Runs shell code in the guest; see files/agent for the protocol."""

    def __init__(self, sock, check):
        super().__init__(sock, check)
        self._last = 0
        self.boot_id = None

    def wait_ready(self, timeout, other_than=None):
        """Wait until an agent has started, in another boot than `other_than`; what is left of that one is dropped."""
        deadline = time.monotonic() + timeout
        while True:
            line = self.line(deadline, "the guest's agent to start")
            # a reset may cut a message short, so the announcement need not be at the start of a line
            boot_id = line.rpartition(b"ready ")[2].decode("ascii", "replace")
            if b"ready " in line and boot_id != other_than:
                self.boot_id = boot_id
                return

    def take_over(self, other):
        """Talk to the agent that `other` has talked to, whose machine has moved."""
        self._last = other._last
        self.boot_id = other.boot_id

    def run(self, code, timeout):
        """Return (exit status, output: bytes)."""
        self._last += 1
        what = f"`{code if len(code) < 200 else code[:200] + '...'}` in the guest (limit {timeout} s)"
        deadline = time.monotonic() + timeout
        self.send(b"%d %s\n" % (self._last, base64.b64encode(code.encode())))
        while True:
            answer = self.line(deadline, what).split()
            if answer and answer[0] == b"ready":
                raise GuestError(f"the guest or its agent restarted during {what}")
            if len(answer) != 4 or answer[0] != b"done":
                raise GuestError(f"the agent answered nonsense to {what}: {answer}")
            output = self.exactly(int(answer[3]), deadline, what)
            if int(answer[1]) == self._last:
                return int(answer[2]), output


class Qmp(Channel):
    """QEMU's monitor; events are kept, newest last."""

    def __init__(self, sock, check):
        super().__init__(sock, check)
        self.events = []

    def start(self, timeout):
        self._message(time.monotonic() + timeout, "QEMU's greeting")
        self.command("qmp_capabilities", {}, timeout)

    def command(self, name, arguments, timeout):
        deadline = time.monotonic() + timeout
        self.send(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._message(deadline, f"the answer to {name}")
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise GuestError(f"QEMU refused {name} {arguments}: {message['error']['desc']}")
            elif "return" in message:
                return message["return"]

    def _message(self, deadline, what):
        return json.loads(self.line(deadline, what))
