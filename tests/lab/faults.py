# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a host and its guests, put in for real and taken out again."""

from dataclasses import dataclass

from .nested import BUSY, IDLE, READS, Nested, Pinning

NVME = "/sys/bus/pci/devices/0000:41:00.0"
GUEST_HUGEPAGES = "/sys/devices/system/node/node{}/hugepages/hugepages-2048kB/nr_hugepages"
QUEUES = "/sys/bus/pci/drivers/vmxnet3/0000:*"  # an interface of several queues that nobody uses
QUEUE = "/sys/block/nvme0n1/queue"
IMAGES = "/srv"

# What makes the lab a host that nothing is to be said against, before the guest starts
TUNE = f"""
    echo 48 >{GUEST_HUGEPAGES.format(0)}
    echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
    echo 0 >/sys/kernel/mm/ksm/run
    echo 0 >/sys/kernel/mm/ksm/merge_across_nodes
    echo 0 >/proc/sys/kernel/numa_balancing
    echo 10 >/proc/sys/vm/swappiness
    echo 5 >/proc/sys/vm/dirty_background_ratio
    echo 20 >/proc/sys/vm/dirty_ratio
    echo f9 >/sys/devices/virtual/workqueue/cpumask
    echo 0 >{NVME}/sriov_drivers_autoprobe
    mkdir -p {IMAGES}
    mkfs.ext4 -q -F /dev/nvme0n2 && mount /dev/nvme0n2 {IMAGES}
    """

GOOD = Nested()


@dataclass(frozen=True)
class Fault:
    """rules: those that must tell of it; also: those that may, because they follow from it. guest: the guest that has
    it, or the good one. put is run in the lab before the guest starts, started afterwards, undo when it has ended.
    profile: of the audit. reader: the process that reads the guest's disk, if that is not QEMU."""
    name: str
    rules: tuple
    guest: Nested = GOOD
    put: str = ""
    started: str = ""
    undo: str = ""
    profile: str = "database"
    also: tuple = ()
    reader: str = "{pid}"
    property: tuple = ()  # of the lab's QEMU: path, name, value that is wrong, value that was


def _file(name, path, value):
    """A setting: remembered, changed and put back."""
    return {"put": f"cat {path} | sed 's/.*\\[\\(.*\\)\\].*/\\1/' >/run/before.{name}; echo {value} >{path}",
            "undo": f"cat /run/before.{name} >{path}"}


def _drive(text):
    return ("-drive", f"if=none,id=disk,{text}")


def together(*faults):
    """Faults that do not disturb each other: one guest has all of them, and they are looked at at once."""
    changes = {field: value for fault in faults for field, value in vars(fault.guest).items()
               if value != getattr(GOOD, field)}
    return Fault(name="+".join(fault.name for fault in faults), rules=sum((fault.rules for fault in faults), ()),
                 also=sum((fault.also for fault in faults), ()), guest=GOOD.but(**changes),
                 put="\n".join(f"({fault.put}) || exit 1" for fault in faults if fault.put),
                 undo="\n".join(f"({fault.undo}) || exit 1" for fault in faults if fault.undo))


def _unbind(address):
    device = f"/sys/bus/pci/devices/{address}"
    return (f"echo vfio-pci >{device}/driver_override; [ ! -e {device}/driver ] || echo {address} >{device}/driver/unbind\n"
            f"echo {address} >/sys/bus/pci/drivers_probe; readlink {device}/driver | grep -q vfio")


def _rebind(address):
    device = f"/sys/bus/pci/devices/{address}"
    return (f"echo {address} >{device}/driver/unbind; echo >{device}/driver_override\n"
            f"echo {address} >/sys/bus/pci/drivers_probe")


NODE1 = Pinning(vcpus=("5", "6"), iothread="7", emulator="4")
ON_NODE1 = ("memory-backend-memfd", "hugetlb=on,hugetlbsize=2M,prealloc=on,share=on,host-nodes=1,policy=bind")
RAW = "format=raw,file=/dev/nvme0n1"
VFIO = "vfio-pci,id=passed,host={}"

HOST = [
    Fault("scheduler", ("host.block.scheduler",), **_file("scheduler", f"{QUEUE}/scheduler", "mq-deadline")),
    Fault("ksm", ("host.ksm.run",), **_file("ksm", "/sys/kernel/mm/ksm/run", "1")),
    Fault("thp", ("host.thp.enabled",), **_file("thp", "/sys/kernel/mm/transparent_hugepage/enabled", "always")),
    Fault("thp-defrag", ("host.thp.defrag",), **_file("defrag", "/sys/kernel/mm/transparent_hugepage/defrag", "always")),
    Fault("numa-balancing", ("host.numa.balancing",), **_file("balance", "/proc/sys/kernel/numa_balancing", "1")),
    # of a host with swap: without, the kernel has no choice to make
    Fault("swappiness", ("host.memory.swappiness",),
          put=f"""dd if=/dev/zero of={IMAGES}/unused bs=1M count=16 2>/dev/null; chmod 600 {IMAGES}/unused
              mkswap {IMAGES}/unused >/dev/null; swapon {IMAGES}/unused; echo 60 >/proc/sys/vm/swappiness""",
          undo=f"echo 10 >/proc/sys/vm/swappiness; swapoff {IMAGES}/unused; rm {IMAGES}/unused"),
    Fault("dirty-background", ("host.writeback.background",),
          **_file("background", "/proc/sys/vm/dirty_background_ratio", "15")),
    Fault("dirty-limit", ("host.writeback.limit",), **_file("limit", "/proc/sys/vm/dirty_ratio", "60")),
    Fault("clock", ("host.cpu.clocksource",),
          **_file("clock", "/sys/devices/system/clocksource/clocksource0/current_clocksource", "acpi_pm")),
    # each of its queues has a vector, and all of them arrive where the guest's I/O thread is
    Fault("interrupts", ("host.irq.spread",),
          put=f"""cd {QUEUES}/net/* && ip link set ${{PWD##*/}} up && cd {QUEUES}/msi_irqs
              for irq in *; do echo 3 >/proc/irq/$irq/smp_affinity_list; done; [ $(ls | wc -l) -gt 4 ]""",
          undo=f"cd {QUEUES}/net/* && ip link set ${{PWD##*/}} down"),
    Fault("virtual-functions", ("host.sriov.functions",), put=f"echo 4 >{NVME}/sriov_numvfs",
          undo=f"echo 0 >{NVME}/sriov_numvfs"),
]

GUEST = [
    Fault("unpinned", ("guest.cpu.pinned",), GOOD.but(pinning=None), also=("guest.cpu.node", "guest.memory.bound")),
    Fault("split", ("guest.cpu.node",), GOOD.but(pinning=Pinning(vcpus=("2", "5"))),
          also=("guest.memory.place", "guest.memory.bound")),
    Fault("same-cpu", ("guest.cpu.shared",), GOOD.but(pinning=Pinning(vcpus=("2", "2")))),
    Fault("iothread-on-vcpu", ("guest.thread.iothread",), GOOD.but(pinning=Pinning(iothread="1"))),
    Fault("emulator-on-vcpu", ("guest.thread.emulator",), GOOD.but(pinning=Pinning(emulator="2"))),
    Fault("small-pages", ("guest.memory.hugepages",),
          GOOD.but(backend=("memory-backend-ram", "prealloc=on,host-nodes=0,policy=bind")), profile="low-latency"),
    Fault("far-memory", ("guest.memory.place",), GOOD.but(backend=ON_NODE1), also=("guest.memory.bound",),
          put=f"echo 48 >{GUEST_HUGEPAGES.format(1)}", undo=f"echo 0 >{GUEST_HUGEPAGES.format(1)}"),
    Fault("not-preallocated", ("guest.memory.prealloc",),
          GOOD.but(backend=("memory-backend-memfd", "hugetlb=on,hugetlbsize=2M,share=on,host-nodes=0,policy=bind"))),
    Fault("not-bound", ("guest.memory.bound",),
          GOOD.but(backend=("memory-backend-memfd", "hugetlb=on,hugetlbsize=2M,prealloc=on,share=on"))),
    Fault("balloon", ("guest.memory.balloon",), GOOD.but(more=("-device", "virtio-balloon-pci")),
          profile="low-latency"),
    Fault("cpu-model", ("guest.cpu.model",), GOOD.but(cpu="qemu64")),
    Fault("emulated", ("guest.accelerator",), GOOD.but(accelerator="tcg", cpu="max"), also=("guest.cpu.model",)),
    Fault("more-vcpus", ("guest.cpu.count",), GOOD.but(smp="9", pinning=None),
          also=("guest.cpu.pinned", "guest.cpu.node", "guest.disk.queues", "guest.memory.bound")),
    Fault("cache-unsafe", ("guest.disk.cache",), GOOD.but(drive=_drive(f"{RAW},cache=unsafe,discard=unmap")),
          also=("guest.disk.aio",)),
    Fault("cache-writeback", ("guest.disk.cache",), GOOD.but(drive=_drive(f"{RAW},cache=writeback,discard=unmap")),
          also=("guest.disk.aio",)),
    Fault("aio-threads", ("guest.disk.aio",), GOOD.but(drive=_drive(f"{RAW},cache=none,aio=threads,discard=unmap"))),
    Fault("no-iothread", ("guest.disk.iothread",),
          GOOD.but(iothread=False, disk="virtio-blk-pci,id=vda,drive=disk,num-queues=2")),
    Fault("one-queue", ("guest.disk.queues",),
          GOOD.but(disk="virtio-blk-pci,id=vda,drive=disk,num-queues=1,iothread=io,bootindex=0")),
    Fault("ide", ("guest.disk.bus",), GOOD.but(iothread=False, disk="ide-hd,id=vda,drive=disk,bootindex=0")),
    Fault("no-polling", ("guest.iothread.poll",),
          GOOD.but(iothread=False, more=("-object", "iothread,id=io,poll-max-ns=0")), profile="low-latency"),
    Fault("chain", ("guest.image.chain",),
          GOOD.but(drive=_drive(f"format=qcow2,file={IMAGES}/top.qcow2,cache=none,aio=native,discard=unmap")),
          also=("guest.image.format", "guest.image.layers", "guest.image.file-system",
                "guest.image.tables"),
          put=f"""cd {IMAGES}; dd if=/dev/nvme0n1 of=base.raw bs=1M count=8 2>/dev/null
              qemu-img create -q -f qcow2 -b base.raw -F raw one.qcow2
              qemu-img create -q -f qcow2 -b one.qcow2 -F qcow2 two.qcow2
              qemu-img create -q -f qcow2 -b two.qcow2 -F qcow2 top.qcow2""",
          undo=f"rm {IMAGES}/*.qcow2 {IMAGES}/base.raw"),
    Fault("e1000", ("guest.nic.model",), GOOD.but(netdev="tap,id=net,ifname={name},script=no,downscript=no",
                                                 nic="e1000,id=eth,netdev=net,romfile=")),
    Fault("user-network", ("guest.nic.backend",), GOOD.but(netdev="user,id=net,restrict=on",
                                                          nic="virtio-net-pci,id=eth,netdev=net,romfile=")),
    Fault("no-vhost", ("guest.nic.vhost",),
          GOOD.but(netdev="tap,id=net,ifname={name},script=no,downscript=no,vhost=off,queues=2")),
    Fault("one-nic-queue", ("guest.nic.queues",),
          GOOD.but(netdev="tap,id=net,ifname={name},script=no,downscript=no,vhost=on",
                   nic="virtio-net-pci,id=eth,netdev=net,romfile=")),
    Fault("far-function", ("guest.hostdev.near",),
          GOOD.but(backend=ON_NODE1, pinning=NODE1, more=("-device", VFIO.format("0000:41:00.1"))),
          put=f"echo 48 >{GUEST_HUGEPAGES.format(1)}; echo 1 >{NVME}/sriov_numvfs\n" + _unbind("0000:41:00.1"),
          undo=f"echo 0 >{NVME}/sriov_numvfs; echo 0 >{GUEST_HUGEPAGES.format(1)}", also=("guest.disk.near",)),
    Fault("shared-group", ("guest.hostdev.group",), GOOD.but(more=("-device", VFIO.format("0000:01:02.0"))),
          put="echo 0000:01:01.0 >/sys/bus/pci/devices/0000:01:01.0/driver/unbind\n" + _unbind("0000:01:02.0"),
          undo=_rebind("0000:01:02.0") + "\necho 0000:01:01.0 >/sys/bus/pci/drivers_probe",
          also=("guest.hostdev.near", "guest.hostdev.interrupts")),
]

# What can be seen for a minute after it is gone
LINGERING = [
    Fault("swap", ("host.memory.swap",), also=("host.pressure",),
          # swapped out by a limit of a control group's, since the machine has memory enough
          put=f"""dd if=/dev/zero of={IMAGES}/swap bs=1M count=160 2>/dev/null; mkswap {IMAGES}/swap >/dev/null
              chmod 600 {IMAGES}/swap; swapon {IMAGES}/swap
              echo +memory >/sys/fs/cgroup/cgroup.subtree_control; mkdir /sys/fs/cgroup/small
              echo 16M >/sys/fs/cgroup/small/memory.high
              (echo 0 >/sys/fs/cgroup/small/cgroup.procs; dd if=/dev/urandom of=/dev/shm/swapped bs=1M count=120 2>/dev/null)
              awk '/SwapFree/ {{free = $2}} /SwapTotal/ {{total = $2}} END {{exit total - free < 81920}}' /proc/meminfo""",
          undo=f"rm /dev/shm/swapped; rmdir /sys/fs/cgroup/small; swapoff {IMAGES}/swap; rm {IMAGES}/swap"),
]



def _hogs(cpu):
    """Others that want a CPU."""
    return {"put": f"for i in 1 2 3; do taskset -c {cpu} sh -c 'while :; do :; done' & echo $! >>/run/hogs; done",
            "undo": "kill $(cat /run/hogs); rm /run/hogs"}


READING, SPINNING, IDLING = GOOD.but(code=READS), GOOD.but(code=BUSY), GOOD.but(code=IDLE)
SLOW_WRITES = "half=$(($(cat /sys/block/nvme0n1/size) / 2)); dmsetup"
DELAYED = "format=raw,file=/dev/mapper/slow,cache=none,aio=native,discard=unmap"

# What a diagnosis has to put first: rules are its causes here
CAUSES = [
    Fault("starved-iothread", ("threads.iothread",), READING, **_hogs(3)),
    Fault("starved-vcpu", ("threads.vcpu",), SPINNING, **_hogs(1)),
    Fault("cpu-quota", ("threads.quota",), SPINNING,
          put="""echo +cpu >/sys/fs/cgroup/cgroup.subtree_control; mkdir /sys/fs/cgroup/guest
              echo "20000 100000" >/sys/fs/cgroup/guest/cpu.max""",
          started="echo {pid} >/sys/fs/cgroup/guest/cgroup.procs", undo="rmdir /sys/fs/cgroup/guest"),
    Fault("throttled-disk", ("storage.limits",),
          READING.but(drive=_drive(f"{RAW},cache=none,aio=native,discard=unmap,throttling.iops-total=5"))),
    Fault("slow-device", ("storage.slow",), READING.but(drive=_drive(DELAYED)),
          put="""dmsetup create slow --table "0 $(cat /sys/block/nvme0n1/size) delay /dev/nvme0n1 0 300"
              dmsetup mknodes""",
          undo="dmsetup remove slow"),
    Fault("delayed-by-straitd", ("storage.straitd",),
          READING.but(iothread=False, drive=("-chardev", "socket,id=disk,path=/run/delayed.sock"),
                      disk="vhost-user-blk-pci,id=vda,chardev=disk,bootindex=0"),
          put=f"""printf '%s\\n' 'user: root' 'rpc-socket: /run/strait/rpc.sock' 'disks:' '  - name: delayed' \\
                  '    socket: /run/delayed.sock' '    file: /dev/nvme0n1' \\
                  '    delay: {{mean-us: 100000}}' >/run/straitd.yaml
              straitd --config=/run/straitd.yaml >/run/straitd.log 2>&1 & echo $! >/run/straitd.pid
              for i in $(seq 100); do
                  [ -S /run/delayed.sock ] && [ -S /run/strait/rpc.sock ] && exit; sleep 0.1
              done
              cat /run/straitd.log; false""",
          undo="""kill $(cat /run/straitd.pid); while [ -d /proc/$(cat /run/straitd.pid) ]; do sleep 0.1; done
              rm /run/straitd.*""",
          reader="$(cat /run/straitd.pid)"),
    # an image that takes writes faster than it can get rid of them: they stay dirty for 20 s
    Fault("writeback", ("memory.writeback",), IDLING,
          put=f"""{SLOW_WRITES} create late --table "0 $half delay /dev/nvme0n1 $half 0 /dev/nvme0n1 $half 20000"
              dmsetup mknodes
              dd if=/dev/zero of=/dev/mapper/late bs=1M count=300 2>/dev/null &
              for i in $(seq 300); do
                  awk '/^(Dirty|Writeback):/ {{ kib += $2 }} END {{ exit kib < 200000 }}' /proc/meminfo && exit
                  sleep 0.1
              done; grep -E 'Dirty|Writeback' /proc/meminfo; false""",
          # what waits is written without delay when the table changes
          undo=f"""dmsetup suspend late; {SLOW_WRITES} load late --table "0 $half linear /dev/nvme0n1 $half"
              dmsetup resume late; sync; dmsetup remove --retry late"""),
    Fault("worn-nvme", ("device.health",), IDLING,
          property=("/machine/peripheral/nvme0", "smart_critical_warning", 4, 0)),
    # last, since the kernel does not forget what it said
    Fault("kernel-log", ("device.log",), IDLING,
          put="""dmsetup create bad --table "0 8 error"; dmsetup mknodes
              ! dd if=/dev/mapper/bad of=/dev/null bs=4096 count=1 2>/dev/null""",
          undo="dmsetup remove bad"),
]

_by_name = {fault.name: fault for fault in GUEST}
_PARTIES = [("cache-writeback", "one-nic-queue", "cpu-model"), ("cache-unsafe", "no-vhost", "not-bound"),
            ("aio-threads", "user-network", "not-preallocated"), ("one-queue", "e1000", "same-cpu")]
_in_parties = {name for names in _PARTIES for name in names}

ALL = [together(*HOST), *(together(*(_by_name[name] for name in names)) for names in _PARTIES),
       *(fault for fault in GUEST if fault.name not in _in_parties)]
