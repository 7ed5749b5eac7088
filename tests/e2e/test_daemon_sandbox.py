# SPDX-License-Identifier: Apache-2.0
"""What a running straitd has taken away from itself, seen from outside."""

import os
import pwd
import signal
import subprocess

import pytest

from daemon import Straitd, run, single, wait_for, write_config
from daemon import image, sock, straitd  # noqa: F401 (fixtures)
from driver import OK, Disk

pytestmark = pytest.mark.straitd_only

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run as root")


def statuses(pid):
    """/proc/PID/status of every thread, as dicts."""
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
            found.append(dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line))
    return [{key: value.strip() for key, value in status.items()} for status in found]


def sanitized(straitd):
    return "sanitizer" in run(straitd, "--version").stdout


def null_disk(workdir, **keys):
    return {"name": "d", "socket": os.path.join(workdir, "d.sock"), "null": "1MiB", **keys}


def default_user():
    for name in ("strait", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return 65534


def test_every_thread_has_nothing(straitd, workdir, image):  # noqa: F811
    disks = [null_disk(workdir), {"name": "e", "socket": os.path.join(workdir, "e.sock"), "file": image}]
    config = write_config(workdir, disks, workers=3)
    with Straitd(straitd, f"--config={config}", directory=workdir) as daemon:
        daemon.serves(*(d["socket"] for d in disks))
        line = daemon.logs("straitd: sandbox: user")
        threads = statuses(daemon.pid)
        ours = [t for t in threads if t["Name"] == "straitd" or t["Name"].startswith("worker-")]
        assert len(ours) >= 4
        if not sanitized(straitd):
            assert ours == threads and len(threads) == 4
        for thread in ours:
            assert thread["NoNewPrivs"] == "1", thread
            for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(thread[kind], 16) == 0, (kind, thread)
            if os.geteuid() == 0:
                assert int(thread["CapBnd"], 16) == 0, thread
                assert set(thread["Uid"].split()) == {str(default_user())}, thread
                assert "0" not in thread["Gid"].split() + thread["Groups"].split(), thread
            if not sanitized(straitd):
                assert thread["Seccomp"] == "2", thread
        assert "no capabilities" in line and "io_uring restricted" in line, line
        if not sanitized(straitd):
            assert "seccomp (" in line and "Landlock" in line, line
        # It still serves, notices a new size, and leaves nothing behind.
        with Disk(disks[1]["socket"]) as disk:
            assert disk.write(0, b"x" * 512) == OK and disk.flush() == OK
            assert disk.read(0, 512) == (OK, b"x" * 512)
            os.truncate(image, os.path.getsize(image) * 2)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.logs("disk e grew")
        assert daemon.stop() == 0
    assert not any(os.path.exists(d["socket"]) for d in disks)


@needs_root
def test_sockets_go_though_their_directory_is_roots(straitd, workdir, sock, image):  # noqa: F811
    """The user it has become may not remove them. The sweeper does, and ends with the daemon, also with a killed one."""
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        sweeper, = children(daemon.pid)
        assert daemon.stop() == 0
        assert not os.path.exists(sock) and not os.path.exists(f"/proc/{sweeper}")
    with Straitd(straitd, *single(sock, image), directory=workdir) as daemon:
        daemon.serves(sock)
        sweeper, = children(daemon.pid)
        # What it may still see open is the log and its socket.
        assert len(os.listdir(f"/proc/{sweeper}/fd")) <= 4
        allowed = 1 << 1 | 1 << 3  # CAP_DAC_OVERRIDE, CAP_FOWNER
        assert not int(statuses(sweeper)[0]["CapPrm"], 16) & ~allowed
        daemon.kill()
        wait_for(lambda: not os.path.exists(f"/proc/{sweeper}"), "the sweeper to end")
        assert os.path.exists(sock)


def children(pid):
    result = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in result.stdout.split()]


@needs_root
@pytest.mark.parametrize("user, uid", (("daemon", None), ("12345", 12345), ("root", 0)))
def test_user_is_chosen(straitd, workdir, user, uid):
    uid = pwd.getpwnam(user).pw_uid if uid is None else uid
    disk = null_disk(workdir)
    config = write_config(workdir, [disk], user=user)
    with Straitd(straitd, f"--config={config}", directory=workdir) as daemon:
        daemon.serves(disk["socket"])
        daemon.logs("sandbox: user")
        for thread in statuses(daemon.pid):
            assert set(thread["Uid"].split()) == {str(uid)} or sanitized(straitd)
            assert int(thread["CapEff"], 16) == 0 or sanitized(straitd)


def test_user_that_does_not_exist(straitd, workdir):
    config = write_config(workdir, [null_disk(workdir)], user="no-such-user")
    for more in ((), ("--check",)):
        result = run(straitd, f"--config={config}", *more)
        assert result.returncode == 1 and '"no-such-user": no such user' in result.stdout + result.stderr
    assert not os.path.exists(os.path.join(workdir, "d.sock"))


@needs_root
def test_not_root_stays_who_it_is(straitd, workdir):
    """... and says so; where the sandbox is required, it does not start."""
    directory = os.path.join(workdir, "open")
    os.mkdir(directory)
    os.chmod(workdir, 0o711)
    os.chmod(directory, 0o777)
    disk = null_disk(directory)
    for mode, user, words in (("on", "daemon", "not the one configured"), ("required", None, "no capabilities"),
                              ("required", "daemon", "only root can become another user")):
        config = write_config(directory, [disk], sandbox=mode, **({"user": user} if user else {}))
        os.chmod(config, 0o644)
        with Straitd(straitd, f"--config={config}", directory=workdir, user="nobody") as daemon:
            daemon.logs(words)
            if mode == "on" or not user:
                daemon.serves(disk["socket"])
                assert daemon.stop() == 0
                assert not os.path.exists(disk["socket"])
            else:
                assert daemon.ends() == 1


@pytest.mark.parametrize("part, field", (("seccomp", "seccomp left out"), ("landlock", "Landlock left out"),
                                         ("io-uring", "io_uring left as it is"), ("user", "no capabilities")))
def test_parts_are_left_out(straitd, workdir, part, field):
    disk = null_disk(workdir)
    config = write_config(workdir, [disk], **{"sandbox-without": [part]})
    with Straitd(straitd, f"--config={config}", directory=workdir) as daemon:
        daemon.serves(disk["socket"])
        assert field in daemon.logs("straitd: sandbox: user")
        main = statuses(daemon.pid)[0]
        assert int(main["CapEff"], 16) == 0
        if not sanitized(straitd):
            assert main["Seccomp"] == ("0" if part == "seccomp" else "2")
        if part == "user":
            assert main["Uid"].split()[0] == str(os.geteuid())
        with Disk(disk["socket"]) as front_end:
            assert front_end.write(0, bytes(512)) == OK


def test_off(straitd, workdir, sock, image):  # noqa: F811
    with Straitd(straitd, *single(sock, image, "--sandbox=off"), directory=workdir) as daemon:
        daemon.serves(sock)
        daemon.logs("warning: sandbox: off")
        main = statuses(daemon.pid)[0]
        assert main["Seccomp"] == "0" and main["NoNewPrivs"] == "0"
        assert main["Uid"].split()[0] == str(os.geteuid())
        assert not children(daemon.pid)
        assert daemon.stop() == 0
    assert not os.path.exists(sock)


def test_said_beforehand(straitd, workdir):
    """--version says what was built in, --check what would be on."""
    assert "sandbox: user, capabilities" in run(straitd, "--version").stdout
    config = write_config(workdir, [null_disk(workdir)])
    result = run(straitd, f"--config={config}", "--check")
    assert result.returncode == 0 and "Sandbox: user" in result.stdout, result.stdout


def test_wrong_word(straitd, workdir, sock, image):  # noqa: F811
    result = run(straitd, *single(sock, image, "--sandbox=maybe"))
    assert result.returncode == 2 and '--sandbox: "maybe": expected on, required or off' in result.stderr
    config = write_config(workdir, [null_disk(workdir)], sandbox="off", **{"sandbox-without": ["user"]})
    result = run(straitd, f"--config={config}")
    assert result.returncode == 2 and "sandbox-without" in result.stderr
