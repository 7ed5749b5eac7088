# SPDX-License-Identifier: Apache-2.0
"""The guests of the lab: QEMU's command lines, started in the lab, with a boot sector for an operating system.

A boot sector runs in a second where a kernel takes a minute in two layers of emulation, and does what tests need: be
idle, be busy, leave the guest all the time, or read its disk for ever."""

import shlex
from dataclasses import dataclass, replace

MODULES = "/usr/lib/x86_64-linux-gnu/qemu"  # where recipe.LAB has them

# Real mode code, at 0x7c00 with the disk's number in dl. It masks interrupts, or has a handler of its own: emulated
# twice, they lead the BIOS astray at times.
MASKED = bytes.fromhex("b0ff e621 e6a1")
IDLE = bytes.fromhex("fa 31c0 8ed8"                 # ds = 0
                     "c706 2000 1a7c a32200"        # the timer's handler is below
                     "b0fe e621 b0ff e6a1"          # of the interrupts only the timer's
                     "fb f4 ebfd"                   # sti; hlt; jmp $-1
                     "50 b020 e620 58 cf")          # handler: end of interrupt, iret
BUSY = MASKED + bytes.fromhex("ebfe")               # jmp $
EXITS = MASKED + bytes.fromhex("e680 ebfc")         # out 0x80, al; jmp $-2
READS = MASKED + bytes.fromhex(
                      "31c0 8ed8"                   # ds = 0
                      "be207c"                      # si = the packet below
                      "b442 cd13"                   # read
                      "66 8306287c08"               # its sector += 8
                      "80262a7c0f"                  # below 512 MiB
                      "ebec") + bytes(2) + bytes.fromhex(
                          "1000 0800 0080 0000 0800000000000000")  # 8 sectors to 0:8000


def boot_sector(code):
    assert len(code) <= 510
    return code + bytes(510 - len(code)) + b"\x55\xaa"


@dataclass(frozen=True)
class Pinning:
    """CPUs of the host: one for each vCPU, those of the I/O thread, and those of QEMU's other threads."""
    vcpus: tuple = ("1", "2")
    iothread: str = "3"
    emulator: str = "0"


@dataclass(frozen=True)
class Nested:
    """A guest. As it stands it is one that is done right, on node 0 of the lab, whose CPUs are 0 to 3; faults change a field."""
    name: str = "good"
    code: bytes = READS
    accelerator: str = "kvm"
    cpu: str = "host"
    machine: str = "q35,mem-merge=off"
    smp: str = "2"
    memory: int = 64  # MiB
    backend: tuple = ("memory-backend-memfd", "hugetlb=on,hugetlbsize=2M,prealloc=on,share=on,host-nodes=0,policy=bind")
    overcommit: str = "mem-lock=on"
    iothread: bool = True
    drive: tuple = ("-blockdev", "driver=raw,node-name=disk,file.driver=host_device,file.filename=/dev/nvme0n1,"
                                 "file.aio=native,cache.direct=on,discard=unmap")
    disk: str = "virtio-blk-pci,id=vda,drive=disk,num-queues=2,iothread=io,bootindex=0"
    netdev: str = "tap,id=net,ifname={name},script=no,downscript=no,vhost=on,queues=2"
    nic: str = "virtio-net-pci,id=eth,netdev=net,mq=on,vectors=6,romfile="
    more: tuple = ()
    pinning: Pinning = Pinning()

    def but(self, **changes):
        return replace(self, **changes)

    @property
    def qmp(self):
        return f"/run/{self.name}.qmp"

    def command(self):
        kind, how = self.backend
        # from its beginning where its main loop is to be, as libvirt does it, so that its memory is there, too
        pinned = ["taskset", "-c", self.pinning.emulator] if self.pinning else []
        argv = [*pinned, "env", f"QEMU_MODULE_DIR={MODULES}", "qemu-system-x86_64", "-L", "/usr/share/seabios", "-L", "/usr/share/qemu", "-nodefaults",
                "-no-user-config", "-display", "none", "-name", f"guest={self.name},debug-threads=on",
                "-machine", f"{self.machine},accel={self.accelerator},memory-backend=ram", "-cpu", self.cpu,
                "-smp", self.smp, "-m", f"{self.memory}M",
                "-object", f"{kind},id=ram,size={self.memory}M,{how}".rstrip(","),
                "-qmp", f"unix:{self.qmp},server=on,wait=off", "-pidfile", f"/run/{self.name}.pid", "-daemonize"]
        if self.overcommit:
            argv += ["-overcommit", self.overcommit]
        if self.iothread:
            argv += ["-object", "iothread,id=io"]
        argv += self.drive
        if self.disk:
            argv += ["-device", self.disk]
        if self.netdev:
            argv += ["-netdev", self.netdev.format(name=self.name), "-device", self.nic]
        return argv + list(self.more)


class RunningNested:
    """A guest that runs in the lab, until stop()."""

    def __init__(self, lab, nested):
        self.lab, self.nested = lab, nested
        name = nested.name
        if nested.netdev.startswith("tap"):
            many = " multi_queue" if "queues=" in nested.netdev else ""
            lab.run(f"/bin/ip tuntap add {name} mode tap{many}; ip link set {name} up")
        lab.run(" ".join(shlex.quote(a) for a in nested.command()), timeout=120)
        self.pid = int(lab.run(f"cat /run/{name}.pid"))
        self._pin()

    def _pin(self):
        pinning = self.nested.pinning
        if not pinning:
            return
        vcpus = "\n".join(f'"CPU {n}/"*) cpus={cpus};;' for n, cpus in enumerate(pinning.vcpus))
        self.lab.run(f"""
            for task in /proc/{self.pid}/task/*; do
                case "$(cat $task/comm)" in
                {vcpus}
                "IO io"*) cpus={pinning.iothread};;
                *) cpus={pinning.emulator};;
                esac
                [ -z "$cpus" ] || taskset -pc $cpus ${{task##*/}} >/dev/null
            done
            for task in $(pidof vhost-{self.pid}); do taskset -pc {pinning.emulator} $task >/dev/null; done""")

    def thread(self, word):
        """The id of the first thread whose name begins so."""
        return int(self.lab.run(f'cd /proc/{self.pid}/task; for t in *; do case "$(cat $t/comm)" in '
                                f'"{word}"*) echo $t; break;; esac; done'))

    def stop(self):
        name = self.nested.name
        self.lab.run(f"kill -9 {self.pid} 2>/dev/null; while [ -d /proc/{self.pid} ]; do sleep 0.05; done\n"
                     f"ip link del {name} 2>/dev/null; rm -f /run/{name}.*; true")


def write_boot_sector(lab, device, code):
    text = "".join(f"\\x{byte:02x}" for byte in boot_sector(code))
    lab.run(f"printf '{text}' | dd of={device} bs=512 conv=notrunc,fsync 2>/dev/null")
