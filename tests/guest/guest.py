# SPDX-License-Identifier: Apache-2.0
"""A virtual machine: a real QEMU with a real Linux in it."""

import base64
import itertools
import os
import shutil
import signal
import socket
import time

from . import counters, fio
from .channel import Agent, Qmp
from .errors import GuestError, GuestTimeout, tail
from .proc import Process

_MIB = 1 << 20
KERNEL_OPTIONS = ("console=ttyS0 quiet panic=0 mitigations=off cryptomgr.notests random.trust_cpu=on tsc=reliable "
                  "no_timer_check")


def can_use_kvm():
    """Whether guests can be run by KVM. /dev/kvm alone does not tell: it exists on machines whose CPU cannot."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
            flags = next((line for line in f if line.startswith("flags")), "").split()
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return "vmx" in flags or "svm" in flags


class Guest:
    """A guest with `disks`, started on entry to the `with` block and killed on leaving it.

    directory: takes console.log and qemu.log, which errors quote.
    memory, max_memory: MiB; with max_memory, add_memory() can plug more in.
    incoming: do not boot, but wait for another one to migrate here; see migration.migrate()."""

    def __init__(self, image, directory, disks=(), cpus=2, memory=384, max_memory=None, boot_timeout=90,
                 incoming=False):
        self.disks = list(disks)
        self.kvm = can_use_kvm()
        self.console = os.path.join(directory, "console.log")
        self.log = os.path.join(directory, "qemu.log")
        self.boot_timeout = boot_timeout
        self._incoming = incoming
        self._numbers = itertools.count()
        self._broken = None
        self._sockets = []
        self._process = None
        os.makedirs(directory, exist_ok=True)
        ends = {name: socket.socketpair() for name in ("main", "aux", "qmp")}
        self._sockets = [ours for ours, _ in ends.values()]
        try:
            theirs = {name: end.fileno() for name, (_, end) in ends.items()}
            self._process = Process(self._command(image, cpus, memory, max_memory, theirs), self.log,
                                    pass_fds=theirs.values())
            for _, end in ends.values():
                end.close()
            self._agent = Agent(ends["main"][0], self._check)
            self._aux = Agent(ends["aux"][0], self._check)
            self._qmp = Qmp(ends["qmp"][0], self._check)
            self._start()
        except BaseException:
            self.kill()
            raise

    def _command(self, image, cpus, memory, max_memory, fds):
        qemu = shutil.which("qemu-system-x86_64")
        if not qemu:
            raise GuestError("qemu-system-x86_64 is missing: install the package qemu-system-x86")
        size = f"{memory}M" + (f",slots=4,maxmem={max_memory}M" if max_memory else "")
        argv = [qemu, "-name", "strait-guest,debug-threads=on", "-machine", "q35", "-smp", cpus, "-m", size,
                "-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on", "-numa", "node,memdev=ram",
                "-nodefaults", "-no-user-config", "-display", "none", "-serial", f"file:{self.console}",
                "-chardev", f"socket,id=qmp,fd={fds['qmp']}", "-mon", "chardev=qmp,mode=control",
                "-device", "virtio-serial-pci,id=ports"]
        argv += ["-accel", "kvm", "-cpu", "host"] if self.kvm else ["-accel", "tcg,thread=multi", "-cpu", "max"]
        for name in ("main", "aux"):
            argv += ["-chardev", f"socket,id={name},fd={fds[name]}",
                     "-device", f"virtserialport,chardev={name},name=strait.{name}"]
        for index, disk in enumerate(self.disks):
            argv += disk.arguments(index)
        if self._incoming:
            argv += ["-incoming", "defer"]
        return argv + ["-kernel", image.kernel, "-initrd", image.initramfs, "-append", KERNEL_OPTIONS]

    def _start(self):
        began = time.monotonic()
        try:
            self._qmp.start(timeout=30)
        except GuestError as e:
            raise self._explain(e) from None
        if not self._incoming:
            self._wait_agents()
        self.boot_seconds = time.monotonic() - began

    def _wait_agents(self, not_boot=None):
        try:
            self._agent.wait_ready(self.boot_timeout, not_boot)
            self._aux.wait_ready(self.boot_timeout, not_boot)
        except GuestError as e:
            raise self._explain(e) from None

    # Running things

    def run(self, code, timeout=60, check=True):
        """Run shell code. Return its output as text, without the last newline; with check=False (status, output).

        With check, a status other than 0 is a GuestError that shows the output."""
        try:
            status, output = self._agent.run(code, timeout)
        except GuestError as e:
            raise self._explain(e) from None
        text = output.decode("utf-8", "replace").rstrip("\n")
        if not check:
            return status, text
        if status != 0:
            raise GuestError(f"`{code}` in the guest ended with {status}:\n{text[-4000:]}")
        return text

    def start(self, code):
        """Run shell code in the background; the Job's wait() gives its output."""
        job = Job(self, f"/tmp/job{next(self._numbers)}")
        inner = base64.b64encode(code.encode()).decode()
        self.run(f"echo {inner} | base64 -d >{job.path}\n"
                 f"{{ sh {job.path}; echo $? >{job.path}.st; mv {job.path}.st {job.path}.status; }}"
                 f" >{job.path}.out 2>&1 &")
        return job

    def fio(self, device, timeout=120, **options):
        """Run fio on a device, or a list of them, and return its JSON; see fio.command for options."""
        return self.fio_start(device, **options).result(timeout)

    def fio_start(self, device, **options):
        """As fio(), in the background; result(timeout) of what is returned gives the JSON."""
        return fio.FioJob(self, device, options, f"/tmp/fio{next(self._numbers)}.json")

    # Counting

    def irq_count(self, device):
        """Interrupts of a disk since boot: the calls of its back end that arrived."""
        return counters.irq_count(self, device)

    def kick_count(self, device):
        """Notifications the driver of a disk has sent since the first call of this; None if they cannot be counted."""
        return counters.kick_count(self, device)

    def sample(self, device):
        """Everything countable about a disk, taken at one moment; the difference of two is what happened between."""
        return counters.sample(self, device)

    # Changing it

    def qmp(self, command, timeout=20, **arguments):
        """Give QEMU a command; underscores in argument names become hyphens."""
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        try:
            return self._qmp.command(command, arguments, timeout)
        except GuestTimeout as e:
            raise self._explain(e) from None

    def add_memory(self, mebibytes, online="online_movable"):
        """Plug in a pc-dimm and bring its memory online in the guest. Return the number of MiB that came online."""
        number = next(self._numbers)
        before = int(self.run("grep -l offline /sys/devices/system/memory/memory*/state | wc -l"))
        self.qmp("object-add", qom_type="memory-backend-memfd", id=f"mem{number}", size=mebibytes * _MIB, share=True)
        self.qmp("device_add", driver="pc-dimm", id=f"dimm{number}", memdev=f"mem{number}")
        return int(self.run(f"""
            cd /sys/devices/system/memory; block=$((0x$(cat block_size_bytes) / {_MIB})); online=0
            for i in $(seq 100); do
                [ $(grep -l offline memory*/state | wc -l) -ge $(({before} + {mebibytes} / block)) ] && break
                sleep 0.1
            done
            for state in $(grep -l offline memory*/state); do
                echo {online} >$state && online=$((online + block))
            done
            echo $online"""))

    def reboot(self):
        """Reset the machine as its reset button does, and wait until Linux is up again."""
        boot_id = self._agent.boot_id
        self.qmp("system_reset")
        self._wait_agents(not_boot=boot_id)

    def take_over(self, other):
        """The guest that ran in `other` has migrated here: go on with its agents."""
        self._agent.take_over(other._agent)
        self._aux.take_over(other._aux)

    # Ending it

    @property
    def pid(self):
        return self._process.pid

    @property
    def process(self):
        return self._process

    def usable(self):
        """Whether it runs and answers; false after a timeout."""
        return self._process.alive() and not self._broken and "Kernel panic" not in self._read_console()

    def shutdown(self, timeout=30):
        """Switch it off from the inside and check that QEMU left with 0."""
        # not by run(): it has no time to answer
        self._aux.send(b"0 " + base64.b64encode(b"sync; poweroff -f") + b"\n")
        status = self._process.wait(timeout)
        self._close()
        if status != 0:
            raise GuestError(f"QEMU ended with {status}\n{tail(self.log)}")

    def kill(self):
        """SIGKILL QEMU: the guest's power fails. Harmless if it is off already."""
        if self._process:
            self._process.kill()
        self._close()

    def stop_qemu(self):
        """SIGTERM QEMU, which then closes its disks in order."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        self._close()

    def _close(self):
        for sock in self._sockets:
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()

    # Explaining what went wrong

    def _read_console(self):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def _check(self):
        """Called while waiting: say so at once if the wait is in vain."""
        status = self._process.returncode()
        if status is not None:
            raise GuestError(f"QEMU ended with {status}")
        if "Kernel panic" in self._read_console():
            raise GuestError("the guest's kernel panicked")

    def _explain(self, error):
        """The same error with the ends of the logs. A guest that did not answer is asked what it is stuck in."""
        self._broken = str(error)
        if isinstance(error, GuestTimeout) and self._process.alive() and self._agent.boot_id:
            try:
                self._aux.run("dmesg -n 7; echo w >/proc/sysrq-trigger; sleep 0.5", 10)
            except (GuestError, OSError):
                pass
        return type(error)(f"{error}\n  console of the guest ({self.console}):\n{tail(self.console)}\n"
                           f"  QEMU's messages ({self.log}):\n{tail(self.log)}")


class Job:
    """Shell code that runs in the background of a guest."""

    def __init__(self, guest, path):
        self._guest = guest
        self.path = path

    def moved(self, guest):
        """The guest it runs in has migrated."""
        self._guest = guest

    def running(self):
        return self._guest.run(f"test -e {self.path}.status", check=False)[0] != 0

    def wait(self, timeout=60, check=True):
        """Wait for the end; the result is as that of Guest.run()."""
        return self._guest.run(f"""
            while [ ! -e {self.path}.status ]; do sleep 0.1; done
            cat {self.path}.out; exit $(cat {self.path}.status)""", timeout, check)
