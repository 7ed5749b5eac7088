# SPDX-License-Identifier: Apache-2.0
"""A straitd that is changed while it runs, by JSON-RPC with descriptors, as tools do it."""

import contextlib
import os
import socket

import pytest
from daemon import Straitd, make_image, straitd, write_config  # noqa: F401
from rpc import connect

MIB = 1 << 20


class Site:
    """A daemon with one disk, "first"; more come and go. sandbox "on": they come as descriptors."""

    def __init__(self, program, workdir, sandbox, **keys):
        self.program, self.workdir, self.sandbox, self.keys = program, workdir, sandbox, keys
        self.rpc_path = os.path.join(workdir, "rpc.sock")
        self.config = write_config(workdir, [self.disk("first")], **{"rpc-socket": self.rpc_path, "sandbox": sandbox,
                                                                    **keys})
        self.start()

    def start(self, config=None):
        self.daemon = Straitd(self.program, "--config", config or self.config, directory=self.workdir)
        self.daemon.serves(self.rpc_path)
        self.rpc = connect(self.rpc_path)

    def path(self, name):
        return os.path.join(self.workdir, name)

    def disk(self, name, size=16 * MIB, **keys):
        """Keys of a disk with a new image."""
        if "null" in keys:
            return {"name": name, "socket": self.path(name + ".sock"), **keys}
        return {"name": name, "socket": self.path(name + ".sock"), "file": make_image(self.workdir, name + ".img", size),
                "cache": "writeback", "queues": 2, **keys}

    @contextlib.contextmanager
    def descriptors(self, disk, flags=None):
        """What the daemon is given of a disk: its image and socket, where it cannot open them."""
        fds, listener = [], None
        if self.sandbox == "on":
            if "file" in disk:
                default = os.O_RDONLY if disk.get("read-only") else os.O_RDWR
                fds.append(os.open(disk["file"], default if flags is None else flags))
            listener = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(disk["socket"])
            listener.bind(disk["socket"])
            listener.listen()
            fds.append(listener.fileno())
        try:
            yield fds
        finally:
            if listener:
                listener.close()
            for fd in fds[:-1]:
                os.close(fd)

    def add(self, disk):
        with self.descriptors(disk) as fds:
            return self.rpc.call("disk.add", fds=fds, disk=disk)

    def names(self):
        return [disk["name"] for disk in self.rpc.call("disk.list")["disks"]]

    def get(self, name):
        return self.rpc.call("disk.get", name=name)


@pytest.fixture(params=["off", "on"])
def sandbox(request):
    return request.param


@pytest.fixture
def site(straitd, workdir, sandbox):  # noqa: F811
    """site(**keys): a Site, with the sandbox off and on in turn. At the end it stops, cleanly."""
    with contextlib.ExitStack() as stack:
        def start(**keys):
            started = Site(straitd, workdir, sandbox, **keys)

            def end():
                if started.daemon.process.poll() is None:
                    assert started.daemon.stop() == 0, started.daemon.log()
                assert "sandbox: system call" not in started.daemon.log(), started.daemon.log()
            stack.callback(started.daemon.__exit__, ValueError, None, None)
            stack.callback(end)
            return started
        yield start
