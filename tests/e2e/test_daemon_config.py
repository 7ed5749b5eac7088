# SPDX-License-Identifier: Apache-2.0
"""What runs, as configuration: strait config, and what a straitd started with its file is like."""

import json
import os
import signal
import subprocess

import pytest
from daemon import make_image, straitd, wait_for  # noqa: F401
from driver import Disk
from frontend import bench  # noqa: F401
from rpc import RpcError
from runtime import MIB, sandbox, site  # noqa: F401


@pytest.fixture
def strait(build_dir):
    """strait(where, *arguments, expect=0): "strait config" talking to a Site; its standard output and error."""
    program = os.path.join(build_dir, "cmd", "strait", "strait")

    def run(where, *arguments, expect=0):
        result = subprocess.run([program, "config", *arguments, "--socket", where.rpc_path], capture_output=True, text=True,
                                timeout=60)
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout, result.stderr
    return run


def write(where, text, name="changed.yaml"):
    with open(where.path(name), "w", encoding="utf-8") as file:
        file.write(text)
    return where.path(name)


def running(where):
    return where.rpc.call("config.get")["config"]


def change_everything(where):
    """A Site that is not as its file any more."""
    where.add(where.disk("second", qos={"iops": 5000, "group": "tenant"}, **{"memory-max": "512 MiB"}))
    where.add(where.disk("null", null="1GiB"))
    where.rpc.call("disk.resize", name="null", size=3 << 30)
    where.rpc.call("disk.set", name="first", set={"cache": "unsafe", "coalesce-us": 50})
    where.rpc.call("daemon.set", workers=2, **{"poll-max-us": 7, "log-level": "debug"})
    where.rpc.call("group.set", name="tenant", set={"bps": "10m"})


def test_save_and_start_again(site, strait):  # noqa: F811
    where = site(**{"workers-max": 2, "groups": [{"name": "tenant", "iops": 1000}]})
    os.chmod(where.config, 0o640)
    change_everything(where)
    out, _ = strait(where, "diff", expect=1)
    assert "+ disk" not in out and "- disk second" in out and "- disk null" in out and "disk first\n" in out, out
    before = running(where)
    strait(where, "save")
    assert os.stat(where.config).st_mode & 0o7777 == 0o640
    assert strait(where, "diff") == ("", "")
    text, _ = strait(where, "show")
    with open(where.config, encoding="utf-8") as file:
        assert file.read() == text
    assert "memory-max: 512 MiB" in text and "null: 3GiB" in text and "bps: 10m" in text, text
    assert json.loads(strait(where, "show", "--json")[0]) == before
    # It survives the worst, and comes up as it was.
    where.daemon.kill()
    where.start()
    assert running(where) == before
    assert where.names() == ["first", "second", "null"]
    assert where.get("null")["size"] == 3 << 30 and where.get("first")["cache"] == "unsafe"
    assert where.rpc.call("daemon.get")["workers"] == 2
    assert strait(where, "diff") == ("", "")


def test_reload_changes_what_is_different(site, strait, bench):  # noqa: F811
    where = site(**{"workers-max": 2})
    stays, goes = where.disk("stays"), where.disk("goes")
    where.add(stays)
    where.add(goes)
    process = bench.running(stays["socket"], "--rw=randrw", "--verify", "--size=8m", "--time=60s", "--depth=4")
    tree = running(where)
    disks = {disk["name"]: disk for disk in tree["disks"]}
    # Written otherwise, and the same.
    disks["stays"].update({"memory-max": "1024GiB", "discard": True, "queue-size-max": "1024"})
    path = write(where, json.dumps({**tree, "disks": list(disks.values())}))
    assert strait(where, "diff", path) == ("", "")
    disks["stays"]["coalesce-us"] = 0
    disks["first"]["queues"] = 5
    disks["new"] = where.disk("new")
    del disks["goes"]
    path = write(where, json.dumps({**tree, "workers": 2, "disks": list(disks.values())}))
    out, _ = strait(where, "diff", path, expect=1)
    assert "+ workers: 2" in out and "disk first (to be removed and added again)" in out and "+ disk new" in out \
        and "- disk goes" in out and "+ coalesce-us: 0" in out and "memory-max" not in out, out
    strait(where, "reload", path)
    assert sorted(where.names()) == ["first", "new", "stays"]
    assert where.get("first")["queues"] == 5 and where.get("stays")["state"] == "connected"
    assert strait(where, "diff", path) == ("", "")
    assert "daemon.set" in where.daemon.log() and "disk.remove" in where.daemon.log()
    for disk in ("first", "new"):
        assert bench.run(disks[disk]["socket"], "--io-count=100").errors() == 0
    process.terminate()
    result = bench.finish(process, expect=None)
    assert result.errors() == 0 and result.bad_sectors() == {} and result.checked() > 0


def test_reload_by_one_call(site):  # noqa: F811
    where = site(**{"workers-max": 2, "groups": [{"name": "old"}]})
    where.add(where.disk("goes"))
    tree = running(where)
    disks = {disk["name"]: disk for disk in tree["disks"]}
    first, new = {**disks["first"], "coalesce-us": 3, "qos": {"group": "young"}}, where.disk("new")
    file = {**tree, "workers": 2, "groups": [{"name": "young", "iops": 77}], "disks": [first, new]}
    if where.sandbox == "on":
        # It opens nothing, and says so before anything is changed.
        with pytest.raises(RpcError, match="disk new would have to be added.*nothing was changed"):
            where.rpc.call("config.reload", text=json.dumps(file))
        assert running(where) == tree
    result = where.rpc.call("config.reload", text=json.dumps(file), add=where.sandbox == "off")
    assert [disk["name"] for disk in result["added"]] == ["new"] and result["removed"] == ["goes"]
    assert where.names() == (["first", "new"] if where.sandbox == "off" else ["first"])
    assert where.get("first")["group"] == "young" and where.rpc.call("daemon.get")["workers"] == 2
    left = where.rpc.call("config.diff", text=json.dumps(file))
    assert left["same"] == (where.sandbox == "off") and left["groups"] == {"changed": [], "removed": []}, left
    log = where.daemon.log()
    assert 'disk.remove {"name":"goes"' in log and "config.reload" in log and "iops\\" not in log, log
    # A step that fails although nothing was to be seen: those before it have been taken, and it says where it stopped.
    if where.sandbox == "off":
        lost = {**where.disk("lost"), "file": where.path("absent")}
        with pytest.raises(RpcError, match="step 2 of 2, the rest was not changed.*absent"):
            where.rpc.call("config.reload", text=json.dumps({**file, "workers": 1, "disks": [first, new, lost]}))
        assert where.rpc.call("daemon.get")["workers"] == 1 and "lost" not in where.names()


def test_reload_groups_in_any_order(site, strait):  # noqa: F811
    where = site(groups=[{"name": "stays"}])
    path = write(where, json.dumps({**running(where), "groups": [
        {"name": "inner", "parent": "middle"}, {"name": "middle", "parent": "outer"}, {"name": "outer", "iops": 9},
        {"name": "stays", "parent": "inner"}]}))
    strait(where, "reload", path)
    assert strait(where, "diff", path) == ("", "")
    # They go from the inside out, and who is around whom can be turned around.
    path = write(where, json.dumps({**running(where), "groups": [{"name": "middle", "parent": "stays"}, {"name": "stays"}]}))
    strait(where, "reload", path)
    assert strait(where, "diff", path) == ("", "")
    assert [(g["name"], g["parent"]) for g in where.rpc.call("group.list")["groups"]] \
        == [("stays", None), ("middle", "stays")]
    del (tree := running(where))["groups"]
    path = write(where, json.dumps(tree))
    strait(where, "reload", path)
    assert where.rpc.call("group.list") == {"groups": []} and strait(where, "diff", path) == ("", "")


def test_sockets_are_as_the_root_says(site, strait, build_dir):  # noqa: F811
    where = site(**{"socket-mode": 622})
    tree = running(where)
    ours = {**where.disk("ours", null="1MiB"), "socket-mode": "0644"}
    path = write(where, json.dumps({**tree, "disks": [*tree["disks"], where.disk("theirs", null="1MiB"), ours]}))
    strait(where, "reload", path)
    subprocess.run([os.path.join(build_dir, "cmd", "strait", "strait"), "disk", "add", "more", "--null=1MiB",
                    "--socket", where.path("more.sock"), "--rpc-socket", where.rpc_path], check=True, timeout=60)
    modes = [os.stat(where.path(name + ".sock")).st_mode & 0o777 for name in ("first", "theirs", "ours", "more")]
    assert modes == [0o622, 0o622, 0o644, 0o622]


def test_names_may_be_numbers(site, strait):  # noqa: F811
    where = site(groups=[{"name": 7}])
    where.rpc.call("group.set", name="8", set={"iops": 5})
    with open(where.config, encoding="utf-8") as file:
        tree = json.load(file)
    new = {"name": 12, "socket": where.path("12.sock"), "null": 1 << 20, "socket-mode": 660, "qos": {"group": 7}}
    path = write(where, json.dumps({**tree, "disks": [*tree["disks"], new]}))
    strait(where, "reload", path)
    assert where.names() == ["first", "12"] and where.get("12")["group"] == "7"
    assert os.stat(new["socket"]).st_mode & 0o777 == 0o660
    assert strait(where, "diff", path) == ("", "")
    assert [group["name"] for group in where.rpc.call("group.list")["groups"]] == ["7"]
    # The group goes, and the disk stays.
    del new["qos"], tree["groups"]
    path = write(where, json.dumps({**tree, "disks": [*tree["disks"], new]}))
    out, _ = strait(where, "diff", path, expect=1)
    assert "disk 12\n" in out and "- group 7" in out, out
    strait(where, "reload", path)
    assert where.get("12")["group"] is None and strait(where, "diff", path) == ("", "")


def test_a_bad_file_changes_nothing(site, strait):  # noqa: F811
    where = site()
    where.add(where.disk("second"))
    before = running(where)
    good = {**before, "poll-max-us": 99}
    taken = where.path("taken.img")
    make_image(where.workdir, "taken.img")
    new = where.disk("new")

    def expect(words, disks=None, text=None, **keys):
        path = write(where, text or json.dumps({**good, **keys, "disks": before["disks"] if disks is None else disks}))
        _, err = strait(where, "reload", path, expect=1)
        assert words in err, err
        assert running(where) == before
        assert not os.path.exists(where.path("new.sock"))
    expect("changed.yaml:3: poll-max-us: \"x\": expected", text="workers: 1\n\npoll-max-us: x\ndisks: []\n")
    expect("rpc-socket", text="disks: []\n")
    expect("changed.yaml", text="disks: [")
    expect("queues", disks=[*before["disks"], {**new, "queues": 0}])
    expect("absent", disks=[*before["disks"], {**new, "file": where.path("absent")}])
    expect("no/new.sock", disks=[*before["disks"], {**new, "socket": where.path("no/new.sock")}])
    expect("has it already", disks=[*before["disks"], {**new, "file": before["disks"][0]["file"]}])
    # One whose front end is connected cannot go, unless it is to.
    with Disk(before["disks"][1]["socket"]) as guest:
        expect("a front end is connected", disks=before["disks"][:1])
        path = write(where, json.dumps({**good, "disks": before["disks"][:1]}))
        strait(where, "reload", path, "--force")
        assert guest.sock.recv(1) == b""
    assert where.names() == ["first"] and running(where)["poll-max-us"] == 99
    assert os.path.exists(taken)
    strait(where, "check", write(where, "disks: {}\n"), expect=1)
    strait(where, "check", where.config)


def test_where_it_cannot_be_written(site, strait):  # noqa: F811
    where = site()
    os.mkdir(where.path("directory"))
    _, err = strait(where, "save", where.path("directory"), expect=1)
    assert "cannot be replaced: expected a file" in err
    _, err = strait(where, "save", where.path("absent/file"), expect=1)
    assert "cannot be written" in err
    assert [name for name in os.listdir(where.workdir) if name.startswith("directory.")] == []
    _, err = strait(where, "reload", where.path("absent"), expect=1)
    assert "No such file" in err


def test_upgrade_after_changes(site, strait, straitd, bench):  # noqa: F811
    where = site(**{"workers-max": 2, "upgrade-socket": os.path.join("/var/tmp", f"strait-up-{os.getpid()}.sock")})
    change_everything_but_groups = [where.disk("second"), where.disk("third")]
    for disk in change_everything_but_groups:
        where.add(disk)
    where.rpc.call("disk.remove", name="third")
    where.rpc.call("disk.set", name="second", set={"coalesce-us": 7})
    process = bench.running(change_everything_but_groups[0]["socket"], "--rw=randrw", "--verify", "--size=8m", "--time=60s",
                            "--depth=4")
    strait(where, "save")
    before = running(where)
    # One that stands still has to be resumed first.
    where.rpc.call("disk.pause", name="second")
    upgrade = subprocess.run([straitd, "--upgrade", "--config", where.config], capture_output=True, text=True, timeout=60)
    assert upgrade.returncode == 1 and "disk second is paused" in upgrade.stderr, upgrade.stderr
    where.rpc.call("disk.resume", name="second")
    upgrade = subprocess.run([straitd, "--upgrade", "--config", where.config], capture_output=True, text=True, timeout=60)
    assert upgrade.returncode == 0, upgrade.stderr + where.daemon.log()
    successor = int(upgrade.stdout.split()[1])
    try:
        assert where.daemon.ends() == 0
        where.rpc.close()
        where.rpc = None
        from rpc import connect
        where.rpc = connect(where.rpc_path)
        assert running(where) == before and where.get("second")["state"] == "connected"
        where.add(where.disk("fourth"))
        process.terminate()
        result = bench.finish(process, expect=None)
        assert result.errors() == 0 and result.bad_sectors() == {} and result.checked() > 0
    finally:
        os.kill(successor, signal.SIGTERM)
        wait_for(lambda: not os.path.exists(f"/proc/{successor}") or
                 open(f"/proc/{successor}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[0] == "Z", "the end")
