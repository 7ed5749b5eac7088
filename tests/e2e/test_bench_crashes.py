# SPDX-License-Identifier: Apache-2.0
"""kill -9 under verified load: no request is lost, none comes back twice, no write is undone."""

import pytest

import crashes
from conftest import MIB, make_disk
from frontend import bench, disk  # noqa: F401


@pytest.fixture
def crasher(build_dir, workdir):
    disks = [make_disk(workdir, f"disk{i}", 16 * MIB, cache="writeback") for i in range(len(crashes.LOADS))]
    with crashes.Crasher(build_dir, workdir, disks) as crasher:
        yield crasher


@pytest.mark.parametrize("how", (crashes.once, crashes.while_recovering, crashes.to_other_workers),
                         ids=lambda how: how.__name__)
def test_killed(request, bench, crasher, how):
    kills = request.config.getoption("kills")
    results = crashes.survive(bench, crasher, how, kills, crashes.LOADS, seconds=3 if kills <= 50 else 30)
    lost = crashes.check(results)
    for ring, count in lost.items():
        # Twice that much is to be expected: two runs on each layout, and every other kill comes too early in one test.
        assert count >= (kills // 2 if how is crashes.while_recovering else kills), ring
    print(f"{how.__name__}: {crasher.kills} kills; connections lost and survived: {lost}; {crashes.describe(results)}")
