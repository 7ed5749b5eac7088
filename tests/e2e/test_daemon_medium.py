# SPDX-License-Identifier: Apache-2.0
"""The file back end on a medium that is seen from below: what it calls stable has been synced, in each cache mode."""

import contextlib
import os

import pytest

from daemon import Straitd, straitd, write_config  # noqa: F401
from driver import DISCARD, F_CONFIG_WCE, F_FLUSH, FLUSH, OK, WRITE_ZEROES
from medium import FALLOCATE, FSYNC, WRITE, mounted_medium
from stamplog import BLOCK, JUNK, DeepDisk, LogWriter, missing
from test_daemon_powercut import BLOCKS, DRIVERS, MODES, NOISE, ROUNDS

pytestmark = pytest.mark.straitd_only


@pytest.fixture
def on_medium(straitd, workdir):
    """on_medium(cache) serves a disk of JUNK on a medium. Yields both; it is over after the with block."""
    @contextlib.contextmanager
    def serve(cache):
        sock = os.path.join(workdir, "disk.sock")
        with mounted_medium(os.path.join(workdir, "medium"), 0, bytes([JUNK]) * (BLOCKS * BLOCK)) as medium:
            config = write_config(workdir, [{"name": "disk", "socket": sock, "file": medium.path, "cache": cache}])
            with Straitd(straitd, "--config", config, directory=workdir) as daemon:
                daemon.serves(sock)
                yield medium, sock
                assert daemon.stop() == 0
    return serve


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("driver", DRIVERS)
def test_stable_is_synced(on_medium, mode, driver):
    """At each acknowledgement the medium, as it was at its last sync, has the record."""
    features, cache = DRIVERS[driver]
    acknowledged, lost = [], []
    with on_medium(mode) as (medium, sock):
        def note(numbers):
            acknowledged.extend(numbers)
            lost.extend(missing(medium.stable, numbers))

        with DeepDisk(sock, features=features) as disk:
            writer = LogWriter(disk, note, flush=bool(features), noise=NOISE)
            for number in range(ROUNDS):
                on = cache(number)
                if features & F_CONFIG_WCE:
                    disk.set_write_cache(on)
                writer.round(cached=on is not False)
            disk.stop()
    assert len(acknowledged) >= 3 * ROUNDS
    assert missing(medium.data, range(3 * ROUNDS)) == []
    if mode == "unsafe":
        assert medium.syncs == 0 and lost != []
    else:
        assert lost == []


@pytest.mark.parametrize("mode", ("none", "writeback"))
def test_no_sync_without_need(on_medium, mode):
    """With the write cache on nothing is synced but by a flush."""
    with on_medium(mode) as (medium, sock), DeepDisk(sock, features=F_FLUSH | F_CONFIG_WCE) as disk:
        probes = medium.calls.count(FALLOCATE)
        for kind, out in ((1, bytes(BLOCK)), (DISCARD, bytes(8) + b"\x08" + bytes(7)),
                          (WRITE_ZEROES, bytes(8) + b"\x08" + bytes(7))):
            disk.begin(kind, 0, out=out)
            assert disk.finished()[1] == OK
        assert medium.syncs == 0
        assert medium.calls.count(FALLOCATE) == probes + 2
        disk.begin(FLUSH, 0)
        assert disk.finished()[1] == OK
        assert medium.syncs == 1
        assert medium.calls[-1] == FSYNC and WRITE in medium.calls
