# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC as its users meet it: a real daemon, real sockets, friendly clients and others."""

import json
import os
import subprocess

import pytest
from daemon import Straitd, listening, make_image, straitd, write_config  # noqa: F401
from rpc import Rpc, RpcError, connect

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
