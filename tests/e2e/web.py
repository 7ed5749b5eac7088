# SPDX-License-Identifier: Apache-2.0
"""Clients of straitd's HTTP server, well-behaved and other."""

import http.client
import json
import re
import socket

import pytest

from daemon import run, wait_for


def free_address():
    """127.0.0.1 and a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def connect(address, timeout=15):
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        target = address.removeprefix("unix:")
    else:
        host, _, port = address.rpartition(":")
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        target = (host.strip("[]"), int(port))
    sock.settimeout(timeout)
    sock.connect(target)
    return sock


class Connection(http.client.HTTPConnection):
    """One to "127.0.0.1:PORT", "[::1]:PORT" or "unix:PATH"."""

    def __init__(self, address, timeout=15):
        super().__init__("localhost", timeout=timeout)
        self.address = address

    def connect(self):
        self.sock = connect(self.address, self.timeout)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        self.text = self.body.decode(errors="replace")

    def json(self):
        return json.loads(self.body)


def get(address, path, method="GET", headers=None, timeout=15):
    connection = Connection(address, timeout)
    try:
        connection.request(method, path, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def raw(address, *pieces, timeout=60):
    """What comes back for these bytes until the other side closes."""
    with connect(address, timeout) as sock:
        answer = b""
        try:
            for piece in pieces:
                sock.sendall(piece)
            while data := sock.recv(65536):
                answer += data
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-z]+)="([^"]*)"')


class Metrics:
    """A page of metrics: metrics("name", disk="a") is the sum of the samples with these labels."""

    def __init__(self, text):
        self.text, self.samples = text, []
        for line in text.splitlines():
            if not line.startswith("#"):
                match = SAMPLE.match(line)
                assert match, line
                self.samples.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))
        self.names = {name for name, _, _ in self.samples}
        self.families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))

    def each(self, name, **labels):
        return [(found, value) for known, found, value in self.samples
                if known == name and labels.items() <= found.items()]

    def __call__(self, name, **labels):
        assert name in self.names, name
        return sum(value for _, value in self.each(name, **labels))


def metrics(address):
    """The page as it is now; others may have used up what is answered in this second."""
    answers = []

    def look():
        answers.append(get(address, "/metrics"))
        assert answers[-1].status in (200, 429), answers[-1].text
        return answers[-1].status == 200
    wait_for(look, "a page of metrics")
    return Metrics(answers[-1].text)


def need_http(straitd):
    if "no HTTP" in run(straitd, "--version").stdout:
        pytest.skip("this straitd was built without libmicrohttpd")
