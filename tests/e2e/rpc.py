# SPDX-License-Identifier: Apache-2.0
"""A client of straitd's JSON-RPC, as anybody could write one.

    with Rpc(path) as rpc:
        rpc.call("disk.get", name="vm0")["state"]
"""

import array
import json
import socket
import time


class RpcError(Exception):
    """What the daemon answers instead of a result."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data")


class Rpc:
    """A connection. Keys that are no names in Python: call("disk.add", disk={"read-only": True}) or **{...}."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.received = b""
        self.next_id = 1

    def send(self, data, fds=()):
        """Bytes as they are, with descriptors."""
        if not fds:
            self.socket.sendall(data)
            return
        sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        self.socket.sendall(data[sent:])

    def receive(self):
        """The next message; None at the end."""
        while b"\n" not in self.received:
            more = self.socket.recv(1 << 20)
            if not more:
                assert not self.received, f"ends within a message: {self.received!r}"
                return None
            self.received += more
        line, self.received = self.received.split(b"\n", 1)
        return json.loads(line)

    def ask(self, method, params=None, fds=()):
        """The whole answer to a call."""
        message = {"jsonrpc": "2.0", "id": self.next_id, "method": method}
        self.next_id += 1
        if params is not None:
            message["params"] = params
        self.send(json.dumps(message).encode() + b"\n", fds)
        answer = self.receive()
        assert answer is not None, f"{method}: the daemon has hung up"
        assert answer["jsonrpc"] == "2.0" and answer["id"] in (message["id"], None), answer
        return answer

    def call(self, method, fds=(), **params):
        """The result of a call; RpcError where it has none."""
        answer = self.ask(method, params, fds)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def connect(path, timeout=15):
    """An Rpc to a daemon that is about to listen."""
    end = time.monotonic() + timeout
    while True:
        try:
            return Rpc(path)
        except (FileNotFoundError, ConnectionRefusedError):
            assert time.monotonic() < end, f"waited {timeout} s for {path}"
            time.sleep(0.01)
