# SPDX-License-Identifier: Apache-2.0
"""The life of straitd: how it starts, what it says meanwhile, how it ends."""

import os
import signal
import socket
import subprocess
import time

import pytest

from daemon import MIB, Notifications, Straitd, run, single, wait_for, write_config
from daemon import image, sock, straitd  # noqa: F401 (fixtures)
from driver import OK, Disk

pytestmark = pytest.mark.straitd_only


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_signals_end_it_cleanly(straitd, workdir, image, sock, number):
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        assert daemon.stop(number, timeout=5) == 0
        assert "error" not in daemon.log()


def test_sigterm_with_a_front_end(straitd, workdir, image, sock):
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as disk:
            assert disk.write(0, b"w" * 4096) == OK
            assert daemon.stop(timeout=5) == 0
    with open(image, "rb") as file:
        assert file.read(4096) == b"w" * 4096


def test_sigterm_waits_for_requests(straitd, workdir, sock):
    """A write that takes half a second completes before the end."""
    config = write_config(workdir, [{"name": "slow", "socket": sock, "null": "1MiB", "delay": {"mean-us": 500000}}])
    with Straitd(straitd, "--config", config, directory=workdir) as daemon:
        daemon.serves(sock)
        with Disk(sock) as disk:
            disk.submit(1, 0, out=b"w" * 512)
            time.sleep(0.1)
            daemon.process.send_signal(signal.SIGTERM)
            wait_for(lambda: disk._used() == 1, "the request to complete")
            assert daemon.ends() == 0


def test_stays_in_the_foreground(straitd, workdir, image, sock):
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        time.sleep(0.2)
        assert daemon.process.poll() is None
        with open(f"/proc/{daemon.pid}/stat", encoding="utf-8") as stat:
            assert int(stat.read().rsplit(")", 1)[1].split()[1]) == os.getpid()


def test_tells_systemd(straitd, workdir, image, sock):
    with Straitd(straitd, *single(sock, image), directory=workdir,
                 environment={"NOTIFY_SOCKET": os.path.join(workdir, "notify"), "WATCHDOG_USEC": "300000"}) as daemon:
        pass  # nobody listens yet: it must not matter
    heard = Notifications(os.path.join(workdir, "notify"))
    with Straitd(straitd, *single(sock, image), directory=workdir,
                 environment={"NOTIFY_SOCKET": heard.path, "WATCHDOG_USEC": "300000"}) as daemon:
        heard.listen(lambda lines: "READY=1" in lines, "READY=1")
        # Ready means ready: the socket is there.
        daemon.serves(sock, timeout=0)
        heard.listen(lambda lines: any(line.startswith("STATUS=") for line in lines), "STATUS=")
        start = time.monotonic()
        heard.listen(lambda lines: lines.count("WATCHDOG=1") >= 4, "four times WATCHDOG=1", timeout=5)
        # At least once in each watchdog period, not in a loop.
        count, passed = heard.heard.count("WATCHDOG=1"), time.monotonic() - start
        assert count <= 4 + passed / 0.05
        assert "STOPPING=1" not in heard.heard
        assert daemon.stop() == 0
        heard.listen(lambda lines: "STOPPING=1" in lines, "STOPPING=1")


def test_silent_without_a_watchdog(straitd, workdir, image, sock):
    heard = Notifications(os.path.join(workdir, "notify"))
    with Straitd(straitd, *single(sock, image), directory=workdir, environment={"NOTIFY_SOCKET": heard.path}) as daemon:
        heard.listen(lambda lines: "READY=1" in lines, "READY=1")
        time.sleep(0.5)
        assert daemon.stop() == 0
        heard.listen(lambda lines: "STOPPING=1" in lines, "STOPPING=1")
        assert "WATCHDOG=1" not in heard.heard


def test_watchdog_of_somebody_else(straitd, workdir, image, sock):
    """WATCHDOG_PID names another process: it is inherited by accident."""
    heard = Notifications(os.path.join(workdir, "notify"))
    environment = {"NOTIFY_SOCKET": heard.path, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}
    with Straitd(straitd, *single(sock, image), directory=workdir, environment=environment) as daemon:
        heard.listen(lambda lines: "READY=1" in lines, "READY=1")
        time.sleep(0.5)
        assert daemon.stop() == 0
        assert "WATCHDOG=1" not in heard.heard


def test_a_listening_socket_is_handed_over(straitd, workdir, image, sock):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sock)
        listener.listen()
        with Straitd(straitd, f"--fd={listener.fileno()}", f"--blk-file={image}", directory=workdir,
                     pass_fds=[listener.fileno()]) as daemon:
            listener.close()
            for attempt in range(2):
                with Disk(sock) as disk:
                    assert disk.size() == 16 * MIB
                    assert disk.write(0, bytes([attempt]) * 512) == OK
            assert daemon.stop() == 0


def test_a_connected_socket_is_handed_over(straitd, workdir, image):
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with Straitd(straitd, f"--fd={theirs.fileno()}", f"--blk-file={image}", directory=workdir,
                 pass_fds=[theirs.fileno()]) as daemon:
        theirs.close()
        with Disk(sock=ours) as disk:
            assert disk.write(4096, b"x" * 512) == OK
            assert disk.read(4096, 512) == (OK, b"x" * 512)
            assert daemon.stop() == 0


@pytest.mark.parametrize("arguments", (
    ["--print-capabilities"],
    ["--print-capabilities", "--nonsense", "words"],
    ["--socket-path=/nowhere/x", "--print-capabilities", "--blk-file=/nowhere/y"],
))
def test_capabilities(straitd, arguments):
    result = run(straitd, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == '{"type":"block","features":["read-only","blk-file"]}\n'


def test_version(straitd):
    for option in ("--version", "-V"):
        result = run(straitd, option)
        assert result.returncode == 0 and result.stdout.startswith("straitd 0.")


def test_help(straitd):
    for option in ("--help", "-h"):
        result = run(straitd, option)
        assert result.returncode == 0 and result.stdout.startswith("Usage: straitd") and result.stderr == ""


def test_output_that_cannot_be_written(straitd):
    with open("/dev/full", "w", encoding="utf-8") as full:
        for option in ("--version", "--help", "--print-capabilities"):
            assert subprocess.run([straitd, option], stdout=full).returncode == 3


@pytest.mark.parametrize("arguments, words", (
    ([], ["--config=FILE", "--socket-path=PATH"]),
    (["-x"], ["-x", "no such option"]),
    (["--frobnicate"], ["--frobnicate", "no such option"]),
    (["--cofnig=x"], ["--cofnig=x", "did you mean --config"]),
    (["--config"], ["--config", "expected --config=FILE"]),
    (["--config="], ["--config", "expected a path"]),
    (["--config=a", "--config=b"], ["--config", '"b"', '"a"', "once"]),
    (["--config=a", "--read-only"], ["--read-only", "--config"]),
    (["--read-only=yes", "--config=a"], ["--read-only=yes", "no value"]),
    (["--socket-path=/s"], ["--socket-path", "--blk-file=FILE"]),
    (["--blk-file=/f"], ["--blk-file", "--socket-path=PATH or --fd=NUMBER"]),
    (["--fd=x", "--blk-file=/f"], ["--fd", '"x"', "number of a file descriptor"]),
    (["--fd=99", "--blk-file=/f"], ["--fd", "99", "Bad file descriptor"]),
    (["--fd=0", "--blk-file=/f"], ["--fd", "0", "UNIX socket"]),
    (["--log-level=loud", "--config=a"], ["--log-level", '"loud"', "error, warning, info or debug"]),
    (["straitd.yaml"], ['"straitd.yaml"', "only options"]),
    ([f"--socket-path=/{'x' * 107}", "--blk-file=/f"], ["--socket-path", "at most 107 bytes"]),
))
def test_wrong_usage(straitd, arguments, words):
    result = run(straitd, *arguments, stdin=subprocess.DEVNULL)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("straitd: ") and result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_wrong_configuration(straitd, workdir, sock):
    path = os.path.join(workdir, "bad.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"disks:\n  - name: a\n    socket: {sock}\n    null: 1GiB\n    queues: 65\n")
    for arguments in (["--config", path], ["--config", path, "--check"]):
        result = run(straitd, *arguments)
        assert result.returncode == 2
        assert result.stderr == f'straitd: {path}:5: disks[0].queues: "65": expected a whole number from 1 to 64\n'


def test_log_levels(straitd, workdir, image, sock):
    """The command line is stronger than the configuration; both are heard."""
    config = write_config(workdir, [{"name": "a", "socket": sock, "file": image}], **{"log-level": "error"})
    for arguments, quiet in (([], True), (["--log-level=info"], False), (["--log-level=error"], True)):
        with Straitd(straitd, "--config", config, *arguments, directory=workdir) as daemon:
            daemon.serves(sock)
            assert daemon.stop() == 0
            assert (daemon.log() == "") == quiet, daemon.log()
