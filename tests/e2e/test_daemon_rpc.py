# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC as its users meet it: a real daemon, real sockets, friendly clients and others."""

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

import pytest
from daemon import Straitd, listening, make_image, straitd, write_config  # noqa: F401
from rpc import Rpc, RpcError, connect
from upgrade import Service

MIB = 1 << 20


@pytest.fixture
def rpc_path(workdir):
    return os.path.join(workdir, "rpc.sock")


@pytest.fixture
def serve(straitd, workdir, rpc_path):  # noqa: F811
    """serve(**keys) starts a daemon with an image, a null disk and RPC; the Straitd, to be used with "with"."""
    def start(**keys):
        disks = [{"name": "vm0", "socket": os.path.join(workdir, "vm0.sock"),
                  "file": make_image(workdir, "vm0.img"), "cache": "writeback", "queues": 2},
                 {"name": "vm1", "socket": os.path.join(workdir, "vm1.sock"), "null": "1GiB"}]
        config = write_config(workdir, disks, **{"rpc-socket": rpc_path, "sandbox": "off", **keys})
        return Straitd(straitd, "--config", config, directory=workdir).serves(rpc_path)
    return start


def test_what_there_is(serve, rpc_path, workdir):
    with serve(sandbox="on"), connect(rpc_path) as rpc:
        assert rpc.call("version")["version"]
        disks = rpc.call("disk.list")["disks"]
        assert [disk["name"] for disk in disks] == ["vm0", "vm1"]
        assert disks[0] == rpc.call("disk.get", name="vm0")
        assert disks[0]["size"] == 16 * MIB and disks[0]["file"] == os.path.join(workdir, "vm0.img")
        assert disks[0]["state"] == "serving" and disks[0]["queues"] == 2 and disks[0]["cache"] == "writeback"
        assert disks[1]["size"] == 1024 * MIB and disks[1]["file"] is None
        assert set(rpc.call("schema.get")["methods"]) >= {"version", "schema.get", "disk.list", "disk.get"}


def test_wrong_parameters_are_named(serve, rpc_path):
    with serve(), connect(rpc_path) as rpc:
        for params, field in (({"nane": "vm0"}, "nane"), ({"name": 7}, "name"), ({"name": ""}, "name"), ({}, "name"),
                              ({"name": "x" * 64}, "name"), ({"name": "vm0", "more": [1]}, "more")):
            with pytest.raises(RpcError) as error:
                rpc.call("disk.get", **params)
            assert error.value.code == -32602 and error.value.data["field"] == field, (params, error.value)
            assert error.value.data["expected"]
        with pytest.raises(RpcError, match="vm7.*none of that name") as error:
            rpc.call("disk.get", name="vm7")
        assert error.value.code == -32002 and error.value.data["field"] == "name"


def test_batches_notifications_and_ids(serve, rpc_path):
    def request(**keys):
        return {"jsonrpc": "2.0", **keys}

    with serve(), connect(rpc_path) as rpc:
        rpc.send(json.dumps(request(method="version")).encode() + b"\n")  # a notification has no answer
        rpc.send(json.dumps([request(id="a", method="version"), request(method="disk.list"), 7,
                             request(id=2.5, method="no.such")]).encode() + b"\n")
        answers = rpc.receive()
        assert [answer["id"] for answer in answers] == ["a", None, 2.5]
        assert "result" in answers[0]
        assert [answer["error"]["code"] for answer in answers[1:]] == [-32600, -32601]
        rpc.send(json.dumps([request(method="version")] * 3).encode() + b"\n[]\n" + b"{\n")
        assert rpc.receive()["error"]["code"] == -32600
        assert rpc.receive()["error"]["code"] == -32700
        assert rpc.call("version")


def test_restart_and_end(serve, rpc_path):
    for _ in range(2):
        with serve(sandbox="on") as daemon:
            with Rpc(rpc_path) as rpc:
                assert rpc.call("version")
                assert daemon.stop() == 0
                assert rpc.receive() is None
        assert not os.path.exists(rpc_path)


@pytest.fixture
def strait(build_dir, rpc_path):
    """strait("rpc", "version") runs the tool against the daemon under test; what subprocess.run() gives."""
    program = os.path.join(build_dir, "cmd", "strait", "strait")

    def run(*arguments, **options):
        environment = {**os.environ, "STRAIT_SOCKET": rpc_path}
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, env=environment,
                              **options)
    return run


def test_strait_rpc(serve, strait, rpc_path):
    result = strait("rpc", "version")
    assert result.returncode == 3 and rpc_path in result.stderr and "no straitd listens" in result.stderr
    with serve():
        assert json.loads(strait("rpc", "disk.get", '{"name": "vm0"}').stdout)["name"] == "vm0"
        assert json.loads(strait("rpc", "disk.get", "-", input='{"name": "vm1"}').stdout)["name"] == "vm1"
        result = strait("rpc", "disk.get", '{"name": 7}')
        assert result.returncode == 1 and json.loads(result.stderr)["data"]["field"] == "name"
        for wrong in ([], ["version", "{"], ["version", "[]"], ["a", "{}", "c"], ["--timeout=0", "version"],
                      ["--nonsense", "version"]):
            result = strait("rpc", *wrong)
            assert result.returncode == 2 and "--help" in result.stderr, wrong


@pytest.mark.parametrize("sandbox", ("off", "on"))
def test_strait_disk(serve, strait, workdir, sandbox):
    image = make_image(workdir, "new.img")
    socket = os.path.join(workdir, "new.sock")
    with serve(sandbox=sandbox) as daemon:
        # Relative paths are the caller's.
        result = strait("disk", "add", "vm3", "--file", "new.img", "--socket=new.sock", "--queues=3",
                        "--cache=writeback", "--iops", "2000", cwd=workdir)
        assert result.returncode == 0, result.stderr
        disk = json.loads(strait("disk", "show", "vm3", "--json").stdout)
        assert disk["file"] == image and disk["socket"] == socket and disk["queues"] == 3
        assert listening(socket)
        daemon.logs("disk.add")
        table = strait("disk", "list").stdout.splitlines()
        assert table[0].split()[:2] == ["NAME", "STATE"] and len(table) == 4
        assert "16 MiB" in table[3] and image in table[3]
        assert "16777216 (16 MiB)" in strait("disk", "show", "vm3").stdout
        assert strait("disk", "set", "vm3", "--polling=event").returncode == 0
        assert json.loads(strait("disk", "show", "vm3", "-j").stdout)["polling"] == "event"
        assert strait("disk", "set", "vm3", "--unset=polling").returncode == 0
        assert json.loads(strait("disk", "show", "vm3", "-j").stdout)["polling"] == "adaptive"
        assert strait("disk", "pause", "vm3").returncode == 0
        assert strait("disk", "resume", "vm3").returncode == 0
        assert strait("disk", "resize", "vm3", "32MiB").returncode == 0
        assert json.loads(strait("disk", "show", "vm3", "-j").stdout)["size"] == 32 * MIB
        # What is refused changes nothing and leaves nothing behind, also of other disks in the same command.
        for wrong, word in ((["add", "vm3", "--null=1GiB", "--socket=other.sock"], "vm3"),
                            (["add", "vm4", "--null=1GiB", "--socket=other.sock", "--queues=65"], "queues"),
                            (["add", "vm4", "--file=none.img", "--socket=other.sock"], "none.img"),
                            (["add", "vm4", "--null=1GiB", "--socket=new.sock"], "in use"),
                            (["show", "vm9"], "vm9"), (["remove", "vm9", "vm3"], "vm9")):
            result = strait("disk", *wrong, cwd=workdir)
            assert result.returncode == 1 and word in result.stderr, (wrong, result)
        assert not os.path.exists(os.path.join(workdir, "other.sock"))
        assert not os.path.exists(socket) and len(strait("disk", "list").stdout.splitlines()) == 3
        for wrong in ([], ["list", "vm3"], ["show"], ["set", "vm0"], ["show", "vm0", "--force"], ["lost"],
                      ["list", "--queues=3"], ["set", "vm0", "--read-only=perhaps"], ["set", "vm0", "--more=7"],
                      ["add", "vm4", "--null=1GiB"], ["add", "vm4", "--socket=x.sock"], ["resize", "vm0"]):
            result = strait("disk", *wrong, cwd=workdir)
            assert result.returncode == 2 and "--help" in result.stderr, (wrong, result)
        # What was given for "file" is not read twice: the second disk of the same image is refused by name.
        result = strait("disk", "add", "vm5", "--file=vm0.img", "--cache=writeback", "--socket=other.sock", cwd=workdir)
        assert result.returncode == 1 and "vm0" in result.stderr


def test_strait_group(serve, strait):
    with serve():
        assert strait("group", "list").stdout == "no groups\n"
        assert strait("group", "set", "gold", "--iops=10k", "--weight=200").returncode == 0
        assert strait("group", "set", "silver", "--parent=gold", "--iops=100").returncode == 0
        assert strait("disk", "set", "vm1", "--group=silver", "--iops=50", "--iops-burst=100").returncode == 0
        table = strait("group", "list").stdout.splitlines()
        assert table[0].split()[0] == "NAME" and len(table) == 3
        assert "gold" in table[2] and "vm1" in table[2] and "100" in table[2]
        assert strait("disk", "set", "vm1", "--iops=60", "--unset=iops-burst").returncode == 0
        qos = json.loads(strait("disk", "show", "vm1", "--json").stdout)["qos"]
        assert "iops-burst" not in qos and str(qos["iops"]) == "60", qos
        assert strait("group", "set", "gold", "--unset=weight").returncode == 0
        groups = json.loads(strait("group", "list", "--json").stdout)["groups"]
        assert groups[0]["weight"] == 100 and groups[1]["disks"] == ["vm1"]
        for wrong, word in ((["remove", "silver"], "silver"), (["remove", "lead"], "lead"),
                            (["set", "gold", "--iops=many"], "iops"), (["set", "gold", "--parent=lead"], "lead")):
            result = strait("group", *wrong)
            assert result.returncode == 1 and word in result.stderr, (wrong, result)
        for wrong in ([], ["list", "gold"], ["remove"], ["set"], ["remove", "gold", "--iops=1"], ["drop", "gold"]):
            assert strait("group", *wrong).returncode == 2, wrong
        assert strait("disk", "set", "vm1", "--unset=group").returncode == 0
        assert strait("group", "remove", "silver", "gold").returncode == 0
        assert strait("group", "list").stdout == "no groups\n"


def as_other_user(uid, groups, work):
    """What work() gives in a process of another user, by JSON."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            os.setgroups(groups)
            os.setgid(uid)
            os.setuid(uid)
            os.write(writer, json.dumps(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        text = file.read()
    assert os.waitpid(child, 0)[1] == 0, text
    return json.loads(text)


def code_of(answer):
    return answer["error"]["code"] if "error" in answer else 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become others")
def test_roles(serve, rpc_path, workdir):
    """Who connects is a reader, unless its user or one of its groups says otherwise; most cannot connect at all."""
    os.chmod(workdir, 0o755)
    reader, group = 54321, 54322

    def calls():
        with Rpc(rpc_path) as rpc:
            return [code_of(rpc.ask("disk.list")), code_of(rpc.ask("disk.pause", {"name": "vm1"})),
                    code_of(rpc.ask("disk.resume", {"name": "vm1"})), code_of(rpc.ask("stats.reset", {}))]

    def kept_out():
        try:
            Rpc(rpc_path)
        except PermissionError:
            return True
        return False

    with serve():
        assert os.stat(rpc_path).st_mode & 0o777 == 0o600
        assert calls() == [0, 0, 0, 0]
        assert as_other_user(reader, [], kept_out)
    with serve(**{"rpc-socket-mode": "0666", "rpc-admin-group": str(group)}) as daemon:
        assert as_other_user(reader, [], calls) == [0, -32001, -32001, -32001]
        assert as_other_user(reader, [7, group, 8], calls) == [0, 0, 0, 0]
        assert as_other_user(group, [], calls) == [0, 0, 0, 0]
        line = daemon.logs(f"user {reader}, process")
        assert "disk.pause" in line and "vm1" in line and "rpc-admin-group" in line
        assert "disk.list" not in daemon.log()

        def flood():
            with Rpc(rpc_path) as rpc:
                for _ in range(2000):
                    rpc.ask("disk.pause", {"name": "vm1"})
            return True
        # Nor can one fill the log, whatever it tries; the lines tell how many there were not.
        before = len(daemon.log().splitlines())
        began = time.monotonic()
        assert as_other_user(reader, [], flood)
        assert len(daemon.log().splitlines()) - before <= 4 + 2 * (time.monotonic() - began)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become others")
def test_readers_leave_places_for_admins(serve, rpc_path, workdir):
    os.chmod(workdir, 0o755)

    def crowd():
        """As many connections as one gets."""
        connections = []
        for _ in range(80):
            rpc = Rpc(rpc_path)
            try:
                answer = rpc.ask("version")
            except BrokenPipeError:  # it has hung up already, and said why before
                answer = rpc.receive()
            if "error" in answer:
                assert answer["error"]["code"] == -32011, answer
                break
            connections.append(rpc)
        return len(connections)

    def stay(count):
        """A child of another user that holds that many connections until it is killed."""
        ready, done = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(50000 + count)
                os.setuid(50000 + count)
                held = []
                while len(held) < 16:  # places that others have just left may not be free yet
                    with contextlib.suppress(OSError, AssertionError):
                        rpc = Rpc(rpc_path)
                        if "result" in rpc.ask("version"):
                            held.append(rpc)
                os.write(done, b"16")
                signal.pause()
            finally:
                os._exit(1)
        os.close(done)
        assert select.select([ready], [], [], 30)[0] and os.read(ready, 16) == b"16"
        os.close(ready)
        return child

    with serve(**{"rpc-socket-mode": "0666"}):
        assert as_other_user(54321, [], crowd) == 16
        children = [stay(count) for count in range(3)]
        try:
            assert as_other_user(54321, [], crowd) == 0
            assert crowd() == 16  # admins have what is left
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        with connect(rpc_path) as rpc:
            assert rpc.call("version")


def hostile_clients(path, stop):
    """Threads that do wrong in ways of their own until stop is set; each says how often it was cut off."""
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "schema.get"}).encode() + b"\n"
    pieces = {
        "gigabyte": lambda: itertools.repeat(b'{"a":"' + b"x" * (1 << 20), 1024),
        "nested": lambda: itertools.repeat(b"[" * 100000 + b"\n"),
        "garbage": lambda: itertools.repeat(os.urandom(65536)),
        "flood": lambda: itertools.repeat(call * 100),
        "batches": lambda: itertools.repeat(b"[" + b",".join([call.strip()] * 64) + b"]\n"),
        "members": lambda: itertools.repeat(b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(15000)) + b"}\n"),
    }
    cut_off = dict.fromkeys([*pieces, "slow", "deaf", "crowd"], 0)

    def shout(kind, reads):
        while not stop.is_set():
            try:
                with Rpc(path, timeout=1) as rpc:
                    for piece in pieces[kind]():
                        rpc.socket.sendall(piece)
                        if reads:
                            rpc.socket.setblocking(False)
                            with contextlib.suppress(BlockingIOError):
                                while rpc.socket.recv(1 << 20):
                                    pass
                            rpc.socket.settimeout(1)
                        if stop.is_set():
                            return
            except OSError:
                cut_off[kind] += 1

    def crawl():
        while not stop.is_set():
            with contextlib.suppress(OSError), Rpc(path) as rpc:
                while not stop.wait(0.2):
                    rpc.socket.sendall(b"{")
            cut_off["slow"] += 1

    def ignore():
        while not stop.is_set():
            with contextlib.suppress(OSError), Rpc(path) as rpc:
                rpc.socket.sendall(call * 50)
                while not stop.wait(0.2):
                    rpc.socket.send(b"", socket.MSG_NOSIGNAL)
                    if rpc.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or hung_up(rpc.socket):
                        break
            cut_off["deaf"] += 1

    def hung_up(sock):
        poll = select.poll()
        poll.register(sock, 0)
        return bool(poll.poll(0))

    def come_and_go():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                connections = [Rpc(path, timeout=1) for _ in range(70)]
                cut_off["crowd"] += 1
                for rpc in connections:
                    rpc.close()
            time.sleep(0.01)

    threads = [threading.Thread(target=shout, args=(kind, reads)) for kind in pieces for reads in (False, True)]
    threads += [threading.Thread(target=work) for work in (crawl, ignore, come_and_go)]
    for thread in threads:
        thread.start()
    return threads, cut_off


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def test_hostile_clients_harm_nobody(serve, rpc_path, workdir, build_dir):
    """Under load, with every kind of bad client there is: no error, the load goes on, memory stays bounded, and a
    disk can be connected to and shown all the while."""
    bench = os.path.join(build_dir, "cmd", "strait", "strait")
    with serve(sandbox="on") as daemon:
        load = subprocess.Popen([bench, "bench", "--time=20", "--rw=randrw", "--verify", "--json", "--no-progress",
                                 os.path.join(workdir, "vm0.sock")], stdout=subprocess.PIPE, text=True)
        stop = threading.Event()
        threads, cut_off = hostile_clients(rpc_path, stop)
        try:
            most = 0
            seen = 0
            while load.poll() is None:
                most = max(most, resident(daemon.pid))
                # Another front end comes and goes: the control thread has time for it.
                run = subprocess.run([bench, "bench", "--time=0.2", "--json", "--no-progress",
                                      os.path.join(workdir, "vm1.sock")], capture_output=True, text=True, timeout=60)
                assert run.returncode == 0, run.stderr
                with contextlib.suppress(RpcError, OSError, AssertionError), Rpc(rpc_path) as rpc:
                    seen += rpc.call("disk.get", name="vm0")["state"] == "connected"
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            load.kill()
        assert load.returncode == 0, load.stdout.read()
        result = json.loads(load.stdout.read())
        assert result, result
        # Each is cut off; the deaf and the slow when they have had their ten seconds.
        for kind in ("gigabyte", "slow", "deaf"):
            assert cut_off[kind] > 0, cut_off
        assert most < 512 * MIB, most
        with connect(rpc_path) as rpc:
            assert rpc.call("disk.get", name="vm0")["state"] == "serving"
        assert len(daemon.log().splitlines()) < 200


@pytest.mark.parametrize("sandbox", ("off", "on"))
def test_upgrade_hands_the_socket_over(straitd, strait, workdir, rpc_path, sandbox):  # noqa: F811
    """Who is connected is disconnected, who connects is served, and nobody is turned away in between."""
    disks = [{"name": "vm0", "socket": os.path.join(workdir, "vm0.sock"), "null": "1GiB"}]
    service = Service(straitd, workdir, disks, **{"rpc-socket": rpc_path, "sandbox": sandbox})
    try:
        with connect(rpc_path) as before:
            node = os.stat(rpc_path).st_ino
            assert before.call("disk.list")["disks"]
            first = service.pid
            service.upgrade()
            assert before.receive() is None
        with Rpc(rpc_path) as rpc:
            assert rpc.call("disk.get", name="vm0")["state"] == "serving"
            assert rpc.call("disk.pause", name="vm0")["state"] == "paused"
            assert rpc.call("disk.resume", name="vm0")["state"] == "serving"
        service.ended(first)
        assert os.stat(rpc_path).st_ino == node  # the same socket
        service.upgrade()  # and once more, from one that has it from its predecessor
        assert strait("rpc", "version").returncode == 0
        service.stop()
        assert not os.path.exists(rpc_path)
    finally:
        service.kill()


def test_check_looks_at_rpc(straitd, workdir):  # noqa: F811
    disks = [{"name": "vm0", "socket": os.path.join(workdir, "vm0.sock"), "null": "1GiB"}]
    for keys, words in (({"rpc-socket": "/nowhere/rpc.sock"}, "rpc-socket: "),
                        ({"rpc-admin-group": "nobody-has-it"}, "rpc-admin-group: \"nobody-has-it\""),
                        ({"rpc-socket-group": "nobody-has-it"}, "rpc-socket: ")):
        config = write_config(workdir, disks, **{"rpc-socket": os.path.join(workdir, "rpc.sock"), **keys})
        result = subprocess.run([straitd, "--check", "--config", config], capture_output=True, text=True, timeout=30)
        assert result.returncode == 1 and words in result.stdout + result.stderr, result
