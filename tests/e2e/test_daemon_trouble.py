# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with images, sockets and front ends: a clear message each, and nothing else suffers."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from daemon import Notifications, Straitd, listening, run, wait_for, yaml
from driver import IOERR, OK, Disk, DriverError

pytestmark = pytest.mark.straitd_only
MIB = 1 << 20


@pytest.fixture
def straitd(build_dir):
    path = os.path.join(build_dir, "cmd", "straitd", "straitd")
    assert os.path.exists(path), f"{path} has not been built"
    return path


@pytest.fixture
def image(workdir):
    return make_image(workdir, "disk.img")


@pytest.fixture
def sock(workdir):
    return os.path.join(workdir, "disk.sock")


def make_image(directory, name, size=16 * MIB):
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def single(sock, image, *more):
    return [f"--socket-path={sock}", f"--blk-file={image}", *more]


def write_config(workdir, disks, **keys):
    path = os.path.join(workdir, "straitd.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(yaml(disks, **keys))
    return path


@contextlib.contextmanager
def mounted(kind, path, options="defaults"):
    """A file system of the test's own; skips where that is not allowed."""
    os.makedirs(path, exist_ok=True)
    result = subprocess.run(["mount", "-t", kind, "-o", options, "strait-test", path], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"cannot mount a {kind}: {result.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def refused(straitd, workdir, sock, image, *words, arguments=()):
    """straitd does not start with this image, says why in one line, and leaves no socket behind."""
    result = run(straitd, *single(sock, image, *arguments), cwd=workdir)
    assert result.returncode == 1, result.stderr
    assert image in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr
    assert not listening(sock)
    return result.stderr


# Images

def test_missing_image(straitd, workdir, sock):
    refused(straitd, workdir, sock, os.path.join(workdir, "nowhere.img"), "No such file or directory")


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


# One image, two users

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
    refused(straitd, workdir, sock, locked, "lock")
    refused(straitd, workdir, sock, locked, "lock", arguments=["--read-only"])


@pytest.mark.skipif(not shutil.which("qemu-io"), reason="qemu-io is not installed")
def test_qemu_is_refused_meanwhile(straitd, workdir, sock, image):
    writes = ["qemu-io", "-f", "raw", "-c", "write 0 4096", image]
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        for command in (writes, ["qemu-img", "info", image], ["qemu-img", "resize", "-f", "raw", image, "32M"]):
            result = subprocess.run(command, capture_output=True, text=True)
            assert result.returncode != 0 and "lock" in result.stderr, result.stderr
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
            refused(straitd, workdir, os.path.join(workdir, "third.sock"), image, "lock")


def test_two_daemons_one_image(straitd, workdir, sock, image):
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        refused(straitd, workdir, os.path.join(workdir, "second.sock"), image, "lock")
        with Disk(sock) as disk:
            assert disk.write(0, b"x" * 512) == OK


# Several disks

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
        assert "wrong" in line and "error" in line and "No such file" in line
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


# Sockets

def test_socket_in_use(straitd, workdir, sock, image):
    second = make_image(workdir, "second.img")
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        result = run(straitd, *single(sock, second))
        assert result.returncode == 1 and sock in result.stderr and "in use" in result.stderr.lower()
        # The first has not noticed.
        with Disk(sock) as disk:
            assert disk.size() == 16 * MIB
        assert daemon.stop() == 0


def test_stale_socket_is_replaced(straitd, workdir, sock, image):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(sock)
    assert os.path.exists(sock)
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as disk:
            assert disk.write(0, b"x" * 512) == OK


@pytest.mark.parametrize("kind", ("file", "directory", "link"))
def test_something_else_in_the_sockets_place(straitd, workdir, sock, image, kind):
    """It is somebody's: an image that was named as a socket by mistake must survive."""
    precious = os.path.join(workdir, "precious")
    with open(precious, "wb") as file:
        file.write(b"precious")
    if kind == "file":
        os.rename(precious, sock)
    elif kind == "link":
        os.symlink(precious, sock)
    else:
        os.mkdir(sock)
    result = run(straitd, *single(sock, image))
    assert result.returncode == 1 and sock in result.stderr
    if kind == "directory":
        assert os.path.isdir(sock)
    else:
        with open(sock, "rb") as file:
            assert file.read() == b"precious"


def test_socket_without_a_directory(straitd, workdir, image):
    path = os.path.join(workdir, "nowhere", "disk.sock")
    result = run(straitd, *single(path, image))
    assert result.returncode == 1 and path in result.stderr and "No such file" in result.stderr


def test_killed_and_started_again(straitd, workdir, sock, image):
    """The lock went with the process, the socket file did not."""
    for round_ in range(3):
        with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
            daemon.serves(sock)
            with Disk(sock) as disk:
                if round_:
                    assert disk.read(0, 512) == (OK, bytes([round_ - 1]) * 512)
                assert disk.write(0, bytes([round_]) * 512) == OK
                daemon.kill()
                with pytest.raises((DriverError, OSError)):
                    disk.read(0, 512)
        assert os.path.exists(sock)


# Front ends

def test_second_front_end(straitd, workdir, sock, image):
    """It is told apart and sent away; the first goes on; when that leaves, there is room again."""
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as first:
            with pytest.raises((DriverError, OSError)):
                Disk(sock, timeout=2)
            line = daemon.logs("second front end", timeout=5) if "second front end" in daemon.log() else daemon.logs(
                "another front end", timeout=5)
            assert "disk.img" in line or sock in line
            assert first.write(0, b"x" * 512) == OK
        wait_for(lambda: _connects(sock), "room for a front end")
        assert daemon.stop() == 0


def _connects(sock):
    try:
        with Disk(sock, timeout=2) as disk:
            return disk.read(0, 512)[0] == OK
    except (DriverError, OSError):
        return False


def test_front_ends_come_and_go(straitd, workdir, sock, image):
    """... and leave nothing open."""
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)

        def open_files():
            return len(os.listdir(f"/proc/{daemon.pid}/fd"))

        assert _connects(sock)
        before = wait_for(lambda: open_files(), "descriptors")
        time.sleep(0.2)
        before = open_files()
        for number in range(30):
            with Disk(sock) as disk:
                assert disk.write(0, bytes([number]) * 512) == OK
                if number % 2:
                    disk.stop()
        wait_for(lambda: open_files() <= before, f"at most {before} open files")
        assert daemon.stop() == 0


@pytest.mark.parametrize("noise", (b"\0" * 12, b"\xff" * 300, b"GET / HTTP/1.0\r\n\r\n", b"\1\0\0\0\1\0\0\0\0\1\0\0"))
def test_nonsense_on_the_socket(straitd, workdir, sock, image, noise):
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(sock)
            peer.sendall(noise)
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(5)
            with contextlib.suppress(ConnectionResetError):
                while peer.recv(4096):
                    pass
        wait_for(lambda: _connects(sock), "room for a front end")
        assert daemon.stop() == 0


# Errors of the storage

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


# --check

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
    assert "nowhere.img" in findings["missing"] and "No such file" in findings["missing"]
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
            assert status == 1 and "lock" in text and "listens" in text
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
