# SPDX-License-Identifier: Apache-2.0
"""Another straitd takes over from the one that runs, and front ends notice nothing, whatever goes wrong."""

import os
import signal
import socket
import time

import pytest

from conftest import direct_io_works, make_disk
from daemon import MIB, Notifications, Straitd, listening, run, wait_for, write_config
from driver import OK, Disk
from frontend import bench  # noqa: F401
from rpc import connect
from upgrade import (FAREWELL, FINISH, PREPARED, STATE, TAKE, TAKEN, VERSION, WELCOME, alive, greeting, relayed,  # noqa: F401
                     service, straitd)  # noqa: F401

pytestmark = pytest.mark.straitd_only

UPGRADES = int(os.environ.get("UPGRADES", "5"))
LOAD = ("--rw", "randrw", "--queues", 2, "--depth", 8, "--block-size", "4k-64k", "--verify")


def two_disks(workdir):
    return [make_disk(workdir, name, 32 * MIB, cache="writeback", queues=2) for name in "ab"]


def start_load(bench, disks, *options):  # noqa: F811
    return [bench.running(d["socket"], *LOAD, *(options or ("--time", "60s"))) for d in disks]


def end_load(bench, runs):  # noqa: F811
    """Stop them; each must have gone on without an error and have read what it wrote."""
    for process in runs:
        process.send_signal(signal.SIGINT)
    for process in runs:
        result = bench.finish(process)
        assert result.errors() == 0 and result.ios() > 0
        if result["verify"]:
            assert result.checked() > 0 and not result.bad_sectors()


@pytest.mark.parametrize("ring, mode", (("split", "event"), ("packed", "polled")))
def test_many_upgrades_under_load(service, bench, workdir, ring, mode):  # noqa: F811
    """Each time with another number of workers; one disk has latencies to drain, one answers at once."""
    disks = two_disks(workdir)
    disks.append({"name": "null", "socket": os.path.join(workdir, "null.sock"), "null": "1GiB", "queues": 2})
    disks.append(dict(make_disk(workdir, "slow", 32 * MIB, cache="writeback", queues=2),
                      delay={"mean-us": 500, "distribution": "exponential"}))
    started = service(disks, workers=1)
    loads = start_load(bench, [d for d in disks if d["name"] != "null"], "--ring", ring, f"--mode={mode}", "--time",
                       "120s")
    loads.append(bench.running(disks[2]["socket"], "--ring", ring, f"--mode={mode}", "--queues", 2, "--rw", "randread",
                               "--time", "120s"))
    for number in range(UPGRADES):
        old = started.pid
        started.configure(disks, workers=(number + 1) % 4 + 1)
        started.upgrade()
        started.ended(old)
        assert started.pid != old
    print("longest pauses, ms:", *started.pauses)
    end_load(bench, loads)
    assert "error:" not in started.log(), started.log()
    started.stop()
    assert not any(map(listening, (d["socket"] for d in disks)))


def test_idle_and_unconnected_disks(service, workdir):
    """One front end is idle, one disk has none: both are served on, and what was written is there."""
    disks = two_disks(workdir)
    started = service(disks)
    with Disk(disks[0]["socket"]) as disk:
        assert disk.write(4096, b"before" * 100 + bytes(424)) == OK
        for _ in range(3):
            started.upgrade()
            assert disk.read(4096, 512)[1].startswith(b"before")
            assert disk.write(8192, b"x" * 512) == OK
        # Messages of the front end reach the new process.
        assert disk.size() == 32 * MIB
        assert disk.stop() >= 7
    with Disk(disks[0]["socket"]) as disk, Disk(disks[1]["socket"]) as other:
        assert disk.read(8192, 512) == (OK, b"x" * 512)
        assert other.write(0, b"y" * 512) == OK
    started.stop()
    # Its sockets are gone, as they are after any stop.
    assert not any(os.path.exists(path) for path in (disks[0]["socket"], disks[1]["socket"], started.socket))


@pytest.mark.parametrize("lock", ("always", "running"))
def test_locks_change_over(service, straitd, workdir, lock):  # noqa: F811
    """After each upgrade nobody else may open the image; after the end everybody may."""
    if not direct_io_works(workdir):
        pytest.skip("lock: running needs a file system with O_DIRECT")
    disk = make_disk(workdir, "a", 32 * MIB, queues=2, lock=lock)
    rival = write_config(workdir, [{"name": "rival", "socket": os.path.join(workdir, "rival.sock"),
                                    "file": disk["file"]}])
    os.rename(rival, os.path.join(workdir, "rival.yaml"))
    rival = os.path.join(workdir, "rival.yaml")
    started = service([disk])
    with Disk(disk["socket"]) as front_end:
        for _ in range(3):
            started.upgrade()
            assert front_end.write(0, b"x" * 512) == OK
            refused = run(straitd, "--config", rival)
            assert refused.returncode == 1 and "is in use by" in refused.stderr, refused.stderr
    started.stop()
    with Straitd(straitd, "--config", rival, directory=workdir) as daemon:
        daemon.serves(os.path.join(workdir, "rival.sock"))


def test_counters_go_on(service, workdir):
    disks = two_disks(workdir)[:1]
    started = service(disks)
    with Disk(disks[0]["socket"]) as disk:
        for _ in range(3):
            assert disk.write(0, b"x" * 512) == OK
            assert disk.flush() == OK
            started.upgrade()
    assert "since the start 0 reads, 3 writes, 3 flushes" in started.logs("front end disconnected")


def test_statistics_know_what_came_before(service, workdir):
    """Counters go on; what the predecessor counted was not done just now."""
    disks, path = two_disks(workdir)[:1], os.path.join(workdir, "rpc.sock")
    started = service(disks, **{"rpc-socket": path})
    with Disk(disks[0]["socket"]) as disk:
        for _ in range(3):
            assert disk.write(0, b"x" * 512) == OK
        started.upgrade()
        for _ in range(2):
            assert disk.write(0, b"x" * 512) == OK
        with connect(path) as rpc:
            name = disks[0]["name"]
            assert rpc.call("stats.get")["disks"][0]["counters"]["writes"] == 5
            assert rpc.call("profile.get", disk=name)["requests"] == 2
            assert rpc.call("budget.get", disk=name)["requests"] == 2


def test_configuration_is_read_again(service, workdir):
    """A new disk is opened, one that is gone is closed, its front end's requests being done."""
    disks = two_disks(workdir)
    started = service(disks)
    third = make_disk(workdir, "c", 8 * MIB, cache="writeback")
    with Disk(disks[0]["socket"]) as stays, Disk(disks[1]["socket"]) as goes:
        assert goes.write(0, b"last words" + bytes(502)) == OK
        first = started.pid
        started.configure([disks[0], third], **{"log-level": "debug"})
        started.upgrade()
        started.ended(first)
        assert stays.write(0, b"x" * 512) == OK
        assert goes.sock.recv(1) == b""
        assert not os.path.exists(disks[1]["socket"])
        with open(disks[1]["file"], "rb") as file:
            assert file.read(10) == b"last words"
        with Disk(third["socket"]) as new:
            assert new.size() == 8 * MIB
    assert "debug" in started.log()


BAD = (
    ("not YAML", "disks: [", 2, "not valid YAML"),
    ("a value out of range", {"workers": 65}, 2, "expected a whole number from 1 to 64"),
    ("an image that is not there", {"file": "/nowhere/disk.img"}, 1, '"file" changed' "|file changed from"),
    ("another cache mode", {"cache": "unsafe"}, 1, 'cache changed from "writeback" to "unsafe"'),
    ("read-only", {"read-only": True}, 1, 'read-only changed from "false" to "true"'),
    ("another socket", {"socket": "/var/tmp/strait-other.sock"}, 1, "socket changed from"),
    ("fewer queues than are offered", {"queues": 1}, 1, "the front end that is connected was offered 2"),
    ("smaller queues than are used", {"queue-size-max": 2}, 1, "uses 16 entries"),
    ("a new disk that cannot be opened", {"name": "new"}, 1, "is in use by"),
)


@pytest.mark.parametrize("change, status, words", [b[1:] for b in BAD], ids=[b[0].replace(" ", "-") for b in BAD])
def test_bad_configuration_is_refused(service, workdir, change, status, words):
    disks = two_disks(workdir)
    started = service(disks)
    with Disk(disks[0]["socket"]) as disk:
        if isinstance(change, str):
            with open(started.config, "w", encoding="utf-8") as file:
                file.write(change)
        elif "workers" in change:
            started.configure(disks, **change)
        else:
            started.configure([dict(disks[0], **change), disks[1]])
        said = started.upgrade(expect=status)
        assert any(word in said for word in words.split("|")), said
        assert disk.write(0, b"x" * 512) == OK
        # And a good one goes on to work.
        started.configure(disks)
        started.upgrade()
        assert disk.write(0, b"y" * 512) == OK


def test_nobody_to_take_over_from(service, straitd, workdir):  # noqa: F811
    disks = two_disks(workdir)
    started = service(disks)
    started.stop()
    assert "no straitd can be reached at" in started.upgrade(expect=1)
    config = write_config(workdir, disks)
    refused = run(straitd, "--upgrade", "--config", config)
    assert refused.returncode == 1 and "without upgrade-socket in its configuration" in refused.stderr


@pytest.mark.parametrize("arguments, words", (
    (["--upgrade"], "--upgrade: without a configuration"),
    (["--upgrade", "--check", "--config=x"], "--upgrade: --check is given as well"),
    (["--upgrade", "--socket-path=/x", "--blk-file=/y"], "--upgrade: without a configuration"),
))
def test_wrong_usage(straitd, arguments, words):  # noqa: F811
    result = run(straitd, *arguments)
    assert result.returncode == 2 and words in result.stderr


PHASES = {"WELCOME": WELCOME, "PREPARED": PREPARED, "TAKE": TAKE, "STATE": STATE}


@pytest.mark.parametrize("phase", PHASES)
def test_new_one_killed_before_it_has_a_disk(service, bench, workdir, phase):  # noqa: F811
    """Whenever it dies, the old one goes on, and the front ends under load notice nothing."""
    disks = two_disks(workdir)
    started = service(disks)
    loads = start_load(bench, disks)

    def before(kind, relay):
        if kind == PHASES[phase]:
            os.kill(relay.new_pid, signal.SIGKILL)
    with relayed(started, before) as process:
        err = started.finish_upgrade(process, expect=3)
        assert "ended unexpectedly" in err
        started.logs("upgrade called off: ")
    started.upgrade()
    end_load(bench, loads)


@pytest.mark.parametrize("phase", ("STATE of the second", "TAKEN", "FINISH"))
def test_new_one_killed_with_a_disk(service, workdir, phase):
    """The front end of that disk is disconnected, and finds the old one when it comes back. The other's is not."""
    disks = two_disks(workdir)
    started = service(disks)
    seen = []

    def before(kind, relay):
        seen.append(kind)
        if phase == "STATE of the second" and seen.count(STATE) == 2 or \
                phase == "TAKEN" and TAKEN in seen or phase == "FINISH" and FINISH in seen:
            os.kill(relay.new_pid, signal.SIGKILL)
    with Disk(disks[0]["socket"]) as first, Disk(disks[1]["socket"]) as second:
        with relayed(started, before) as process:
            started.finish_upgrade(process, expect=3)
            if phase != "FINISH":
                started.logs("upgrade called off")
                assert second.write(0, b"x" * 512) == OK
                assert first.sock.recv(1) == b""
        if phase != "FINISH":
            with Disk(disks[0]["socket"]) as again:
                assert again.write(0, b"x" * 512) == OK
            started.upgrade()
            assert second.write(0, b"x" * 512) == OK


@pytest.mark.parametrize("phase", ("WELCOME", "PREPARED"))
def test_old_one_killed_before_anything_changed_over(service, workdir, phase):
    """There is nothing to take over: the new one says so."""
    disks = two_disks(workdir)
    started = service(disks)

    def before(kind, relay):
        if kind == PHASES[phase]:
            os.kill(started.pid, signal.SIGKILL)
            return False
    with relayed(started, before) as process:
        assert "the running straitd has gone" in started.finish_upgrade(process, expect=1)


@pytest.mark.parametrize("phase", ("TAKE", "STATE", "TAKE of the second", "FINISH", "FAREWELL"))
def test_old_one_killed_while_disks_change_over(service, workdir, phase):
    """The new one serves all disks: those it has without a break, the others to whoever connects again."""
    disks = two_disks(workdir)
    started = service(disks)
    seen = []

    def before(kind, relay):
        seen.append(kind)
        if phase == "TAKE of the second" and seen.count(TAKE) == 2 or phase == "TAKE" and kind == TAKE or \
                phase == "STATE" and kind == STATE or phase == "FINISH" and kind == FINISH or \
                phase == "FAREWELL" and kind == FAREWELL:
            os.kill(started.pid, signal.SIGKILL)
            return False
    with Disk(disks[0]["socket"]) as first, Disk(disks[1]["socket"]) as second:
        assert first.write(0, b"1" * 512) == OK and second.write(0, b"2" * 512) == OK
        with relayed(started, before) as process:
            started.finish_upgrade(process)
            for number, disk in enumerate((first, second)):
                kept = phase in ("FINISH", "FAREWELL") or (phase == "TAKE of the second" and number == 0)
                if kept:
                    assert disk.write(4096, b"x" * 512) == OK
                else:
                    assert disk.sock.recv(1) == b""
                    with Disk(disks[number]["socket"]) as again:
                        assert again.read(0, 512) == (OK, b"12"[number:number + 1] * 512)
    started.stop()


def test_new_one_hangs(service, bench, workdir):  # noqa: F811
    """It is cut off after some seconds. When it wakes up it sees that it is too late, and ends."""
    disks = two_disks(workdir)
    started = service(disks)
    loads = start_load(bench, disks)
    stopped = []

    def before(kind, relay):
        if kind == STATE and not stopped:
            os.kill(relay.new_pid, signal.SIGSTOP)
            stopped.append(relay.new_pid)
    with relayed(started, before) as process:
        started.logs("upgrade called off: the successor said nothing for 5 seconds")
        os.kill(stopped[0], signal.SIGCONT)
        assert "said nothing for 5 seconds" in started.finish_upgrade(process, expect=1)
    started.upgrade()
    end_load(bench, loads)


def test_one_upgrade_at_a_time(service, workdir):
    disks = two_disks(workdir)
    started = service(disks)
    said = []

    def before(kind, relay):
        if kind == TAKE and not said:
            said.append(started.upgrade(expect=1))
    with relayed(started, before) as process:
        started.finish_upgrade(process)
    assert "is under way" in said[0]


def test_front_end_that_comes_meanwhile(service, workdir):
    """While no process takes it in it waits, and then it is served by the new one."""
    disks = two_disks(workdir)
    started = service(disks)
    waiting = []

    def before(kind, relay):
        if kind == STATE and not waiting:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(disks[0]["socket"])
            waiting.append(sock)
    with relayed(started, before) as process:
        started.finish_upgrade(process)
        with Disk(sock=waiting[0]) as disk:
            assert disk.write(0, b"x" * 512) == OK


def test_front_end_that_comes_and_goes_between_trying_and_taking(service, workdir):
    """What was tried beforehand is another session, or none, when the disk changes over."""
    disks = two_disks(workdir)
    started = service(disks)
    later = []
    with Disk(disks[0]["socket"]) as leaves:
        def before(kind, relay):
            if kind != TAKE or later:
                return
            leaves.sock.shutdown(socket.SHUT_RDWR)
            started.logs("front end disconnected")
            later.append(Disk(disks[1]["socket"]))
        with relayed(started, before) as process:
            started.finish_upgrade(process)
            with later[0] as disk, Disk(disks[0]["socket"]) as again:
                assert disk.write(0, b"x" * 512) == OK
                assert again.write(0, b"x" * 512) == OK


def test_requests_under_way_are_waited_for(service, workdir):
    """A request of half a second is done by the old one, and its answer comes."""
    disk_keys = {"name": "slow", "socket": os.path.join(workdir, "slow.sock"), "null": "1MiB",
                 "delay": {"mean-us": 500000}}
    started = service([disk_keys])
    with Disk(disk_keys["socket"]) as disk:
        disk.submit(1, 0, out=b"w" * 512)
        time.sleep(0.1)
        started.upgrade()
        assert disk.wait() == OK
        assert disk.write(512, b"w" * 512) == OK


def test_sigterm_during_an_upgrade(service, workdir):
    """The old one is told to stop in the middle: it does, and the new one ends, too."""
    disks = two_disks(workdir)
    started = service(disks)
    done = []

    def before(kind, relay):
        if kind == TAKE and not done:
            done.append(started.first.stop())
    with relayed(started, before) as process:
        assert "told to stop" in started.finish_upgrade(process, expect=1)
    assert done == [0]


def test_systemd_hears_of_the_new_process(service, workdir):
    heard = Notifications(os.path.join(workdir, "notify"))
    disks = two_disks(workdir)
    started = service(disks, environment={"NOTIFY_SOCKET": heard.path, "WATCHDOG_USEC": "300000"})
    heard.listen(lambda lines: "READY=1" in lines, "READY=1")
    for _ in range(2):
        old = started.pid
        started.upgrade()
        heard.listen(lambda lines: f"MAINPID={started.pid}" in lines, "MAINPID=")
        started.ended(old)
        heard._drain()
        after = heard.heard[heard.heard.index(f"MAINPID={started.pid}"):]
        # First it is made known, then it is ready, in the order in which systemd reads it.
        heard.listen(lambda lines: "READY=1" in lines[lines.index(f"MAINPID={started.pid}"):], f"READY=1 in {after}")
        beats = heard.heard.count("WATCHDOG=1")
        heard.listen(lambda lines: lines.count("WATCHDOG=1") >= beats + 3, "the new one's watchdog")
        assert "STOPPING=1" not in heard.heard
    started.stop()
    heard.listen(lambda lines: "STOPPING=1" in lines, "STOPPING=1")


def test_nothing_of_the_caller_is_kept(service, workdir):
    """Whoever called straitd --upgrade gets its standard output and error to the end, and may go."""
    disks = two_disks(workdir)
    started = service(disks)
    started.upgrade()  # communicate() waits until both pipes are closed
    assert alive(started.pid)
    for number, target in ((0, "/dev/null"), (1, "/dev/null"), (2, started.first.log_path)):
        assert os.readlink(f"/proc/{started.pid}/fd/{number}") == target
    with open(f"/proc/{started.pid}/stat", encoding="utf-8") as stat:
        session = int(stat.read().rsplit(")", 1)[1].split()[3])
    assert session != os.getsid(0)


def test_strangers_are_refused(service, straitd, workdir):  # noqa: F811
    """Another user may reach the socket and is told that he is not meant."""
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    disks = two_disks(workdir)
    started = service(disks)
    os.chmod(workdir, 0o755)
    os.chmod(started.socket, 0o777)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(started.socket)
            os.write(write_end, sock.recv(4096))
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    assert b"user 65534 is on the other side, expected root or user 0" in said
    started.upgrade()


def test_garbage_on_the_upgrade_socket(service, workdir):
    """Whatever is said there, disks are served on and the next upgrade works."""
    disks = two_disks(workdir)
    started = service(disks)
    hello = greeting()
    for parcels in ([b"x"], [b"\0" * 4], [greeting(VERSION + 1)], [hello, b"\x04\0\0\0\xff\xff\xff\xff"],
                    [hello, b"\x06\0\0\0\x02\0\0\0"], [hello, b"\x09\0\0\0" + b"\xff" * 16],
                    [hello, b"\x0b\0\0\0" + bytes(4)], [hello, b"\xff" * 30000], [hello, bytes(40000)],
                    [hello, b"\x02\0\0\0goodbye\n\x1b[31m"], [hello, b"\x09\0\0\0" + bytes(16), b"\x09\0\0\0" + bytes(16)]):
        called_off = started.log().count("called off")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(started.socket)
            for parcel in parcels:
                sock.send(parcel)
            wait_for(lambda: started.log().count("called off") > called_off, f"{parcels[-1][:12]} to be refused")
    with Disk(disks[0]["socket"]) as disk:
        assert disk.write(0, b"x" * 512) == OK
        started.upgrade()
        assert disk.write(0, b"x" * 512) == OK
    assert "\x1b" not in started.log()
