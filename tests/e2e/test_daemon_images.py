# SPDX-License-Identifier: Apache-2.0
"""Images that cannot be served, or that go bad while they are: a clear message, and nothing else suffers."""

import os
import shutil
import signal
import subprocess

import pytest

from daemon import MIB, Notifications, Straitd, listening, make_image, mounted, run, single, wait_for, write_config
from daemon import image, sock, straitd  # noqa: F401 (fixtures)
from driver import IOERR, OK, Disk

pytestmark = pytest.mark.straitd_only


def refused(straitd, workdir, sock, image, *words, arguments=()):
    """straitd does not start with this image, says why in one line, and leaves no socket behind."""
    result = run(straitd, *single(sock, image, *arguments), cwd=workdir)
    assert result.returncode == 1, result.stderr
    assert image in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr
    assert not listening(sock)
    return result.stderr


def test_missing_image(straitd, workdir, sock):
    refused(straitd, workdir, sock, os.path.join(workdir, "nowhere.img"), "does not exist")


def test_empty_image(straitd, workdir, sock):
    refused(straitd, workdir, sock, make_image(workdir, "empty.img", 0), "empty")


def test_directory_as_image(straitd, workdir, sock):
    refused(straitd, workdir, sock, workdir, "directory")


def test_device_that_is_no_disk(straitd, workdir, sock):
    refused(straitd, workdir, sock, "/dev/null", "expected")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_unreadable_image(straitd, workdir, sock, image):
    os.chmod(workdir, 0o777)
    os.chmod(image, 0o600)
    program = shutil.copy(straitd, workdir)
    result = subprocess.run([program, *single(sock, image)], capture_output=True, text=True, timeout=30, user=65534)
    assert result.returncode == 1
    assert image in result.stderr and "Permission denied" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_image_that_may_only_be_read(straitd, workdir, sock, image):
    os.chmod(workdir, 0o777)
    os.chmod(image, 0o444)
    program = shutil.copy(straitd, workdir)
    result = subprocess.run([program, *single(sock, image)], capture_output=True, text=True, timeout=30, user=65534)
    assert result.returncode == 1
    assert image in result.stderr and "read-only" in result.stderr
    with Straitd(program, *single(sock, image, "--read-only"), directory=workdir, user=65534) as daemon:
        daemon.serves(sock)
        with Disk(sock) as disk:
            assert disk.read_only
            assert disk.read(0, 512)[0] == OK
            assert disk.write(0, b"x" * 512) == IOERR


def test_file_system_without_direct_io(straitd, workdir, sock):
    """Refused with what to do about it; with the page cache it works."""
    with mounted("ramfs", os.path.join(workdir, "ramfs")) as folder:
        image = make_image(folder, "disk.img", MIB)
        with pytest.raises(OSError):
            os.close(os.open(image, os.O_RDONLY | os.O_DIRECT))
        refused(straitd, workdir, sock, image, "O_DIRECT", "writeback")
        config = write_config(workdir, [{"name": "a", "socket": sock, "file": image, "cache": "writeback"}])
        with Straitd(straitd, "--config", config, directory=workdir) as daemon:
            daemon.serves(sock)
            with Disk(sock) as disk:
                assert disk.write(0, b"x" * 4096) == OK
            assert daemon.stop() == 0


@pytest.fixture
def locked(workdir, image):
    """The image in use by QEMU's storage daemon."""
    other = os.path.join(workdir, "other.sock")
    process = subprocess.Popen(["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=f,filename={image}",
                                "--export", f"type=vhost-user-blk,id=e,node-name=f,addr.type=unix,addr.path={other},"
                                "writable=on"])
    try:
        wait_for(lambda: listening(other), "qemu-storage-daemon")
        yield image
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(not shutil.which("qemu-storage-daemon"), reason="qemu-storage-daemon is not installed")
def test_image_in_use_by_qemu(straitd, workdir, sock, locked):
    refused(straitd, workdir, sock, locked, "in use by process", "qemu-storage-da")


@pytest.mark.skipif(not shutil.which("qemu-io"), reason="qemu-io is not installed")
def test_qemu_is_refused_meanwhile(straitd, workdir, sock, image):
    writes = ["qemu-io", "-f", "raw", "-c", "write 0 4096", image]
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        for command in (writes, ["qemu-img", "resize", "-f", "raw", image, "32M"],
                        ["qemu-img", "create", "-f", "raw", image, "32M"]):
            result = subprocess.run(command, capture_output=True, text=True)
            assert result.returncode != 0 and "lock" in result.stderr, result.stderr
        # QEMU lets who only looks at a raw image do so while another writes; so do we.
        assert subprocess.run(["qemu-img", "info", "-f", "raw", image], capture_output=True).returncode == 0
        assert daemon.stop() == 0
    assert subprocess.run(writes, capture_output=True).returncode == 0


@pytest.mark.skipif(not shutil.which("qemu-io"), reason="qemu-io is not installed")
def test_readers_share(straitd, workdir, sock, image):
    """Read-only disks and readers of QEMU's get on; a writer is refused by either."""
    with Straitd(straitd, *single(sock, image, "--read-only"), directory=workdir) as daemon:
        daemon.serves(sock)
        second = os.path.join(workdir, "second.sock")
        with Straitd(straitd, *single(second, image, "--read-only"), directory=workdir) as other:
            other.serves(second)
            assert subprocess.run(["qemu-io", "-r", "-f", "raw", "-c", "read 0 4096", image],
                                  capture_output=True).returncode == 0
            result = subprocess.run(["qemu-io", "-f", "raw", "-c", "write 0 4096", image], capture_output=True, text=True)
            assert result.returncode != 0 and "lock" in result.stderr
            refused(straitd, workdir, os.path.join(workdir, "third.sock"), image, "in use by process")


def test_a_path_that_is_no_text(straitd, workdir, sock):  # noqa: F811
    path = make_image(os.fsencode(workdir), b"gr\xf6\xdfe.img")
    with Straitd(straitd, *single(sock, os.fsdecode(path)), directory=workdir) as daemon:
        daemon.serves(sock)


def test_two_daemons_one_image(straitd, workdir, sock, image):
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        refused(straitd, workdir, os.path.join(workdir, "second.sock"), image, "in use by process")
        with Disk(sock) as disk:
            assert disk.write(0, b"x" * 512) == OK


def test_one_bad_disk_among_good_ones(straitd, workdir, sock):
    bad, third = os.path.join(workdir, "bad.sock"), os.path.join(workdir, "third.sock")
    config = write_config(workdir, [
        {"name": "first", "socket": sock, "file": make_image(workdir, "first.img")},
        {"name": "wrong", "socket": bad, "file": os.path.join(workdir, "nowhere.img")},
        {"name": "third", "socket": third, "null": "1GiB"}])
    heard = Notifications(os.path.join(workdir, "notify"))
    with Straitd(straitd, "--config", config, directory=workdir, environment={"NOTIFY_SOCKET": heard.path}) as daemon:
        daemon.serves(sock, third)
        heard.listen(lambda lines: "READY=1" in lines, "READY=1")
        assert not listening(bad)
        line = daemon.logs("nowhere.img")
        assert "wrong" in line and "error" in line and "does not exist" in line
        assert any("2" in status and "1" in status for status in heard.status()), heard.status()
        with Disk(sock) as disk:
            assert disk.write(0, b"x" * 512) == OK
        assert daemon.stop() == 0


def test_no_good_disk(straitd, workdir):
    config = write_config(workdir, [{"name": name, "socket": os.path.join(workdir, name),
                                     "file": os.path.join(workdir, name + ".img")} for name in ("a", "b")])
    result = run(straitd, "--config", config)
    assert result.returncode == 1
    assert "a.img" in result.stderr and "b.img" in result.stderr
    assert not os.path.exists(os.path.join(workdir, "a"))


def test_disk_full(straitd, workdir, sock):
    """ENOSPC is the guest's error and the log's, once, with a count at the end; space again, and it works again."""
    with mounted("tmpfs", os.path.join(workdir, "small"), "size=1m") as folder:
        image = make_image(folder, "disk.img", 8 * MIB)
        config = write_config(workdir, [{"name": "full", "socket": sock, "file": image, "cache": "writeback"}])
        with Straitd(straitd, "--config", config, directory=workdir) as daemon:
            daemon.serves(sock)
            with Disk(sock) as disk:
                results = [disk.write(offset, b"x" * 65536) for offset in range(0, 4 * MIB, 65536)]
                assert results[0] == OK and results[-1] == IOERR and results.count(IOERR) >= 40
                assert disk.read(0, 512) == (OK, b"x" * 512)
                line = daemon.logs("No space left on device")
                assert "full" in line
                subprocess.run(["mount", "-o", "remount,size=8m", folder], check=True)
                assert disk.write(3 * MIB, b"y" * 65536) == OK
            assert daemon.stop() == 0
            assert daemon.log().count("No space left on device") < 5


def test_injected_errors(straitd, workdir, sock, image):
    config = write_config(workdir, [{"name": "faulty", "socket": sock, "file": image, "fault": [
        {"on": ["write"], "offset": "1MiB", "length": "1MiB", "error": "EIO"},
        {"on": ["read"], "count": 2, "error": "ENODATA"}]}])
    with Straitd(straitd, "--config", config, directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as disk:
            assert disk.write(0, b"x" * 512) == OK
            assert [disk.write(MIB, b"x" * 512) for _ in range(50)] == [IOERR] * 50
            assert disk.write(2 * MIB, b"x" * 512) == OK
            assert [disk.read(0, 512)[0] for _ in range(4)] == [IOERR, IOERR, OK, OK]
        assert "faulty" in daemon.logs("Input/output error")
        assert daemon.stop() == 0
        assert daemon.log().count("Input/output error") < 5


def test_image_that_shrinks(straitd, workdir, sock, image):
    """What is gone is an error, the rest is there, and the daemon lives."""
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as disk:
            assert disk.write(0, b"x" * 512) == OK
            os.truncate(image, MIB)
            assert disk.read(8 * MIB, 4096)[0] == IOERR
            assert disk.read(0, 512) == (OK, b"x" * 512)
        assert daemon.stop() == 0


def test_hangup_looks_at_sizes(straitd, workdir, sock, image):
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as disk:
            assert disk.size() == 16 * MIB
            os.truncate(image, 32 * MIB)
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(lambda: disk.size() == 32 * MIB, "the new size")
        assert daemon.stop() == 0
