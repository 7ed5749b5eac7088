# SPDX-License-Identifier: Apache-2.0
"""The back ends of one run, and runs of them in turns."""

import contextlib
import os

from guest.errors import GuestError

from . import backends
from .loads import Fio, Load, StraitBench

IMAGE_BYTES = 1 << 30
RINGS = ("split", "packed")


class Side:
    """Something that a load can be run against, and what it is called in the report."""

    def __init__(self, name, ring, drive, peer=None):
        self.name, self.ring, self.peer = name, ring, peer
        self._drive = drive

    @property
    def label(self):
        return f"{self.name} {self.ring}".strip()

    def run(self, load):
        return self._drive(load)


class Session:
    """What the steps of a run share. Use as a context manager: at its end everything that was started is gone."""

    def __init__(self, options, directory, memory):
        self.options = options
        self.directory = directory
        cpus = sorted(os.sched_getaffinity(0))
        self.back_cpu, self.front_cpu = cpus[0], cpus[-1]
        self.files = {"direct": os.path.join(directory, "disk.img"), "tmpfs": os.path.join(memory, "disk.img")}
        self.bench = StraitBench(self.program("strait"), self.front_cpu, options.seconds)
        self.fio = Fio(self.back_cpu, options.seconds, directory)
        self.straitd = self.qsd = None
        self.peers = []
        self.why_not = {}  # ring, program or kind of disk: why it cannot be measured
        self._stack = contextlib.ExitStack()

    def program(self, name):
        return os.path.join(self.options.build_dir, "cmd", name, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return self._stack.__exit__(*exc)

    def start(self, kinds):
        """Start straitd and qemu-storage-daemon with these kinds of disks, if any, and look at the peers."""
        self.why_not |= {"fio": backends.missing("fio", "fio"),
                         backends.QSD: backends.missing(backends.QSD, "qemu-system-common")}
        kinds = [kind for kind in kinds if self._create(kind)]
        if not kinds:
            return
        self._daemon, self.straitd = backends.start_straitd(self.options.build_dir, self.directory, self.back_cpu,
                                                            kinds, self.files)
        self._stack.enter_context(self._daemon)
        if not self.why_not[backends.QSD]:
            daemon, self.qsd = backends.start_qsd(self.directory, self.back_cpu, kinds, self.files)
            self._stack.enter_context(daemon)
        self.peers = [backends.Peer(name, sockets) for name, sockets in self.options.peers.items()]
        self._look_for_packed(kinds)

    def stop(self):
        """End straitd as an administrator would; GuestError where it does not end well."""
        if self.straitd:
            self._daemon.stop()

    def _create(self, kind):
        """Write the image of a disk. False, with the reason kept, where that cannot be."""
        if kind == "null":
            return True
        path = self.files[kind]
        try:
            if kind == "direct":
                os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600))
            block = os.urandom(1 << 20)
            with open(path, "wb") as file:
                for _ in range(IMAGE_BYTES >> 20):
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.why_not[kind] = f"{os.path.dirname(path)}: {error.strerror}" + \
                                 (" (O_DIRECT; see --directory)" if kind == "direct" else "")
            return False
        return True

    def _look_for_packed(self, kinds):
        """Whether strait bench and straitd know packed rings."""
        try:
            load = Load(kinds[0], 1, io_count=1)
            self.bench.run(self.straitd.sockets[kinds[0]], load, ring="packed", warm_up=0)
        except GuestError as error:
            self.why_not["packed"] = str(error).rpartition(": ")[2]

    def side(self, back, ring="split"):
        peer = back if isinstance(back, backends.Peer) else None
        return Side(back.name, ring if back is self.straitd else "",
                    lambda load: self.bench.run(back.sockets[load.disk], load, ring), peer)

    def ours(self):
        """straitd by each ring there is."""
        return [self.side(self.straitd, ring) for ring in RINGS if not self.why_not.get(ring)]

    def others(self, kind):
        """qemu-storage-daemon and the peers that have such a disk."""
        return [self.side(back) for back in filter(None, [self.qsd, *self.peers]) if back.has(kind)]

    def fio_side(self):
        return Side("fio io_uring", "", lambda load: self.fio.run(self.files[load.disk], load))

    def run(self, side, load):
        """One run, with peers that burn a CPU out of the way."""
        with contextlib.ExitStack() as stack:
            for peer in self.peers:
                if peer is not side.peer:
                    stack.enter_context(peer.held())
            return side.run(load)

    def rounds(self, sides, load, progress):
        """Every side in each round, the order turned round each time: {side: [Sample, ...]}."""
        samples = {side: [] for side in sides}
        for number in range(self.options.pairs):
            for side in sides if number % 2 == 0 else reversed(sides):
                progress.now(f"{side.label}, round {number + 1} of {self.options.pairs}")
                samples[side].append(self.run(side, load))
        return samples

    def run_seconds(self):
        """How long one run takes."""
        return self.options.seconds + self.bench.warm_up + 0.3
