# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests in the lab.

    python3 -m pytest tests/lab --build-dir build"""

import os
import shutil
import sys
import tempfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from guest.errors import tail  # noqa: E402
from guest.proc import exit_on_signals  # noqa: E402
from lab.machine import LabMachine  # noqa: E402
from lab.recipe import build_lab  # noqa: E402


def pytest_addoption(parser):
    group = parser.getgroup("strait")
    group.addoption("--build-dir", default=os.path.join(ROOT, "build"), help="meson build directory (default: build)")
    group.addoption("--guest-dir", default=os.path.join(ROOT, "build", "guest"),
                    help="where the lab's kernel and initramfs are kept (default: build/guest)")


def pytest_configure(config):
    exit_on_signals()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    directory = item.funcargs.get("lab_dir")
    if report.failed and directory:
        for folder, _, files in os.walk(directory):
            for name in sorted(f for f in files if f.endswith(".log")):
                report.sections.append((os.path.join(folder, name), tail(os.path.join(folder, name), 40)))


@pytest.fixture(scope="session")
def build_dir(request):
    return os.path.abspath(request.config.getoption("build_dir"))


@pytest.fixture(scope="session")
def lab_dir():
    """On a disk, where /tmp may not be: the lab's NVMe namespaces are in it."""
    path = tempfile.mkdtemp(prefix="strait-lab-", dir="/var/tmp")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def lab_image(request, build_dir, lab_dir):
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("needs qemu-system-x86_64 (package qemu-system-x86)")
    return build_lab(request.config.getoption("guest_dir"), build_dir, lab_dir)


@pytest.fixture(scope="session")
def machine(lab_image, lab_dir):
    """The large lab; a test leaves it as it found it."""
    with LabMachine(lab_image, os.path.join(lab_dir, "large")) as lab:
        yield lab
