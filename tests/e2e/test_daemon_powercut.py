# SPDX-License-Identifier: Apache-2.0
"""Flushed means stable: a writer of a log hears that records are stable; no power cut afterwards may lose one.

The cuts are made from a recording at the storage contract. Whether the file back end keeps what it promises there is
seen in test_daemon_medium.py."""

import os

import pytest

from daemon import Straitd, make_image, run, write_config
from daemon import straitd  # noqa: F401 (fixture)
from driver import F_CONFIG_WCE, F_FLUSH
from powercut import Acknowledged, Recording
from stamplog import BLOCK, JUNK, DeepDisk, LogWriter, missing

pytestmark = pytest.mark.straitd_only

ROUNDS = 20
BLOCKS = 3 * ROUNDS + 1
NOISE = 3 * ROUNDS  # the block that is overwritten all the time
MODES = ("none", "writeback", "writethrough", "directsync", "unsafe")

# What drivers do: features, and whether the write cache is on in each round as they see it (None: as configured).
DRIVERS = {
    "flushes": (F_FLUSH, lambda number: None),
    "turns the cache on": (F_FLUSH | F_CONFIG_WCE, lambda number: True),
    "turns the cache off": (F_FLUSH | F_CONFIG_WCE, lambda number: False),
    "turns it on and off": (F_FLUSH | F_CONFIG_WCE, lambda number: number % 2 == 0),
    "cannot flush": (0, lambda number: False),
}


def write_log(sock, recording, features, cache):
    """Write the log; what was said to be stable, and when."""
    stable = Acknowledged(recording)
    with DeepDisk(sock, features=features) as disk:
        writer = LogWriter(disk, stable.note, flush=bool(features), noise=NOISE)
        for number in range(ROUNDS):
            on = cache(number)
            if features & F_CONFIG_WCE:
                disk.set_write_cache(on)
            writer.round(cached=on is not False)
        disk.stop()
    return stable


def count_losses(recording, stable, base):
    """Images of power cuts, and those in which something stable is missing."""
    images, losses = 0, []
    for cut in recording.cuts(base):
        numbers = [n for numbers in stable.at(cut) for n in numbers]
        for how, image in cut.images(seed=1):
            images += 1
            lost = missing(image, numbers)
            if lost:
                losses.append(f"{how} behind byte {cut.end}: records {lost} of {len(numbers)}")
    return images, losses


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_power_cut_loses_what_is_stable(straitd, workdir, driver):
    base = bytes([JUNK]) * (BLOCKS * BLOCK)
    disks, losses = [], {}
    for mode in MODES:
        path = os.path.join(workdir, mode)
        with open(path + ".img", "wb") as file:
            file.write(base)
        disks.append({"name": mode, "socket": path + ".sock", "file": path + ".img", "cache": mode,
                      "record": path + ".rec"})
    config = write_config(workdir, disks, workers=2)
    with Straitd(straitd, "--config", config, directory=workdir) as daemon:
        daemon.serves(*(disk["socket"] for disk in disks))
        stable = {disk["name"]: write_log(disk["socket"], disk["record"], *DRIVERS[driver]) for disk in disks}
        assert daemon.stop() == 0
    for disk in disks:
        recording, mode = Recording(disk["record"]), disk["name"]
        with open(disk["file"], "rb") as file:
            assert missing(file.read(), range(3 * ROUNDS)) == [], f"{mode}: without any power cut"
        assert len(stable[mode]) >= ROUNDS
        images, losses[mode] = count_losses(recording, stable[mode], base)
        assert images >= 3 * 8 * ROUNDS
    for mode in MODES[:-1]:
        assert losses[mode] == [], f"{mode}: " + "; ".join(losses[mode][:5])
    # The counter-example: were the test blind, it would find nothing here either.
    assert len(losses["unsafe"]) > ROUNDS


def test_recording_survives_the_daemon(straitd, workdir):
    """A daemon that is killed and started again goes on with the recording; what it had acknowledged stays stable."""
    sock, image, record = (os.path.join(workdir, name) for name in ("disk.sock", "disk.img", "disk.rec"))
    base = bytes([JUNK]) * (BLOCKS * BLOCK)
    with open(image, "wb") as file:
        file.write(base)
    config = write_config(workdir, [{"name": "disk", "socket": sock, "file": image, "record": record}])
    stable = Acknowledged(record)
    number = 0
    for _ in range(3):
        with Straitd(straitd, "--config", config, directory=workdir) as daemon:
            daemon.serves(sock)
            with DeepDisk(sock) as disk:
                writer = LogWriter(disk, stable.note, noise=NOISE)
                writer.number = number
                for _ in range(5):
                    writer.round(cached=True)
                number = writer.number
                daemon.process.kill()
                daemon.process.wait()
    images, losses = count_losses(Recording(record), stable, base)
    assert images > 100 and losses == []


def test_checking_records_nothing(straitd, workdir):
    record = os.path.join(workdir, "disk.rec")
    config = write_config(workdir, [{"name": "disk", "socket": os.path.join(workdir, "s"), "record": record,
                                     "file": make_image(workdir, "disk.img")}])
    assert run(straitd, "--check", "--config", config).returncode == 0
    assert not os.path.exists(record)


def test_something_else_is_not_overwritten(straitd, workdir):
    precious = os.path.join(workdir, "precious")
    with open(precious, "wb") as file:
        file.write(b"precious" * 100)
    config = write_config(workdir, [{"name": "disk", "socket": os.path.join(workdir, "s"), "record": precious,
                                     "file": make_image(workdir, "disk.img")}])
    result = run(straitd, "--config", config)
    assert result.returncode == 1 and "is no recording" in result.stderr
    with open(precious, "rb") as file:
        assert file.read() == b"precious" * 100
