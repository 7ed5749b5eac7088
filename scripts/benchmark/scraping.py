# SPDX-License-Identifier: Apache-2.0
"""What a Prometheus costs that scrapes once a second: IOPS of a disk that has all it can take, with and without, in a
daemon of a hundred disks that shares its CPU with the worker."""

import http.client
import os
import socket
import threading

from guest.errors import GuestError

from . import backends
from .judge import Row, at_least
from .loads import Load
from .session import Side

DISKS = 100
EVERY = 1  # seconds
KEPT = 0.99  # of IOPS, at least


class Connection(http.client.HTTPConnection):
    """By a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Scraper:
    """Gets the page at once and then every second, as long as it is entered."""

    def __init__(self, path):
        self._path, self._stop = path, threading.Event()
        self.scrapes, self.size, self.failure = 0, 0, None

    def scrape(self):
        connection = Connection(self._path)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        page = answer.read()
        connection.close()
        if answer.status != 200:
            raise GuestError(f"/metrics answers {answer.status}")
        self.scrapes, self.size = self.scrapes + 1, len(page)
        return page.decode()

    def _run(self):
        try:
            while not self._stop.is_set():
                self.scrape()
                self._stop.wait(EVERY)
        except (OSError, http.client.HTTPException, GuestError) as error:
            self.failure = error

    def __enter__(self):
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join()
        if self.failure:
            raise GuestError(f"no metrics: {self.failure}")


def making(page):
    """Milliseconds that the page before this one took, as straitd says."""
    return next(float(line.split()[1]) * 1000 for line in page.splitlines() if line.startswith("strait_metrics_seconds "))


def compare(session, report):
    path = os.path.join(session.directory, "scraping.http")
    disks = [{"name": f"disk{i}", "null": 1 << 30, "queues": 4} for i in range(DISKS)]
    keys = {"worker_cpus": str(session.back_cpu), "http_listen": f"unix:{path}"}
    if not backends.accepts(session.options.build_dir, session.directory, **{"http-listen": f"unix:{path}"}):
        report.text("not measured: this straitd knows no http-listen")
        return
    with backends.straitd(session.options.build_dir, session.directory, "straitd-scraping", session.back_cpu, disks,
                          **keys) as daemon:
        scraper = Scraper(path)

        def drive(load):
            with scraper:
                return session.bench.run(daemon.sockets[0], load)
        sides = [Side("with a scrape a second", "", drive),
                 Side("without", "", lambda load: session.bench.run(daemon.sockets[0], load))]
        samples = session.rounds(sides, Load("null", 32, session.options.front_end), report.progress)
        milliseconds = making(scraper.scrape())
    report.text(f"{scraper.scrapes} scrapes of {scraper.size / 1e6:.1f} MB for {DISKS} disks; the last took {milliseconds:.1f} ms to make")
    taken = {side.name: [sample.iops for sample in samples[side]] for side in sides}
    report.row(Row("null, QD32, a scrape a second", "IOPS", taken["with a scrape a second"], taken["without"], "split",
                   "without", at_least(KEPT)))
