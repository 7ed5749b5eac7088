# SPDX-License-Identifier: Apache-2.0
"""straitd --check: what would be served, what would go wrong, and no trace of having looked."""

import os

import pytest

from daemon import MIB, Straitd, make_image, run, single, write_config
from daemon import image, sock, straitd  # noqa: F401 (fixtures)
from driver import OK, Disk

pytestmark = pytest.mark.straitd_only


def check(straitd, config):
    result = run(straitd, "--check", "--config", config)
    assert result.stderr == "", result.stderr
    return result.returncode, result.stdout


def test_check_good(straitd, workdir, sock, image):
    other = os.path.join(workdir, "other.sock")
    config = write_config(workdir, [
        {"name": "a", "socket": sock, "file": image, "queues": 2, "cache": "writeback"},
        {"name": "b", "socket": other, "null": "10GiB", "read-only": True, "fault": [{}]}], workers=3)
    status, text = check(straitd, config)
    assert status == 0, text
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["NAME", "SOCKET", "FILE", "SIZE", "CACHE", "BLOCK", "QUEUES", "WORKERS", "NOTES"]
    assert rows[1] == ["a", sock, image, "16", "MiB", "writeback", "512", "2", "2"]
    assert rows[2][:5] == ["b", other, "(null)", "10", "GiB"]
    assert "read-only, 1 fault rule" in text and "2 of 2 disks" in text and "3 workers" in text
    assert not os.path.exists(sock)


def test_check_finds(straitd, workdir, sock, image):
    precious = make_image(workdir, "precious")
    config = write_config(workdir, [
        {"name": "good", "socket": sock, "file": image},
        {"name": "missing", "socket": os.path.join(workdir, "m"), "file": os.path.join(workdir, "nowhere.img")},
        {"name": "homeless", "socket": os.path.join(workdir, "nowhere", "h"), "null": "1GiB"},
        {"name": "clumsy", "socket": precious, "null": "1GiB"}])
    status, text = check(straitd, config)
    assert status == 1
    assert "1 of 4 disks" in text and "3 findings" in text
    findings = {line.split()[1].rstrip(":"): line for line in text.splitlines() if line.startswith("  disk ")}
    assert set(findings) == {"missing", "homeless", "clumsy"}
    assert "nowhere.img" in findings["missing"] and "does not exist" in findings["missing"]
    assert "nowhere" in findings["homeless"] and "directory" in findings["homeless"]
    assert "not a socket" in findings["clumsy"]
    assert os.path.getsize(precious) == 16 * MIB


def test_check_does_not_disturb(straitd, workdir, sock, image):
    """What is being served is found to be in use; the one who serves it hears nothing."""
    config = write_config(workdir, [{"name": "a", "socket": sock, "file": image}])
    with Straitd(straitd, "--config", config, directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as disk:
            assert disk.write(0, b"x" * 512) == OK
            before = daemon.log()
            status, text = check(straitd, config)
            assert status == 1 and "in use by process" in text and "listens" in text
            assert disk.write(0, b"y" * 512) == OK
            assert daemon.log() == before
        assert daemon.stop() == 0


def test_check_finds_cpus_that_are_not_there(straitd, workdir, sock):
    config = write_config(workdir, [{"name": "a", "socket": sock, "null": "1GiB"}],
                          **{"worker-cpus": [str(min(os.sched_getaffinity(0))), "1023"]})
    status, text = check(straitd, config)
    assert status == 1 and "worker 1" in text and "worker 0" not in text


def test_check_of_one_disk(straitd, workdir, sock, image):
    result = run(straitd, *single(sock, image, "--check"))
    assert result.returncode == 0 and "disk.img" in result.stdout
