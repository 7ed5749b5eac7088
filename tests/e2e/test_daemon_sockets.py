# SPDX-License-Identifier: Apache-2.0
"""What straitd finds in the place of its socket, and who comes to it."""

import contextlib
import os
import socket
import time

import pytest

from daemon import MIB, Straitd, make_image, run, single, wait_for
from daemon import image, sock, straitd  # noqa: F401 (fixtures)
from driver import OK, Disk, DriverError

pytestmark = pytest.mark.straitd_only


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


def test_second_front_end(straitd, workdir, sock, image):
    """It is told apart and sent away; the first goes on; when that leaves, there is room again."""
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as first:
            with pytest.raises((DriverError, OSError)):
                Disk(sock, timeout=2)
            line = daemon.logs("second front end", timeout=5)
            assert "disk.img" in line and "turned away" in line
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


@pytest.mark.parametrize("noise", (b"\0" * 12, b"\xff" * 300, b"GET / HTTP/1.0\r\n\r\n", b"\1\0\0\0\1\0\0\0\0\1\0\0"),
                         ids=("zeroes", "ones", "http", "huge"))
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
