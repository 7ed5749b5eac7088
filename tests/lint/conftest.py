# SPDX-License-Identifier: Apache-2.0
"""What the lints share: which files there are, and where the programs have been built.

    /usr/bin/python3 -m pytest tests/lint --build-dir build
"""

import contextlib
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    # The end-to-end tests have this option, too: "pytest tests/e2e tests/lint" loads both.
    with contextlib.suppress(ValueError):
        parser.getgroup("strait").addoption("--build-dir", default=str(ROOT / "build"),
                                            help="meson build directory (default: build)")


def _listed_by_git():
    """Tracked files and new ones that are not ignored; None where this is not a repository."""
    try:
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]


def _found_on_disk():
    """In an unpacked release there is no git."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if not f.startswith((".", "build")) and f != "__pycache__"]
        found += [pathlib.Path(folder) / name for name in names]
    return found


@pytest.fixture(scope="session")
def project_files():
    """Every file that belongs to the project."""
    files = _listed_by_git()
    return sorted(f for f in (_found_on_disk() if files is None else files) if f.is_file())


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def build_dir(request):
    path = pathlib.Path(request.config.getoption("build_dir")).resolve()
    if not (path / "build.ninja").exists():
        pytest.skip(f"{path} is not a build directory: say --build-dir")
    return path
