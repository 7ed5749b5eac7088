# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: the real daemon, the one to compare with, and real guests.

    python3 -m pytest tests/e2e --build-dir build
    python3 -m pytest tests/e2e --backend qemu-storage-daemon     what applies to any back end, without straitd

Images are sparse files in /var/tmp, which is on a disk where /tmp may not be. A failed test shows the ends of all logs.
"""

import contextlib
import itertools
import os
import shutil
import sys
import tempfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from guest import Guest, GuestError, QemuStorageDaemon, Straitd, VhostUserDisk, build_image  # noqa: E402
from guest.errors import tail  # noqa: E402
from guest.proc import exit_on_signals  # noqa: E402

MIB = 1 << 20


def pytest_addoption(parser):
    group = parser.getgroup("strait")
    group.addoption("--build-dir", default=os.path.join(ROOT, "build"), help="meson build directory (default: build)")
    group.addoption("--guest-dir", default=os.path.join(ROOT, "build", "guest"),
                    help="where the guest's kernel and initramfs are kept (default: build/guest)")
    group.addoption("--backend", default="straitd", choices=("straitd", "qemu-storage-daemon"),
                    help="what serves the guests' disks (default: straitd)")
    group.addoption("--kills", type=int, default=20, help="how often test_bench_crashes kills straitd (default: 20)")
    group.addoption("--guest-kills", type=int, default=0,
                    help="how often test_guest_crashes kills straitd (default: 0, it is skipped; make soak)")


def pytest_configure(config):
    exit_on_signals()
    config.addinivalue_line("markers", "straitd_only: tests what only straitd does")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for directory in filter(None, (item.funcargs.get(name) for name in ("workdir", "session_dir"))):
            for folder, _, files in os.walk(directory):
                for name in sorted(f for f in files if f.endswith(".log")):
                    report.sections.append((os.path.join(folder, name), tail(os.path.join(folder, name), 40)))


@pytest.fixture(scope="session")
def build_dir(request):
    return os.path.abspath(request.config.getoption("build_dir"))


def _temporary():
    return tempfile.mkdtemp(prefix="strait-e2e-", dir="/var/tmp")


@pytest.fixture(scope="session")
def session_dir():
    path = _temporary()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def workdir():
    """A directory of the test's own, with a short path (sockets) on a disk (O_DIRECT)."""
    path = _temporary()
    yield path
    shutil.rmtree(path)


def direct_io_works(directory):
    """Whether files in the directory can be opened with O_DIRECT; on some tmpfs they cannot."""
    probe = os.path.join(directory, "probe")
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600))
        return True
    except OSError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(probe)


def make_disk(directory, name, size=256 * MIB, **keys):
    """A new sparse image and the disk's part of straitd's configuration. Keys as there, with _ for -."""
    file = os.path.join(directory, name + ".img")
    with open(file, "wb") as f:
        f.truncate(size)
    disk = {"name": name, "socket": os.path.join(directory, name + ".sock"), "file": file,
            "cache": "none" if direct_io_works(directory) else "writeback", "queues": 4}
    disk.update((key.replace("_", "-"), value) for key, value in keys.items())
    return disk


def need_straitd(build_dir):
    program = os.path.join(build_dir, "cmd", "straitd", "straitd")
    if not os.access(program, os.X_OK):
        pytest.skip(f"needs straitd, and {program} is not there: build it, or name another with --build-dir")


@pytest.fixture(autouse=True)
def _applies(request):
    if request.node.get_closest_marker("straitd_only") and request.config.getoption("backend") != "straitd":
        pytest.skip("tests what only straitd does")


@pytest.fixture
def straitd(build_dir, workdir):
    """straitd(disks=[make_disk(...)], workers=2) or straitd(socket=, file=, read_only=) starts one. At the end of the
    test each that still runs gets SIGTERM and must end with 0."""
    need_straitd(build_dir)
    with contextlib.ExitStack() as stack:
        started, numbers = [], itertools.count()

        def start(**how):
            log = os.path.join(workdir, f"straitd{next(numbers)}.log")
            started.append(stack.enter_context(Straitd(build_dir, workdir, log=log, **how)))
            return started[-1]
        yield start
        for daemon in started:
            if not daemon.ended:
                daemon.stop()


@pytest.fixture
def qsd(workdir):
    """qsd(disks) starts qemu-storage-daemon with disks from make_disk()."""
    if not shutil.which("qemu-storage-daemon"):
        pytest.skip("needs qemu-storage-daemon (package qemu-system-common)")
    with contextlib.ExitStack() as stack:
        yield lambda disks: stack.enter_context(QemuStorageDaemon(workdir, disks))


@pytest.fixture
def serve(request):
    """serve(disks) starts the back end that --backend names."""
    if request.config.getoption("backend") == "straitd":
        start = request.getfixturevalue("straitd")
        return lambda disks: start(disks=disks)
    return request.getfixturevalue("qsd")


@pytest.fixture(scope="session")
def image(request):
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("needs qemu-system-x86_64 (package qemu-system-x86)")
    return build_image(request.config.getoption("guest_dir"))


def front_ends(disks):
    """The guest's side of disks from make_disk()."""
    return [VhostUserDisk(d["socket"], queues=d["queues"]) for d in disks]


@pytest.fixture
def boot(image, workdir):
    """boot(front_ends(disks), cpus=, memory=, ...) starts a guest that is killed at the end of the test."""
    with contextlib.ExitStack() as stack:
        numbers = itertools.count()
        yield lambda disks, **how: stack.enter_context(
            Guest(image, os.path.join(workdir, f"guest{next(numbers)}"), disks, **how))


class Lab:
    """One guest with four disks that many tests share, because a boot costs seconds: /dev/vda and /dev/vdb for
    anything, /dev/vdc read-only, /dev/vdd with faults (straitd only). All but the first have packed rings, where the
    back end offers them."""

    FAULTS = [{"on": ["read"], "rate": 1.0, "error": "EIO", "offset": "1MiB", "length": "64KiB"},
              {"on": ["write"], "rate": 1.0, "error": "ENOSPC", "offset": "2MiB", "length": "64KiB"}]

    def __init__(self, image, directory, backend, build_dir):
        os.makedirs(directory)
        self.disks = [make_disk(directory, "vda"), make_disk(directory, "vdb"),
                      make_disk(directory, "vdc", read_only=True), make_disk(directory, "vdd")]
        with open(self.disks[2]["file"], "r+b") as f:
            f.write(b"cannot be changed\n" * 1000)
        if backend == "straitd":
            self.disks[3]["fault"] = self.FAULTS
            self.daemon = Straitd(build_dir, directory, disks=self.disks)
        else:
            self.daemon = QemuStorageDaemon(directory, self.disks)
        try:
            ends = front_ends(self.disks)
            for end in ends[1:]:
                end.packed = True
            self.guest = Guest(image, directory, ends, cpus=4)
        except BaseException:
            self.daemon.kill()
            raise

    def file(self, device):
        return next(d["file"] for d in self.disks if d["name"] == device)

    def usable(self):
        return self.daemon.process.alive() and self.guest.usable()

    def kill(self):
        self.guest.kill()
        self.daemon.kill()


@pytest.fixture(scope="session")
def _labs(request, image, session_dir, build_dir):
    """Hands out the shared Lab, and a new one where a failed test left it unusable."""
    backend = request.config.getoption("backend")
    if backend == "straitd":
        need_straitd(build_dir)
    labs = []

    def current():
        if not labs or not labs[-1].usable():
            if labs:
                labs[-1].kill()
            labs.append(Lab(image, os.path.join(session_dir, str(len(labs))), backend, build_dir))
        return labs[-1]
    try:
        yield current
        if labs and labs[-1].usable():
            labs[-1].guest.shutdown()
            labs[-1].daemon.stop()
    finally:
        for lab in labs:
            lab.kill()


@pytest.fixture
def lab(_labs, session_dir):  # session_dir: so that a failure shows the logs in it
    lab = _labs()
    yield lab
    if lab.guest.usable():  # a failed test may have left its load running, which would spoil the next one
        lab.guest.run("killall -q -9 fio; while pidof fio >/dev/null; do sleep 0.1; done\n"
                      "umount /mnt 2>/dev/null; true")
    if not lab.daemon.process.alive():
        raise GuestError(f"{lab.daemon.process.name} ended with {lab.daemon.process.returncode()} during the test")
